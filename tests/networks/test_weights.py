from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.networks.weights import WeightCard, card_path, load_card, load_weights, save_weights

CARD = WeightCard(
    name="toy",
    version="1.2",
    description="Numbers for a test: naïve ones.",
    licence="MIT",
    sources=("made up (CC0)", "nothing else"),
    paper="Nobody et al. 2020",
    preprocessing={"size": 64, "mean": [0.5, 0.5, 0.5]},
    scores={"rms_mm": 0.12},
    notes={"names": ["a", "b"], "nested": {"x": None}},
)


def tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "w": base,
        "shared.view": base[1:],  # shares memory with w
        "transposed": base.T,
        "half": torch.tensor([1.5, float("nan")], dtype=torch.float16),
        "index": torch.tensor([[2**40, -1]]),
        "mask": torch.tensor([True, False, True]),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3.0, dtype=torch.float64),
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    save_weights(path, tensors(), CARD)
    return path


def test_round_trip_keeps_every_bit(saved: Path) -> None:
    loaded, card = load_weights(saved)
    expected = tensors()
    assert set(loaded) == set(expected)
    for name, tensor in expected.items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=0, atol=0, equal_nan=True)
    assert len(card.sha256) == 64
    assert card == WeightCard(**{**CARD.__dict__, "sha256": card.sha256})
    assert load_card(saved) == load_card(card_path(saved)) == card


def test_same_input_gives_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "x.safetensors", tmp_path / "b" / "x.safetensors"]
    for path, content in zip(paths, (tensors(), dict(reversed(tensors().items())))):
        save_weights(path, content, CARD)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert card_path(paths[0]).read_bytes() == card_path(paths[1]).read_bytes()
    assert sorted(p.name for p in paths[0].parent.iterdir()) == ["x.json", "x.safetensors"]


def test_loaded_tensors_may_be_changed(saved: Path) -> None:
    loaded, _ = load_weights(saved)
    loaded["w"] += 1
    assert loaded["shared.view"][0, 0] == 4


def test_wrong_hash_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"toy\.safetensors.*SHA-256.*toy\.json"):
        load_weights(saved)


def test_pinned_hash(saved: Path) -> None:
    right = load_card(saved).sha256
    load_weights(saved, sha256=right.upper())
    with pytest.raises(ModelFileError, match=r"the caller says 00"):
        load_weights(saved, sha256="00")


def test_not_safetensors_but_right_hash(saved: Path) -> None:
    import hashlib

    for data in (b"", b"\x80\x04.", b"\xff" * 64, saved.read_bytes()[:-3], saved.read_bytes()[:40]):
        saved.write_bytes(data)
        raw = json.loads(card_path(saved).read_text())
        raw["sha256"] = hashlib.sha256(data).hexdigest()
        card_path(saved).write_text(json.dumps(raw))
        with pytest.raises(ModelFileError, match=r"toy\.safetensors is not a safetensors file"):
            load_weights(saved)


def test_missing_files(saved: Path) -> None:
    card_text = card_path(saved).read_text()
    card_path(saved).unlink()
    with pytest.raises(ModelFileError, match=r"weight card .*toy\.json"):
        load_weights(saved)
    card_path(saved).write_text(card_text)
    saved.unlink()
    with pytest.raises(ModelFileError, match=r"weight file .*toy\.safetensors"):
        load_weights(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema"),
        ({"licence": None}, "lacks: licence"),
        ({"sha256": ""}, "lacks: sha256"),
        ({"surprise": 1}, "unknown fields: surprise"),
        ({"scores": {"a": "good"}}, "'scores'"),
        ({"scores": {"a": True}}, "'scores'"),
        ({"sources": "one"}, "'sources'"),
        ({"name": 3}, "'name'"),
        ({"notes": []}, "'notes'"),
    ],
)
def test_bad_card(saved: Path, change: dict[str, object], message: str) -> None:
    raw = json.loads(card_path(saved).read_text())
    card_path(saved).write_text(json.dumps({**raw, **change}))
    with pytest.raises(ModelFileError, match=message):
        load_weights(saved)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damaged_card_is_one_error(saved: Path, data: st.DataObject) -> None:
    text = card_path(saved).read_bytes()
    cut = data.draw(st.integers(0, len(text) - 6))
    try:
        card_path(saved).write_bytes(text[:cut] + data.draw(st.binary(max_size=3)))
        with pytest.raises(ModelFileError, match=r"toy\.json"):
            load_weights(saved)
    finally:
        card_path(saved).write_bytes(text)


def test_deeply_nested_card(saved: Path) -> None:
    card_path(saved).write_text("[" * 200_000)
    with pytest.raises(ModelFileError, match="not valid JSON"):
        load_weights(saved)


def test_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="safetensors"):
        save_weights(tmp_path / "x.pth", tensors(), CARD)
    with pytest.raises(UsageError, match="no tensors"):
        save_weights(tmp_path / "x.safetensors", {}, CARD)

"""Storage of weights: errors are bounded by the rounding, everything else is exact."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.networks.quantise import pack, unpack
from wholeface.networks.weights import WeightCard, card_path, load_weights, save_weights

CARD = WeightCard("toy", "1", "x", "MIT")


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(6, 4, 3, 3, generator=generator) * torch.logspace(-6, 3, 6).view(-1, 1, 1, 1)
    kernel[2] = 0
    return {
        "kernel": kernel,
        "depthwise": torch.randn(5, 1, 3, 3, generator=generator),
        "bias": torch.randn(6, generator=generator),
        "variance": torch.tensor([1e-9, 2.0, 1e6]),
        "count": torch.tensor(7),
        "mask": torch.tensor([True, False]),
    }


def test_int8_error_is_at_most_half_a_step_of_its_channel_or_smaller_in_the_mean() -> None:
    before = weights()
    stored = pack(before, "int8")
    assert stored["kernel"].dtype == torch.int8
    after = unpack(stored)
    assert set(after) == set(before)
    for name in ("kernel", "depthwise"):
        rows, found = before[name].flatten(1), after[name].flatten(1)
        plain = rows.abs().amax(1, keepdim=True).clamp_min(1e-30) / 127
        simple = (rows / plain).round() * plain
        # At least as good as the scale that just fits the largest weight.
        assert ((found - rows).square().sum(1) <= (simple - rows).square().sum(1) * (1 + 1e-5) + 1e-30).all()
    assert not after["kernel"][2].any()
    for name in ("bias", "variance", "count", "mask"):
        assert torch.equal(after[name], before[name]), name
        assert after[name].dtype == before[name].dtype


def test_integers_below_128_times_a_scale_are_exact() -> None:
    rows = torch.randint(-127, 128, (4, 50), generator=torch.Generator().manual_seed(1)).float()
    rows[:, 0] = 127
    rows *= torch.tensor([1.0, 0.5, 4.0, 2.0**-20])[:, None]
    assert torch.equal(unpack(pack({"w": rows}, "int8"))["w"], rows)


def test_half_precision_keeps_what_does_not_fit() -> None:
    before = weights()
    stored = pack(before, "fp16")
    assert stored["bias"].dtype == stored["depthwise"].dtype == torch.float16
    after = unpack(stored)
    assert torch.equal(after["variance"], before["variance"])
    torch.testing.assert_close(after["depthwise"], before["depthwise"], rtol=2**-11, atol=2**-25)
    assert after["bias"].dtype == torch.float32


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=12),
    st.sampled_from(["fp32", "fp16", "int8"]),
)
def test_nothing_becomes_infinite(values: list[float], storage: str) -> None:
    tensor = torch.tensor(values)
    after = unpack(pack({"w": tensor[None], "b": tensor}, storage))  # type: ignore[arg-type]
    assert all(t.isfinite().all() for t in after.values())
    assert after["w"].shape == tensor[None].shape
    largest = tensor.abs().max()
    least = 2.0**-24  # half precision knows nothing smaller
    assert (after["w"][0] - tensor).abs().max() <= largest * 0.31 + least
    if storage == "fp32":
        assert torch.equal(after["b"], tensor)


def test_files(tmp_path: Path) -> None:
    sizes = {}
    for storage in ("fp32", "fp16", "int8"):
        path = tmp_path / f"{storage}.safetensors"
        big = {"w": torch.randn(64, 256, generator=torch.Generator().manual_seed(2))}
        card = save_weights(path, big, CARD, storage=storage)
        assert card.storage == storage
        found, read = load_weights(path)
        assert read == card
        assert found["w"].dtype == torch.float32
        tolerance = {"fp32": 0.0, "fp16": 2e-3, "int8": 2e-2}[storage]
        assert (found["w"] - big["w"]).abs().max() <= tolerance
        sizes[storage] = path.stat().st_size
    assert sizes["int8"] < 0.55 * sizes["fp16"] < 0.3 * sizes["fp32"]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(UsageError, match="unknown storage 'int4'"):
        save_weights(path, weights(), CARD, storage="int4")  # type: ignore[arg-type]
    save_weights(path, weights(), CARD, storage="int8")
    text = card_path(path).read_text()
    card_path(path).write_text(text.replace('"storage": "int8"', '"storage": "int4"'))
    with pytest.raises(ModelFileError, match="unknown storage 'int4'"):
        load_weights(path)
    stored = pack(weights(), "int8")
    with pytest.raises(ModelFileError, match="kernel: "):
        unpack({**stored, "kernel::scale": torch.ones(2)})
    with pytest.raises(ModelFileError, match="no 8-bit tensor"):
        unpack({"bias": torch.ones(3), "bias::scale": torch.ones(3)})

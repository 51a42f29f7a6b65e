"""Weights between two of one network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.train.mix import main, mix_weights
from wholeface.networks.weights import WeightCard, load_weights, save_weights


def _saved(path: Path, value: float, *, size: int = 3, architecture: str = "Net") -> Path:
    card = WeightCard(
        name="net",
        version=f"1-{value}",
        description="a net",
        licence="MIT",
        architecture=architecture,
        scores={"error": value},
        notes={"steps": 7, "scores_of": "x"},
    )
    save_weights(path, {"a": torch.full((size,), value), "b": torch.arange(size)}, card, storage="fp32")
    return path


def test_numbers_lie_between_and_the_card_tells_of_both(tmp_path: Path) -> None:
    first, second = _saved(tmp_path / "a.safetensors", 1.0), _saved(tmp_path / "b.safetensors", 3.0)
    mix_weights(first, second, tmp_path / "c.safetensors", 0.25)
    tensors, card = load_weights(tmp_path / "c.safetensors")
    torch.testing.assert_close(tensors["a"], torch.full((3,), 1.5))
    assert torch.equal(tensors["b"], torch.arange(3))
    assert (card.version, card.scores) == ("1-3.0", {})
    assert card.notes["steps"] == 7
    assert "scores_of" not in card.notes
    assert card.notes["mixed"]["share"] == 0.25
    assert card.notes["mixed"]["with_sha256"] == load_weights(first)[1].sha256


def test_what_cannot_be_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = _saved(tmp_path / "a.safetensors", 1.0)
    for other in (
        _saved(tmp_path / "b.safetensors", 1.0, size=4),
        _saved(tmp_path / "c.safetensors", 1.0, architecture="Other"),
    ):
        with pytest.raises(UsageError, match="different networks"):
            mix_weights(first, other, tmp_path / "d.safetensors")
    with pytest.raises(UsageError, match="share"):
        mix_weights(first, first, tmp_path / "d.safetensors", 1.5)
    assert main([str(first), str(tmp_path / "none.safetensors"), "-o", str(tmp_path / "d.safetensors")]) == 2
    assert "error:" in capsys.readouterr().err
    assert main([str(first), str(first), "-o", str(tmp_path / "d.safetensors")]) == 0

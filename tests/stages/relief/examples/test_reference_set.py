from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.morphable import MorphableModel
from wholeface.networks.weights import WeightCard, load_weights, save_weights
from wholeface.stages.relief.examples import frame_of, load_references, save_references

CARD = WeightCard("relief_references", "1", "made up", "CC0-1.0", notes={"embedding": "numbers"})


def _relief(shape: tuple[int, int], seed: int) -> np.ndarray:
    relief = np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)
    relief[:3] = np.nan
    return relief


def test_what_is_written_is_read(head: MorphableModel, tmp_path: Path) -> None:
    frame, _ = frame_of(head, 64)
    relief = [_relief(frame.shape, seed) for seed in range(4)]
    relief[2][5, 5] = 99.0
    views = np.arange(8).reshape(4, 2)
    vectors = np.random.default_rng(1).normal(size=(4, 6))
    written = save_references(tmp_path / "r.safetensors", frame, relief, views, vectors, CARD, step=0.02)
    first = (tmp_path / "r.safetensors").read_bytes()
    assert save_references(tmp_path / "r.safetensors", frame, relief, views, vectors, CARD) == written
    assert (tmp_path / "r.safetensors").read_bytes() == first
    found = load_references(tmp_path / "r.safetensors")
    assert len(found) == 4
    assert found.embedding == "numbers"
    for i in range(4):
        again = found.relief(i)
        np.testing.assert_array_equal(np.isnan(again), np.isnan(relief[i]))
        assert np.nanmax(np.abs(again - np.clip(relief[i], -2.54, 2.54))) <= 0.0101
    assert found.relief(2)[5, 5] == pytest.approx(2.54)
    np.testing.assert_array_equal(found.viewpoints, views)
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.embeddings, expected, atol=0.01)
    np.testing.assert_allclose(found.frame.places, frame.places, atol=0.04)  # half floats of 100 mm


def test_what_does_not_fit_is_not_written(head: MorphableModel, tmp_path: Path) -> None:
    frame, _ = frame_of(head, 64)
    one = [_relief(frame.shape, 0)]
    path, views, vectors = tmp_path / "r.safetensors", np.zeros((1, 2)), np.ones((1, 3))
    with pytest.raises(UsageError, match="are no references"):
        save_references(path, frame, [], views[:0], vectors[:0], CARD)
    with pytest.raises(UsageError, match="frame's shape"):
        save_references(path, frame, [one[0][1:]], views, vectors, CARD)
    with pytest.raises(UsageError, match="name of the embedding"):
        save_references(path, frame, one, views, vectors, replace(CARD, notes={}))
    assert not path.exists()


def test_damaged_sets_are_refused(head: MorphableModel, tmp_path: Path) -> None:
    frame, _ = frame_of(head, 64)
    path = tmp_path / "r.safetensors"
    with pytest.raises(ModelFileError, match="make a set from photos"):
        load_references(path)
    save_references(path, frame, [_relief(frame.shape, 0)], np.zeros((1, 2)), np.ones((1, 3)), CARD)
    tensors, card = load_weights(path)
    save_weights(tmp_path / "other.safetensors", {"x": torch.zeros(1)}, card)
    with pytest.raises(ModelFileError, match="lacks embeddings, landmarks"):
        load_references(tmp_path / "other.safetensors")
    save_weights(path, {**tensors, "starts": tensors["starts"] + 1}, card)
    with pytest.raises(ModelFileError, match="do not fit together"):
        load_references(path)
    save_weights(path, {**tensors, "streams": torch.zeros_like(tensors["streams"])}, card)
    with pytest.raises(ModelFileError, match="is damaged"):
        load_references(path).relief(0)
    path.write_bytes(safetensors.torch.save(tensors) + b"x")
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_references(path)

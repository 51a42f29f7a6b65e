"""Targets by shape from shading: which photos may teach, and their store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError
from wholeface.lab.data.relief import ReliefSample
from wholeface.lab.data.relief.surrogates import (
    Surrogate,
    SurrogateStore,
    mirror_correlation,
    write_surrogates,
)
from wholeface.stages.relief import ReliefInput

SIZE = 64


def places() -> np.ndarray:
    """A flat face seen from the front: x to the right, y up, one mm a pixel."""
    place = np.zeros((SIZE, SIZE, 3), np.int8)
    place[..., 0] = np.arange(SIZE) - (SIZE - 1) // 2
    place[..., 1] = (SIZE - 1) // 2 - np.arange(SIZE)[:, None]
    return place


def test_a_symmetric_relief_is_its_own_mirror_and_a_one_sided_one_is_not() -> None:
    place, everywhere = places(), np.ones((SIZE, SIZE), bool)
    across = np.abs(place[..., 0].astype(float))
    assert mirror_correlation(np.sin(across / 3), place, everywhere) == pytest.approx(1, abs=0.01)
    assert mirror_correlation(np.sin(place[..., 0] / 3.0), place, everywhere) == pytest.approx(-1, abs=0.01)
    noise = np.random.default_rng(0).normal(size=(SIZE, SIZE))
    assert abs(mirror_correlation(noise, place, everywhere)) < 0.1


def test_one_half_alone_has_no_mirror() -> None:
    place = places()
    half = place[..., 0] > 4
    assert np.isnan(mirror_correlation(np.ones((SIZE, SIZE)), place, half))
    assert np.isnan(mirror_correlation(np.zeros((SIZE, SIZE)), place, np.ones((SIZE, SIZE), bool)))


def _surrogate(number: int) -> Surrogate:
    rng = np.random.default_rng(number)
    colours = rng.integers(0, 255, (2, SIZE, SIZE, 3)).astype(np.uint8)
    visible = np.full((SIZE, SIZE), 255, np.uint8)
    given = ReliefInput(colours[0], colours[1], places(), places(), visible, places()[..., :2])
    height = rng.normal(0, 0.2, (SIZE, SIZE)).astype(np.float32)
    return Surrogate(ReliefSample(given, height, visible // 2, "shading", f"{number}.jpg"), 0.4, 0.0, 0.1)


def test_a_store_gives_back_what_was_written(tmp_path: Path) -> None:
    made = [_surrogate(n) for n in range(3)]
    assert write_surrogates(tmp_path / "store", made) == 3
    store = SurrogateStore(tmp_path / "store")
    assert (len(store), store.size) == (3, SIZE)
    assert store.subjects == ["0.jpg", "1.jpg", "2.jpg"]
    assert store.sources == ["shading"] * 3
    sample, truth = store[2], made[2].sample
    for name, values in truth.given.maps().items():
        assert (sample.given.maps()[name] == values).all()
    np.testing.assert_allclose(sample.displacement, truth.displacement, atol=1e-3)
    assert (sample.weight == truth.weight).all()
    with pytest.raises(IndexError):
        store[3]


def test_what_is_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"relief\.surrogates"):
        SurrogateStore(tmp_path)
    with pytest.raises(DataError, match="none is left"):
        write_surrogates(tmp_path, [])

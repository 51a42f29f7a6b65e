"""Variation of a relief network's samples: what changes together, and what must not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wholeface.lab.train.transforms.relief import ReliefVariation, mirrored, varied

SIZE = 48
STILL = ReliefVariation(gain=0, tint=0, tilt=0, hidden=0)


def _maps() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8),
        "rendering": rng.integers(40, 200, (SIZE, SIZE, 3), dtype=np.uint8),
        "normals": rng.integers(-127, 128, (SIZE, SIZE, 3), dtype=np.int8),
        "place": rng.integers(-127, 128, (SIZE, SIZE, 3), dtype=np.int8),
        "slopes": rng.integers(-127, 128, (SIZE, SIZE, 2), dtype=np.int8),
        "visible": np.full((SIZE, SIZE), 255, np.uint8),
        "weight": np.full((SIZE, SIZE), 255, np.uint8),
        "displacement": rng.normal(size=(SIZE, SIZE)).astype(np.float32),
    }


def test_a_mirror_turns_vectors_round_and_two_change_nothing() -> None:
    maps = _maps()
    once = mirrored(maps)
    for name in ("normals", "place"):
        np.testing.assert_array_equal(
            once[name][3, 5], maps[name][3, SIZE - 6] * np.array([-1, 1, 1], np.int8)
        )
    np.testing.assert_array_equal(
        once["slopes"][3, 5], maps["slopes"][3, SIZE - 6] * np.array([-1, 1], np.int8)
    )
    for name in ("image", "displacement"):
        np.testing.assert_array_equal(once[name][3, 5], maps[name][3, SIZE - 6])
    for name, values in mirrored(once).items():
        np.testing.assert_array_equal(values, maps[name])


def test_no_variation_is_none() -> None:
    maps = _maps()
    for name, values in varied(maps, np.random.default_rng(1), STILL).items():
        np.testing.assert_array_equal(values, maps[name])


def test_photo_and_rendering_get_the_same_tones() -> None:
    maps = _maps()
    maps["rendering"] = maps["image"]
    out = varied(maps, np.random.default_rng(2), ReliefVariation(gain=0.2, tint=0, tilt=0, hidden=0))
    assert np.abs(out["image"].astype(int) - maps["image"]).mean() > 3
    np.testing.assert_array_equal(out["image"], out["rendering"])
    off = varied(maps, np.random.default_rng(2), ReliefVariation(gain=0, tint=0.1, tilt=0, hidden=0))
    np.testing.assert_array_equal(off["image"], maps["image"])
    assert np.abs(off["rendering"].astype(int) - maps["image"]).mean() > 3


def test_hidden_patches_cover_the_photo_and_count_for_nothing() -> None:
    maps = _maps()
    seen = 0
    for seed in range(8):
        out = varied(maps, np.random.default_rng(seed), ReliefVariation(gain=0, tint=0, tilt=0, hidden=1))
        shown = out["visible"] == 255
        np.testing.assert_array_equal(out["weight"] == 255, shown)
        np.testing.assert_array_equal(out["image"][shown], maps["image"][shown])
        np.testing.assert_array_equal(out["displacement"], maps["displacement"])
        assert (out["image"][~shown] != maps["image"][~shown]).any() or shown.all()
        seen += int((~shown).any() and shown.any())
    assert seen >= 6


def test_the_same_seed_gives_the_same_sample() -> None:
    one, other, third = (varied(_maps(), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not np.array_equal(one["image"], third["image"])

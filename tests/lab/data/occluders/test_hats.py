from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.data import FaceSample
from wholeface.lab.data.compositing.compose import apply_layer
from wholeface.lab.data.occluders.hats import HatSource
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.perceive import OccluderKind, ParsingClass


@pytest.fixture(scope="module")
def samples() -> list[FaceSample]:
    faces = SyntheticFaces(seed=21, size=128)
    return [faces.sample(index) for index in range(8)]


def test_hats_cover_the_crown_and_leave_the_nose_free(samples: list[FaceSample]) -> None:
    names: dict[str, set[str]] = {"train": set(), "held_out": set()}
    for index in range(48):
        sample = samples[index % len(samples)]
        split = "held_out" if index % 6 == 0 else "train"
        rng = np.random.default_rng(index)
        layer = HatSource().layer(sample, rng, split)  # type: ignore[arg-type]
        if layer is None:
            continue
        names[split].add(layer.name)
        assert layer.kind == OccluderKind.HAT
        covered = layer.rgba[..., 3] > 127
        seen = apply_layer(sample, layer, rng)
        assert (seen.parsing[covered] == ParsingClass.HAT).all()
        np.testing.assert_array_equal(seen.occluder == OccluderKind.HAT, covered & sample.face)
        nose = np.rint(sample.landmarks_68[30]).astype(int)
        if ((nose >= 0) & (nose < 128)).all():
            assert not covered[nose[1], nose[0]]
    assert names["held_out"] == {"hat/brimmed"}
    assert len(names["train"]) == 5
    assert not names["train"] & names["held_out"]


def test_the_same_seed_makes_the_same_hat(samples: list[FaceSample]) -> None:
    first, again = (HatSource().layer(samples[0], np.random.default_rng(3), "train") for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.rgba, again.rgba)

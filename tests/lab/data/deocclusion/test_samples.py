"""Composites as face samples: a subject's together, everything moved along when they are resampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data import FaceSample
from wholeface.lab.data.deocclusion import Composites, CompositeSamples, clean_photos
from wholeface.lab.data.deocclusion.__main__ import main
from wholeface.lab.data.deocclusion.samples import resampled
from wholeface.lab.data.stores import SampleStore
from wholeface.perceive import EyewearPart, ParsingClass


def _sample(edge: int) -> FaceSample:
    """A bright square on black, whose corners are the landmarks."""
    image = np.zeros((edge, edge, 3), np.uint8)
    quarter = edge // 4
    image[quarter : 3 * quarter, quarter : 3 * quarter] = 200
    inside = image[..., 0] > 0
    marks = np.full((68, 2), quarter - 0.5, np.float32)
    return FaceSample(
        image=image,
        clean=255 - image,
        parsing=np.where(inside, ParsingClass.SKIN, ParsingClass.BACKGROUND).astype(np.uint8),
        occluder=np.zeros((edge, edge), np.uint8),
        face=inside,
        landmarks_68=marks,
        facing_68=np.ones(68, bool),
        dense=marks[:5] * 2 + 0.5,
        facing_dense=np.ones(5, bool),
        known=frozenset({"parsing", "landmarks"}),
        parameters={n: np.array(v, np.float32) for n, v in {"focal": 100, "cx": 19.5, "cy": 39.5}.items()},
        depth=None,
        normals=None,
        source="square",
        seed=(0,),
        eyewear=np.where(inside, EyewearPart.CLEAR_LENS, EyewearPart.NONE).astype(np.uint8),
    )


@pytest.mark.parametrize("size", [20, 40, 80])
def test_everything_moves_along(size: int) -> None:
    small = resampled(_sample(40), size)
    quarter = size // 4
    inside = np.zeros((size, size), bool)
    inside[quarter : 3 * quarter, quarter : 3 * quarter] = True
    np.testing.assert_array_equal(small.parsing == ParsingClass.SKIN, inside)
    np.testing.assert_array_equal(small.face, inside)
    assert small.eyewear is not None
    np.testing.assert_array_equal(small.eyewear == EyewearPart.CLEAR_LENS, inside)
    deep = slice(quarter + 2, 3 * quarter - 2)
    assert (small.image[deep, deep] == 200).all()
    assert (small.clean[deep, deep] == 55).all()
    # Edges of pixels, at −½ from the centre of the first one inside, stay edges of pixels.
    np.testing.assert_allclose(small.landmarks_68, quarter - 0.5, atol=1e-5)
    np.testing.assert_allclose(small.dense, 2 * quarter - 0.5, atol=1e-5)
    factor = size / 40
    camera = [float(small.parameters[n]) for n in ("focal", "cx", "cy")]
    np.testing.assert_allclose(camera, [100 * factor, 20 * factor - 0.5, 40 * factor - 0.5], atol=1e-4)


def test_geometry_is_refused() -> None:
    with pytest.raises(UsageError, match="depth"):
        resampled(_sample(40).with_(depth=np.zeros((40, 40), np.float32)), 20)
    with pytest.raises(UsageError, match="at least 1"):
        CompositeSamples(Composites([Path("none.jpg")], None), together=0)


class _Told(Composites):
    """Notes which composites are asked for; every third hides nothing, one photo shows no face."""

    asked: list[tuple[int, int]]

    def composite(self, index: int, attempt: int = 0):  # type: ignore[no-untyped-def]
        self.asked.append((index, attempt))
        if index % 3 == 1:
            raise DataError("no face found")
        if attempt == 0 and index == 6:
            return None

        class Found:
            sample, photo = _sample(40), self.photos[index % 3]

        return Found


def test_a_subjects_samples_follow_each_other() -> None:
    composites = _Told([Path(f"{i}.jpg") for i in range(3)], None)
    samples = CompositeSamples(composites, size=20, together=2)
    expected = {
        0: [(0, 0)],  # first photo, its sample 0
        1: [(3, 0)],  # and its sample 1
        2: [(1, 0), (2, 0)],  # no face in the second photo: the third takes its place
        4: [(2, 0)],
        6: [(6, 0), (6, 1)],  # the first photo again, where the first try hides nothing
    }
    for index, asked in expected.items():
        composites.asked = []
        sample = samples[index]
        assert composites.asked == asked
        assert sample.source == str(asked[-1][0] % 3)
        assert sample.seed == (0, *asked[-1])


def test_a_store_of_samples(shared: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(shared / "data"), "-o", str(tmp_path / "store"), "--split", "validation"]
    options = ["--samples", "--spectacles", "--count", "2", "--size", "96", "--seed", "3"]
    assert main([*arguments, *options]) == 0
    store = SampleStore(tmp_path / "store")
    assert len(clean_photos(shared / "data", "validation")) > 1
    assert store.size == 96
    assert set(store.settings["weights"]) == {"glasses", "sunglasses"}
    for row in (store[0], store[1]):
        frame = np.isin(row["eyewear"], (EyewearPart.FRAME, EyewearPart.DARK_LENS))
        assert frame.any()
        assert (row["parsing"][frame] == ParsingClass.EYEGLASSES).all()
        changed = np.abs(row["image"].astype(int) - row["clean"]).max(axis=2)
        assert np.median(changed[frame]) > 4 * max(1, np.median(changed[row["eyewear"] == 0]))
    assert store[0]["source"] == store[1]["source"]


def test_a_refined_subject_is_told_completely(shared: Path) -> None:
    """A teacher who sees the clean photo knows all parameters, those of the pixels included."""
    photos = clean_photos(shared / "data", "train")[:1]
    told = {}
    for refine in (False, True):
        found = Composites(photos, None, seed=3, refine=refine).composite(0)
        assert found is not None
        told[refine] = found.sample.parameters
    for name, shape in (("identity", (112,)), ("expression", (55,)), ("albedo", (80,)), ("light", (9, 3))):
        assert told[True][name].shape == shape
    assert not told[False]["albedo"].any()
    assert told[True]["albedo"].any()

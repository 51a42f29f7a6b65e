"""Hands and eyeglasses laid over photos for verification."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.sets.identity_occluders import PhotoOccluder, photo_sample
from wholeface.lab.bench.systems.own import Shared
from wholeface.lab.data import FaceSample
from wholeface.lab.data.synthetic.faces import SyntheticFaces, SyntheticSettings
from wholeface.perceive import FaceLandmarks


class _Truth:
    """A detector that knows where the points are."""

    def __init__(self, sample: FaceSample | None) -> None:
        self._sample = sample

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        if self._sample is None:
            return ()
        points = self._sample.landmarks_68.astype(np.float64)
        return (
            FaceLandmarks(
                points=points,
                scheme="ibug68",
                box=np.concatenate([points.min(axis=0), points.max(axis=0)]),
                score=1.0,
                visibility=np.ones(68),
                sigma=np.ones(68),
            ),
        )


@pytest.fixture(scope="module")
def frontal() -> FaceSample:
    """A rendered face that looks at the camera, about."""
    faces = SyntheticFaces(seed=1_000_000, size=250, split="test", settings=SyntheticSettings(scale=0.46))
    samples = [faces.sample(i) for i in range(12)]
    return min(samples, key=lambda s: float(np.linalg.norm(s.parameters["rotation"])))


def _box(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Centre and size of what changed."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return (
        (columns.min() + columns.max()) / 2,
        (rows.min() + rows.max()) / 2,
        float(columns.max() - columns.min() + 1),
        float(rows.max() - rows.min() + 1),
    )


def test_hands_are_75_of_250_pixels_anywhere() -> None:
    photo = np.full((250, 250, 3), (150, 110, 90), np.uint8)
    cover = PhotoOccluder("hands", None, 0, Shared())
    boxes = np.array([_box(photo, cover(photo, f"photo {i}")) for i in range(40)])
    larger = boxes[:, 2:].max(axis=1)
    assert 62 < larger.mean() < 80  # the box is 75 on average, the hand in it a little smaller
    assert larger.max() < 130
    for axis in (0, 1):  # anywhere in the image
        assert boxes[:, axis].min() < 70
        assert boxes[:, axis].max() > 180
        assert abs(boxes[:, axis].mean() - 125) < 25
    wide = np.full((500, 1000, 3), 120, np.uint8)
    assert 90 < max(_box(wide, cover(wide, "wide"))[2:]) < 260


def test_the_same_photo_gets_the_same_hand() -> None:
    photo = np.full((120, 120, 3), (150, 110, 90), np.uint8)
    one, again, other_seed = (PhotoOccluder("hands", None, seed, Shared())(photo, "a") for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, again)
    assert (one != other_seed).any()
    assert (one != PhotoOccluder("hands", None, 4, Shared())(photo, "b")).any()
    assert (photo == photo[0, 0]).all()  # the original stays


def test_glasses_sit_on_the_eyes(frontal: FaceSample) -> None:
    eyes = frontal.landmarks_68[36:48].mean(axis=0)
    apart = np.linalg.norm(frontal.landmarks_68[45] - frontal.landmarks_68[36])
    shared = Shared(detector=_Truth(frontal))
    for sample in (frontal, None):  # with the truth of a rendering, and as for a real photo
        worn = PhotoOccluder("glasses", None, 2, shared)(frontal.image, "x", sample)
        assert worn.shape == frontal.image.shape
        strong = np.abs(worn.astype(int) - frontal.image.astype(int)).max(axis=2) > 25
        rows, columns = np.nonzero(strong)
        assert strong.sum() > 60
        assert abs(np.median(columns) - eyes[0]) < 0.4 * apart
        assert abs(np.median(rows) - eyes[1]) < 0.4 * apart


def test_a_photo_as_a_sample(frontal: FaceSample) -> None:
    made = photo_sample(frontal.image[:, :240], Shared(detector=_Truth(frontal)))
    assert made.size == 250
    assert np.linalg.norm(made.landmarks_68 - frontal.landmarks_68, axis=1).mean() < 4
    assert np.linalg.norm(made.dense[:468] - frontal.dense[:468], axis=1).mean() < 8
    assert made.face[int(made.landmarks_68[30, 1]), int(made.landmarks_68[30, 0])]


def test_refusals() -> None:
    with pytest.raises(UsageError, match="choose from hands, glasses"):
        PhotoOccluder("none", None, 0, Shared())
    from pathlib import Path

    with pytest.raises(UsageError, match="nowhere: no such folder"):
        PhotoOccluder("hands", Path("nowhere"), 0, Shared())
    blind = PhotoOccluder("glasses", None, 0, Shared(detector=_Truth(None)))
    with pytest.raises(NoFaceError):
        blind(np.zeros((40, 40, 3), np.uint8), "x")

"""Many photos through one reconstructor: same heads as one by one, and faults stay with their photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import wholeface
from wholeface.perceive import NETWORKS, FaceLandmarks, has_weights, load_detector

pytestmark = pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")


@pytest.fixture(scope="module")
def reconstructor() -> wholeface.Reconstructor:
    return wholeface.Reconstructor(texture_size=64, refine=False)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray | Path]:
    """A face, nothing, a file that is not there, another face."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's example images")
    face = np.ascontiguousarray(data.astronaut()[:256, 96:352])
    return [face, np.full((96, 96, 3), 90, np.uint8), Path("no_such_photo.jpg"), face[:, ::-1].copy()]


def test_a_batch_gives_what_single_photos_give_and_keeps_faults_in_their_place(
    reconstructor: wholeface.Reconstructor, photos: list[np.ndarray | Path]
) -> None:
    found = list(reconstructor.batch(photos, size=3))
    assert [type(result) for result in found] == [list, wholeface.NoFaceError, wholeface.PhotoError, list]
    assert "no_such_photo.jpg" in str(found[2])
    for photo, heads in zip((photos[0], photos[3]), (found[0], found[3])):
        assert isinstance(heads, list)
        alone = reconstructor.all_faces(photo)
        assert len(alone) == len(heads) == 1
        # A batch of crops is summed in another order than one crop, so the last digits may differ.
        np.testing.assert_allclose(heads[0].vertices, alone[0].vertices, atol=1e-4)
        assert np.abs(heads[0].occluder - alone[0].occluder).mean() < 1e-4
        assert (
            set(heads[0].timings_ms) == set(alone[0].timings_ms) >= {"photo", "perceive", "parse", "texture"}
        )


def test_photos_are_read_when_they_are_needed(reconstructor: wholeface.Reconstructor) -> None:
    taken: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            taken.append(len(taken))
            yield np.full((96, 96, 3), 90, np.uint8)

    results = reconstructor.batch(endless(), size=2)
    assert taken == []
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert 2 <= len(taken) <= 12  # no more than are asked for, reconstructed ahead and searched ahead


@pytest.mark.parametrize(
    ("options", "message"), [({"face": 0}, "counted from 1"), ({"size": 0}, "at least one")]
)
def test_senseless_words_are_refused_at_once(
    reconstructor: wholeface.Reconstructor, options: dict[str, int], message: str
) -> None:
    with pytest.raises(wholeface.UsageError, match=message):
        reconstructor.batch([], **options)


def test_photos_of_one_person_share_one_shape(
    reconstructor: wholeface.Reconstructor, photos: list[np.ndarray | Path]
) -> None:
    """Whatever each photo alone would give; faults stay in their place."""
    found = reconstructor.same_person(photos)
    assert [type(result) for result in found[1:3]] == [wholeface.NoFaceError, wholeface.PhotoError]
    first, last = found[0], found[3]
    assert isinstance(first, wholeface.Reconstruction)
    assert isinstance(last, wholeface.Reconstruction)
    np.testing.assert_array_equal(first.parameters.identity, last.parameters.identity)
    alone = [reconstructor(photo).parameters.identity.numpy() for photo in (photos[0], photos[3])]
    assert np.abs(alone[0] - alone[1]).max() > 0.01
    assert np.abs(first.parameters.identity.numpy() - alone[0]).max() > 0.01
    single = reconstructor.same_person([photos[0]])[0]
    assert isinstance(single, wholeface.Reconstruction)
    np.testing.assert_allclose(single.parameters.identity, alone[0], atol=1e-5)
    with pytest.raises(wholeface.UsageError, match="at least one photo"):
        reconstructor.same_person([])


class _Believer:
    """A detector that does not know which of its points are hidden."""

    def detect(self, pixels: np.ndarray) -> list[FaceLandmarks]:
        return [
            FaceLandmarks.from_points(face.as_scheme("ibug68").points, "ibug68")
            for face in load_detector().detect(pixels)
        ]


def test_photos_that_were_fitted_twice_share_the_shape_too(photos: list[np.ndarray | Path]) -> None:
    """Hidden points send one photo of the three through a second fit, alone."""
    face = np.asarray(photos[0])
    covered = face.copy()
    covered[110:190, 90:180] = (70, 120, 60)
    found = wholeface.Reconstructor(texture_size=64, refine=False, detector=_Believer()).same_person(
        [face, np.asarray(photos[3]), covered]
    )
    assert all(isinstance(head, wholeface.Reconstruction) for head in found)
    first, second, third = (head for head in found if isinstance(head, wholeface.Reconstruction))
    assert third.hidden_fraction > first.hidden_fraction + 0.1
    np.testing.assert_array_equal(third.parameters.identity, first.parameters.identity)
    np.testing.assert_array_equal(third.parameters.identity, second.parameters.identity)


def test_what_is_to_be_removed_is_one_of_four_words() -> None:
    with pytest.raises(wholeface.UsageError, match=r"remove='hats': choose from auto, glasses, none, all"):
        wholeface.Reconstructor(remove="hats")  # type: ignore[arg-type]

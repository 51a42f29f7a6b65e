"""What is judged is drawn where the photo shows the face, in its colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wholeface import Reconstruction
from wholeface.core.errors import OutputError
from wholeface.lab.bench.protocols.likeness import pictures as module
from wholeface.lab.bench.protocols.likeness.kept import KeptPictures, source_version
from wholeface.lab.bench.protocols.likeness.pictures import (
    DEOCCLUDED,
    FRONT,
    HEAD,
    INTO_PHOTO,
    MEAN,
    Pictures,
    pictures_of,
)


@pytest.fixture
def plain(plain_head: Callable[..., Reconstruction], monkeypatch: pytest.MonkeyPatch) -> Reconstruction:
    head = plain_head()
    monkeypatch.setattr(
        module, "mean_face_of", lambda model, landmarks, width, height: (head.parameters, head.camera)
    )
    monkeypatch.setattr(module, "with_fitted_light", lambda model, parameters, *rest: parameters)
    return head


def test_the_head_lies_where_the_camera_sees_it(plain: Reconstruction) -> None:
    made = pictures_of(plain)
    photo = plain.photo.pixels
    assert set(made.images) == {HEAD, INTO_PHOTO, FRONT, DEOCCLUDED, MEAN}
    for what in (HEAD, INTO_PHOTO, MEAN, DEOCCLUDED):
        assert made.images[what].shape == photo.shape
    grey, over = made.images[HEAD], made.images[INTO_PHOTO]
    covered = (grey != 166).any(axis=2)
    assert 0.02 < covered.mean() < 0.9
    np.testing.assert_array_equal(over[~covered], photo[~covered])
    inside = covered & ((grey == over).all(axis=2))
    assert inside.sum() > 0.7 * covered.sum()  # all but the rim, which is mixed with what lies behind
    np.testing.assert_array_equal(made.images[DEOCCLUDED], plain.deoccluded)
    assert made.hidden == plain.hidden_fraction


def test_the_gain_of_the_texture_is_no_light(plain: Reconstruction) -> None:
    from dataclasses import replace

    bright = replace(plain.completed, gain=np.full(3, 2.0, np.float32))
    one = pictures_of(plain).images[HEAD]
    other = pictures_of(replace(plain, completed=bright)).images[HEAD]
    covered = (one != 166).any(axis=2) & (one.max(axis=2) < 250)
    assert other[covered].mean() < 0.85 * one[covered].mean()


def test_kept_pictures_depend_on_photo_and_version(tmp_path: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    calls: list[int] = []

    def make() -> Pictures:
        calls.append(1)
        return Pictures({"a": pixels + np.uint8(len(calls))}, np.arange(3.0), 0.5)

    kept = KeptPictures(tmp_path / "new", "one")
    first, again = kept(pixels, make), kept(pixels, make)
    assert len(calls) == 1
    np.testing.assert_array_equal(first.images["a"], again.images["a"])
    np.testing.assert_array_equal(first.identity, again.identity)
    assert again.hidden == 0.5
    KeptPictures(tmp_path / "new", "two")(pixels, make)
    kept(pixels + np.uint8(1), make)
    kept(pixels.reshape(5, 4, 3), make)
    KeptPictures(None)(pixels, make)
    assert len(calls) == 5
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        KeptPictures(tmp_path / "file" / "below", "one")(pixels, make)


def test_the_version_is_the_same_twice() -> None:
    assert source_version() == source_version()
    assert len(source_version()) == 64

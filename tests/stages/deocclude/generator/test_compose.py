"""What was generated, laid into the photo."""

from __future__ import annotations

import numpy as np

from wholeface.core.provenance import Provenance
from wholeface.photo import Similarity
from wholeface.stages import GeneratedFace
from wholeface.stages.deocclude.generator.compose import compose, finer_than_crop

CROP = Similarity(0.5, 0.0, -10.0, -5.0)  # crop pixel u shows photo pixel 2 u + 20


def _generated(crop: Similarity = CROP, size: int = 40) -> GeneratedFace:
    matte = np.zeros((size, size), np.float32)
    matte[10:20, 12:24] = 1
    pixels = np.full((size, size, 3), (200, 100, 50), np.uint8)
    return GeneratedFace(crop, pixels, matte, matte.copy(), np.full_like(matte, 0.02))


def _photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (120, 140, 3), np.uint8)


def test_it_replaces_what_the_matte_covers_and_keeps_the_rest_bit_for_bit() -> None:
    photo, generated = _photo(), _generated()
    before = photo.copy()
    found = compose(photo, generated)
    np.testing.assert_array_equal(photo, before)
    # rows 10 to 19 of the crop are rows 30 to 49 of the photo, columns 12 to 23 are 44 to 67
    assert (found.pixels[32:48, 46:66] == (200, 100, 50)).all()
    far = np.ones(photo.shape[:2], bool)
    far[27:53, 41:71] = False
    np.testing.assert_array_equal(found.pixels[far], photo[far])
    assert (found.provenance[32:48, 46:66] == Provenance.GENERATED).all()
    assert (found.provenance[far] == Provenance.OBSERVED).all()


def test_only_what_is_to_be_removed_goes() -> None:
    generated = _generated()
    kept = GeneratedFace(
        generated.crop, generated.pixels, generated.matte, np.zeros_like(generated.matte), generated.error
    )
    photo = _photo()
    found = compose(photo, kept)
    np.testing.assert_array_equal(found.pixels, photo)
    assert found.pixels is not photo
    assert (found.provenance == Provenance.OBSERVED).all()


def test_a_face_beyond_the_photo_changes_nothing() -> None:
    photo = _photo()
    np.testing.assert_array_equal(compose(photo, _generated(Similarity(0.5, 0.0, 900.0, 0.0))).pixels, photo)


def test_detail_finer_than_the_crop_comes_from_the_rendering() -> None:
    photo, generated = np.full((120, 140, 3), 90, np.uint8), _generated()
    assert finer_than_crop(generated)
    rendered = photo.copy()
    rows, columns = np.mgrid[25:55, 40:72]
    chess = np.where((rows + columns) % 2 == 0, 140, 100).astype(np.uint8)
    rendered[25:55, 40:72] = chess[..., None]
    found = compose(photo, generated, rendered).pixels.astype(float)
    middle = found[34:46, 48:64]
    # The mean is what the network said, the pattern what the rendering shows.
    np.testing.assert_allclose(middle.mean(axis=(0, 1)), (200, 100, 50), atol=3)
    assert np.abs(np.abs(np.diff(middle[..., 0], axis=1)) - 40).max() < 8
    coarse = _generated(Similarity(1.0, 0.0, -20.0, -10.0))
    assert not finer_than_crop(coarse)
    assert np.ptp(compose(photo, coarse, rendered).pixels[22:28, 35:42, 0]) == 0

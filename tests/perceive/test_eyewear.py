"""What a network of known answers says of spectacles lies at its place in the photo."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.perceive import (
    Eyewear,
    EyewearNetwork,
    EyewearPart,
    FaceParser,
    OccluderKind,
    ParsingClass,
)
from wholeface.perceive.frames import DENSE_478, EYEWEAR_MARGIN, eye_band, face_pose
from wholeface.photo import Similarity

PARTS, WIDTH, HEIGHT = len(EyewearPart), 320, 160


def worn(x, y):
    """What a made-up photo of 320 × 240 shows at (x, y): a bar over two lenses, the left one dark."""
    parts = np.full(np.shape(x), int(EyewearPart.NONE))
    band = (np.abs(y - 104) < 12) & (np.abs(x - 160) < 34)
    parts[band & (x < 160)] = EyewearPart.DARK_LENS
    parts[band & (x >= 160)] = EyewearPart.CLEAR_LENS
    parts[(np.abs(y - 90) < 3) & (np.abs(x - 160) < 40)] = EyewearPart.FRAME
    return parts


class Knows:
    """A network that sees where its crop lies and names what is there."""

    def __init__(self, read_place, presence=4.0):
        self.read, self.presence, self.shapes = read_place, presence, []

    def __call__(self, images):
        self.shapes.append(images.shape)
        raws = []
        for image in images:
            matrix = self.read(image, 240, 320)
            y, x = np.mgrid[: image.shape[1], : image.shape[2]]
            photo = (np.stack([x, y], -1) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
            raw = np.full((PARTS + 1, *x.shape), self.presence, np.float32)
            raw[:-1] = 9.0 * (worn(photo[..., 0], photo[..., 1]) == np.arange(PARTS)[:, None, None])
            raws.append(raw)
        return np.stack(raws)


@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_parts_lie_where_the_photo_shows_them(place, ramps, read_place, roll):
    points = place(160.0, 120.0, 110.0, roll)[DENSE_478]
    found = EyewearNetwork(Knows(read_place)).find(ramps(240, 320), points)
    assert found.worn
    assert found.parts.shape == (PARTS, HEIGHT, WIDTH)
    assert found.crop == eye_band(points, WIDTH, HEIGHT)
    truth = worn(*np.mgrid[:240, :320][::-1])
    inside = found.crop.apply(np.stack(np.mgrid[:240, :320][::-1], -1))
    seen = ((inside > 3) & (inside < np.array([WIDTH, HEIGHT]) - 4)).all(-1)
    for field, part in ((found.frame, 1), (found.lens, 2), (found.dark, 3)):
        patch = found.patch(field, 240, 320)
        whole = np.zeros((240, 320))
        whole[patch.slices] = patch.values
        wrong = (whole > 0.5) != (truth == part)
        assert (truth == part)[seen].sum() > 100
        assert wrong[seen].sum() < 0.25 * (truth == part)[seen].sum()  # a line of pixels along the edges
    assert found.occluder.max() <= 1 + 1e-6
    assert not found.are_sunglasses or (truth == 3)[seen].sum() > (truth == 2)[seen].sum()


def test_the_band_goes_from_temple_to_temple(place):
    points = place(100.0, 100.0, 100.0)[DENSE_478]
    band = eye_band(points, WIDTH, HEIGHT)
    _, side, _ = face_pose(points)
    assert band.scale == pytest.approx(WIDTH / (EYEWEAR_MARGIN * side))
    assert ((band.apply(points[[234, 454]]) > 0) & (band.apply(points[[234, 454]]) < WIDTH)).all()
    eyes = band.apply(points[[33, 263]])
    assert ((eyes[:, 1] > 0.3 * HEIGHT) & (eyes[:, 1] < 0.6 * HEIGHT)).all()


def test_several_faces_are_read_as_alone(place, ramps, read_place):
    pixels = ramps(240, 320)
    points = [place(160.0, 120.0, 110.0, roll)[DENSE_478] for roll in (0.0, 0.3, -0.2)]
    knows = Knows(read_place)
    network = EyewearNetwork(knows, batch=2)
    many = network.find_many([pixels] * 3, points)
    assert [shape[0] for shape in knows.shapes] == [2, 1]
    for one, at in zip(many, points):
        np.testing.assert_array_equal(one.parts, network.find(pixels, at).parts)


def test_without_spectacles_nobody_wears_any(place, ramps, read_place):
    points = place(160.0, 120.0, 110.0)[DENSE_478]
    assert not EyewearNetwork(Knows(read_place, presence=-2.0)).find(ramps(240, 320), points).worn


def test_the_parser_tells_spectacles_when_it_can(place, ramps, read_place):
    pixels, points = ramps(240, 320), place(160.0, 120.0, 110.0)[DENSE_478]

    def parsing(images):
        return np.zeros((len(images), 20 + 10 + 1, 112, 112), np.float32)

    assert FaceParser(parsing).parse(pixels, points).eyewear is None
    found = FaceParser(parsing, eyewear=EyewearNetwork(Knows(read_place))).parse(pixels, points).eyewear
    assert found is not None
    assert found.worn


@pytest.mark.parametrize("hidden", [False, True])
def test_glass_without_a_face_behind_it_is_dark(place, ramps, read_place, hidden):
    pixels, points = ramps(240, 320), place(160.0, 120.0, 110.0)[DENSE_478]

    def parsing(images):
        raw = np.zeros((len(images), 20 + 10 + 1, 112, 112), np.float32)
        raw[:, ParsingClass.EYEGLASSES if hidden else ParsingClass.SKIN] = 9.0
        raw[:, 20 + (OccluderKind.SUNGLASSES if hidden else OccluderKind.NONE)] = 9.0
        return raw

    network = EyewearNetwork(Knows(read_place))
    alone, joined = network.find(pixels, points), FaceParser(parsing, eyewear=network).parse(pixels, points)
    assert joined.eyewear is not None
    np.testing.assert_array_equal(joined.eyewear.frame, alone.frame)
    if hidden:
        assert joined.eyewear.lens.max() == 0.0
        np.testing.assert_allclose(joined.eyewear.dark, alone.dark + alone.lens)
    else:
        np.testing.assert_array_equal(joined.eyewear.parts, alone.parts)


def test_more_dark_than_clear_glass_makes_sunglasses():
    parts = np.zeros((PARTS, 2, 4), np.float32)
    parts[EyewearPart.CLEAR_LENS, :, :1] = parts[EyewearPart.DARK_LENS, :, 1:] = 1.0
    assert Eyewear(Similarity(), parts, 0.9).are_sunglasses
    assert not Eyewear(Similarity(), parts[[0, 1, 3, 2]], 0.9).are_sunglasses

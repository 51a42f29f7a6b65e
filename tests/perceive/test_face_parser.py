"""Parsing maps of a network whose answer is known lie at their places in the photo."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.perceive import FaceParser, FaceParsing, OccluderKind, ParsingClass
from wholeface.perceive.face_parser import _enlarged, mirrored_classes
from wholeface.perceive.frames import DENSE_478, PARSING_MARGIN, face_frame
from wholeface.photo import Similarity

C, K, SIZE = len(ParsingClass), len(OccluderKind), 224


def regions(x, y):
    """What a made-up photo of 320 × 240 shows at (x, y): parsing class, occluder's kind, whether face."""
    labels = np.full(np.shape(x), int(ParsingClass.BACKGROUND))
    kinds = np.full(np.shape(x), int(OccluderKind.NONE))
    face = np.hypot((x - 160) / 42, (y - 120) / 55) < 1
    labels[face] = ParsingClass.SKIN
    labels[face & (y < 110) & (x < 150)] = ParsingClass.LEFT_EYE
    labels[face & (y < 110) & (x > 170)] = ParsingClass.RIGHT_EYE
    hand = face & (y > 140)
    labels[hand], kinds[hand] = ParsingClass.OBJECT, OccluderKind.HAND
    labels[~face & (y < 60)] = ParsingClass.HAIR
    return labels, kinds, face


class Knows:
    """A network that sees where its crop lies and names what is there, at half the resolution.

    In a mirrored crop the class of the image's left is that of the right, as for a trained network.
    """

    def __init__(self, read_place, strength=9.0):
        self.read, self.strength, self.calls = read_place, strength, 0

    def __call__(self, images):
        raws = []
        for image in images:
            self.calls += 1
            matrix = self.read(image, 240, 320)
            y, x = 2 * np.mgrid[: SIZE // 2, : SIZE // 2] + 0.5
            back = np.linalg.inv(matrix[:, :2])
            photo = (np.stack([x, y], -1) - matrix[:, 2]) @ back.T
            labels, kinds, face = regions(photo[..., 0], photo[..., 1])
            if np.linalg.det(matrix[:, :2]) < 0:
                labels = mirrored_classes()[labels]
            raw = np.zeros((C + K + 1, SIZE // 2, SIZE // 2), np.float32)
            raw[:C] = self.strength * (labels == np.arange(C)[:, None, None])
            raw[C:-1] = self.strength * (kinds == np.arange(K)[:, None, None])
            raw[-1] = np.where(face, self.strength, -self.strength)
            raws.append(raw)
        return np.stack(raws)


def near_an_edge(labels, width):
    """(H, W) bool, pixels whose neighbourhood shows more than one label."""
    edge = np.zeros(labels.shape, bool)
    for dy in range(-width, width + 1):
        for dx in range(-width, width + 1):
            edge |= np.roll(labels, (dy, dx), (0, 1)) != labels
    return edge


@pytest.mark.parametrize("roll", [0.0, 0.6, -2.0])
@pytest.mark.parametrize("mirror", [False, True])
def test_labels_lie_where_the_photo_shows_them(place, ramps, read_place, roll, mirror):
    pixels = ramps(240, 320)
    points = place(160.0, 120.0, 100.0, roll)[DENSE_478]
    network = Knows(read_place)
    parsing = FaceParser(network, size=SIZE, mirror=mirror).parse(pixels, points)
    assert network.calls == 1 + mirror
    expected, kinds, face = regions(*np.mgrid[:240, :320][::-1])
    frame = face_frame(points, SIZE, PARSING_MARGIN)
    assert parsing.frame == frame
    inside = frame.apply(np.stack(np.mgrid[:240, :320][::-1], -1))
    seen = ((inside > 1) & (inside < SIZE - 2)).all(-1)
    sure = seen & ~near_an_edge(expected, 3)
    assert sure.sum() > 15_000
    labels = parsing.labels_in_photo(240, 320)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels[sure], expected[sure])
    outside = ((inside < -0.6) | (inside > SIZE - 0.4)).any(-1)
    assert (labels[outside] == ParsingClass.BACKGROUND).all()
    hand = parsing.in_photo(parsing.kind[OccluderKind.HAND], 240, 320)
    assert ((hand > 0.5) == (kinds == OccluderKind.HAND))[sure].all()
    assert (hand[outside] == 0).all()
    whole = parsing.in_photo(parsing.face, 240, 320)
    assert ((whole > 0.5) == face)[sure].all()
    occluded = parsing.in_photo(parsing.occluder, 240, 320)
    assert ((occluded > 0.5) == (kinds > 0))[sure & face].all()


def test_probabilities_sum_to_one_and_have_the_crops_size(place, ramps, read_place):
    parser = FaceParser(Knows(read_place, strength=1.5), size=SIZE)
    parsing = parser.parse(ramps(240, 320), place(160.0, 120.0, 100.0)[DENSE_478])
    for fields, count in ((parsing.parsing, C), (parsing.kind, K)):
        assert fields.shape == (count, SIZE, SIZE)
        assert fields.dtype == np.float32
        np.testing.assert_allclose(fields.sum(axis=0), 1, atol=1e-5)
    assert parsing.face.shape == parsing.labels.shape == (SIZE, SIZE)
    best = np.exp(1.5) / (np.exp(1.5) + C - 1)
    assert parsing.parsing.max() == pytest.approx(best, abs=1e-5)


def test_the_occluder_is_the_mean_of_two_opinions():
    parsing, kind = np.zeros((C, 1, 3), np.float32), np.zeros((K, 1, 3), np.float32)
    parsing[ParsingClass.SKIN] = [[0.9, 0.1, 0.3]]
    parsing[ParsingClass.NOSE] = [[0.05, 0.1, 0.2]]
    parsing[ParsingClass.OBJECT] = [[0.05, 0.8, 0.5]]
    kind[OccluderKind.NONE] = [[1.0, 0.1, 0.6]]
    found = FaceParsing(Similarity(), parsing, kind, np.ones((1, 3), np.float32)).occluder
    np.testing.assert_allclose(found, [[0.025, 0.85, 0.45]], atol=1e-6)


def test_mirrored_classes_swap_sides_and_nothing_else():
    swap = mirrored_classes()
    np.testing.assert_array_equal(swap[swap], np.arange(C))
    moved = {ParsingClass(i).name: ParsingClass(int(j)).name for i, j in enumerate(swap) if i != j}
    assert moved == {
        f"{a}_{part}": f"{b}_{part}"
        for part in ("EYE", "BROW", "EAR")
        for a, b in (("LEFT", "RIGHT"), ("RIGHT", "LEFT"))
    }
    np.testing.assert_array_equal(mirrored_classes(19), swap[:19])


def test_enlarging_is_bilinear_with_aligned_edges():
    rng = np.random.default_rng(0)
    fields = rng.random((2, 5, 7), dtype=np.float32)
    large = _enlarged(fields)
    assert large.shape == (2, 10, 14)
    for y in range(10):
        for x in range(14):
            v, u = np.clip((y + 0.5) / 2 - 0.5, 0, 4), np.clip((x + 0.5) / 2 - 0.5, 0, 6)
            y0, x0 = min(int(v), 3), min(int(u), 5)
            fy, fx = v - y0, u - x0
            patch = fields[:, y0 : y0 + 2, x0 : x0 + 2]
            expected = (1 - fy) * ((1 - fx) * patch[:, 0, 0] + fx * patch[:, 0, 1])
            expected = expected + fy * ((1 - fx) * patch[:, 1, 0] + fx * patch[:, 1, 1])
            np.testing.assert_allclose(large[:, y, x], expected, atol=1e-6)

"""The detector around a network whose answer is known, and its arithmetic against the network's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.networks.detector_net import cell_centres, decode
from wholeface.perceive import DetectedFace, FaceDetector
from wholeface.perceive.face_detector import cells, decode_arrays, suppress

SHAPES = [(64, 96), (320, 320), (32, 256)]


@pytest.mark.parametrize("shape", SHAPES)
def test_cells_are_those_of_the_network(shape):
    centres, strides = cells(*shape)
    expected, their_strides = cell_centres(*shape)
    np.testing.assert_array_equal(centres, expected.numpy())
    np.testing.assert_array_equal(strides, their_strides.numpy())
    assert len(centres) == sum(shape[0] // s * (shape[1] // s) for s in (8, 16, 32))


@pytest.mark.parametrize("shape", SHAPES)
def test_decoding_is_that_of_the_network(shape):
    centres, strides = cell_centres(*shape)
    raw = 3 * torch.randn(2, len(centres), 15, generator=torch.Generator().manual_seed(1))
    logits, boxes, points = decode(raw, centres, strides)
    for i in range(2):
        score, b, p = decode_arrays(raw[i].numpy(), centres.numpy(), strides.numpy())
        np.testing.assert_allclose(score, logits[i].sigmoid().numpy(), rtol=1e-5)
        np.testing.assert_allclose(b, boxes[i].numpy(), rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(p, points[i].numpy(), rtol=1e-5, atol=1e-4)


def face(x0, y0, x1, y1, score):
    box = np.array([x0, y0, x1, y1], dtype=np.float64)
    return DetectedFace(box, np.linspace(box[:2], box[2:], 5), score)


def test_suppression_merges_what_overlaps_by_score():
    a, b = face(0, 0, 10, 10, 0.9), face(1, 0, 11, 10, 0.6)  # IoU 9/11
    far, touching = face(40, 40, 60, 60, 0.5), face(8, 0, 18, 10, 0.7)  # with a: IoU 2/18
    kept = suppress([far, b, touching, a])
    assert [f.score for f in kept] == [0.9, 0.7, 0.5]
    wa, wb = 0.9**4, 0.6**4
    np.testing.assert_allclose(kept[0].box, (wa * a.box + wb * b.box) / (wa + wb))
    np.testing.assert_allclose(kept[0].points, (wa * a.points + wb * b.points) / (wa + wb))
    np.testing.assert_allclose(kept[1].box, touching.box)
    np.testing.assert_allclose(kept[2].box, far.box)


def test_suppression_at_its_threshold_and_of_degenerate_boxes():
    a = face(0, 0, 10, 10, 0.9)
    assert len(suppress([a, face(4.3, 0, 14.3, 10, 0.5)])) == 2  # IoU 0.399
    assert len(suppress([a, face(4.2, 0, 14.2, 10, 0.5)])) == 1  # IoU 0.408
    assert suppress([]) == []
    nothing = face(5, 5, 5, 5, 0.8)
    assert [f.score for f in suppress([nothing, a])] == [0.9, 0.8]


def test_parts_of_a_face_are_dropped_without_a_say_in_it():
    a = face(0, 0, 10, 10, 0.9)
    (kept,) = suppress([a, face(6, 6, 9, 9, 0.8), face(2, 0, 8, 5, 0.7)])
    np.testing.assert_array_equal(kept.box, a.box)
    # A sure part takes the whole face's place.
    (kept,) = suppress([a, face(6, 6, 9, 9, 0.95)])
    assert kept.score == 0.95
    assert len(suppress([a, face(8, 8, 11, 11, 0.8)])) == 2  # 4 of its 9 pixels are inside


class Knows:
    """A network that finds the faces of a ramp photo, given in photo pixels, where they have a good size."""

    def __init__(self, read_place, height, width, faces, smallest=16, largest=400):
        self.read, self.size, self.faces = read_place, (height, width), faces
        self.smallest, self.largest = smallest, largest
        self.shapes = []

    def __call__(self, images):
        self.shapes.append(images.shape)
        rows, columns = images.shape[2:]
        centres, strides = cells(rows, columns)
        raw = np.zeros((1, len(centres), 15), np.float32)
        raw[..., 0] = -12
        matrix = self.read(images[0], *self.size)
        scale = np.hypot(matrix[0, 0], matrix[1, 0])
        for box, points, score in self.faces:
            low, high = (corner @ matrix[:, :2].T + matrix[:, 2] for corner in np.reshape(box, (2, 2)))
            if not self.smallest <= scale * (box[3] - box[1]) <= self.largest:
                continue
            inside = (centres > low + 1).all(1) & (centres < high - 1).all(1)
            at = np.nonzero(inside)[0][[0, inside.sum() // 2]]  # two of the cells within
            stride = strides[at, None]
            raw[0, at, 0] = np.log(score / (1 - score))
            raw[0, at, 1:3] = np.log((centres[at] - low) / stride)
            raw[0, at, 3:5] = np.log((high - centres[at]) / stride)
            place = points @ matrix[:, :2].T + matrix[:, 2]
            raw[0, at, 5:] = ((place[None] - centres[at][:, None]) / stride[..., None]).reshape(2, 10)
        return raw


def made(x, y, size, score=0.9):
    box = np.array([x - 0.4 * size, y - 0.5 * size, x + 0.4 * size, y + 0.5 * size])
    five = np.array([[-0.2, -0.1], [0.2, -0.1], [0, 0.1], [-0.15, 0.3], [0.15, 0.3]])
    return box, five * size + (x, y), score


@pytest.mark.parametrize(("height", "width"), [(240, 320), (1000, 700), (97, 131)])
def test_faces_come_back_where_they_are(ramps, read_place, height, width):
    longer = max(height, width)
    known = [
        made(0.3 * width, 0.4 * height, 0.2 * longer),
        made(0.7 * width, 0.6 * height, 0.3 * longer, 0.7),
    ]
    detector = FaceDetector(Knows(read_place, height, width, known), size=320, small_faces=False)
    found = detector.detect(ramps(height, width))
    assert [round(f.score, 2) for f in found] == [0.7, 0.9]  # the larger first
    for f, (box, points, _) in zip(found, known[::-1]):
        np.testing.assert_allclose(f.box, box, atol=0.004 * longer)
        np.testing.assert_allclose(f.points, points, atol=0.004 * longer)
    network = detector._network
    assert len(network.shapes) == 1
    assert network.shapes[0][0] == 1
    rows, columns = network.shapes[0][2:]
    assert rows % 32 == columns % 32 == 0
    scale = min(320 / longer, 2)
    assert rows - 32 < height * scale <= rows
    assert columns - 32 < width * scale <= columns


def test_further_passes_only_when_the_first_shows_nothing(ramps, read_place):
    pixels = ramps(800, 800)
    small = [made(300, 500, 40)]  # 16 pixels at first sight, 32 when enlarged twice
    network = Knows(read_place, 800, 800, small, smallest=25)
    once = FaceDetector(network, size=320, thorough=False, small_faces=False)
    assert once.detect(pixels) == ()
    assert len(network.shapes) == 1
    (found,) = FaceDetector(network, size=320, small_faces=False).detect(pixels)
    np.testing.assert_allclose(found.box, small[0][0], atol=2)
    assert [s[2] for s in network.shapes[1:]] == [320, 192, 640]
    filling = [made(400, 400, 790)]  # 316 pixels at first sight; the smaller pass shows it
    network = Knows(read_place, 800, 800, filling, largest=250)
    (found,) = FaceDetector(network, size=320, small_faces=False).detect(pixels)
    np.testing.assert_allclose(found.box, filling[0][0], atol=3)
    assert [s[2] for s in network.shapes] == [320, 192]


def test_small_faces_beside_large_ones(ramps, read_place):
    known = [made(250, 300, 300), made(650, 600, 40)]
    network = Knows(read_place, 800, 800, known, smallest=25)
    assert len(FaceDetector(network, size=320, small_faces=False).detect(ramps(800, 800))) == 1
    found = FaceDetector(network, size=320).detect(ramps(800, 800))
    assert len(found) == 2
    np.testing.assert_allclose(found[1].box, known[1][0], atol=2)


def test_the_photo_is_enlarged_further_only_beside_small_faces(ramps, read_place):
    for known, widths in (
        ([made(400, 400, 300)], [192, 384]),
        ([made(300, 300, 300), made(650, 680, 60)], [192, 384, 768]),
    ):
        network = Knows(read_place, 800, 800, known)
        assert len(FaceDetector(network, size=192).detect(ramps(800, 800))) == len(known)
        assert [s[3] for s in network.shapes] == widths


def test_faces_of_a_wanted_height(ramps, read_place):
    known = [made(300, 300, 300), made(1700, 600, 40), made(900, 1500, 26)]
    network = Knows(read_place, 2000, 2000, known, smallest=16)
    usual = FaceDetector(network, size=192).detect(ramps(2000, 2000))
    assert len(usual) == 1  # the photo is enlarged to 768 pixels: 26 become 10, 40 become 15
    found = FaceDetector(network, size=192, min_face=30).detect(ramps(2000, 2000))
    assert [round(f.box[3] - f.box[1]) for f in found] == [300, 40]
    assert len(FaceDetector(network, size=192, min_face=20).detect(ramps(2000, 2000))) == 3
    (largest,) = FaceDetector(network, size=192, min_face=100).detect(ramps(2000, 2000))
    assert round(largest.box[3] - largest.box[1]) == 300


def test_each_pass_can_be_judged_before_the_next(ramps, read_place):
    network = Knows(read_place, 800, 800, [made(400, 400, 200)])
    detector = FaceDetector(network, size=320, small_faces=False)
    found, good = [], []
    for faces in detector.passes(ramps(800, 800), lambda: bool(good), lambda: 200.0):
        found.append(len(faces))
    assert found == [1, 1, 1, 1]  # whole, smaller, twice and four times as large: nobody was satisfied
    good.append(True)
    assert len(list(detector.passes(ramps(800, 800), lambda: bool(good), lambda: 200.0))) == 1


def test_thresholds(ramps, read_place):
    known = [made(90, 100, 80, 0.6), made(230, 150, 60, 0.4)]
    network = Knows(read_place, 240, 320, known)
    assert len(FaceDetector(network, size=320).detect(ramps(240, 320))) == 1
    assert len(FaceDetector(network, size=320, min_score=0.3).detect(ramps(240, 320))) == 2
    (largest,) = FaceDetector(network, size=320, min_score=0.3, max_faces=1).detect(ramps(240, 320))
    np.testing.assert_allclose(largest.box, known[0][0], atol=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 100}, "multiple of 32"),
        ({"size": 32}, "at least 64"),
        ({"min_score": 0.0}, "between 0 and 1"),
        ({"max_faces": 0}, "at least 1"),
        ({"min_face": 0.0}, "at least 1"),
        ({"min_face": float("nan")}, "at least 1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(UsageError, match=message):
        FaceDetector(lambda images: images, **options)


def test_bad_images():
    detector = FaceDetector(lambda images: images)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(UsageError, match="uint8 image"):
            detector.detect(wrong)


def test_the_smallest_image_is_no_trouble():
    detector = FaceDetector(lambda images: np.full((1, len(cells(*images.shape[2:])[0]), 15), -9, np.float32))
    assert detector.detect(np.zeros((1, 1, 3), np.uint8)) == ()
    assert detector.detect(np.zeros((2, 900, 3), np.uint8)) == ()

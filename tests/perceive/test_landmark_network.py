"""Landmarks of a network whose answer is known come back to their places in the photo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wholeface.perceive import LandmarkCalibration, LandmarkNetwork, NetworkDetector
from wholeface.perceive.certainty import BADLY_SEEN, CertaintyModel, no_face_error
from wholeface.perceive.face_detector import DetectedFace
from wholeface.perceive.frames import DENSE_478, LANDMARK_MARGIN, box_frame, face_box, face_frame
from wholeface.perceive.landmark_mirror import IDENTITY_SIGNS, MIRROR_668
from wholeface.perceive.landmark_network import mean_of_mirrored, split_raw
from wholeface.perceive.landmarks import LANDMARK_COUNTS
from wholeface.photo import Similarity

COUNT = LANDMARK_COUNTS["wholeface668"]
SIZE = 128


@pytest.fixture(scope="module")
def mirror():
    return MIRROR_668


class Knows:
    """A network that sees where its crop lies (from the photo's colours) and tells the known points.

    In a mirrored crop it gives each point the name that it has there, as a trained network does.
    """

    def __init__(self, read_place, height, width, points, mirror=None, log_sigma=0.0, error=0.0):
        self.read, self.size, self.points, self.mirror = read_place, (height, width), points, mirror
        self.log_sigma, self.error = log_sigma, error
        self.calls = []

    def __call__(self, images):
        raws = []
        for image in images:
            matrix = self.read(image, *self.size)
            self.calls.append(matrix)
            mirrored = np.linalg.det(matrix[:, :2]) < 0
            points = self.points[self.mirror] if mirrored else self.points
            crop = points @ matrix[:, :2].T + matrix[:, 2]
            crop[:, 0] += self.error  # to the image's right, in either
            raw = np.zeros((COUNT, 5), np.float32)
            raw[:, :2] = (crop - (SIZE - 1) / 2) / SIZE
            raw[:, 2] = self.log_sigma
            raw[:, 3], raw[:, 4] = np.linspace(-4, 4, COUNT), np.linspace(3, -3, COUNT)
            raws.append(raw)
        return np.stack(raws)


CASES = [(160.0, 120.0, 100.0, 0.0), (150.0, 130.0, 60.0, 0.7), (170.0, 115.0, 90.0, -2.5)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("zoom", [1, 4])
def test_points_come_back_under_scale_and_roll(place, ramps, read_place, case, zoom):
    x, y, height, roll = case
    points = place(zoom * x, zoom * y, zoom * height, roll)
    network = Knows(read_place, zoom * 240, zoom * 320, points)
    frame = face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    found = LandmarkNetwork(network, size=SIZE).locate(ramps(zoom * 240, zoom * 320), frame)
    assert len(network.calls) == 1  # the crop was well placed
    # A level of the colours is 1.25 pixels of the small photo, 5 of the large one.
    np.testing.assert_allclose(found.points, points, atol=0.4 if zoom == 1 else 2.5)
    np.testing.assert_allclose(network.calls[0], frame.matrix, atol=0.02 * SIZE)


@pytest.mark.parametrize("off", [(0.0, 0.0, 1.0, 0.6), (14.0, -9.0, 1.0, 0.0), (0.0, 0.0, 1.5, 0.0)])
def test_a_badly_placed_crop_is_placed_again(place, ramps, read_place, off):
    dx, dy, scale, roll = off
    points = place(160.0, 120.0, 80.0, 0.2)
    network = Knows(read_place, 240, 320, points)
    good = face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    middle = (SIZE - 1) / 2
    turned = Similarity(scale, roll)
    cu, cv = turned.apply(np.array([middle, middle]))
    bad = good.then(Similarity(scale, roll, middle - cu + dx, middle - cv + dy))
    found = LandmarkNetwork(network, size=SIZE).locate(ramps(240, 320), bad)
    assert len(network.calls) == 2
    np.testing.assert_allclose(network.calls[1], good.matrix, atol=0.5)
    np.testing.assert_allclose(found.points, points, atol=0.4)
    network.calls.clear()
    LandmarkNetwork(network, size=SIZE).locate(ramps(240, 320), bad, steps=1)
    assert len(network.calls) == 1


def test_the_mirrored_crop_agrees_and_halves_one_sided_errors(place, ramps, read_place, mirror):
    points = place(160.0, 120.0, 90.0, 0.4)
    pixels = ramps(240, 320)
    frame = face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    network = Knows(read_place, 240, 320, points, mirror)
    twice = LandmarkNetwork(network, size=SIZE, mirror=True).locate(pixels, frame)
    assert len(network.calls) == 2
    assert np.linalg.det(network.calls[1][:, :2]) < 0
    np.testing.assert_allclose(twice.points, points, atol=0.4)
    biased = Knows(read_place, 240, 320, points, mirror, error=3.0)
    once = LandmarkNetwork(biased, size=SIZE).locate(pixels, frame, steps=1)
    assert np.linalg.norm(once.points - points, axis=1).mean() > 2 / frame.scale
    both = LandmarkNetwork(biased, size=SIZE, mirror=True).locate(pixels, frame, steps=1)
    np.testing.assert_allclose(both.points, points, atol=0.4)
    # Flags are averaged with those of the partner, too.
    expected = (np.linspace(-4, 4, COUNT) + np.linspace(-4, 4, COUNT)[mirror]) / 2
    np.testing.assert_allclose(both.self_visible, 1 / (1 + np.exp(-expected)), atol=1e-5)


def test_flags_and_sigma(place, ramps, read_place):
    points = place(160.0, 120.0, 90.0)
    frame = face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    network = Knows(read_place, 240, 320, points, log_sigma=math.log(2.5))
    found = LandmarkNetwork(network, size=SIZE).locate(ramps(240, 320), frame)
    np.testing.assert_allclose(found.self_visible, 1 / (1 + np.exp(-np.linspace(-4, 4, COUNT))), atol=1e-6)
    np.testing.assert_allclose(found.occluded, 1 / (1 + np.exp(-np.linspace(3, -3, COUNT))), atol=1e-6)
    expected = np.hypot(2.5 / frame.scale, 0.15)
    np.testing.assert_allclose(found.sigma, expected, rtol=1e-5)
    np.testing.assert_allclose(found.total_sigma, expected, rtol=1e-5)
    assert found.modes.shape == (0, COUNT, 2)


@pytest.mark.parametrize("roll", [0.0, 0.5, math.pi / 2, -2.0])
def test_common_errors_turn_with_the_face(place, ramps, read_place, roll):
    points = place(160.0, 120.0, 90.0, roll)
    frame = face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    rng = np.random.default_rng(2)
    modes = rng.normal(size=(3, COUNT, 2))
    modes[0] = (1.0, 0.0)  # all points along the face's own x axis
    calibration = LandmarkCalibration(own=rng.uniform(0.2, 1, (COUNT, 2)), modes=modes)
    network = Knows(read_place, 240, 320, points, log_sigma=math.log(3.0))
    found = LandmarkNetwork(network, size=SIZE, calibration=calibration).locate(ramps(240, 320), frame)
    scale = 3.0 / frame.scale
    angle = -frame.rotation
    assert math.remainder(angle - roll, math.tau) == pytest.approx(0, abs=0.02)
    across, down = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    np.testing.assert_allclose(found.modes[0], np.tile(scale * across, (COUNT, 1)), atol=1e-4)
    np.testing.assert_allclose(
        found.modes, scale * (modes[..., :1] * across + modes[..., 1:] * down), atol=1e-4
    )
    own = scale * np.sqrt((calibration.own**2).mean(axis=1))
    np.testing.assert_allclose(found.sigma, np.hypot(own, 0.15), rtol=1e-5)
    np.testing.assert_allclose(found.total_sigma, np.hypot(scale, 0.15), rtol=1e-5)


class Boxes:
    """A face detector that tells what it was told."""

    def __init__(self, *faces, count=1):
        self.faces, self.count = faces, count

    max_faces = 16

    def passes(self, pixels, satisfied, smallest, min_score=None):
        self.satisfied = []
        for _ in range(self.count):
            yield [face for face in self.faces if face.score > (min_score or 0.5)]
            self.satisfied.append(satisfied())


def detected(points, score=0.8):
    five = np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    )  # as the detector's
    return DetectedFace(face_box(points[DENSE_478]), five, score)


def test_the_front_end_gives_all_668_points(place, ramps, read_place):
    points = place(150.0, 130.0, 100.0, 0.6)
    network = LandmarkNetwork(Knows(read_place, 240, 320, points), size=SIZE)
    detector = NetworkDetector(Boxes(detected(points)), network)
    (face,) = detector.detect(ramps(240, 320))
    assert (face.scheme, face.score) == ("wholeface668", 0.8)
    np.testing.assert_allclose(face.points, points, atol=0.5)
    np.testing.assert_allclose(face.box, face_box(points[DENSE_478]), atol=0.5)
    np.testing.assert_array_equal(face.points_478, face.points[68:546])
    assert face.occluded.shape == face.visibility.shape == (COUNT,)
    assert face.modes.shape == (0, COUNT, 2)
    frame = box_frame(detected(points).box, detected(points).points, SIZE, LANDMARK_MARGIN)
    np.testing.assert_allclose(network._network.calls[0], frame.matrix, atol=0.5)


def test_faces_that_the_points_do_not_confirm_or_that_were_found_before_are_dropped(place, ramps, read_place):
    points = place(150.0, 130.0, 100.0)
    network = LandmarkNetwork(Knows(read_place, 240, 320, points), size=SIZE)
    elsewhere, twice = detected(place(230.0, 90.0, 60.0)), detected(place(153.0, 130.0, 96.0), 0.6)
    detector = NetworkDetector(Boxes(detected(points), elsewhere, twice), network)
    (face,) = detector.detect(ramps(240, 320))
    assert face.score == 0.8
    assert NetworkDetector(Boxes(), network).detect(ramps(240, 320)) == ()
    with pytest.raises(ValueError, match="min_confidence"):
        NetworkDetector(Boxes(), network, min_confidence=1.0)


def test_a_crop_in_which_no_point_faces_the_camera_is_no_face(place, ramps, read_place):
    points = place(150.0, 130.0, 100.0)

    class FacesAway(Knows):
        def __call__(self, images):
            raw = super().__call__(images).copy()
            raw[..., 3] = -3.0  # self_visible: 0.05
            return raw

    locator = LandmarkNetwork(FacesAway(read_place, 240, 320, points), size=SIZE)
    assert NetworkDetector(Boxes(detected(points)), locator).detect(ramps(240, 320)) == ()
    (kept,) = NetworkDetector(Boxes(detected(points)), locator, min_self_visible=0.0).detect(ramps(240, 320))
    assert kept.visibility.max() < 0.06
    with pytest.raises(ValueError, match="min_self_visible"):
        NetworkDetector(Boxes(), locator, min_self_visible=1.0)


def unsure(place, read_place, factor):
    """Points, and a network that expects to be off by this much more than the usual limit of 4.5 % of the face."""
    points = place(150.0, 130.0, 100.0)
    side = float(np.sqrt(np.prod(np.ptp(points[DENSE_478], axis=0))))
    knows = Knows(read_place, 240, 320, points)
    scale = box_frame(detected(points).box, detected(points).points, SIZE, LANDMARK_MARGIN).scale
    knows.log_sigma = np.log(0.045 * side * scale * factor)
    return points, LandmarkNetwork(knows, size=SIZE)


def test_certainty_falls_with_the_score_and_with_the_points_sigma(place, ramps, read_place):
    model = CertaintyModel(score=1.0, sigma=-2.0, bias=-5.0)
    for score, factor in ((0.9, 1.0), (0.9, 2.0), (0.6, 1.0)):
        points, network = unsure(place, read_place, factor)
        detector = NetworkDetector(Boxes(detected(points, score)), network, model=model, certainty=0.0)
        (face,) = detector.detect(ramps(240, 320))
        logit = np.log(score / (1 - score)) - 2 * np.log(0.045 * factor) - 5
        assert face.certainty == pytest.approx(1 / (1 + np.exp(-logit)), abs=0.01)
        assert face.score == score


def test_faces_of_less_than_the_wanted_certainty_are_refused_and_named(place, ramps, read_place):
    points, network = unsure(place, read_place, 3.0)
    model = CertaintyModel(score=1.0, sigma=-2.0, bias=-5.0)
    sure = (
        NetworkDetector(Boxes(detected(points)), network, model=model, certainty=0.0)
        .detect(ramps(240, 320))[0]
        .certainty
    )
    assert 0.02 < sure < 0.98
    kept = NetworkDetector(Boxes(detected(points)), network, model=model, certainty=sure - 0.01).search(
        ramps(240, 320)
    )
    assert len(kept.faces) == 1
    assert kept.refused == ()
    strict = NetworkDetector(Boxes(detected(points)), network, model=model, certainty=min(sure + 0.01, 1.0))
    search = strict.search(ramps(240, 320))
    assert search.faces == ()
    (refused,) = search.refused
    assert (refused.certainty, refused.reason) == (pytest.approx(sure), "certainty")
    np.testing.assert_allclose(refused.box, face_box(points[DENSE_478]), atol=1)
    error = no_face_error("a.jpg", strict, ramps(240, 320))
    assert "a.jpg: no face found, but something like one" in str(error)
    told = float(str(error).split("--certainty ")[1].split()[0])
    assert sure - 0.011 <= told <= sure  # what it recommends keeps the face
    nothing = no_face_error("a.jpg", NetworkDetector(Boxes(), network), ramps(240, 320))
    assert "no face found; a face should be" in str(nothing)
    assert "no face found; a face should be" in str(no_face_error("a.jpg", object(), ramps(240, 320)))
    with pytest.raises(ValueError, match="certainty"):
        NetworkDetector(Boxes(), network, model=model, certainty=1.5)


def test_a_badly_seen_face_does_not_end_the_search(place, ramps, read_place):
    for factor, satisfied in ((0.1, True), (6.0, False)):
        points, network = unsure(place, read_place, factor)
        boxes = Boxes(detected(points, 0.9 if satisfied else 0.5), count=2)
        (face,) = NetworkDetector(boxes, network, certainty=0.0).detect(ramps(240, 320))
        assert (face.certainty >= BADLY_SEEN) == satisfied
        assert boxes.satisfied == [satisfied, satisfied]


def test_the_certainty_of_the_shipped_networks_can_come_from_a_card():
    assert CertaintyModel.of_notes({}) == CertaintyModel()
    assert CertaintyModel.of_notes({"certainty": [1, -2.5, 0.5]}) == CertaintyModel(1.0, -2.5, 0.5)
    for wrong in ([1, 2], "abc", [1, 2, None], 3.0):
        with pytest.raises(ValueError, match="three numbers"):
            CertaintyModel.of_notes({"certainty": wrong})


class KnowsThePerson(Knows):
    """Says besides who it is: K coefficients, then the logarithms of their sigmas, five numbers a row."""

    def __call__(self, images):
        raw = super().__call__(images)
        person = np.array([0.5, -1.0, 2.0, -0.7, 0.3, 9.0], np.float32)  # K = 3
        rows = np.resize(np.append(person, np.zeros(4, np.float32)), (2, 5))
        return np.concatenate([raw, np.broadcast_to(rows, (len(raw), 2, 5))], axis=1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_person_is_read_after_the_points(place, ramps, read_place, mirror, mirrored):
    points = place(160.0, 120.0, 100.0, 0.0)
    network = KnowsThePerson(read_place, 240, 320, points, mirror=mirror)
    finder = LandmarkNetwork(network, size=SIZE, identity=3, mirror=mirrored)
    found = finder.locate(ramps(240, 320), face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN))
    assert found.points.shape == (COUNT, 2)
    np.testing.assert_allclose(found.identity, [0.5, -1.0, 2.0], rtol=1e-6)
    # No estimate is less sure than the spread of all people.
    np.testing.assert_allclose(found.identity_sigma, [math.exp(-0.7), 1.0, 1.0], rtol=1e-6)
    (face,) = NetworkDetector(Boxes(detected(points)), finder).detect(ramps(240, 320))
    np.testing.assert_allclose(face.identity, [0.5, -1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(face.as_scheme("ibug68").identity_sigma, found.identity_sigma)
    without = LandmarkNetwork(Knows(read_place, 240, 320, points), size=SIZE).locate(
        ramps(240, 320), face_frame(points[DENSE_478], SIZE, LANDMARK_MARGIN)
    )
    assert without.identity is None
    assert without.identity_sigma is None


def test_lopsided_coefficients_change_sign_in_the_mirror():
    rng = np.random.default_rng(4)
    crop = rng.normal(size=(COUNT + 32, 5)).astype(np.float32)
    raw, person = split_raw(crop, 80)
    assert raw.shape == (COUNT, 5)
    assert person.shape == (160,)
    # What a perfectly symmetric network says of the mirror image: partners, x turned, odd coefficients turned.
    mirrored = crop.copy()
    mirrored[:COUNT] = crop[:COUNT][MIRROR_668]
    mirrored[:COUNT, 0] *= -1
    signs = np.concatenate([IDENTITY_SIGNS, np.ones(80, np.float32)])
    mirrored[COUNT:] = (person * signs).reshape(32, 5)
    points, who = mean_of_mirrored(np.stack([crop, mirrored]), 80)
    np.testing.assert_allclose(points, raw, atol=1e-6)
    np.testing.assert_allclose(who, person, atol=1e-6)
    other = mirrored.copy()
    other[COUNT:] = person.reshape(32, 5)  # as if nothing were lopsided
    assert not np.allclose(mean_of_mirrored(np.stack([crop, other]), 80)[1], person, atol=0.1)

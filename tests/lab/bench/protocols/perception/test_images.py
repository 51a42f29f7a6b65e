"""What the perception bench draws and how it carries points over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocols.perception.detector import box_from_68, place_face, scramble
from wholeface.lab.bench.protocols.perception.landmarks import total_sigma
from wholeface.lab.bench.protocols.perception.sheet import draw_landmarks, refuse_docs
from wholeface.lab.bench.protocols.perception.systems import Finder, teacher_68_weights
from wholeface.lab.bench.report.table import Table
from wholeface.lab.bench.sets.avatars import inside_hull
from wholeface.morphable import MorphableModel, load_model
from wholeface.perceive import FaceLandmarks
from wholeface.perceive.frames import face_box


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


def dotted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A dark portrait with a white dot at each of a few points, and 478 points made of these."""
    pixels = np.full((160, 140, 3), 20, np.uint8)
    dots = np.array([[40, 50], [90, 50], [65, 90], [50, 120], [85, 118]])
    for x, y in dots:
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 255
    return pixels, dots[rng.integers(0, 5, 478)].astype(np.float64)


@pytest.mark.parametrize("side", [40.0, 150.0, None])
def test_points_go_where_the_pixels_go(side: float | None) -> None:
    rng = np.random.default_rng(3)
    pixels, points = dotted(rng)
    for _ in range(4):
        canvas = np.zeros((300, 300, 3), np.uint8)
        image, moved = place_face(canvas, pixels, points, side, rng)
        box = face_box(moved)
        if side is not None:
            assert np.sqrt(np.prod(box[2:] - box[:2])) == pytest.approx(side)
            assert (box[:2] >= -1e-6).all()
            assert (box[2:] <= 299 + 1e-6).all()
        else:
            assert 0.85 < (box[2:] - box[:2]).max() / 300 < 1.06
        for x, y in np.unique(moved.round(3), axis=0):
            if 1 <= x < 298 and 1 <= y < 298:
                assert image[round(y), round(x), 0] > 150


def test_scrambled_tiles_are_the_faces_own() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    box = np.array([19.5, 19.5, 179.5, 179.5])  # one and a half times: 240 pixels, no resampling
    found = scramble(pixels, box, np.random.default_rng(5))
    assert found.shape == (240, 240, 3)
    again = scramble(pixels, box, np.random.default_rng(5))
    assert (found == again).all()
    straight = np.pad(pixels, ((20, 20), (20, 20), (0, 0)), mode="edge")
    assert not (found == straight).all()
    assert (np.sort(found, axis=None) == np.sort(straight, axis=None)).mean() > 0.95


def test_box_from_68_follows_an_affine_map(model: MorphableModel) -> None:
    assert model.landmarks_68 is not None
    assert model.landmarks_478 is not None
    flip = np.array([1.0, -1.0])
    marks, points = (
        e.points(model.mean, model.triangles).double().numpy()[:, :2] * flip
        for e in (model.landmarks_68, model.landmarks_478)
    )
    affine, shift = np.array([[1.3, 0.4], [-0.3, 1.1]]), np.array([200.0, 150.0])
    expected = face_box(points @ affine + shift)
    assert box_from_68(marks @ affine + shift, model) == pytest.approx(expected, abs=1e-3)
    # The box of the 68 points themselves lacks the forehead.
    assert np.abs(face_box(marks @ affine + shift) - expected).max() > 20


def test_68_points_from_the_478(model: MorphableModel) -> None:
    weights = teacher_68_weights(model)
    assert weights.sum(axis=1) == pytest.approx(np.ones(68))
    assert ((weights != 0).sum(axis=1) <= 6).all()
    rng = np.random.default_rng(4)
    errors = []
    for _ in range(5):
        shape = model.vertices(
            torch.tensor(rng.normal(size=model.identity_size), dtype=torch.float32)
        ).double()
        assert model.landmarks_68 is not None
        assert model.landmarks_478 is not None
        marks = model.landmarks_68.points(shape, model.triangles).numpy()
        points = model.landmarks_478.points(shape, model.triangles).numpy()
        errors.append(np.linalg.norm(weights @ points - marks, axis=1).mean())
    assert np.mean(errors) < 0.8  # mm


def landmarks(**changes: object) -> FaceLandmarks:
    values = {
        "points": np.full((478, 2), 50.0),
        "scheme": "mediapipe478",
        "box": np.array([30.0, 30.0, 70.0, 70.0]),
        "score": 1.0,
        "visibility": np.ones(478),
        "sigma": np.full(478, 3.0),
    }
    return FaceLandmarks(**{**values, **changes})  # type: ignore[arg-type]


def test_total_sigma_adds_the_common_errors() -> None:
    assert total_sigma(landmarks()) == pytest.approx(np.full((478, 2), 3.0))
    modes = np.zeros((2, 478, 2))
    modes[0, 7], modes[1, 7] = (4.0, 0.0), (0.0, np.sqrt(7.0))
    found = total_sigma(landmarks(modes=modes))
    assert found[7] == pytest.approx([5.0, 4.0])
    assert found[8] == pytest.approx([3.0, 3.0])


def test_seen_points_are_green_and_covered_ones_red() -> None:
    points = np.full((478, 2), 20.0)
    points[100:] = 60.0
    occluded = (np.arange(478) < 100).astype(np.float64)
    panel = draw_landmarks(np.zeros((100, 50, 3), np.uint8), landmarks(points=points, occluded=occluded), 200)
    # Twice as large, and 50 pixels to the right.
    for x, y, channel in ((90, 40, 0), (170, 120, 1)):
        spot = panel[y - 1 : y + 3, x - 1 : x + 3].max(axis=(0, 1))
        assert spot.argmax() == channel
        assert spot.max() > 200
    assert panel[10, 10].tolist() == [0, 0, 0]


def test_real_photos_stay_out_of_the_docs(tmp_path: Path) -> None:
    refuse_docs(tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="must not enter"):
        refuse_docs(tmp_path / "docs" / "img" / "sheet.png")


def test_inside_hull() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [2.0, 2.0]])
    queries = np.array([[1.0, 1.0], [5.0, 1.0], [2.0, -0.1], [3.9, 3.9]])
    assert inside_hull(queries, square).tolist() == [True, False, False, True]


class _Fixed:
    def __init__(self, *faces: FaceLandmarks) -> None:
        self.faces = faces

    def detect(self, pixels: np.ndarray) -> tuple[FaceLandmarks, ...]:
        return self.faces


def test_the_finder_takes_the_face_in_question() -> None:
    rng = np.random.default_rng(8)
    here, there = rng.uniform(30, 70, (478, 2)), rng.uniform(200, 280, (478, 2))
    finder = Finder("two", detector=_Fixed(landmarks(points=there), landmarks(points=here)))
    image = np.zeros((300, 300, 3), np.uint8)
    found = finder.find(image, here + 2)
    assert found is not None
    assert (found.points == here).all()
    assert finder.find(image, here + 150) is None
    assert len(finder.seconds) == 2


def test_tables_as_text_and_as_json() -> None:
    table = Table(
        "What", (("name", ""), ("share", ".1%"), ("n", "d")), [("a", 0.5, 3), ("long", None, 12)], ["note"]
    )
    assert table.text().splitlines() == [
        "What",
        "name  share   n",
        "a     50.0%   3",
        "long      -  12",
        "note",
    ]
    assert table.record()["rows"] == [
        {"name": "a", "share": 0.5, "n": 3},
        {"name": "long", "share": None, "n": 12},
    ]
    nan = Table("What", (("x", ".1f"),), [(float("nan"),)])
    assert nan.record()["rows"] == [{"x": None}]
    assert nan.text().splitlines()[2] == "-"

"""A face with a parsing, on which the generators' stages can be tried."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.perceive import FaceLandmarks, ParsingClass
from wholeface.perceive.face_parser import FaceParsing
from wholeface.perceive.frames import PARSING_MARGIN, face_frame
from wholeface.photo import read_photo
from wholeface.stages import FaceState


def _points() -> np.ndarray:
    """(668, 2) of a frontal face of 100 pixels about (120, 110): 68 by hand, the 478 where the crop needs them."""
    across = np.linspace(-1, 1, 17)
    jaw = np.stack([120 + 42 * across, 95 + 60 * np.sqrt(np.clip(1 - across**2, 0, 1))], -1)
    brows = np.stack([np.r_[np.linspace(85, 110, 5), np.linspace(130, 155, 5)], np.full(10, 82.0)], -1)
    bridge = np.stack([np.full(4, 120.0), np.linspace(92, 116, 4)], -1)
    base = np.stack([np.linspace(112, 128, 5), np.full(5, 120.0)], -1)
    angle = np.linspace(np.pi, -np.pi, 7)[:6]
    eye = np.stack([8 * np.cos(angle), -4 * np.sin(angle)], -1)
    turn = np.linspace(np.pi, -np.pi, 13)[:12]
    lips = np.stack([120 + 16 * np.cos(turn), 138 - 7 * np.sin(turn)], -1)
    inner = np.stack([120 + 10 * np.cos(turn[::3][:4].repeat(2)), 138 - 2 * np.sin(turn[:8])], -1)
    eyes = [eye + np.array(centre) for centre in ((98, 93), (142, 93))]
    points = np.concatenate([jaw, brows, bridge, base, *eyes, lips, inner])
    dense = np.tile([120.0, 110.0], (478, 1))
    for index, place in {
        33: (90, 93), 468: (98, 93), 133: (106, 93), 263: (150, 93), 473: (142, 93), 362: (134, 93),
        10: (120, 60), 168: (120, 92), 152: (120, 155), 17: (120, 146),
    }.items():  # fmt: skip
        dense[index] = place
    return np.concatenate([points, dense, np.tile([120.0, 110.0], (122, 1))])


@pytest.fixture
def parsed_face() -> Callable[..., FaceState]:
    """``parsed_face(shift=(0, 0), box=…)``: a photo of noise on which a box of OBJECT hides a disc of skin."""

    def make(
        shift: tuple[float, float] = (0.0, 0.0), box: tuple[int, int, int, int] | None = (115, 150, 80, 160)
    ):
        rng = np.random.default_rng(0)
        photo = read_photo(rng.integers(60, 200, (220, 240, 3)).astype(np.uint8))
        points = _points() + np.array(shift)
        landmarks = FaceLandmarks.from_points(points, "wholeface668")
        frame = face_frame(points[68:546], 96, PARSING_MARGIN)
        rows, columns = np.mgrid[:96, :96]
        place = frame.inverse().apply(np.stack([columns, rows], -1)) - np.array(shift)
        labels = np.full((96, 96), int(ParsingClass.BACKGROUND))
        labels[((place - (120, 105)) ** 2).sum(-1) < 50**2] = ParsingClass.SKIN
        if box is not None:
            top, bottom, left, right = box
            inside = (place[..., 1] >= top) & (place[..., 1] < bottom)
            labels[inside & (place[..., 0] >= left) & (place[..., 0] < right)] = ParsingClass.OBJECT
        probabilities = (labels == np.arange(20)[:, None, None]).astype(np.float32)
        kind = np.zeros((10, 96, 96), np.float32)
        kind[0] = 1
        parsing = FaceParsing(frame, probabilities, kind, np.ones((96, 96), np.float32))
        return FaceState(photo, landmarks, parsing=parsing)

    return make

"""The crops that the networks look at: how they follow from a face's points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..photo import Similarity

__all__ = [
    "DENSE_478",
    "EYEWEAR_MARGIN",
    "LANDMARK_MARGIN",
    "PARSING_MARGIN",
    "box_frame",
    "eye_band",
    "face_box",
    "face_frame",
    "face_pose",
]

LANDMARK_MARGIN = 1.45  # edge of the landmark network's crop over the longer side of the face
PARSING_MARGIN = 1.9  # edge of the parsing network's crop over the longer side of the face
EYEWEAR_MARGIN = 1.1  # width of the eyewear network's crop over the longer side of the face: temple to temple
DENSE_478 = slice(68, 68 + 478)  # the 478 MediaPipe points among the 668 of the landmark network

_RIGHT_EYE, _LEFT_EYE = (33, 468, 133), (263, 473, 362)
_BELOW_EYES = 0.03  # of the longer side of the face
_TOP, _BOTTOM = (10, 168), (152, 17)


def face_box(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(4,) x0, y0, x1, y1 around the 478 points (478, 2): what the detector calls the face."""
    points = np.asarray(points, dtype=np.float64)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def face_pose(points: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float, float]:
    """Centre (2,), longer side and roll (radians) of a face from its 478 points (478, 2).

    Eyes tell the roll of a frontal face, the midline that of a profile; both count by their length.
    """
    points = np.asarray(points, dtype=np.float64)
    across = points[list(_LEFT_EYE)].mean(axis=0) - points[list(_RIGHT_EYE)].mean(axis=0)
    down = points[list(_BOTTOM)].mean(axis=0) - points[list(_TOP)].mean(axis=0)
    angle = math.atan2(across[1] - down[0], across[0] + down[1])
    cos, sin = math.cos(angle), math.sin(angle)
    upright = points @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    middle = (low + high) / 2
    centre = np.array([cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]])
    return centre, float((high - low).max()), angle


def face_frame(points: NDArray[np.floating[Any]], size: int, margin: float) -> Similarity:
    """From image to crop pixels: the face upright in the middle of a square of ``size`` pixels.

    Args:
        points: (478, 2) image pixels.
        size: edge of the crop in pixels.
        margin: edge of the crop over the longer side of the face.
    """
    centre, side, angle = face_pose(points)
    return frame(centre, size / max(side * margin, 1e-6), angle, size, size)


def eye_band(points: NDArray[np.floating[Any]], width: int, height: int) -> Similarity:
    """From image to crop pixels: a band about the eyes, upright, from temple to temple.

    Args:
        points: (478, 2) image pixels.
        width, height: of the band in pixels.
    """
    centre, scale, angle = band_pose(points)
    return frame(centre, scale * width, angle, width, height)


def band_pose(points: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float, float]:
    """Centre (2,) of the band of the eyes, 1 over its width, and roll (radians) of a face from its 478 points.

    The centre lies below the eyes, where spectacles slide to, and between the eyes and the middle of the face: of a
    profile the temples are seen, too.
    """
    points = np.asarray(points, dtype=np.float64)
    middle, side, angle = face_pose(points)
    eyes = points[[*_RIGHT_EYE[::2], *_LEFT_EYE[::2]]].mean(axis=0)
    across = np.array([math.cos(angle), math.sin(angle)])
    down = np.array([-across[1], across[0]])
    aside = 0.5 * float((middle - eyes) @ across)
    return eyes + aside * across + _BELOW_EYES * side * down, 1.0 / (EYEWEAR_MARGIN * side), angle


def box_frame(
    box: NDArray[np.floating[Any]], points: NDArray[np.floating[Any]], size: int, margin: float
) -> Similarity:
    """As :func:`face_frame`, from a detector's box (4,) and five points (5, 2) of a face at any roll."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0] + points[4] - points[3]
    down = mouth - eyes
    angle = math.atan2(across[1] - down[0], across[0] + down[1])
    width, height = box[2] - box[0], box[3] - box[1]
    # An upright face is 0.8 times as wide as high; the box around a turned one is larger and nearer to a square.
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    side = float(np.sqrt(width * height / ((0.8 * cos + sin) * (0.8 * sin + cos))))
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    return frame(centre, size / max(side * margin, 1e-6), angle, size, size)


def frame(
    centre: NDArray[np.floating[Any]], scale: float, angle: float, width: int, height: int
) -> Similarity:
    """From image to crop pixels: the image about a point, upright.

    Args:
        centre: (2,) image pixels, comes to the middle of the crop.
        scale: crop pixels per image pixel.
        angle: radians by which the image is turned back.
        width, height: of the crop in pixels.
    """
    cos, sin = scale * math.cos(-angle), scale * math.sin(-angle)
    return Similarity(
        scale,
        -angle,
        float((width - 1) / 2 - cos * centre[0] + sin * centre[1]),
        float((height - 1) / 2 - sin * centre[0] - cos * centre[1]),
    )

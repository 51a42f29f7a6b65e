"""Contour landmarks: where they may slide when the head turns."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ....morphable import MorphableModel

IBUG68_CONTOUR: tuple[int, ...] = tuple(range(17))
"""The jaw line."""
# fmt: off
MEDIAPIPE_CONTOUR: tuple[int, ...] = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
"""The face oval."""

_STEPS = 10
_REACH = np.deg2rad(36.0)


def contour_candidates(model: MorphableModel, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(C, 10) vertices on which each contour landmark may lie, from its own place towards the front of the face.

    On the mean face each landmark and the face's axis (parallel to z, through the middle of the landmarks) span a
    half-plane; the landmark slides along the skin in it. The skin is found by direction, as seen from the axis.

    Args:
        points: (C, 3) mm, contour landmarks on the mean face.
    """
    if len(points) == 0:
        return np.zeros((0, _STEPS), dtype=np.int64)
    region = next((model.regions[n] for n in ("face", "skin") if n in model.regions), None)
    skin = torch.arange(model.vertex_count) if region is None else region.cpu().nonzero()[:, 0]
    surface = model.mean.double().cpu()[skin].numpy()
    centre = points.mean(axis=0)
    offsets = points - centre
    directions = surface - centre
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radial = np.concatenate([offsets[:, :2], np.zeros((len(points), 1))], axis=1)
    length = np.linalg.norm(radial, axis=1, keepdims=True)
    radial /= np.maximum(length, 1e-9)
    start = np.arctan2(length[:, 0], offsets[:, 2])  # angle from the face's axis
    angles = start[:, None] - np.linspace(0.0, _REACH, _STEPS + 1)[None, 1:]  # (C, M)
    wanted = np.sin(angles)[..., None] * radial[:, None] + np.cos(angles)[..., None] * np.array(
        [0.0, 0.0, 1.0]
    )
    nearest = np.argmax(wanted.reshape(-1, 3) @ directions.T, axis=1)
    return np.asarray(skin.numpy()[nearest].reshape(angles.shape), dtype=np.int64)


def slide(
    candidates: NDArray[np.float64], centre: NDArray[np.float64], tolerance: float = 1e-6
) -> NDArray[np.int64]:
    """(C,) which candidate of each contour landmark lies farthest out in the image.

    Args:
        candidates: (C, M, 2) projected candidates, candidate 0 being the landmark's own place.
        centre: (2,) projected middle of the face.
        tolerance: pixels by which another candidate must exceed the landmark's own place.
    """
    outward = candidates[:, 0] - centre
    outward = outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    reach = np.einsum("cmi,ci->cm", candidates - centre, outward)
    best = np.argmax(reach, axis=1)
    gain = reach[np.arange(len(reach)), best] - reach[:, 0]
    return np.where(gain > tolerance, best, 0)

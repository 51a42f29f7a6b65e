"""How spectacles sit on a head: on the bridge, slid down the nose, pushed up on the forehead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..placing.head import HeadShape
from .frames import FrameMesh

__all__ = ["ear_of", "fitted", "seated"]

Array = NDArray[np.float32]
_SLID, _RAISED = 0.10, 0.04  # shares of spectacles far down the nose, and on the forehead


def ear_of(shape: HeadShape) -> tuple[float, float, float]:
    """Where the left temple meets the ear, relative to the bridge, mm."""
    side = float(shape.landmarks_68[16, 0] - shape.landmarks_68[0, 0]) / 2
    return side + 5.5, 12.0, -104.0


def seated(mesh: FrameMesh, shape: HeadShape, rng: np.random.Generator) -> tuple[Array, Array]:
    """Vertices in head space (V, 3) mm, and the rotation (3, 3) of the spectacles in it.

    Args:
        mesh: the spectacles in their own frame.
        shape: the head that wears them.
        rng: how they sit.
    """
    tilt, roll, turn = rng.uniform(2, 9), rng.normal(0, 1.0), rng.normal(0, 0.8)
    slide = float(max(0.0, rng.normal(0, 2.0)))  # down the nose
    place = 0.55 * shape.landmarks_68[27] + 0.45 * shape.landmarks_68[28]
    sits = rng.random()
    if sits < _RAISED:
        place = _on_forehead(shape, float(rng.uniform(36, 66)))
        tilt -= float(rng.uniform(18, 36))
    else:
        if sits < _RAISED + _SLID:
            slide = float(rng.uniform(5, 17))
            tilt += 0.6 * slide
        down = shape.landmarks_68[29] - shape.landmarks_68[27]
        place = place + slide * down / np.linalg.norm(down)
    matrix = _rotation(*np.radians([tilt, roll, turn]))
    place = place + np.array([0, 0, 1.5], np.float32)
    return (mesh.vertices @ matrix.T + place).astype(np.float32), matrix


def _rotation(tilt: float, roll: float, turn: float) -> Array:
    cx, sx, cz, sz, cy, sy = (f(a) for a in (tilt, roll, turn) for f in (np.cos, np.sin))
    matrix = (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    )
    return matrix.astype(np.float32)


def _on_forehead(shape: HeadShape, up: float) -> Array:
    """The foremost point of the head's middle, so many mm above the bridge."""
    level = float(shape.landmarks_68[27, 1]) + up
    near = (np.abs(shape.vertices[:, 0]) < 9) & (np.abs(shape.vertices[:, 1] - level) < 7)
    depth = float(shape.vertices[near, 2].max()) if near.any() else float(shape.landmarks_68[27, 2])
    return np.array([0.0, level, depth], np.float32)


def fitted(mesh: FrameMesh, shape: HeadShape) -> FrameMesh:
    """The model with temples spread or narrowed to the person's head."""
    ear = ear_of(shape)
    vertices = mesh.vertices.copy()
    near = np.abs(vertices[:, 2] + 85.0) < 15.0
    if near.any():
        side = np.abs(vertices[near, 0]).mean()
        back = np.clip(-(vertices[:, 2] + 8.0) / 70.0, 0, 1)
        vertices[:, 0] += np.sign(vertices[:, 0]) * back * (ear[0] - side)
        vertices[:, 1] += back * (ear[1] - vertices[near, 1].mean())
    return FrameMesh(vertices, mesh.normals, mesh.uv, mesh.triangles, mesh.part, mesh.width)

"""A reconstructed head in numbers: vertices, 2D landmarks, and which vertices a mask hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError

if TYPE_CHECKING:
    from ....morphable import MorphableModel, Parameters
    from ....render import Camera

__all__ = ["HeadParts", "head_parts", "hidden_and_seen"]

Array = NDArray[np.float64]
_GRAZING = 0.1  # cosine below which a surface does not face the camera


@dataclass(frozen=True)
class HeadParts:
    """A head in model space.

    Args:
        neutral: (V, 3) mm, without expression.
        shown: (V, 3) mm, with it.
        landmarks: (68, 2) pixels, where the head puts the iBUG points.
    """

    neutral: Array
    shown: Array
    landmarks: Array


def head_parts(model: MorphableModel, parameters: Parameters, camera: Camera) -> HeadParts:
    """The head of these parameters; pose is not applied to vertices, only to landmarks.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    from ....render import rotation_matrix, to_camera

    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks")
    with torch.no_grad():
        shown = model.vertices(parameters.identity, parameters.expression).double()
        points = model.landmarks_68.points(shown, model.triangles)
        turned = to_camera(
            points, rotation_matrix(parameters.rotation.double()), parameters.translation.double()
        )
        seen = camera.project(turned)
        neutral = model.vertices(parameters.identity).double()
    return HeadParts(neutral.numpy(), shown.numpy(), seen.numpy())


def hidden_and_seen(
    model: MorphableModel, parameters: Parameters, camera: Camera, hidden: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which vertices of the face a mask hides, and which it leaves to see; those turned away are neither.

    Args:
        model: face model with a region ``face``.
        parameters: the head where the mask was drawn, best of the clean photo.
        camera: of that photo.
        hidden: (H, W) bool.

    Returns:
        Two (V,) bool.
    """
    from ....render import rotation_matrix, to_camera, vertex_normals, visible_vertices

    with torch.no_grad():
        shape = model.vertices(parameters.identity, parameters.expression)
        points = to_camera(shape, rotation_matrix(parameters.rotation), parameters.translation)
        normals = vertex_normals(points, model.triangles)
        towards = -torch.nn.functional.normalize(points, dim=-1)
        self_visible = (normals * towards).sum(-1) > _GRAZING
        self_visible &= visible_vertices(points, model.triangles, camera)[0]
        pixel = camera.project(points)
    column, row = np.rint(pixel.numpy()).astype(np.int64).T
    height, width = hidden.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    behind = np.zeros(len(column), dtype=bool)
    behind[inside] = hidden[row[inside], column[inside]]
    face = model.region("face").numpy() & self_visible.numpy() & inside
    return face & behind, face & ~behind

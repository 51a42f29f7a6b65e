"""The frame in which reference relief is stored: a grid over the face of a mean head, known by its places in space.

Any face model finds itself in it, because the frame says where on a head each of its texels lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.nearest import Surface
from ....core.short_repr import short_repr
from ....core.umeyama import umeyama
from ....morphable import MorphableModel
from ...texture.uv.atlas import FACE, atlas_of, has_uv, surface_of

__all__ = ["ReferenceFrame", "coordinates_of", "frame_of"]

Array = NDArray[Any]
_BESIDE = 8.0  # mm off the frame's surface, from which a vertex is not on its face


@dataclass(frozen=True)
class ReferenceFrame:
    """Use :func:`frame_of`.

    Args:
        places: (H, W, 3) float32 mm, the point of the mean head that each texel shows; NaN beside the face.
        landmarks: (68, 3) float32 mm, iBUG points of the same head.
    """

    places: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    __repr__ = short_repr

    @property
    def shape(self) -> tuple[int, int]:
        """H, W."""
        return self.places.shape[0], self.places.shape[1]

    @property
    def face(self) -> NDArray[np.bool_]:
        """(H, W) whether a texel shows the face."""
        found: NDArray[np.bool_] = np.isfinite(self.places[..., 0])
        return found

    def triangles(self) -> NDArray[np.int64]:
        """(F, 3) of flat texel numbers: two between any four neighbours that show the face."""
        height, width = self.shape
        number, face = np.arange(height * width).reshape(height, width), self.face
        whole = face[:-1, :-1] & face[:-1, 1:] & face[1:, :-1] & face[1:, 1:]
        a, b, c, d = (
            part[whole] for part in (number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:])
        )
        # Rows run downwards, so that this order is counter-clockwise seen from outside.
        return np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])


def frame_of(model: MorphableModel, size: int) -> tuple[ReferenceFrame, tuple[slice, slice]]:
    """The frame over the face of a model's own atlas, and the rows and columns of the atlas that it is.

    Args:
        model: with UV and 68 landmarks.
        size: edge of the whole atlas in texels.

    Raises:
        UsageError: the model has no UV, no landmarks, or no face in its atlas.
    """
    if not has_uv(model) or model.landmarks_68 is None:
        raise UsageError(
            f"reference relief needs a model with UV and 68 landmarks; {model.name!r} lacks one of them"
        )
    surface, atlas = surface_of(model), atlas_of(model, size)
    face = surface.kind[atlas.triangle] == FACE
    if not face.any():
        raise UsageError(f"the atlas of the face model {model.name!r} shows no face")
    row, column = np.divmod(atlas.texel[face], size)
    part = slice(int(row.min()), int(row.max()) + 1), slice(int(column.min()), int(column.max()) + 1)
    mean = model.mean.detach().cpu().float().numpy()
    places = np.full((size, size, 3), np.nan, np.float32)
    corners = mean[surface.triangles[atlas.triangle[face]]]
    places[row, column] = np.einsum("tj,tjc->tc", atlas.barycentric[face], corners)
    marks = model.landmarks_68.points(model.mean, model.triangles).detach().cpu().float().numpy()
    return ReferenceFrame(np.ascontiguousarray(places[part]), marks), part


def coordinates_of(model: MorphableModel, frame: ReferenceFrame, key: str) -> NDArray[np.float32]:
    """(V, 2) column and row in the frame of each vertex of a model's face; NaN for all other vertices.

    The frame's head is laid over the model's mean by the 68 landmarks; a vertex lies where the surface is nearest.

    Args:
        model: any face model with 68 landmarks.
        frame: of the references.
        key: of the frame, e.g. the hash of its file; the coordinates are kept with the model by it.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    return model.table("place in the reference frame", lambda m: _coordinates(m, frame), key=key)


def _coordinates(model: MorphableModel, frame: ReferenceFrame) -> NDArray[np.float32]:
    if model.landmarks_68 is None:
        raise UsageError(f"examples are laid on by 68 landmarks; the face model {model.name!r} has none")
    mean = model.mean.detach().cpu().double().numpy()
    marks = model.landmarks_68.points(model.mean, model.triangles).detach().cpu().double().numpy()
    there = np.isfinite(marks).all(axis=1) & np.isfinite(frame.landmarks).all(axis=1)
    scale, rotation, shift = umeyama(marks[there], frame.landmarks[there].astype(np.float64))
    surface = surface_of(model)
    vertices = np.unique(surface.triangles[surface.kind == FACE])
    points = scale * mean[vertices] @ rotation.T + shift
    width = frame.shape[1]
    triangles = frame.triangles()
    grid = frame.places.reshape(-1, 3).astype(np.float64)
    used, compact = np.unique(triangles, return_inverse=True)
    compact = compact.reshape(triangles.shape)
    ground = Surface(grid[used], compact)
    triangle, weights = ground.barycentric(points)
    corners = used[compact[triangle]]
    nearest = np.einsum("pk,pkc->pc", weights, grid[corners])
    row, column = np.divmod(corners, width)
    found = np.full((len(mean), 2), np.nan, np.float32)
    place = np.stack([(weights * column).sum(axis=1), (weights * row).sum(axis=1)], axis=1)
    near = np.linalg.norm(nearest - points, axis=1) < _BESIDE
    found[vertices[near]] = place[near]
    return found

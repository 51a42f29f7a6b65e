"""Relief from a photo's crop into the atlas, where photos are compared, and from the atlas into a crop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ....morphable import MorphableModel
from ....stages import BumpMap, FaceFit, ReliefMap
from ....stages.relief.dense import sample_map
from ....stages.texture.uv.atlas import FACE, atlas_of, surface_of
from ....stages.upright import UprightFace, upright

__all__ = ["AtlasRelief", "bump_in_atlas", "face_texels", "relief_in_crop"]

Array = NDArray[np.float32]
_KNOWN = (Provenance.OBSERVED, Provenance.EXAMPLE)
_FACING = 0.2  # cosine towards the eye below which a texel is seen too flat
_BEHIND = 4.0  # mm by which a texel lies behind what is seen from where it is hidden


@dataclass(frozen=True)
class AtlasRelief:
    """The relief of one photo at the texels of the face.

    Args:
        displacement: (S, S) float32 mm along the foundation's normal; 0 where it is not known.
        known: (S, S) bool.
        texel_mm: mm that a texel of the face spans.
    """

    displacement: Array
    known: NDArray[np.bool_]
    texel_mm: float

    __repr__ = short_repr


def face_texels(model: MorphableModel, size: int) -> tuple[NDArray[np.bool_], float]:
    """(S, S) which texels show the face, and the mm that one of them spans, on the mean head.

    Args:
        model: with UV coordinates.
        size: S.
    """
    found: tuple[NDArray[np.bool_], float] = model.table("face texels", lambda m: _texels(m, size), key=size)
    return found


def _texels(model: MorphableModel, size: int) -> tuple[NDArray[np.bool_], float]:
    atlas, surface = atlas_of(model, size), surface_of(model)
    own = surface.kind[atlas.triangle] == FACE
    shown = np.zeros(size * size, bool)
    shown[atlas.texel[own]] = True
    mean = model.mean.double().cpu().numpy()
    corners = mean[surface.triangles[surface.kind == FACE]]
    area = (
        0.5
        * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    )
    return shown.reshape(size, size), float(np.sqrt(area / max(int(own.sum()), 1)))


def bump_in_atlas(bump: BumpMap, fit: FaceFit, size: int) -> AtlasRelief:
    """What a photo shows of the relief, at the texels of the face.

    Args:
        bump: observed and filled pixels count as known.
        fit: of the same face; its model has UV coordinates.
        size: edge of the atlas in texels.
    """
    model, edge = fit.model, bump.displacement.shape[0]
    atlas, surface = atlas_of(model, size), surface_of(model)
    own = np.flatnonzero(surface.kind[atlas.triangle] == FACE)
    where = upright(fit, bump.crop, edge)
    corners, weights = surface.triangles[atlas.triangle[own]], atlas.barycentric[own]
    # x_t = sum_j b_tj X_j, likewise the normals
    points = np.einsum("tj,tjc->tc", weights, where.posed.points.double().cpu().numpy()[corners])
    normals = np.einsum("tj,tjc->tc", weights, where.posed.normals.double().cpu().numpy()[corners])
    facing = -(points * normals).sum(axis=1) / np.maximum(
        np.linalg.norm(points, axis=1) * np.linalg.norm(normals, axis=1), 1e-9
    )
    depth = np.maximum(-points[:, 2], 1e-3)
    camera = where.camera
    column = float(camera.cx) + float(camera.focal) * points[:, 0] / depth
    row = float(camera.cy) - float(camera.focal) * points[:, 1] / depth
    known = np.isin(bump.provenance, _KNOWN)
    x, y = np.rint(column).astype(np.int64), np.rint(row).astype(np.int64)
    inside = (x >= 0) & (y >= 0) & (x < edge) & (y < edge) & (facing > _FACING)
    x, y = np.clip(x, 0, edge - 1), np.clip(y, 0, edge - 1)
    front = where.posed.seen(camera).depth[0].numpy()[y, x]
    seen = inside & known[y, x] & (depth < front + _BEHIND)
    displacement, shown = np.zeros(size * size, np.float32), np.zeros(size * size, bool)
    texel = atlas.texel[own[seen]]
    displacement[texel] = _bilinear(bump.displacement, known, column[seen], row[seen])
    shown[texel] = True
    return AtlasRelief(
        displacement.reshape(size, size), shown.reshape(size, size), face_texels(model, size)[1]
    )


def relief_in_crop(relief: ReliefMap, where: UprightFace) -> tuple[Array, NDArray[np.uint8]]:
    """A relief of the atlas as a camera sees it.

    Args:
        relief: of the atlas.
        where: the face in its crop; its model has UV coordinates.

    Returns:
        (S, S) float32 mm, and (S, S) uint8 :class:`wholeface.core.provenance.Provenance`; 0 beside the head.
    """
    model = where.posed.model
    assert model.uv is not None
    assert model.uv_triangles is not None
    fragments = where.posed.seen(where.camera)
    triangle = fragments.triangle[0].numpy()
    shown = triangle >= 0
    corners = model.uv.double().cpu().numpy()[model.uv_triangles.cpu().numpy()[triangle[shown]]]
    uv = np.einsum("pj,pjc->pc", fragments.barycentric[0].double().numpy()[shown], corners)
    displacement, source = np.zeros(triangle.shape, np.float32), np.zeros(triangle.shape, np.uint8)
    known = relief.provenance != Provenance.NONE
    displacement[shown] = sample_map(relief.displacement, known, uv)
    size = len(relief.provenance)
    texel = np.clip((np.stack([1 - uv[:, 1], uv[:, 0]]) * size).astype(np.int64), 0, size - 1)
    source[shown] = relief.provenance[texel[0], texel[1]]
    return displacement, source


def _bilinear(
    values: Array, known: NDArray[np.bool_], column: NDArray[Any], row: NDArray[Any]
) -> NDArray[np.float64]:
    """Values at pixels' places, as :func:`sample_map` reads an atlas."""
    size = len(values)
    uv = np.stack([(column + 0.5) / size, 1 - (row + 0.5) / size], axis=1)
    return sample_map(values, known, uv)

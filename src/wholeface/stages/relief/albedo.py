"""The texture without the shading of folds: what relief explains is not painted on the skin a second time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.jit import njit
from ...core.kernels import shading_at
from ...core.provenance import Provenance
from ...core.srgb import BYTE_OF_ROOT, LINEAR_OF_BYTE
from ...core.threads import run_ranges
from ...morphable import MorphableModel
from ..posed import PosedFace
from ..state import ReliefMap
from ..texture import CompletedTexture
from ..texture.uv._kernels import smooth_max
from ..texture.uv.atlas import atlas_of
from .normal_map import charts_of, frames_of, slopes_at, split_of
from .symmetry import mirror_of_texels

__all__ = ["fold_shading", "without_fold_shading"]

_ROWS = 64
_MOST = 0.5  # of the log: what would change more is no fold
_SAME = 0.004  # of the ratio


def fold_shading(
    model: MorphableModel,
    posed: PosedFace,
    texture: CompletedTexture,
    relief: ReliefMap,
) -> NDArray[np.float32]:
    r"""How much brighter folds make each texel than the foundation alone would be.

    .. math:: r = \frac{s(n')}{s(n)}, \quad s(n) = \max(\Phi(n) \cdot \gamma, f)

    with the light γ and the floor f that were divided out of the photo, n the foundation's normal and n' that of the
    surface with relief.

    Args:
        model: with UV coordinates.
        posed: the foundation in camera space.
        texture: made of the photo.
        relief: of the head.

    Returns:
        (S, S, 3) float32 of the relief's size S, between e^−½ and e^½; 1 where there is no relief.
    """
    size = len(relief.displacement)
    atlas = atlas_of(model, size)
    normals = np.ascontiguousarray(posed.normals.cpu().float().numpy())
    points = np.ascontiguousarray(posed.points.cpu().float().numpy())
    frames = frames_of(model, points, normals)
    split = split_of(model)
    out = np.ones((size, size, 3), np.float32)
    run_ranges(
        _rows, size, _ROWS, np.ascontiguousarray(relief.displacement, np.float32), charts_of(model, size),
        atlas.nearest, atlas.triangle, atlas.barycentric, split.triangles, split.vertex, normals, frames.tangents,
        frames.rates, np.ascontiguousarray(texture.light, np.float32),
        np.ascontiguousarray(texture.floor, np.float32), out,
    )  # fmt: skip
    return out


def without_fold_shading(
    model: MorphableModel,
    posed: PosedFace,
    texture: CompletedTexture,
    relief: ReliefMap,
    strength: float = 1.0,
) -> CompletedTexture:
    """Divide :func:`fold_shading` out of what the photo shows.

    A texel that was observed loses its own, one that was mirrored that of the place from which it was taken. Texels
    from elsewhere stay.

    Args:
        model: with UV coordinates.
        posed: the foundation in camera space.
        texture: made of the photo, per texel.
        relief: of the head.
        strength: 1 takes all of it out, 0 nothing.
    """
    if not relief.displacement.any() or strength == 0.0:
        return texture
    own = fold_shading(model, posed, texture, relief)
    size = len(own)
    atlas = atlas_of(model, size)
    other = np.ones_like(own)
    other.reshape(-1, 3)[atlas.texel] = own.reshape(-1, 3)[_mirrored_texels(model, size)]
    inverse, mirrored = (
        (1 / part if strength == 1.0 else part ** np.float32(-strength)).astype(np.float32)
        for part in (own, other)
    )
    changed = texture.texture.copy()
    run_ranges(
        _divide, len(changed), _ROWS, inverse, mirrored, texture.provenance, LINEAR_OF_BYTE,
        BYTE_OF_ROOT, changed,
    )  # fmt: skip
    return replace(texture, texture=changed)


def _mirrored_texels(model: MorphableModel, size: int) -> NDArray[np.int64]:
    """(T,) flat index of the texel that shows the mirror image of each; computed once and kept with the model."""
    return model.table("mirrored texels", lambda m: _find_mirrored(m, size), key=size)


def _find_mirrored(model: MorphableModel, size: int) -> NDArray[np.int64]:
    triangle, barycentric = mirror_of_texels(model, size)
    assert model.uv is not None
    assert model.uv_triangles is not None
    corners = model.uv.cpu().float().numpy()[model.uv_triangles.cpu().numpy()[triangle]]
    place = np.einsum("tk,tkc->tc", barycentric, corners)
    column = np.clip((place[:, 0] * size).astype(np.int64), 0, size - 1)
    row = np.clip(((1 - place[:, 1]) * size).astype(np.int64), 0, size - 1)
    found: NDArray[np.int64] = row * size + column
    return found


@njit(cache=True, nogil=True)
def _rows(
    start: Any,
    stop: Any,
    heights: Any,
    inside: Any,
    nearest: Any,
    triangle: Any,
    barycentric: Any,
    triangles: Any,
    vertex: Any,
    normals: Any,
    tangents: Any,
    rates: Any,
    light: Any,
    floor: Any,
    out: Any,
) -> None:
    size = len(heights)
    n, t = np.empty(3), np.empty(3)
    for row in range(start, stop):
        for column in range(size):
            if not inside[row, column]:
                continue
            k = nearest[row, column]
            f = triangle[k]
            across, up = slopes_at(heights, inside, row, column, f, barycentric[k], triangles, rates)
            if across == 0.0 and up == 0.0:
                continue
            n[:] = 0.0
            t[:] = 0.0
            hand = tangents[triangles[f, 0], 3]
            for c in range(3):
                v, share = triangles[f, c], barycentric[k, c]
                for x in range(3):
                    n[x] += share * normals[vertex[v], x]
                    t[x] += share * tangents[v, x]
            length = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]) + 1e-12
            n /= length
            inwards = n[0] * t[0] + n[1] * t[1] + n[2] * t[2]
            for x in range(3):
                t[x] -= inwards * n[x]
            t /= np.sqrt(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]) + 1e-12
            bx = hand * (n[1] * t[2] - n[2] * t[1])
            by = hand * (n[2] * t[0] - n[0] * t[2])
            bz = hand * (n[0] * t[1] - n[1] * t[0])
            x = n[0] - across * t[0] - up * bx
            y = n[1] - across * t[1] - up * by
            z = n[2] - across * t[2] - up * bz
            length = np.sqrt(x * x + y * y + z * z)
            x, y, z = x / length, y / length, z / length
            for ch in range(3):
                before = smooth_max(shading_at(n[0], n[1], n[2], light, ch), floor[ch])
                after = smooth_max(shading_at(x, y, z, light, ch), floor[ch])
                out[row, column, ch] = np.exp(min(max(np.log(after / before), -_MOST), _MOST))


@njit(cache=True, nogil=True)
def _divide(
    start: Any, stop: Any, own: Any, other: Any, provenance: Any, decode: Any, codes: Any, texture: Any
) -> None:
    """Multiply rows of an sRGB texture (S, S, 3) by maps of another size, read bilinearly, as its provenance says."""
    size, edge = len(texture), len(own)
    for row in range(start, stop):
        for column in range(size):
            code = provenance[row, column]
            if code not in (Provenance.OBSERVED, Provenance.MIRRORED):
                continue
            u = min(max((column + 0.5) * edge / size - 0.5, 0.0), edge - 1.001)
            v = min(max((row + 0.5) * edge / size - 0.5, 0.0), edge - 1.001)
            i, j = int(v), int(u)
            a, b = u - j, v - i
            for ch in range(3):
                if code == Provenance.OBSERVED:
                    factor = (1 - b) * ((1 - a) * own[i, j, ch] + a * own[i, j + 1, ch]) + b * (
                        (1 - a) * own[i + 1, j, ch] + a * own[i + 1, j + 1, ch]
                    )
                else:
                    factor = (1 - b) * ((1 - a) * other[i, j, ch] + a * other[i, j + 1, ch]) + b * (
                        (1 - a) * other[i + 1, j, ch] + a * other[i + 1, j + 1, ch]
                    )
                if abs(factor - 1.0) < _SAME:
                    continue
                value = min(decode[texture[row, column, ch]] * factor, 1.0)
                texture[row, column, ch] = codes[int(np.sqrt(value) * (len(codes) - 1) + 0.5)]

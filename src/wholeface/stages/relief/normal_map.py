"""A displacement map as the normal map that glTF and other renderers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.jit import njit
from ...core.tangents import TangentFrames, tangent_frames
from ...core.threads import run_ranges
from ...core.uv_split import UVSplit, split_at_seams
from ...morphable import MorphableModel
from ..texture.uv.atlas import atlas_of, has_uv

__all__ = ["charts_of", "frames_of", "normal_map", "slopes_at", "split_of"]

_LEAST_ROWS = 64
_MARGIN = 8  # texels around the charts that repeat the nearest one inside


def split_of(model: MorphableModel) -> UVSplit:
    """The model's vertices split at the seams of its UV coordinates; made once and kept with it.

    Raises:
        UsageError: the model has no UV coordinates.
    """
    return model.table("UV split", _split)


def frames_of(
    model: MorphableModel, vertices: NDArray[np.float32], normals: NDArray[np.float32]
) -> TangentFrames:
    """Tangent frames at the vertices of :func:`split_of`.

    Args:
        model: with UV coordinates.
        vertices: (V, 3) mm, of the head in question.
        normals: (V, 3) unit, outward.
    """
    assert model.uv is not None
    return tangent_frames(split_of(model), vertices, normals, model.uv.cpu().numpy())


def normal_map(
    model: MorphableModel, displacement: NDArray[np.float32], frames: TangentFrames
) -> NDArray[np.uint8] | None:
    """Normals of the displaced surface in tangent space, as colours.

    With d the displacement along the foundation's normal n, t and b its tangent and bitangent, s the slopes of d
    along them, which follow from its differences between texels by the metric of the chart at that place:

    .. math:: n' \\propto n - s_t t - s_b b

    Convention: red, green, blue = 127.5 (x, y, z) + 127.5; x along t, to the right in the image; y along b, upwards
    in it (+Y, as in OpenGL); z along n. Texels just outside the charts repeat the nearest one inside, so that nothing
    else bleeds in where the image is filtered.

    Args:
        model: whose UV coordinates they are.
        displacement: (S, S) mm.
        frames: of the head (see :func:`frames_of`).

    Returns:
        (S, S, 3) uint8, (128, 128, 255) where nothing is displaced; None where nothing is at all.

    Source: glTF 2.0 specification, 3.9.3; Blinn 1978, "Simulation of wrinkled surfaces".
    """
    if not displacement.any():
        return None
    heights = np.ascontiguousarray(displacement, np.float32)
    size = len(heights)
    atlas, place = atlas_of(model, size), _place_of(model, size)
    colours = np.empty((size, size, 3), np.uint8)
    run_ranges(
        _colour_rows,
        size,
        _LEAST_ROWS,
        heights,
        place.inside,
        atlas.nearest,
        atlas.triangle,
        atlas.barycentric,
        split_of(model).triangles,
        frames.rates,
        colours,
    )
    flat = colours.reshape(-1, 3)
    flat[place.beside] = flat[place.source]
    return colours


@dataclass(frozen=True)
class _Place:
    """Which texels of an atlas show the surface, and which of the others are close enough to be sampled.

    Args:
        inside: (S, S) bool.
        beside: (M,) flat indices of texels outside the charts, at most ``_MARGIN`` from one.
        source: (M,) the nearest texel inside of each of them.
    """

    inside: NDArray[np.bool_]
    beside: NDArray[np.int64]
    source: NDArray[np.int64]


def charts_of(model: MorphableModel, size: int) -> NDArray[np.bool_]:
    """(S, S) which texels of an atlas show the surface; made once and kept with the model."""
    return _place_of(model, size).inside


def _place_of(model: MorphableModel, size: int) -> _Place:
    return model.table("atlas margin", lambda m: _place(m, size), key=size)


def _place(model: MorphableModel, size: int) -> _Place:
    atlas = atlas_of(model, size)
    inside = np.zeros(size * size, bool)
    inside[atlas.texel] = True
    source = atlas.texel[atlas.nearest.ravel()].astype(np.int64)
    own = np.arange(size * size)
    rows, columns = own // size - source // size, own % size - source % size
    beside = np.flatnonzero(~inside & (rows * rows + columns * columns <= _MARGIN * _MARGIN))
    return _Place(inside.reshape(size, size), beside, source[beside])


def _split(model: MorphableModel) -> UVSplit:
    if not has_uv(model):
        raise UsageError(f"the face model {model.name!r} has no UV coordinates and can carry no relief")
    assert model.uv is not None
    assert model.uv_triangles is not None
    return split_at_seams(
        model.triangles.cpu().numpy(), model.uv_triangles.cpu().numpy(), model.uv.cpu().numpy()
    )


@njit(cache=True, nogil=True, inline="always")
def _change(line, inside, at):  # type: ignore[no-untyped-def]
    """Derivative per texel along a row or column at a texel inside: of fourth order where all neighbours are inside.

    That of second order would take a fifth of the slope off folds six texels apart.
    """
    last = len(line) - 1
    before, after = at > 0 and inside[at - 1], at < last and inside[at + 1]
    if not before and not after:
        return np.float32(0.0)
    if not before:
        return line[at + 1] - line[at]
    if not after:
        return line[at] - line[at - 1]
    near = line[at + 1] - line[at - 1]
    if at < 2 or at > last - 2 or not inside[at - 2] or not inside[at + 2]:
        return np.float32(0.5) * near
    return (np.float32(8.0) * near - (line[at + 2] - line[at - 2])) * np.float32(1 / 12)


@njit(cache=True, nogil=True, inline="always")
def slopes_at(heights, inside, row, column, triangle, weights, triangles, rates):  # type: ignore[no-untyped-def]
    """Slopes of a height field along tangent and bitangent, at a texel inside the charts.

    Args:
        heights: (S, S) mm.
        inside: (S, S) bool.
        row, column: of the texel.
        triangle: on which it lies.
        weights: (3,) its place there.
        triangles: (F, 3) of the split mesh.
        rates: (N, 2, 2) of the tangent frames at its vertices.
    """
    size = np.float32(len(heights))
    along_u = _change(heights[row], inside[row], column) * size
    along_v = -_change(heights[:, column], inside[:, column], row) * size  # v grows upwards
    across, up = np.float32(0.0), np.float32(0.0)
    if along_u != 0.0 or along_v != 0.0:
        for c in range(3):
            v, share = triangles[triangle, c], weights[c]
            across += share * (rates[v, 0, 0] * along_u + rates[v, 0, 1] * along_v)
            up += share * (rates[v, 1, 0] * along_u + rates[v, 1, 1] * along_v)
    return across, up


@njit(cache=True, nogil=True)
def _colour_rows(
    start: Any,
    stop: Any,
    heights: Any,
    inside: Any,
    nearest: Any,
    triangle: Any,
    barycentric: Any,
    triangles: Any,
    rates: Any,
    colours: Any,
) -> None:
    """Rows ``start`` to ``stop`` of colours (S, S, 3), inside the charts; see :func:`normal_map`."""
    size = len(heights)
    half, middle = np.float32(127.5), np.float32(128.0)
    for row in range(start, stop):
        for column in range(size):
            colours[row, column, 0] = 128
            colours[row, column, 1] = 128
            colours[row, column, 2] = 255
            if not inside[row, column]:
                continue
            k = nearest[row, column]
            across, up = slopes_at(
                heights, inside, row, column, triangle[k], barycentric[k], triangles, rates
            )
            if across == 0.0 and up == 0.0:
                continue
            scale = half / np.sqrt(np.float32(1.0) + across * across + up * up)
            colours[row, column, 0] = int(middle - scale * across)
            colours[row, column, 1] = int(middle - scale * up)
            colours[row, column, 2] = int(middle + scale)

"""What every face model must fulfil, whatever file it came from; checked once, here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from ...core.errors import ModelFileError
from ..embedding import Embedding
from ..model import MorphableModel

__all__ = ["checked"]

_MOST = 1e6
"""Largest coordinate or displacement in mm (and largest other number); beyond, squares lose their meaning."""
_SPACES = ("log", "srgb", "linear")


def checked(model: MorphableModel, path: Path) -> MorphableModel:
    """The model, if every number is finite, every index inside the mesh and every size fits the others.

    Args:
        model: as a loader built it.
        path: the file, for messages.

    Raises:
        ModelFileError: something does not fit; the message names the part.
    """
    for problem in _problems(model):
        raise ModelFileError(f"{path} is no usable face model: {problem}")
    return model


def _problems(model: MorphableModel) -> Iterator[str]:
    mean = model.mean
    if mean.ndim != 2 or mean.shape[1] != 3 or len(mean) < 3:
        yield f"its mean has the shape {tuple(mean.shape)}, but should be vertices × 3"
    count = len(mean)
    yield from _numbers("the mean", mean, (count, 3))
    if float((mean.amax(0) - mean.amin(0)).max()) <= 0:
        yield "all vertices of its mean lie in one point"
    yield from _indices("a triangle", model.triangles, (None, 3), count)
    if not len(model.triangles):
        yield "it has no triangles"
    yield from _numbers("the identity modes", model.identity, (None, count, 3))
    yield from _numbers("the expressions", model.expression, (None, count, 3))
    names = model.expression_names
    if len(names) != len(model.expression) or len(set(names)) != len(names):
        yield f"its {len(model.expression)} expressions need as many different names, it has {len(set(names))}"
    if (model.uv is None) != (model.uv_triangles is None):
        yield "it has UV coordinates without UV triangles, or the reverse"
    if model.uv is not None and model.uv_triangles is not None:
        yield from _numbers("UV", model.uv, (None, 2))
        yield from _indices("a UV triangle", model.uv_triangles, (len(model.triangles), 3), len(model.uv))
    if model.mirror is not None:
        yield from _indices("the mirror index", model.mirror, (count,), count)
    for name, region in model.regions.items():
        if region.dtype != torch.bool or region.shape != (count,):
            yield f"the region {name!r:.40} does not say yes or no for each vertex"
    yield from _landmarks("landmark of 68", model.landmarks_68, 68, len(model.triangles))
    yield from _landmarks("landmark of 478", model.landmarks_478, 478, len(model.triangles), absent=True)
    yield from _albedo(model, count)
    for name, extra in model.extras.items():
        if extra.is_floating_point():
            yield from _numbers(f"the entry {name!r:.40}", extra, None)


def _albedo(model: MorphableModel, count: int) -> Iterator[str]:
    albedo = model.albedo
    if albedo is None:
        return
    if albedo.space not in _SPACES:
        yield f"its albedo is in an unknown space; known are {', '.join(_SPACES)}"
    yield from _numbers("the mean albedo", albedo.mean, (count, 3))
    yield from _numbers("the albedo modes", albedo.basis, (None, count, 3))
    if (albedo.mean_texture is None) != (albedo.basis_texture is None):
        yield "its albedo has only one of mean and modes in UV space"
    if albedo.mean_texture is not None and albedo.basis_texture is not None:
        size, small = albedo.mean_texture.shape[-1], albedo.basis_texture.shape[-1]
        yield from _numbers("the mean albedo texture", albedo.mean_texture, (3, size, size))
        yield from _numbers("the albedo texture modes", albedo.basis_texture, (albedo.size, 3, small, small))


def _landmarks(
    what: str, points: Embedding | None, number: int, triangles: int, *, absent: bool = False
) -> Iterator[str]:
    if points is None:
        return
    yield from _indices(f"the triangle of a {what}", points.triangle, (number,), triangles)
    weights = points.barycentric
    if weights.shape != (number, 3) or not weights.is_floating_point():
        yield f"the weights of the {what} have the shape {tuple(weights.shape)}"
        return
    if absent:  # a point without a place on the mesh
        weights = weights[~weights.isnan().all(dim=1)]
    yield from _numbers(f"a {what}", weights, (None, 3))
    if ((weights.sum(dim=1) - 1).abs() > 1e-3).any():
        yield f"the weights of a {what} do not sum to 1"


def _numbers(what: str, values: Tensor, shape: tuple[int | None, ...] | None) -> Iterator[str]:
    if not values.is_floating_point():
        yield f"{what} should be numbers"
        return
    if shape is not None and not _fits(values, shape):
        yield f"{what} has the shape {tuple(values.shape)}, which does not fit the rest"
        return
    if values.numel():
        low, high = (float(v) for v in torch.aminmax(values))  # one pass; NaN stays NaN
        if not -_MOST <= low <= high <= _MOST:
            yield f"{what} has values that are not finite, or absurdly large"


def _indices(what: str, values: Tensor, shape: tuple[int | None, ...], count: int) -> Iterator[str]:
    if values.dtype != torch.int64 or not _fits(values, shape):
        yield f"{what} has the shape {tuple(values.shape)} and type {values.dtype}, which does not fit the rest"
    elif values.numel() and not 0 <= int(values.min()) <= int(values.max()) < count:
        yield f"{what} points outside, to {int(values.min())} … {int(values.max())} of {count}"


def _fits(values: Tensor, shape: tuple[int | None, ...]) -> bool:
    return values.ndim == len(shape) and all(w is None or w == g for w, g in zip(shape, values.shape))

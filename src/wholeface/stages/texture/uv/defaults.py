"""Albedo of the fitted model at vertices and texels, with plain defaults where a model has no colours."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from ....core.smoothstep import smoothstep
from ....morphable import MorphableModel, Parameters
from ._kernels import add_resized, split
from .atlas import EYEBALL, INNER, TEETH, Array, Atlas, Surface

__all__ = ["eye_albedo", "texel_albedo", "vertex_albedo"]

_SKIN = (0.48, 0.28, 0.21)
_TINTS = {"lips": (0.85, 0.62, 0.66), "brows": (0.40, 0.40, 0.42)}
_INNER = (0.26, 0.075, 0.07)
_TEETH = (0.58, 0.54, 0.45)
_SCLERA = np.array((0.56, 0.52, 0.49))
_SCLERA_RIM = np.array((0.50, 0.36, 0.32))
_IRIS = np.array((0.115, 0.062, 0.034))
_IRIS_RADIUS, _PUPIL_RADIUS = 5.9, 1.9  # mm


def vertex_albedo(model: MorphableModel, parameters: Parameters) -> Array:
    """(V, 3) float32 linear-light albedo of the fitted face."""
    if model.albedo is not None:
        with torch.no_grad():
            return model.albedo.vertices(parameters.albedo.detach().cpu()).clamp(0.003, 1.0).float().numpy()
    albedo = np.tile(np.array(_SKIN, np.float32), (model.vertex_count, 1))
    for name, tint in _TINTS.items():
        if name in model.regions:
            albedo[model.regions[name].cpu().numpy()] *= np.array(tint, np.float32)
    for name, colour in (("inner_mouth", _INNER), ("teeth", _TEETH), ("eyeballs", tuple(_SCLERA))):
        if name in model.regions:
            albedo[model.regions[name].cpu().numpy()] = np.array(colour, np.float32)
    return albedo


def texel_albedo(
    model: MorphableModel, parameters: Parameters, surface: Surface, atlas: Atlas, vertices: Array
) -> Array:
    """(T, 3) float32 linear-light albedo of the fitted face at the atlas' texels.

    Uses the model's UV-space statistics where there are any, else interpolates ``vertices`` (V, 3); eyes,
    teeth and inner mouth of a model without colours are drawn from its geometry.
    """
    albedo = model.albedo
    if (
        albedo is not None
        and atlas.size > 0
        and albedo.mean_texture is not None
        and albedo.basis_texture is not None
    ):
        offset = albedo.texture_offset(parameters.albedo.detach().cpu())
        out = np.zeros((len(atlas.texel), 3), np.float32)
        for planes in (albedo.mean_texture, offset):
            small = np.ascontiguousarray(planes.detach().cpu().float().numpy())
            split(len(out), partial(_resized, atlas, small, out))
        return albedo.to_linear(torch.from_numpy(out)).clamp(0.003, 1.0).numpy()
    corners = surface.triangles[atlas.triangle]
    # a_tc = sum_j b_tj A_jc
    texels = np.einsum("tj,tjc->tc", atlas.barycentric, vertices[corners])
    if albedo is None:
        kind = surface.kind[atlas.triangle]
        texels[kind == TEETH] = _TEETH
        texels[kind == INNER] = _INNER
        eyes = np.flatnonzero(kind == EYEBALL)
        mean = model.mean.detach().cpu().float().numpy()
        points = np.einsum("tj,tjc->tc", atlas.barycentric[eyes], mean[corners[eyes]])
        texels[eyes] = eye_albedo(points, surface.eyes, _IRIS)
    return texels.astype(np.float32)


def _resized(atlas: Atlas, planes: Array, out: Array, first: int, last: int) -> None:
    add_resized(first, last, atlas.texel, atlas.size, planes, out)


def eye_albedo(points: Array, eyes: Array, iris: Array) -> Array:
    """(P, 3) colours of points (P, 3) in mm on the mean model's eyeballs: sclera, iris with limbus, pupil.

    Args:
        points: model space.
        eyes: (2, 4) centre and radius of the two eyeballs, left first.
        iris: (3,) mean linear-light albedo of the iris.
    """
    colours = np.tile(_SCLERA, (len(points), 1))
    for side, (x, y, z, radius) in zip((1, -1), eyes):
        if not np.isfinite(radius):
            continue
        own = (points[:, 0] > 0) if side > 0 else (points[:, 0] <= 0)
        offset = points[own] - (x, y, z)
        rho = np.hypot(offset[:, 0], offset[:, 1])
        front = offset[:, 2] > 0
        angle = np.arctan2(offset[:, 1], offset[:, 0])
        fibres = 0.12 * np.sin(23 * angle + 3 * np.sin(7 * angle)) + 0.08 * np.sin(41 * angle + 1.7)
        inner = np.clip((rho - _PUPIL_RADIUS) / (_IRIS_RADIUS - _PUPIL_RADIUS), 0, 1)
        # Lighter collarette around the pupil, darker limbus at the edge.
        tone = (
            (1.15 - 0.25 * inner)
            * (1 + fibres * (1 - inner))
            * (1 - 0.65 * np.clip((inner - 0.75) / 0.25, 0, 1))
        )
        rim = np.clip((rho - 0.65 * radius) / (0.35 * radius), 0, 1)[:, None]
        shade = _SCLERA * (1 - rim) + _SCLERA_RIM * rim
        in_iris = (front * (1 - smoothstep(0.0, 1.0, (rho - _IRIS_RADIUS + 0.35) / 0.7)))[:, None]
        shade = shade * (1 - in_iris) + iris * tone[:, None] * in_iris
        in_pupil = (front * (1 - smoothstep(0.0, 1.0, (rho - _PUPIL_RADIUS + 0.15) / 0.3)))[:, None]
        colours[own] = shade * (1 - in_pupil) + 0.006 * in_pupil
    return colours

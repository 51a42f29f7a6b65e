"""Colour of the eyes: the model's eyeballs, tinted like the iris and the sclera that the photo shows."""

from __future__ import annotations

import numpy as np
import torch

from ....core.luminance import luminance
from ....core.smoothstep import smoothstep
from ....morphable import MorphableModel
from ._kernels import chamfer
from .atlas import EYEBALL, Array, Atlas, Surface
from .fields import Fields
from .view import Pose, View

__all__ = ["tint_eyes"]

_RINGS = ((468, 469, 473), (473, 474, 478))  # centre, first and last + 1 of the ring, of the 478 landmarks
_SMALLEST = 3.0  # pixels of iris radius from which a colour is read
_AWAY = 0.8  # iris radii by which the photo's iris may lie beside the model's
# Log luminance of the white over the model's: lids and lashes shade it; of made-up portraits the median is -0.7.
_WHITE_UNSEEN, _WHITE_DARKEST, _WHITE_LIGHTEST = -0.6, -0.9, 0.1


def tint_eyes(
    model: MorphableModel,
    surface: Surface,
    atlas: Atlas,
    head: Pose,
    view: View,
    fields: Fields,
    texels: Array,
    landmarks: Array | None,
) -> Array:
    """Albedo of the texels with irises and scleras tinted by the photo's; in the shade of lids where it shows none.

    Photo pixels never land on the eyeballs themselves: lids, lashes and highlights would roll with them. A
    colour is read where the rendered eyeball is seen, a millimetre from the lids, if the photo's iris lies
    where the model's does and is darker than what is beside it.

    Args:
        landmarks: (478, 2) photo pixels or None (then the model's own iris is taken as the photo's).
        texels: (T, 3) float32 linear albedo.

    Returns:
        (T, 3) float32.
    """
    if model.landmarks_478 is None or len(model.landmarks_478) < 478:
        return texels
    own = model.landmarks_478.points(torch.from_numpy(head.points), model.triangles.cpu()).numpy()[468:478]
    rest = model.landmarks_478.points(model.mean.detach().cpu().float(), model.triangles.cpu()).numpy()
    if not np.isfinite(own).all():
        return texels
    projected = _to_crop(own, view)
    found = projected
    if landmarks is not None and len(landmarks) >= 478:
        shift = np.array([view.left, view.top]) + 0.5 * (view.factor - 1)
        found = (np.asarray(landmarks, np.float64)[468:478, :2] - shift) / view.factor
    kind = np.where(view.triangle >= 0, surface.kind[np.maximum(view.triangle, 0)], 255)
    inside = np.empty(kind.shape, np.float32)
    chamfer(kind != EYEBALL, inside)
    seen = (inside > max(1.0, 0.5 * view.pixels_per_mm)) & (view.clearance > 2.0)
    samples = [
        _read(view, fields, head, seen, projected[a - 468 : c - 468], found[a - 468 : c - 468])
        for a, _, c in _RINGS
    ]
    iris = np.concatenate([s[0] for s in samples])
    sclera = np.concatenate([s[1] for s in samples])
    eyes = np.flatnonzero(surface.kind[atlas.triangle] == EYEBALL)
    mean = model.mean.detach().cpu().float().numpy()
    points = np.einsum("tj,tjc->tc", atlas.barycentric[eyes], mean[surface.triangles[atlas.triangle[eyes]]])
    inner = np.zeros(len(eyes), np.float32)
    for a, b, c in _RINGS:
        radius = float(np.linalg.norm(rest[b:c] - rest[a], axis=1).mean())
        near = np.linalg.norm(points - rest[a], axis=1)
        inner = np.maximum(inner, 1 - smoothstep(0.92 * radius, 1.12 * radius, near))
    colour = texels[eyes]
    ring = (inner > 0.9) & (luminance(colour) > 0.02)
    white = inner < 0.1
    if ring.sum() < 8 or not white.any():
        return texels
    log_iris, log_white = np.zeros(3), np.full(3, _WHITE_UNSEEN)
    if len(iris) >= 12:
        log_iris = _ratio(np.median(iris, axis=0), np.median(colour[ring], axis=0), (-0.9, 0.9), 1.0)
    if len(sclera) >= 12:
        # Only the front of the eyeball is ever seen; its rim is red, so the brighter half is compared.
        bright = colour[white][luminance(colour[white]) >= np.median(luminance(colour[white]))]
        limits = (_WHITE_DARKEST, _WHITE_LIGHTEST)
        log_white = _ratio(np.median(sclera, axis=0), np.median(bright, axis=0), limits, 0.12)
    tint = inner[:, None] * log_iris + (1 - inner[:, None]) * log_white
    result = texels.copy()
    result[eyes] = np.clip(colour * np.exp(tint), 0.003, 1.0)
    return result


def _to_crop(points: Array, view: View) -> Array:
    focal, cx, cy = float(view.camera.focal), float(view.camera.cx), float(view.camera.cy)
    depth = -points[:, 2]
    return np.stack((cx + focal * points[:, 0] / depth, cy - focal * points[:, 1] / depth), axis=1)


def _read(
    view: View, fields: Fields, head: Pose, seen: Array, projected: Array, found: Array
) -> tuple[Array, Array]:
    """Albedo-like colours (P, 3) of iris and (Q, 3) of sclera of one eye; empty if they cannot be told."""
    none = np.zeros((0, 3))
    radius = float(np.linalg.norm(projected[1:] - projected[0], axis=1).mean())
    if not radius >= _SMALLEST or np.linalg.norm(found[0] - projected[0]) > _AWAY * radius:
        return none, none
    h, w = seen.shape
    y, x = np.mgrid[0:h, 0:w]
    distance = np.hypot(x - found[0, 0], y - found[0, 1]) / radius
    ring = seen & (distance > 0.5) & (distance < 0.85)
    white = seen & (distance > 1.25) & (distance < 2.5)
    if ring.sum() < 12 or white.sum() < 12:
        return none, none
    iris, sclera = view.linear[ring], view.linear[white]
    light = luminance(iris)
    iris = iris[(light >= np.quantile(light, 0.15)) & (light <= np.quantile(light, 0.85))]
    pale = luminance(sclera)
    sclera = sclera[pale >= np.quantile(pale, 0.4)]
    if np.median(luminance(sclera)) < 1.35 * np.median(light):
        return none, none
    return iris / fields.tone, sclera / fields.tone


def _ratio(observed: Array, fitted: Array, luma: tuple[float, float], chroma: float) -> Array:
    """Log ratio of two colours, its luminance and its chroma limited."""
    ratio = np.log(np.maximum(observed, 2e-3) / np.maximum(fitted, 2e-3))
    level = float(np.log(np.maximum(luminance(observed), 2e-3) / np.maximum(luminance(fitted), 2e-3)))
    return np.asarray(np.clip(level, luma[0], luma[1]) + np.clip(ratio - level, -chroma, chroma))

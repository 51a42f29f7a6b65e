"""Smooth fields over the mesh: how the person differs from the fitted model, and light the fit missed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ....core.jit import njit
from ....core.kernels import shading_at
from ....core.luminance import luminance
from ....core.smoothstep import smoothstep
from ....core.spherical_harmonics import C0, sh_basis_array
from ._kernels import chamfer, smooth_max, splat, split
from .atlas import FACE, HIDDEN, OUTER, Array, Surface
from .membrane import mesh_membrane
from .view import Pose, View

__all__ = ["Fields", "Landscape", "estimate_fields"]

_FLOOR = 0.2  # darkest shading that is divided out, relative to the mean over the face
_PRIOR = np.array((1.0, *(0.7,) * 3, *(0.4,) * 5))  # the fit's directional parts are kept with less faith
_CLIP = 1.2
_FLATTEN = (0.9, 0.35)  # share of the wide, symmetric residual that counts as light where it is bright, dark
_CHROMA, _DARKER, _LIGHTER = 0.1, -1.6, 0.6  # how far a person may be from the fitted albedo, in log


@dataclass(frozen=True)
class Landscape:
    """Where things are on the mean model.

    Args:
        heights: (V,) float32 y in mm.
        chin, nose, brows: heights in mm; between chin and nose base dark colours may be a beard.
        brow: (V,) bool, at the eyebrows and a little around them: dark hair that is the person's.
    """

    heights: Array
    chin: float
    nose: float
    brows: float
    brow: Array


@dataclass(frozen=True)
class Fields:
    """What :func:`estimate_fields` found.

    Args:
        light: (9, 3) float32, the light that was divided out.
        floor: (3,) float32, smallest shading per channel.
        log_shade: (V, 3) float32, further log shading at the vertices (cast shadows, what nine coefficients
            miss).
        offset: (V, 3) float32, log albedo of the person minus log albedo of the fitted model, smooth.
        weight: (h, w) float32, the view's weight without pixels whose colour is not skin.
        tone: (3,) median shading over the reliable face: photo colour ≈ albedo · tone.
        grain: standard deviation of the skin's fine log luminance.
        reliable: number of pixels on which all this rests.
    """

    light: Array
    floor: Array
    log_shade: Array
    offset: Array
    weight: Array
    tone: Array
    grain: float
    reliable: int


@njit(cache=True, nogil=True)
def _compare(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, normals, albedo, light, floor, photo, residual, shading
):
    """log photo − log (albedo · shading) and the shading of each pixel."""
    for p in range(first, last):
        t = triangle[p]
        if t < 0:
            residual[p, 0] = residual[p, 1] = residual[p, 2] = 0.0
            continue
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        a, b, c = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        x = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
        y = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
        z = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
        inverse = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-20)
        x, y, z = x * inverse, y * inverse, z * inverse
        for ch in range(3):
            shade = smooth_max(shading_at(x, y, z, light, ch), floor[ch])
            shading[p, ch] = shade
            value = (a * albedo[i, ch] + b * albedo[j, ch] + c * albedo[k, ch]) * shade
            residual[p, ch] = np.log((photo[p, ch] + 0.002) / (value + 0.002))


def _floors(light: Array, normals: Array) -> Array:
    """(3,) floor of the shading per channel from its mean over some normals (P, 3)."""
    mean = np.maximum(sh_basis_array(normals) @ light, 0.0).mean(axis=0) if len(normals) else light[0] * C0
    return np.maximum(_FLOOR * mean, 1e-3).astype(np.float32)


@njit(cache=True, nogil=True)
def _huber_sums(basis, target, weight, error, scale, left, right):  # type: ignore[no-untyped-def]
    """Normal equations of a Huber loss: adds Φᵀ W Φ to ``left`` and Φᵀ W y to ``right``; returns Σ W."""
    total = 0.0
    size = basis.shape[1]
    for p in range(len(target)):
        w = weight[p] * min(1.0, scale / max(error[p], 1e-9))
        total += w
        for i in range(size):
            share = w * basis[p, i]
            right[i] += share * target[p]
            for j in range(i + 1):
                left[i, j] += share * basis[p, j]
    for i in range(size):
        for j in range(i):
            left[j, i] = left[i, j]
    return total


def refine_light(
    normals: Array, albedo: Array, colour: Array, weight: Array, light: Array, ridge: float
) -> Array:
    """Robust refit of nine coefficients per channel around a given light, its overall level kept.

    Minimises the Huber loss of (colour − g · albedo · Φγ) / (g · albedo · s̄) with the median gain g of the
    given light and a ridge towards it, its directional parts shrunk.
    """
    basis = sh_basis_array(normals)
    result = np.array(light, np.float64)
    for c in range(3):
        start = np.maximum(basis @ light[:, c], 1e-4)
        level = float(np.median(start))
        gain = _weighted_median(colour[:, c] / (albedo[:, c] * start), weight)
        target = colour[:, c] / np.maximum(gain * albedo[:, c] * level, 1e-6)
        prior = light[:, c] / level * _PRIOR
        gamma = prior.copy()
        for _ in range(4):
            error = np.abs(target - basis @ gamma)
            scale = max(1.5 * float(np.median(error)), 0.03)
            left, right = np.zeros((9, 9)), np.zeros(9)
            total = _huber_sums(basis, target, weight, error, scale, left, right)
            left += ridge * total * np.eye(9)
            gamma = np.linalg.solve(left, right + ridge * total * prior)
        result[:, c] = gamma * level
    return result.astype(np.float32)


def _weighted_median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(cumulative, 0.5 * cumulative[-1])]])


def estimate_fields(
    view: View,
    head: Pose,
    surface: Surface,
    albedo: Array,
    light: Array,
    *,
    refine: bool,
    land: Landscape,
) -> Fields:
    """Compare the photo with the fitted face and keep what is smooth.

    Args:
        view: the weighed photo.
        head: posed face.
        surface: of the model.
        albedo: (V, 3) fitted linear-light albedo.
        light: (9, 3) fitted light.
        refine: refit the light first.
        land: of the mean model.
    """
    pixels = np.flatnonzero(view.weight.ravel() > 0.02)
    light = np.ascontiguousarray(light, np.float32)
    count = len(head.points)
    zeros = np.zeros((count, 3), np.float32)
    if len(pixels) < 64:
        mean = np.maximum(sh_basis_array(head.normals) @ light, 0.0)[surface.skin].mean(axis=0)
        floor = _floors(light, head.normals[surface.skin])
        return Fields(light, floor, zeros, zeros, np.zeros_like(view.weight), np.maximum(mean, 1e-3), 0.0, 0)
    triangle = view.triangle.ravel()[pixels]
    barycentric = view.barycentric.reshape(-1, 3)[pixels]
    colour = view.linear.reshape(-1, 3)[pixels]
    weight = view.weight.ravel()[pixels].copy()
    corners = surface.triangles[triangle]
    few = np.arange(0, len(pixels), max(1, len(pixels) // 15000))
    picked = corners[few]
    normals = np.einsum("pj,pjc->pc", barycentric[few], head.normals[picked])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    if float(np.maximum(sh_basis_array(normals) @ light, 0.0).mean()) < 1e-3:
        light = np.zeros((9, 3), np.float32)
        light[0] = np.median(colour, axis=0) / np.median(albedo[surface.skin], axis=0) / C0
    if refine:
        own = np.einsum("pj,pjc->pc", barycentric[few], albedo[picked])
        # A beard must not pass for light that comes from above.
        low = land.heights[picked].mean(axis=1) < land.nose
        reliable = weight[few] * np.where(low, np.float32(0.3), np.float32(1))
        light = refine_light(normals, np.maximum(own, 0.01), colour[few], reliable, light, 0.03)
    floor = _floors(light, normals)
    residual = np.empty((len(pixels), 3), np.float32)
    shading = np.empty((len(pixels), 3), np.float32)

    def compare(a: int, b: int) -> None:
        _compare(
            a,
            b,
            triangle,
            barycentric,
            surface.triangles,
            head.normals,
            albedo,
            light,
            floor,
            colour,
            residual,
            shading,
        )

    split(len(pixels), compare)
    place = _Place(surface, triangle, land, view.clearance.ravel()[pixels], view.inset.ravel()[pixels])

    def at_vertices(share: Array, middle: Array) -> tuple[Array, Array]:
        """Mean residual of the vertices and how reliable it is: by number and by mean weight."""
        total, sums = np.zeros(count), np.zeros((count, 4))
        values = np.clip(residual - middle, -_CLIP, _CLIP)
        values = np.concatenate((values, share[:, None]), axis=1).astype(np.float32)
        splat(triangle, barycentric, surface.triangles, share, values, total, sums)
        means = sums / np.maximum(total, 1e-9)[:, None]
        return means[:, :3], np.minimum(1.0, total / 0.7) * means[:, 3]

    membrane = partial(mesh_membrane, surface.rows, surface.columns, solver=surface.solver)
    centre = _gate(residual, weight, place, few, np.zeros((1, 3), np.float32))
    # Once more around the local tone: a shaded temple is skin, the hair beside it is not.
    core = np.where(place.of_corners(surface.rim) > 20, weight, np.float32(0))
    data, confidence = at_vertices(core, centre)
    local = np.clip(membrane(confidence, data, stiffness=60.0, screen=0.01), -0.6, 0.6)
    weight = view.weight.ravel()[pixels].copy()
    centre = _gate(residual, weight, place, few, place.of_corners(local.astype(np.float32)), view, pixels)
    excess = centre - _plausible(centre)
    light = (light * np.exp(excess)).astype(np.float32)
    floor = (floor * np.exp(excess)).astype(np.float32)
    shading *= np.exp(excess).astype(np.float32)
    residual -= excess.astype(np.float32)
    centre -= excess
    gated = np.zeros_like(view.weight)
    gated.ravel()[pixels] = weight
    data, confidence = at_vertices(weight, centre)
    log_shade, offset = _membranes(surface, data, confidence, np.log(np.maximum(albedo, 1e-3)), land)
    tone = np.median(shading[few], axis=0)
    return Fields(
        light,
        floor,
        log_shade.astype(np.float32),
        (offset + centre).astype(np.float32),
        gated,
        tone,
        _grain(view, gated),
        len(pixels),
    )


def _plausible(centre: Array) -> Array:
    """The part of the face's median log residual that may be the person's; the rest is light."""
    luma = float(luminance(centre))
    return np.asarray(np.clip(centre - luma, -_CHROMA, _CHROMA) + np.clip(luma, _DARKER, _LIGHTER))


@dataclass(frozen=True)
class _Place:
    """Where on the face some pixels lie: see :func:`_gate`."""

    surface: Surface
    triangle: Array
    land: Landscape
    clearance: Array
    inset: Array

    def of_corners(self, values: Array) -> Array:
        """Mean of a per-vertex value over the triangle that each pixel sees."""
        return np.asarray(values[self.surface.triangles].mean(axis=1)[self.triangle])


def _gate(
    residual: Array,
    weight: Array,
    place: _Place,
    few: Array,
    local: Array,
    view: View | None = None,
    pixels: Array | None = None,
) -> Array:
    """Weigh down, in place, colours that are not this person's skin where other surfaces are likely.

    Likely are: the rim of the face (hair, hat; only off chroma below the mouth, because beards are dark),
    ears (hair), silhouettes of the fitted head (background, if the fit is off by a little), and a few
    millimetres around the occluder (its soft edge, a mask a little too small). Dark is dropped sooner than
    light, and with a view also what lies within two millimetres of what is dropped: skin between strands.
    An ear that is mostly hidden is dropped whole. Eyebrows stay.

    Returns:
        (3,) the median residual.
    """
    land = place.land
    rim = place.of_corners(place.surface.rim)
    outer = place.surface.kind[place.triangle] == OUTER
    height = place.of_corners(land.heights)
    # 0 from the nose's base upwards, 1 from the mouth down to the chin.
    low = smoothstep(0.0, 22.0, land.nose - height) * (height > land.chin)
    core = few[(rim[few] > 18) & ~outer[few]]
    if len(core) < 200:
        core = few
    centre = np.array([_weighted_median(residual[core, c], weight[core]) for c in range(3)])
    deviation: Array = residual - centre.astype(np.float32) - local
    luma = luminance(deviation)
    chroma = np.abs(deviation - luma[:, None]).max(axis=1)
    spread_luma = float(np.clip(1.48 * np.median(np.abs(luma[core])), 0.12, 0.3))
    spread_chroma = float(np.clip(1.48 * np.median(chroma[core]), 0.04, 0.10))
    off_chroma = smoothstep(2.5, 4.5, chroma / spread_chroma)
    off_any = np.maximum(off_chroma, smoothstep(2.5, 4.5, np.abs(luma) / spread_luma))
    dark = np.maximum(off_any, smoothstep(1.3, 2.6, -luma / spread_luma))
    # The forehead is where hair hangs down furthest.
    reach = 42 - 10 * low
    at_rim = 1 - np.clip((rim - 14) / (reach - 14), 0, 1)
    at_rim = np.where((place.of_corners(land.brow) > 0.3) & (rim > 14), 0.3 * at_rim, at_rim)
    at_edge = np.maximum(1 - smoothstep(3, 9, place.clearance), 1 - smoothstep(5, 14, place.inset))
    drop = np.maximum(at_edge * dark, at_rim * (dark + low * (off_chroma - dark)))
    drop = np.where(outer, off_any, drop)
    weight *= 1 - drop
    if view is not None and pixels is not None:
        weight *= _beside(drop * (1 - low), view, pixels)
    # The last millimetres belong to hair, ears or, under the chin, to whatever is there.
    weight *= np.where(outer, np.float32(1), smoothstep(1, 8, rim))
    if outer.any():
        side = place.of_corners(place.surface.side) > 0
        for ear in (outer & side, outer & ~side):
            if ear.any() and off_any[ear].mean() > 0.35:
                weight[ear] = 0
    return centre


def _beside(drop: Array, view: View, pixels: Array) -> Array:
    """(P,) factor that fades out beside dropped areas, not beside dropped specks."""
    from scipy.ndimage import uniform_filter

    image = np.zeros(view.weight.shape, np.float32)
    image.ravel()[pixels] = drop
    seed = uniform_filter(image, max(3, round(2.5 * view.pixels_per_mm)), mode="constant") > 0.4
    distance = np.empty(image.shape, np.float32)
    chamfer(seed, distance)
    return smoothstep(0.5, 3.0, distance.ravel()[pixels] / np.float32(view.pixels_per_mm))


def _membranes(
    surface: Surface, data: Array, confidence: Array, log_albedo: Array, land: Landscape
) -> tuple[Array, Array]:
    """The antisymmetric and most of the widespread residual is light; the rest is the person."""
    membrane = partial(mesh_membrane, surface.rows, surface.columns, solver=surface.solver)
    log_shade = np.zeros_like(data)
    mirror = surface.mirror
    if mirror is not None:
        both = confidence * confidence[mirror]
        if (both > 0.3).sum() > 50:
            difference = 0.5 * (data - data[mirror])
            log_shade = membrane(both, difference, stiffness=25.0, screen=0.02)
            log_shade = np.clip(log_shade, -0.8, 0.8)
    # What is bright over a wide area is hardly pigment; what is dark may be a beard.
    wide = membrane(confidence, data - log_shade, stiffness=60.0, screen=0.01)
    log_shade += np.clip(_FLATTEN[0] * np.maximum(wide, 0) + _FLATTEN[1] * np.minimum(wide, 0), -0.8, 0.8)
    data = data - log_shade
    anchor, pull = _anchor(surface, data, confidence, log_albedo, land)
    if mirror is not None:
        borrowed = 0.3 * confidence[mirror] * (1 - confidence)
        total = np.maximum(confidence + borrowed, 1e-9)[:, None]
        data = (confidence[:, None] * data + borrowed[:, None] * data[mirror]) / total
        confidence = confidence + borrowed
    pull = pull * (1 - np.minimum(confidence, 1))
    total = confidence + pull
    data = (confidence[:, None] * data + pull[:, None] * anchor) / np.maximum(total, 1e-9)[:, None]
    offset = membrane(total, data, stiffness=1.5, screen=0.0005)
    return log_shade, offset


def _anchor(
    surface: Surface, data: Array, confidence: Array, log_albedo: Array, land: Landscape
) -> tuple[Array, Array]:
    """Skin that was not seen has the tone of skin that was seen.

    The scalp takes the forehead's median colour, neck and ears that of the face below the brows, and hidden
    parts of the face the median difference between observed and fitted skin.

    Returns:
        (V, 3) log albedo to add, as far as is known without neighbours, and (V,) its weight.
    """
    kinds = surface.kind
    face, outer, rest = (np.zeros(len(data), bool) for _ in range(3))
    for mask, kind in ((rest, HIDDEN), (outer, OUTER), (face, FACE)):
        mask[surface.triangles[kinds == kind]] = True
    rest &= ~face & ~outer
    outer &= ~face
    skin = face & (confidence > 0.4) & (surface.rim > 15) & ~land.brow
    anchor, pull = np.zeros_like(data), np.zeros(len(data))
    if skin.sum() < 60:
        return anchor, pull
    anchor[face] = np.median(data[skin], axis=0)
    pull[face] = 0.004
    colour = log_albedo + data
    level = np.median(colour[skin], axis=0)
    above, below = skin & (land.heights > land.brows + 8), skin & (land.heights < land.brows - 15)
    high = np.median(colour[above], axis=0) if above.sum() > 40 else level
    deep = np.median(colour[below], axis=0) if below.sum() > 40 else level
    up = smoothstep(land.brows - 20, land.brows + 20, land.heights)[:, None]
    target = deep + up * (high - deep)
    under = land.heights < land.chin + 10
    for group in (outer, rest & under, rest & ~under):
        if group.any():
            anchor[group] = target[group] - np.median(log_albedo[group], axis=0)
            pull[group] = 0.05
    return anchor, pull


def _grain(view: View, weight: Array) -> float:
    """Robust standard deviation of the fine log luminance over reliable pixels."""
    log = np.log(luminance(view.linear) + 0.01)
    fine = log[1:-1, 1:-1] - 0.25 * (log[:-2, 1:-1] + log[2:, 1:-1] + log[1:-1, :-2] + log[1:-1, 2:])
    reliable = weight[1:-1, 1:-1] > 0.7
    return float(1.48 * np.median(np.abs(fine[reliable]))) if reliable.sum() > 200 else 0.0

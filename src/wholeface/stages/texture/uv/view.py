"""The photo around the face: a crop in linear light, what each pixel shows, and how reliable it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....core.errors import UsageError
from ....core.smoothstep import smoothstep
from ....core.srgb import LINEAR_OF_BYTE
from ....render import Camera
from ...posed import PosedFace
from ._kernels import chamfer
from .atlas import EYEBALL, FACE, INNER, OUTER, TEETH, Array, Surface

__all__ = ["Pose", "View", "pose", "view_of"]


@dataclass(frozen=True)
class Pose:
    """The fitted face in camera space.

    Args:
        points: (V, 3) float32 mm.
        normals: (V, 3) float32 unit normals.
    """

    points: Array
    normals: Array


@dataclass(frozen=True)
class View:
    """A crop of the photo, reduced by a whole factor where the photo is finer than the texture.

    Args:
        left, top: photo pixel of the crop's corner.
        factor: photo pixels per crop pixel.
        camera: of the crop.
        linear: (h, w, 3) float32 linear light.
        triangle: (h, w) int32, −1 = nothing of the head.
        barycentric: (h, w, 3) float32.
        depth: (h, w) float32 mm.
        weight: (h, w) float32 in [0, 1], confidence that the pixel shows the face and nothing else.
        clearance: (h, w) float32 mm, distance to the nearest occluder pixel.
        inset: (h, w) float32 mm, distance to the nearest silhouette of the fitted head or edge of the photo.
        pixels_per_mm: at the face's depth, in the crop.
    """

    left: int
    top: int
    factor: int
    camera: Camera
    linear: Array
    triangle: Array
    barycentric: Array
    depth: Array
    weight: Array
    clearance: Array
    inset: Array
    pixels_per_mm: float


def pose(face: PosedFace) -> Pose:
    """Vertices and normals of the fitted face as the kernels take them."""
    return Pose(
        np.ascontiguousarray(face.points.cpu().float().numpy()),
        np.ascontiguousarray(face.normals.cpu().float().numpy()),
    )


def view_of(
    photo: Array,
    occluder: Array,
    face: PosedFace,
    head: Pose,
    surface: Surface,
    camera: Camera,
    finest: float,
) -> View:
    """Crop, reduce, rasterise and weigh the photo.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        occluder: (H, W) float32 in [0, 1].
        face: the posed face.
        head: the same, as arrays.
        surface: of the model.
        camera: of the photo.
        finest: largest useful width of the face in pixels.

    Raises:
        UsageError: the face projects outside the photo.
    """
    height, width = occluder.shape
    intrinsics = tuple(float(v) for v in (camera.focal, camera.cx, camera.cy))
    shown = np.zeros(len(head.points), bool)
    shown[surface.triangles[np.isin(surface.kind, (FACE, OUTER))]] = True
    pixels = _project(head.points[shown], intrinsics)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    span = high - low
    factor = max(1, round(float(span[0]) / finest))
    left, top = (int(max(0, np.floor(v))) for v in low - 0.03 * span)
    right, bottom = (int(min(limit, np.ceil(v) + 1)) for v, limit in zip(high + 0.03 * span, (width, height)))
    w, h = (right - left) // factor, (bottom - top) // factor
    if not np.isfinite(pixels).all() or w < 8 or h < 8:
        raise UsageError("the fitted face lies outside the photo: check the parameters and the camera")
    rows, columns = slice(top, top + h * factor), slice(left, left + w * factor)
    linear = LINEAR_OF_BYTE[photo[rows, columns]]
    hidden = occluder[rows, columns]
    if factor > 1:
        linear = linear.reshape(h, factor, w, factor, 3).mean(axis=(1, 3))
        hidden = hidden.reshape(h, factor, w, factor).max(axis=(1, 3))
    crop = (
        Camera(intrinsics[0], intrinsics[1], intrinsics[2], width, height)
        .cropped(left, top, w * factor, h * factor)
        .scaled(1 / factor)
    )
    fragments = face.seen(crop)
    triangle = fragments.triangle[0].numpy()
    depth = np.ascontiguousarray(fragments.depth[0].numpy(), np.float32)
    seen = np.isfinite(depth)
    if not seen.any():
        raise UsageError("the fitted face lies outside the photo: check the parameters and the camera")
    scale = float(crop.focal) / float(np.median(depth[seen]))
    weight, clearance, inset = _confidence(linear, hidden, triangle, depth, surface.kind, scale)
    return View(
        left,
        top,
        factor,
        crop,
        np.ascontiguousarray(linear, np.float32),
        np.ascontiguousarray(triangle),
        np.ascontiguousarray(fragments.barycentric[0].numpy(), np.float32),
        depth,
        weight,
        clearance,
        inset,
        scale,
    )


def _project(points: Array, intrinsics: tuple[float, ...]) -> Array:
    focal, cx, cy = intrinsics
    depth = -points[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack((cx + focal * points[:, 0] / depth, cy - focal * points[:, 1] / depth), axis=1)


def _distance(seed: Array) -> Array:
    distance = np.empty(seed.shape, np.float32)
    chamfer(seed, distance)
    return distance


def _confidence(
    linear: Array, hidden: Array, triangle: Array, depth: Array, kinds: Array, scale: float
) -> tuple[Array, Array, Array]:
    """Weight, clearance and inset of each pixel; margins in mm with a floor in pixels against blur."""
    kind = np.where(triangle >= 0, kinds[np.maximum(triangle, 0)], 255)
    wanted = (kind == FACE) | (kind == OUTER)
    # Silhouettes: the head's own outline, and steps in depth where one part of the face hides another.
    step = np.zeros(kind.shape, bool)
    with np.errstate(invalid="ignore"):
        jump_x = ~(np.abs(depth[:, 1:] - depth[:, :-1]) < 4.0 + 3.0 / scale)
        jump_y = ~(np.abs(depth[1:] - depth[:-1]) < 4.0 + 3.0 / scale)
    step[:, 1:] |= jump_x
    step[:, :-1] |= jump_x
    step[1:] |= jump_y
    step[:-1] |= jump_y
    outline = (triangle < 0) | (step & np.isfinite(depth))
    outline[[0, -1]] = True
    outline[:, [0, -1]] = True
    weight = wanted.astype(np.float32)
    to_outline = _distance(outline)
    weight *= smoothstep(*_margin(1.0, 0.8, 2.5, scale), to_outline)
    inside = np.isin(kind, (EYEBALL, TEETH, INNER))
    if inside.any():
        weight *= smoothstep(*_margin(0.0, 0.2, 1.0, scale), _distance(inside))
    clearance: Array = np.full(kind.shape, 1e6, np.float32)
    blocked = hidden >= 0.5
    if blocked.any():
        distance = _distance(blocked)
        weight *= smoothstep(*_margin(2.0, 0.8, 5.0, scale), distance)
        clearance = distance / np.float32(scale)
    weight *= 1 - smoothstep(0.1, 0.5, hidden)
    weight *= np.where(linear.min(axis=2) > 0.98, np.float32(0.3), np.float32(1))
    return weight, clearance, to_outline / np.float32(scale)


def _margin(floor: float, start_mm: float, ramp_mm: float, scale: float) -> tuple[float, float]:
    start = max(floor, start_mm * scale)
    return start, start + max(1.5, ramp_mm * scale)

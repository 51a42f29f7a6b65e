"""The photo as it would be without the occluder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...core.errors import UsageError
from ...core.jit import njit
from ...core.kernels import shading_at
from ...core.resize import resize_bilinear
from ...core.smoothstep import smoothstep
from ...core.srgb import LINEAR_OF_BYTE
from ...morphable import MorphableModel, Parameters
from ...render import Camera
from ..posed import PosedFace
from ..texture.uv._kernels import chamfer, smooth_max, split
from ..texture.uv.atlas import EYEBALL, FACE, INNER, TEETH, Array, has_uv, surface_of
from ..texture.uv.complete import CompletedTexture, check_inputs
from ..texture.uv.membrane import grid_membrane
from ..texture.uv.view import pose

__all__ = ["DeoccludeSettings", "deocclude", "shaded"]


_DARK = 8.0  # sRGB levels added before logs are taken, so that black does not rule
_FINEST = 800  # pixels of face width up to which the photo's own pixels are rendered
_LIMIT = 0.35  # largest log mismatch that is believed: more is something else than skin


@dataclass(frozen=True)
class DeoccludeSettings:
    """How to replace the occluder.

    Args:
        threshold: mask values from here on count as occluder.
        margin_mm: the mask is grown by this much on the face: its edge is mixed with the occluder.
        feather_mm: width of the transition outside the grown mask.
        hairline_mm: width of the transition at the upper rim of the face, where hair or a hat begins; the
            width at the other rims is a quarter of it at most.
    """

    threshold: float = 0.5
    margin_mm: float = 1.4
    feather_mm: float = 3.5
    hairline_mm: float = 12.0


@njit(cache=True, nogil=True)
def _lit(  # type: ignore[no-untyped-def]
    value, ch, a, b, c, i, j, k, x, y, z, log_shade, light, floor, gain,
):  # fmt: skip
    """sRGB (0…255, float) of one channel of albedo under the light, at a point with unit normal (x, y, z)."""
    value *= smooth_max(shading_at(x, y, z, light, ch), floor[ch]) / gain[ch]
    value *= np.exp(a * log_shade[i, ch] + b * log_shade[j, ch] + c * log_shade[k, ch])
    value = min(value, 1.0)
    if value <= 0.0031308:
        return 255.0 * 12.92 * value
    return 255.0 * (1.055 * value ** (1.0 / 2.4) - 0.055)


@njit(cache=True, nogil=True)
def _shade(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, uv_triangles, uv, normals, log_shade, light, floor, gain,
    texture, decode, out,
):  # fmt: skip
    """sRGB (0…255, float) of albedo · shading at each pixel."""
    size = texture.shape[0]
    for p in range(first, last):
        t = triangle[p]
        if t < 0:
            continue
        a, b, c = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        i, j, k = uv_triangles[t, 0], uv_triangles[t, 1], uv_triangles[t, 2]
        s = (a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0]) * size - 0.5
        r = (1.0 - (a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1])) * size - 0.5
        s = min(max(s, 0.0), size - 1.001)
        r = min(max(r, 0.0), size - 1.001)
        s0, r0 = int(s), int(r)
        fs, fr = s - s0, r - r0
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
        y = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
        z = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
        inverse = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-20)
        x, y, z = x * inverse, y * inverse, z * inverse
        for ch in range(3):
            value = (1 - fr) * ((1 - fs) * decode[texture[r0, s0, ch]] + fs * decode[texture[r0, s0 + 1, ch]])
            value += fr * (
                (1 - fs) * decode[texture[r0 + 1, s0, ch]] + fs * decode[texture[r0 + 1, s0 + 1, ch]]
            )
            out[p, ch] = _lit(value, ch, a, b, c, i, j, k, x, y, z, log_shade, light, floor, gain)


@njit(cache=True, nogil=True)
def _shade_vertices(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, normals, log_shade, light, floor, gain, colours, decode, out,
):  # fmt: skip
    """As :func:`_shade`, with sRGB colours (V, 3) at the vertices."""
    for p in range(first, last):
        t = triangle[p]
        if t < 0:
            continue
        a, b, c = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
        y = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
        z = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
        inverse = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-20)
        x, y, z = x * inverse, y * inverse, z * inverse
        for ch in range(3):
            value = a * decode[colours[i, ch]] + b * decode[colours[j, ch]] + c * decode[colours[k, ch]]
            out[p, ch] = _lit(value, ch, a, b, c, i, j, k, x, y, z, log_shade, light, floor, gain)


def deocclude(
    photo: Array,
    model: MorphableModel,
    parameters: Parameters,
    camera: Camera,
    occluder: Array | torch.Tensor,
    completed: CompletedTexture,
    *,
    posed: PosedFace | None = None,
    settings: DeoccludeSettings | None = None,
) -> Array:
    """Replace the occluder by the completed face under the photo's light.

    Inside the projected face (eyes and mouth included) the occluder's pixels, grown by a thin margin, show
    the rendered face; a membrane carries the remaining mismatch along the mask's border into it, so that the
    two meet without a seam (Pérez et al. 2003 in the membrane form). All other pixels are returned bit for
    bit, and so is what of the occluder lies outside the face.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        model, parameters, camera, occluder: as given to :func:`complete_texture`.
        completed: its result.
        posed: the face in camera space, where it is known already; None poses it.
        settings: see :class:`DeoccludeSettings`.

    Returns:
        (H, W, 3) uint8 sRGB.

    Raises:
        UsageError: shapes that do not fit, or a texture that belongs to another model.
    """
    settings = settings or DeoccludeSettings()
    photo, hidden = check_inputs(photo, parameters, camera, occluder)
    if has_uv(model) == completed.per_vertex or len(completed.log_shade) != model.vertex_count:
        raise UsageError(f"the completed texture does not belong to the face model {model.name!r}")
    result = photo.copy()
    blocked = hidden >= settings.threshold
    posed = PosedFace.of(model, parameters, posed)
    surface, head = surface_of(model), pose(posed)
    box = _box(blocked, head.points, surface.triangles[surface.kind == FACE], camera)
    if box is None:
        return result
    left, top, right, bottom = box
    # A face finer than its texture has nothing to show at full size that a reduced rendering lacks.
    factor = _reduction(head.points, surface.triangles[surface.kind == FACE], camera, box)
    right, bottom = right - (right - left) % factor, bottom - (bottom - top) % factor
    crop = camera.cropped(left, top, right - left, bottom - top).scaled(1 / factor)
    fragments = posed.seen(crop)
    triangle = np.ascontiguousarray(fragments.triangle[0].numpy())
    barycentric = np.ascontiguousarray(fragments.barycentric[0].numpy(), np.float32)
    kind = np.where(triangle >= 0, surface.kind[np.maximum(triangle, 0)], 255)
    face = np.isin(kind, (FACE, EYEBALL, TEETH, INNER))
    depth = fragments.depth[0].numpy()
    scale = float(crop.focal) / float(np.median(depth[face])) if face.any() else 1.0
    hidden = np.asarray(_blocks(blocked[top:bottom, left:right], factor).any(axis=(1, 3)))
    blocked = _believed(hidden, kind, scale)
    if not (blocked & face).any():
        return result
    alpha, free = _alpha(
        blocked,
        face,
        triangle,
        barycentric,
        surface.triangles,
        surface.rim,
        _upper(model),
        kind,
        scale,
        settings,
    )
    wanted = np.where(face & (alpha < 1) | (alpha > 0), triangle, -1).astype(np.int32)
    rendered = shaded(model, completed, head.normals, surface.triangles, wanted, barycentric)
    original = photo[top:bottom, left:right].astype(np.float32)
    reduced = original if factor == 1 else _blocks(original, factor).mean(axis=(1, 3))
    reliable = (kind == FACE) & free
    ratio = _mismatch(reduced, rendered, reliable, alpha, scale, settings)
    rendered = np.minimum((rendered + _DARK) * np.exp(ratio) - _DARK, 255)
    if factor > 1:
        rendered, alpha = _enlarged(rendered, factor), _enlarged(alpha[..., None], factor)[..., 0]
        reliable = reliable.repeat(factor, axis=0).repeat(factor, axis=1)
    rendered += _grain(original, rendered, reliable & (alpha < 1), alpha, left, top)[..., None]
    mixed = original + alpha[..., None] * (rendered - original)
    changed = alpha > 0
    result[top:bottom, left:right][changed] = np.clip(np.round(mixed[changed]), 0, 255).astype(np.uint8)
    return result


def shaded(
    model: MorphableModel,
    completed: CompletedTexture,
    normals: Array,
    triangles: Array,
    triangle: Array,
    barycentric: Array,
) -> Array:
    """The completed face under the photo's light, at the pixels of a rasterisation.

    Args:
        model: the face model.
        completed: its texture, or vertex colours.
        normals: (V, 3) unit normals, in the frame of the texture's light.
        triangles: (F, 3) of the model.
        triangle: (h, w) int32, which triangle each pixel shows; −1 leaves it black.
        barycentric: (h, w, 3) float32.

    Returns:
        (h, w, 3) float32 sRGB in [0, 255].
    """
    rendered = np.zeros((*triangle.shape, 3), np.float32)
    flat = rendered.reshape(-1, 3)
    light = (completed.log_shade, completed.light, completed.floor, completed.gain)
    colours = (completed.texture, LINEAR_OF_BYTE, flat)
    wanted = np.ascontiguousarray(triangle.ravel(), np.int32)

    def work(a: int, b: int) -> None:
        place = (a, b, wanted, barycentric.reshape(-1, 3), triangles)
        if model.uv is None or model.uv_triangles is None:
            _shade_vertices(*place, normals, *light, *colours)
        else:
            uv = (model.uv_triangles.cpu().numpy(), model.uv.detach().cpu().float().numpy())
            _shade(*place, *uv, normals, *light, *colours)

    split(len(flat), work)
    return rendered


def _reduction(points: Array, faces: Array, camera: Camera, box: tuple[int, int, int, int]) -> int:
    """Whole factor by which the box may be reduced so that the face stays at least 400 pixels wide."""
    depth = -points[:, 2]
    used = np.unique(faces)
    used = used[depth[used] > 1.0]
    width = float(np.ptp(float(camera.focal) * points[used, 0] / depth[used]))
    room = min(box[2] - box[0], box[3] - box[1]) // 2
    return max(1, min(int(np.ceil(width / _FINEST)), room))


def _blocks(values: Array, factor: int) -> Array:
    """(H, W, …) as (H / f, f, W / f, f, …)."""
    height, width = values.shape[:2]
    return values.reshape(height // factor, factor, width // factor, factor, *values.shape[2:])


def _enlarged(values: Array, factor: int) -> Array:
    """(h, w, C) -> (h · f, w · f, C), bilinear, pixel edges aligned."""
    planes = torch.from_numpy(np.ascontiguousarray(values, np.float32)).permute(2, 0, 1)
    large = resize_bilinear(planes, values.shape[0] * factor, values.shape[1] * factor)
    return np.ascontiguousarray(large.permute(1, 2, 0).numpy())


def _box(blocked: Array, points: Array, faces: Array, camera: Camera) -> tuple[int, int, int, int] | None:
    """Overlap of the occluder's and the face's bounding boxes with a margin, or None."""
    rows, columns = np.flatnonzero(blocked.any(axis=1)), np.flatnonzero(blocked.any(axis=0))
    if len(rows) == 0:
        return None
    depth = -points[:, 2]
    used = np.unique(faces)
    used = used[depth[used] > 1.0]
    if len(used) == 0:
        return None
    u = float(camera.cx) + float(camera.focal) * points[used, 0] / depth[used]
    v = float(camera.cy) - float(camera.focal) * points[used, 1] / depth[used]
    pad = 0.06 * (u.max() - u.min()) + 3
    left, right = max(columns[0] - pad, u.min() - 2, 0), min(columns[-1] + pad, u.max() + 3, blocked.shape[1])
    top, bottom = max(rows[0] - pad, v.min() - 2, 0), min(rows[-1] + pad, v.max() + 3, blocked.shape[0])
    box = int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom))
    return box if box[2] - box[0] >= 2 and box[3] - box[1] >= 2 else None


def _alpha(
    blocked: Array,
    face: Array,
    triangle: Array,
    barycentric: Array,
    triangles: Array,
    rim: Array,
    upper: Array,
    kind: Array,
    scale: float,
    settings: DeoccludeSettings,
) -> tuple[Array, Array]:
    """Share of the rendering (1 on the grown mask, 0 off the feather and the face); off the feather."""
    distance = np.empty(face.shape, np.float32)
    chamfer(blocked, distance)
    start = max(1.0, settings.margin_mm * scale)
    stop = start + max(1.5, settings.feather_mm * scale)
    alpha = 1 - smoothstep(start, stop, distance)
    free = distance >= stop
    from_outline = np.empty(face.shape, np.float32)
    chamfer(~face, from_outline)
    alpha = alpha * smoothstep(0.0, 2.0, from_outline)
    if settings.hairline_mm > 0:
        corners = triangles[np.maximum(triangle, 0)]
        depth_in = np.einsum("hwj,hwj->hw", barycentric, rim[corners])
        high = np.einsum("hwj,hwj->hw", barycentric, upper[corners])
        fade = settings.hairline_mm * (0.15 + 0.85 * high)
        t = np.where(kind == FACE, np.clip(depth_in / fade, 0, 1), np.float32(1))
        alpha = alpha * t * t * (3 - 2 * t)
    return np.where(face, alpha, np.float32(0)).astype(np.float32), free


def _believed(blocked: Array, kind: Array, scale: float) -> Array:
    """The mask without what it covers of eyes and mouth while the lids or lips around them are free.

    Nothing hides teeth and leaves the lips in view; a mask that says so took teeth or a dark eye for an occluder.
    """
    from scipy.ndimage import label

    inside = np.isin(kind, (EYEBALL, TEETH, INNER))
    parts, count = label(inside)
    result = blocked.copy()
    distance = np.empty(kind.shape, np.float32)
    for part in range(1, count + 1):
        own = parts == part
        if not (own & blocked).any():
            continue
        chamfer(own, distance)
        around = (kind == FACE) & (distance <= max(2.0, 3.0 * scale))
        if around.any() and blocked[around].mean() < 0.1:
            result[own] = False
    return result


def _upper(model: MorphableModel) -> Array:
    """(V,) float32: 1 from a little above the brows upwards, 0 from the brows downwards."""
    heights = model.mean[:, 1].detach().cpu().float().numpy()
    if model.landmarks_68 is not None:
        brows = float(model.landmarks_68.points(model.mean, model.triangles)[17:27, 1].nanmean())
    else:
        brows = float(np.quantile(heights, 0.7))
    return smoothstep(brows, brows + 20.0, heights)


def _grain(original: Array, rendered: Array, reliable: Array, alpha: Array, left: int, top: int) -> Array:
    """(H, W) noise in sRGB levels by which the reliable photo is rougher than the rendering; of a fixed seed."""

    def fine(image: Array) -> Array:
        grey = image.mean(axis=2)
        return grey[1:-1, 1:-1] - 0.25 * (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:])

    inside, outside = (alpha[1:-1, 1:-1] >= 1), reliable[1:-1, 1:-1]
    noise = np.zeros(alpha.shape, np.float32)
    if inside.sum() < 100 or outside.sum() < 100:
        return noise
    rough = [1.48 * float(np.median(np.abs(v))) for v in (fine(original)[outside], fine(rendered)[inside])]
    # White noise of deviation 1 has a deviation of √1.25 after the filter.
    level = np.sqrt(max(rough[0] ** 2 - rough[1] ** 2, 0.0) / 1.25)
    generator = np.random.default_rng((left, top))
    noise += np.float32(min(level, 6.0)) * generator.standard_normal(alpha.shape, np.float32)
    return noise


def _mismatch(
    original: Array, rendered: Array, reliable: Array, alpha: Array, scale: float, settings: DeoccludeSettings
) -> Array:
    """Membrane of log photo − log rendering from a band of reliable pixels at the mask, on a coarse grid.

    Pixels whose mismatch is far from the band's median (hair, a frame's shadow) count for less.
    """
    step = max(1, round(max(original.shape[:2]) / 112))
    h, w = -(-original.shape[0] // step), -(-original.shape[1] // step)
    reach = max(4.0, 4 * settings.feather_mm * scale)
    distance = np.empty(alpha.shape, np.float32)
    chamfer(alpha > 0, distance)
    weight = (reliable & (distance <= reach)).astype(np.float32)
    difference = np.log((original + _DARK) / (np.maximum(rendered, 0) + _DARK))
    if weight.any():
        band = difference[weight > 0]
        centre = np.median(band, axis=0)
        # Rejected outright at thrice the band's spread, which is never taken for less than a tenth.
        spread = max(0.1, 1.48 * float(np.median(np.abs(band - centre).max(axis=1))))
        weight *= 1 - smoothstep(1.5 * spread, 3 * spread, np.abs(difference - centre).max(axis=2))
    difference = np.clip(difference, -_LIMIT, _LIMIT) * weight[..., None]

    def reduce(values: Array) -> Array:
        padded = np.zeros((h * step, w * step, values.shape[2]), np.float32)
        padded[: values.shape[0], : values.shape[1]] = values
        return padded.reshape(h, step, w, step, -1).mean(axis=(1, 3))

    total = reduce(weight[..., None])
    data = reduce(difference) / np.maximum(total, 1e-6)
    coarse = grid_membrane(total[..., 0], data, stiffness=1.0)
    return _enlarged(coarse, step)[: original.shape[0], : original.shape[1]]

"""The whole UV texture of a face of which the photo shows a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ....core.errors import UsageError
from ....core.jit import njit
from ....core.kernels import smoothstep_at
from ....core.luminance import luminance
from ....core.packing import packed, unpacked
from ....core.short_repr import short_repr
from ....core.srgb import BYTE_OF_ROOT, LINEAR_OF_BYTE
from ....morphable import MorphableModel, Parameters
from ....render import Camera
from ...posed import PosedFace
from ._kernels import sample_texels, split
from .atlas import Array, Atlas, Surface, atlas_of, surface_of
from .defaults import texel_albedo, vertex_albedo
from .eyes import tint_eyes
from .fields import Fields, Landscape, estimate_fields
from .generated import generated_view, with_matte
from .mouth import tone_teeth
from .noise import SkinNoise, matched_noise, skin_noise
from .view import Pose, View, pose, view_of

if TYPE_CHECKING:
    from ....perceive import FaceLandmarks
    from ...state import GeneratedFace

__all__ = [
    "MIRRORED",
    "MODEL",
    "NONE",
    "OBSERVED",
    "CompleteSettings",
    "CompletedTexture",
    "complete_texture",
]

NONE, OBSERVED, MIRRORED, MODEL = range(4)
"""Provenance codes: outside the UV charts, seen in the photo, seen on the mirrored side, from the model."""


@dataclass(frozen=True)
class CompleteSettings:
    """How to complete a texture.

    Args:
        refine_light: refit the nine light coefficients per channel, near those of the fit, before dividing by
            them.
        mirror: use the mirrored side where a texel is not seen.
        tone: 0 keeps albedo as the fit separates it from light; 1 multiplies it with the light's median
            colour, so that the face under white light of level 1 is as bright and as tinted as in the photo.
        grain: strength of the fine noise, matched to the seen skin, on texels that come from the model.
        monochrome: treat the photo as grey (True), as coloured (False), or look (None).
        seed: of the noise.
    """

    refine_light: bool = True
    mirror: bool = True
    tone: float = 0.0
    grain: float = 1.0
    monochrome: bool | None = None
    seed: int = 0


_PACKED = ("texture", "provenance", "confidence")


@dataclass(frozen=True)
class CompletedTexture:
    """An albedo-like texture and where it comes from.

    The texture is the photo divided by the fitted shading in linear light: colour = albedo · shading, so it
    can be lit anew. Convention: row 0 lies at v = 1, texel centres at (i + ½) / S; texels outside the charts
    repeat the nearest texel of a chart, so filtering never meets a dark border.

    A face model without UV coordinates has colours at its vertices instead: ``texture`` is then (V, 3), and
    provenance and confidence are (V,); see :attr:`per_vertex`. All else is the same.

    Args:
        texture: (S, S, 3) or (V, 3) uint8 sRGB albedo.
        provenance: (S, S) or (V,) uint8 :class:`Provenance`: none outside the charts, observed, mirrored, model,
            generated.
        confidence: (S, S) or (V,) float32 in [0, 1]; 0 outside the charts. With the blending weights α of the
            sources, confidence = α_observed · c + α_mirrored · 0.6 · c' + α_model · 0.1, where c (c' for the
            mirrored point) = mask weight · min(1, (cos θ − 0.1) / 0.6) · (0.4 + 0.6 · min(1, photo pixels per
            texel)); a generated texel counts half of its network's trust, or what lies under it where that is more.
        light: (9, 3) float32, the light that was divided out (camera frame, linear, per channel).
        floor: (3,) float32, smallest shading that was divided out, per channel.
        log_shade: (V, 3) float32, log of a further smooth shading at the vertices, so that
            shading(n) = max(Φ(n) · light, floor) · exp(log_shade), with max smoothed.
        gain: (3,) float32, what the texture was multiplied with on top (see ``CompleteSettings.tone``).
        monochrome: the photo has no colour; the texture is grey, its tint is in ``light``.
        observed_fraction: share of the face's texels that were observed.
    """

    texture: Array
    provenance: Array
    confidence: Array
    light: Array
    floor: Array
    log_shade: Array
    gain: Array
    monochrome: bool
    observed_fraction: float

    __repr__ = short_repr

    @property
    def per_vertex(self) -> bool:
        """Whether colours, provenance and confidence belong to vertices, not to the texels of a UV texture."""
        return bool(self.texture.ndim == 2)

    def __getstate__(self) -> dict[str, Any]:
        """Pickled with its large arrays packed, without loss: most of a texture repeats its neighbours."""
        state = dict(vars(self))
        return state | {name: packed(state[name]) for name in _PACKED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, **{name: unpacked(state[name]) for name in _PACKED})


@njit(cache=True, nogil=True)
def _dull(value, base, most):  # type: ignore[no-untyped-def]
    """Compress what is much brighter than its surroundings: gloss, which no albedo has."""
    limit = most * base
    if value <= limit:
        return value
    return limit * (value / limit) ** 0.35


@njit(cache=True, nogil=True)
def _even(value, base):  # type: ignore[no-untyped-def]
    """Compress what is much brighter or darker than its surroundings: a face has its gloss, its moles and what one
    looks into through a nostril on one side only."""
    high, low = 1.12 * base, 0.6 * base
    if value > high:
        return high * (value / high) ** 0.25
    if value < low:
        return low * (max(value, 1e-4) / low) ** 0.35
    return value


@njit(cache=True, nogil=True, fastmath=True)
def _compose(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, mirror_triangle, mirror_barycentric, triangles, kind,
    model, noise, grain, offset, seen, quality, resolution, image, image_quality, image_resolution,
    made, made_quality, gain, table, colour, provenance, confidence,
):  # fmt: skip
    """Blend observed over generated over mirrored over model; square roots of linear light, where steps look even."""
    for n in range(first, last):
        t = triangle[n]
        own = kind[t] <= 2
        m = mirror_triangle[n]
        over_model = 0.0
        over_made = 0.0
        over_rest = 0.0
        if own:
            q, qm = quality[n], image_quality[n]
            over_rest = smoothstep_at(0.1, 0.8, q / (q + 0.25 * qm + 0.12))
            over_model = smoothstep_at(0.1, 0.85, qm / (qm + 0.1))
            over_made = smoothstep_at(0.05, 0.5, made_quality[n])
        fine = np.exp(grain * noise[n]) if own and over_rest < 1.0 else 1.0
        for ch in range(3):
            here = 0.0
            there = 0.0
            if own:
                for k in range(3):
                    here += barycentric[n, k] * offset[triangles[t, k], ch]
                if over_rest < 1.0 and over_model > 0.0:
                    for k in range(3):
                        there += mirror_barycentric[n, k] * offset[triangles[m, k], ch]
            base = model[n, ch] * np.exp(here)
            value = np.sqrt(base * fine)
            if over_rest < 1.0 and over_model > 0.0:
                value += over_model * (np.sqrt(_even(image[n, ch] * np.exp(here - there), base)) - value)
            if over_made > 0.0:
                value += over_made * (np.sqrt(_dull(made[n, ch], base, 1.15) * fine) - value)
            if over_rest > 0.0:
                value += over_rest * (np.sqrt(_dull(seen[n, ch], base, 1.4)) - value)
            value *= np.sqrt(gain[ch])
            colour[n, ch] = table[min(4095, int(value * 4095.0 + 0.5))]
        c = quality[n] * (0.4 + 0.6 * min(1.0, resolution[n]))
        cm = image_quality[n] * (0.4 + 0.6 * min(1.0, image_resolution[n]))
        under = over_model * 0.6 * cm + (1.0 - over_model) * 0.1
        under += over_made * (max(under, 0.5 * made_quality[n]) - under)
        confidence[n] = over_rest * c + (1.0 - over_rest) * under
        if over_rest >= 0.5:
            provenance[n] = 1
        elif over_made >= 0.5:
            provenance[n] = 4
        elif over_model >= 0.5:
            provenance[n] = 2
        else:
            provenance[n] = 3


def complete_texture(
    model: MorphableModel,
    photo: Array,
    parameters: Parameters,
    camera: Camera,
    occluder: Array | torch.Tensor | None = None,
    *,
    size: int = 1024,
    settings: CompleteSettings | None = None,
    landmarks: FaceLandmarks | None = None,
    posed: PosedFace | None = None,
    generated: GeneratedFace | None = None,
) -> CompletedTexture:
    r"""Texture of the whole head: seen texels from the photo, the others mirrored or from the fitted model.

    1. The photo around the face is compared with the fitted face, pixel by pixel, in log linear light. Pixels
       near the occluder, near silhouettes and of colours that are no skin lose their weight.
    2. The residual, averaged at the vertices, is split into its antisymmetric part (light that nine
       coefficients cannot express) and the rest (the person); membranes on the mesh carry both to where
       nothing was seen, across the borders of UV charts.
    3. Each texel blends :math:`\text{photo} / \text{shading}`, the same at the mirrored point, moved by the
       difference of the membranes, and the fitted albedo, moved by the membrane. Since all three agree in
       their low frequencies, the blend has no seams: gradient-domain cloning, solved on the mesh.

    Scalp, neck and back of the head are never sampled: they continue the face's colour (heads are bald).
    Gloss, more than 1.4 times as bright as its surroundings, is compressed; of mirrored texels whatever is much
    brighter or darker than its surroundings; of generated texels what is more than 1.15 times as bright.
    Eyeballs, teeth and inner mouth always come from the model; iris, sclera and teeth are tinted like the photo's
    where it shows them.

    Args:
        model: without UV coordinates its vertices are coloured; regions and albedo statistics are used where there
            are any.
        photo: (H, W, 3) uint8 sRGB.
        parameters: of one face (no batch dimension).
        camera: of the photo, H × W.
        occluder: (H, W) in [0, 1] or bool, 1 = something in front of the face; None = nothing.
        size: edge S of the texture in texels, 16 to 8192; of no effect for a model without UV.
        settings: see :class:`CompleteSettings`.
        landmarks: of the face; with the 478 MediaPipe points among them they say where the photo's irises lie.
        posed: the face in camera space, where it is known already; None poses it.
        generated: what a network put in the occluder's place: hidden texels are made of it, as far as it says that
            it is sure.

    Returns:
        CompletedTexture.

    Raises:
        UsageError: shapes that do not fit, a face outside the photo.
    """
    settings = settings or CompleteSettings()
    photo, hidden = check_inputs(photo, parameters, camera, occluder)
    if generated is not None:
        hidden = with_matte(hidden, generated)
    if not 16 <= size <= 8192:
        raise UsageError(f"texture size must lie between 16 and 8192, got {size}")
    surface, atlas = surface_of(model), atlas_of(model, size)
    shared = PosedFace.of(model, parameters, posed)
    head = pose(shared)
    # A mesh of V vertices resolves about as much as a texture of as many texels.
    finest = 0.75 * size if atlas.size else max(160.0, 2.0 * model.vertex_count**0.5)
    view = view_of(photo, hidden, shared, head, surface, camera, finest=finest)
    albedo = vertex_albedo(model, parameters)
    light = parameters.light.detach().cpu().float().numpy()
    texels = texel_albedo(model, parameters, surface, atlas, albedo)
    grey, tint = _is_monochrome(photo, hidden, settings.monochrome)
    if grey:
        view, albedo, light, texels = _to_grey(view, surface, albedo, light, texels)
    fields = estimate_fields(
        view,
        head,
        surface,
        albedo,
        light,
        refine=settings.refine_light,
        land=_landscape(model),
    )
    points = landmarks.points_478 if landmarks is not None else None
    texels = tint_eyes(model, surface, atlas, head, view, fields, texels, points)
    texels = tone_teeth(surface, atlas, view, fields, texels)
    gain = np.clip(fields.tone, 0.05, 20.0) ** settings.tone
    made = None if generated is None else generated_view(generated, view, surface)
    texture, provenance, confidence, share = _blend(
        surface, atlas, head, view, made, fields, texels, gain, settings,
        skin_noise(model, surface, atlas, settings.seed),
    )  # fmt: skip
    return CompletedTexture(
        texture,
        provenance,
        confidence,
        (fields.light * tint).astype(np.float32),
        (fields.floor * tint).astype(np.float32),
        fields.log_shade,
        gain.astype(np.float32),
        grey,
        share,
    )


def check_inputs(
    photo: Array, parameters: Parameters, camera: Camera, occluder: Array | torch.Tensor | None
) -> tuple[Array, Array]:
    """The photo and the occluder as arrays of one size; clear errors otherwise."""
    photo = np.asarray(photo)
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise UsageError(f"the photo must be uint8 of shape (H, W, 3), got {photo.dtype} {photo.shape}")
    size = photo.shape[:2]
    if (camera.height, camera.width) != size:
        raise UsageError(
            f"the camera is for {camera.width}×{camera.height} pixels, the photo has {size[1]}×{size[0]}"
        )
    if parameters.rotation.ndim != 1 or parameters.light.shape != (9, 3):
        raise UsageError("the parameters must describe one face: pick one of the batch")
    if occluder is None:
        return photo, np.zeros(size, np.float32)
    hidden = occluder.detach().cpu().numpy() if isinstance(occluder, torch.Tensor) else np.asarray(occluder)
    if hidden.shape != size:
        raise UsageError(f"the occluder mask has the shape {hidden.shape}, the photo {size}")
    if hidden.dtype == np.uint8:
        hidden = hidden / np.float32(255)
    hidden = np.ascontiguousarray(hidden, np.float32)
    if not (np.isfinite(hidden).all() and hidden.min() >= 0 and hidden.max() <= 1):
        raise UsageError("the occluder mask must lie in [0, 1] (or be uint8 with 255 = occluder)")
    return photo, hidden


def _blend(
    surface: Surface,
    atlas: Atlas,
    head: Pose,
    view: View,
    made: tuple[Array, Array] | None,
    fields: Fields,
    texels: Array,
    gain: Array,
    settings: CompleteSettings,
    skin: SkinNoise,
) -> tuple[Array, Array, Array, float]:
    count = len(atlas.texel)
    intrinsics = np.array([float(v) for v in (view.camera.focal, view.camera.cx, view.camera.cy)])
    seen, image = (np.zeros((count, 3), np.float32) for _ in range(2))
    quality, resolution, image_quality, image_resolution = (np.zeros(count, np.float32) for _ in range(4))
    colours, made_quality, unused = np.zeros((count, 3), np.float32), np.zeros(count, np.float32), resolution
    if made is not None:
        unused = np.zeros(count, np.float32)
    colour = np.empty((count, 3), np.uint8)
    provenance = np.empty(count, np.uint8)
    confidence = np.empty(count, np.float32)
    noise = matched_noise(skin, view, fields.weight, surface, fields.grain)

    def work(a: int, b: int) -> None:
        common = (surface.triangles, surface.kind, atlas.uv_area, head.points, head.normals, intrinsics)
        source = (view.linear, fields.weight, view.depth, fields.light, fields.log_shade, fields.floor)
        sample_texels(a, b, atlas.triangle, atlas.barycentric, *common, *source, seen, quality, resolution)
        if made is not None:
            sample_texels(
                a, b, atlas.triangle, atlas.barycentric, *common, *made, *source[2:],
                colours, made_quality, unused,
            )  # fmt: skip
        if settings.mirror:
            sample_texels(
                a, b, atlas.mirror_triangle, atlas.mirror_barycentric, *common, *source,
                image, image_quality, image_resolution,
            )  # fmt: skip
        _compose(
            a, b, atlas.triangle, atlas.barycentric, atlas.mirror_triangle, atlas.mirror_barycentric,
            surface.triangles, surface.kind, texels, noise, settings.grain, fields.offset,
            seen, quality, resolution, image, image_quality, image_resolution,
            colours, made_quality, gain, BYTE_OF_ROOT, colour, provenance, confidence,
        )  # fmt: skip

    split(count, work)
    texture = colour[atlas.nearest]
    codes = np.zeros(atlas.nearest.size, np.uint8)
    codes[atlas.texel] = provenance
    scores = np.zeros(atlas.nearest.size, np.float32)
    scores[atlas.texel] = confidence
    face = surface.kind[atlas.triangle] == 1
    share = float((provenance[face] == OBSERVED).mean()) if face.any() else 0.0
    return texture, codes.reshape(atlas.nearest.shape), scores.reshape(atlas.nearest.shape), share


def _landscape(model: MorphableModel) -> Landscape:
    """Heights of chin, nose base and brows on the mean model, and where the brows are."""
    mean = model.mean.detach().cpu().float().numpy()
    heights = mean[:, 1]
    brow = np.zeros(len(mean), bool)
    if "brows" in model.regions:
        brow |= model.regions["brows"].cpu().numpy()
    chin, nose, brows = float(heights.min()), float(np.median(heights)), float(np.quantile(heights, 0.7))
    if model.landmarks_68 is not None:
        points = model.landmarks_68.points(model.mean, model.triangles).detach().cpu().float().numpy()
        chin = float(np.nan_to_num(points[8, 1], nan=chin))
        nose, brows = float(np.nanmean(points[31:36, 1])), float(np.nanmean(points[17:27, 1]))
        for point in points[17:27]:
            brow |= ((mean - point) ** 2).sum(axis=1) < 8.0**2
    return Landscape(heights, chin, nose, brows, brow)


def _is_monochrome(photo: Array, hidden: Array, wanted: bool | None) -> tuple[bool, Array]:
    """Whether all but the occluder has one chromaticity (grey or toned), and that (luminance 1)."""
    none = np.ones(3, np.float32)
    stride = max(1, int(np.sqrt(photo.shape[0] * photo.shape[1] / 20000)))
    colours = LINEAR_OF_BYTE[photo[::stride, ::stride][hidden[::stride, ::stride] < 0.5]]
    colours = colours[colours.max(axis=1) > 0.02]
    if wanted is False or len(colours) < 64:
        return bool(wanted), none
    ratio = np.log((colours[:, [0, 2]] + 2e-3) / (colours[:, [1]] + 2e-3))
    centre = np.median(ratio, axis=0)
    if wanted is None and np.quantile(np.abs(ratio - centre).max(axis=1), 0.97) > 0.08:
        return False, none
    tint = np.exp(np.array([centre[0], 0.0, centre[1]], np.float32))
    return True, np.asarray(tint / luminance(tint), np.float32)


def _to_grey(
    view: View, surface: Surface, albedo: Array, light: Array, texels: Array
) -> tuple[View, Array, Array, Array]:
    """Photo, albedo and light as luminance; the light keeps albedo · light where it was."""
    from dataclasses import replace

    def grey(values: Array) -> Array:
        return np.ascontiguousarray(np.repeat(luminance(values)[..., None], 3, axis=-1), np.float32)

    skin = albedo[surface.skin].mean(axis=0)
    ratio = skin / luminance(skin)
    level = (light * ratio).mean(axis=1, keepdims=True)
    return (
        replace(view, linear=grey(view.linear)),
        grey(albedo),
        np.repeat(level, 3, axis=1).astype(np.float32),
        grey(texels),
    )

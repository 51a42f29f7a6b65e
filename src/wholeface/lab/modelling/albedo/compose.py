"""Modes on the face become textures of the whole head."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from ....morphable.albedo import AlbedoModel
from ....morphable.model import MorphableModel
from .atlas import Atlas, pad_texture, sample_rows_cols, texture_at_vertices, to_grid
from .extend import extend_field
from .interior import Eyes, mouth_colours, paint_eyes
from .statistics import Modes

__all__ = ["compose_albedo", "crisp_detail", "zone_feather"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
_MARGIN_MM = 22.0


def zone_feather(model: MorphableModel, atlas: Atlas, zone: Bools) -> tuple[Array, Array]:
    """How reliable the zone's own statistics are: texels (S, S) and vertices (V,), 0 at its rim, 1 inside.

    The rim is the border between the zone and other skin; the edges of eyes and mouth are not.
    """
    skin = atlas.regions["skin"]
    beyond = skin & ~zone
    # The insides of the nostrils are other skin, too, but small: their rims are well seen.
    labels, parts = ndimage.label(beyond)
    sizes = ndimage.sum_labels(beyond, labels, np.arange(parts + 1))
    rim = zone & ndimage.binary_dilation(sizes[labels] > 0.02 * zone.sum())
    texel_mm = float(np.sqrt(np.median(atlas.area[zone])))
    far = ndimage.distance_transform_edt(~rim) * texel_mm
    # Hair is never told from skin without fail: towards the scalp the statistics fade over a wider strip.
    if "scalp" in atlas.regions:
        hairline = rim & ndimage.binary_dilation(atlas.regions["scalp"], iterations=2)
        far = np.minimum(far, 0.55 * ndimage.distance_transform_edt(~hairline) * texel_mm)
    texels = np.where(zone, np.clip(far / _MARGIN_MM, 0, 1), 0.0)
    texels = texels * texels * (3 - 2 * texels)
    vertices = texture_at_vertices(model, pad_texture(texels[..., None], zone | skin))[:, 0]
    skin_vertices = model.regions["skin"].numpy()
    return texels, np.where(skin_vertices, np.clip(vertices, 0, 1), 0.0)


def crisp_detail(avatars: Array, weight: Array, zone: Bools, sigma: float) -> Array:
    """(S, S, 3) fine structure that avatars share: brows, lips, lids, pores.

    The mean over subjects is smoother than any of them; its fine structure is raised to the typical person's
    contrast, by at most a factor of 2.2.

    Args:
        avatars: (N, T, 3) log albedo over the zone of a fine atlas.
        weight: (N, T), 0 = hair or cloth.
        zone: (S, S) bool.
        sigma: texels; what is coarser is left to the statistics.
    """
    total = np.zeros((*zone.shape, 3))
    energy = np.zeros(zone.shape)
    count = np.zeros(zone.shape)
    for values, confidence in zip(avatars, weight):
        w = to_grid(_surely(confidence), zone)
        grid = to_grid(values, zone)
        soft = ndimage.gaussian_filter(grid * w[..., None], (sigma, sigma, 0))
        soft /= np.maximum(ndimage.gaussian_filter(w, sigma), 1e-3)[..., None]
        fine = np.clip((grid - soft) * w[..., None], -0.6, 0.6)
        total += fine
        energy += (fine**2).mean(-1)
        count += w
    mean = total / np.maximum(count, 1.0)[..., None]
    mean = 0.5 * (mean + mean[:, ::-1])
    typical = ndimage.gaussian_filter(energy / np.maximum(count, 1.0), 3 * sigma)
    present = ndimage.gaussian_filter((mean**2).mean(-1), 3 * sigma)
    gain = np.clip(np.sqrt(0.6 * typical / np.maximum(present, 1e-7)), 1.0, 2.2)
    edge = np.clip((ndimage.distance_transform_edt(zone) - 1) / 3, 0, 1)
    common = np.clip((ndimage.uniform_filter(count / len(avatars), 9) - 0.7) / 0.25, 0, 1)
    result: Array = mean * (gain * edge * common)[..., None]
    return result


def _surely(confidence: Array) -> Array:
    """Weights in [0, 1] with the doubtful half set to 0."""
    result: Array = np.clip(2 * confidence - 1, 0, 1)
    return result


def compose_albedo(
    model: MorphableModel,
    coarse: Atlas,
    fine: Atlas,
    zone: Bools,
    modes: Modes,
    tone_of_modes: Array,
    outer_mean: Array,
    tone: Array,
    detail: Array,
    eyes: Eyes,
    count: int,
) -> AlbedoModel:
    """Put the parts together.

    Args:
        model: the geometry.
        coarse: atlas of the modes.
        fine: atlas of the mean; twice the size of ``coarse``.
        zone: (s, s) texels of the face's statistics.
        modes: on the zone; the iris modes are added behind them.
        tone_of_modes: (K, 3) change of the skin's tone by each mode.
        outer_mean: (V, 3) mean log albedo less tone of all skin vertices.
        tone: (3,) log of the mean skin albedo.
        detail: (S, S, 3) fine structure of the mean.
        eyes: painted eyes.
        count: modes wanted in all.
    """
    kept = count - len(eyes.iris_modes)
    vertices, triangles = model.mean.double().numpy(), model.triangles.numpy()
    skin_faces = triangles[model.regions["skin"].numpy()[triangles].all(1)]
    feather, vertex_feather = zone_feather(model, coarse, zone)
    padded = np.concatenate((modes.mean[None], modes.basis[:kept]))  # (1 + K, T, 3)
    flat = np.moveaxis(padded, 0, 1).reshape(padded.shape[1], -1)
    grid = pad_texture(to_grid(flat, zone), zone)
    at_vertices = texture_at_vertices(model, grid).reshape(model.vertex_count, -1, 3)
    # Mean: outside, the avatars' own mean; modes: outside, the tone they give the face.
    far = np.concatenate((tone[None], tone_of_modes[:kept]))[None] + np.zeros((model.vertex_count, 1, 1))
    far[:, 0] += outer_mean
    difference = at_vertices - far
    spread = extend_field(
        difference.reshape(model.vertex_count, -1),
        vertex_feather,
        np.zeros(difference[0].size),
        vertices,
        skin_faces,
        length=40.0,
    )
    outside = spread.reshape(model.vertex_count, -1, 3) + far
    s = coarse.size
    textures: Array = coarse.texels(outside.reshape(model.vertex_count, -1)).reshape(s, s, -1, 3)
    own = to_grid(flat, zone).reshape(s, s, -1, 3)
    textures = textures + feather[..., None, None] * (own - textures)
    skin = coarse.regions["skin"]
    textures[~skin] = 0
    mean_coarse = pad_texture(textures[:, :, 0], skin)
    basis: Array = np.moveaxis(textures[:, :, 1:], 2, 0)  # (K, s, s, 3)
    basis = np.stack([pad_near(b, skin, coarse.covered) for b in basis])
    basis = np.concatenate((basis, np.zeros((len(eyes.iris_modes), s, s, 3), dtype=basis.dtype)))
    painted, _, share = paint_eyes(model, coarse, eyes)
    for k, colour in enumerate(eyes.iris_modes):
        iris = np.zeros((s, s, 3))
        iris[painted] = share[:, None] * colour
        basis[kept + k] = iris
    mean: Array = _upsampled(mean_coarse, fine.size) + detail
    mean -= nostrils(fine)[..., None]
    inner = fine.covered & ~fine.regions["skin"]
    mean[inner] = mouth_colours(model, fine)[inner]
    eye_texels, eye_colour, _ = paint_eyes(model, fine, eyes)
    mean[eye_texels] = eye_colour
    mean = pad_texture(mean, fine.covered)
    mean = 0.5 * (mean + mean[:, ::-1])
    parity = np.append(modes.parity[:kept], np.ones(len(eyes.iris_modes)))[:, None, None, None]
    basis = 0.5 * (basis + parity * basis[:, :, ::-1])
    return albedo_from_textures(model, np.minimum(mean, np.log(0.95)), basis)


def nostrils(atlas: Atlas) -> Array:
    """(S, S) how much darker, in log units, the insides of the nostrils are (skin in the nose, not face)."""
    if "nose" not in atlas.regions:
        return np.zeros(atlas.covered.shape)
    nose = ndimage.binary_dilation(atlas.regions["nose"], iterations=6)
    inside = atlas.regions["skin"] & ~atlas.regions["face"] & nose
    depth = ndimage.distance_transform_edt(inside) / (atlas.size / 64)
    result: Array = ndimage.gaussian_filter(1.6 * np.clip(depth, 0, 1), atlas.size / 300)
    return result


def pad_near(texture: Array, own: Bools, covered: Bools, reach: int = 4) -> Array:
    """Continue a texture up to ``reach`` texels into the uncovered gutter, 0 on other parts."""
    near = ndimage.binary_dilation(own, iterations=reach) & ~covered
    result: Array = np.where((own | near)[..., None], pad_texture(texture, own), 0)
    return result


def albedo_from_textures(model: MorphableModel, mean: Array, basis: Array) -> AlbedoModel:
    """The albedo part of a model from textures: mean (S, S, 3), basis (K, s, s, 3), both padded."""
    flat = np.moveaxis(basis, 0, 2).reshape(basis.shape[1], basis.shape[2], -1)
    per_vertex = texture_at_vertices(model, flat).reshape(model.vertex_count, -1, 3)

    def tensor(values: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).float()

    return AlbedoModel(
        "log",
        tensor(texture_at_vertices(model, mean)),
        tensor(np.moveaxis(per_vertex, 1, 0)),
        tensor(np.moveaxis(mean, -1, 0)),
        tensor(np.moveaxis(basis, -1, 1)),
    )


def _upsampled(texture: Array, size: int) -> Array:
    zoom = size / texture.shape[0]
    axis = (np.arange(size) + 0.5) / zoom - 0.5
    where = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    result: Array = sample_rows_cols(texture, where, order=1).astype(np.float64)
    return result

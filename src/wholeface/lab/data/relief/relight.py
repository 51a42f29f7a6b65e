"""A picture of skin with folds, from a picture of the same skin without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....core.spherical_harmonics import sh_basis_array
from .surface import SurfaceMaps, cavity, detailed_normals

__all__ = ["Look", "random_look", "with_relief"]

Floats = NDArray[np.float32]
_LEAST = 0.04  # of the light that a normal towards the camera gets


@dataclass(frozen=True)
class Look:
    """How folds look.

    Args:
        occlusion: log darkening for each mm below the surroundings (ambient occlusion).
        blood: (3,) how much more each colour channel darkens.
        gloss: strength of highlights, of the mean light.
        sharpness: their exponent.
        softness: deviation of the blur of the whole effect, pixels.
    """

    occlusion: float
    blood: Floats
    gloss: float
    sharpness: float
    softness: float


def random_look(rng: np.random.Generator) -> Look:
    """As skins and cameras differ."""
    return Look(
        occlusion=float(rng.uniform(0.1, 0.55)),
        blood=np.array([0.8, 1.0, 1.05], np.float32) * np.float32(rng.uniform(0.7, 1.3)),
        gloss=float(rng.uniform(0, 0.25) * (rng.random() < 0.6)),
        sharpness=float(np.exp(rng.uniform(np.log(6), np.log(40)))),
        softness=float(rng.uniform(0.3, 0.7)),
    )


def with_relief(image: Floats, maps: SurfaceMaps, light: Floats, height: Floats, look: Look) -> Floats:
    r"""Relight skin for the normals of its folds.

    .. math:: I' = I \, \frac{s(n')}{s(n)} \, e^{o \min(c, 0)} + g\,(s_\mathrm{spec}(n') - s_\mathrm{spec}(n))

    with :math:`s` the shading of nine spherical harmonics, :math:`c` the height over its surroundings (ambient
    occlusion of grooves), and highlights of the light's main direction.

    Args:
        image: (H, W, 3) linear light.
        maps: of the surface, in the image's camera.
        light: (9, 3) spherical harmonics, camera space.
        height: (H, W) mm along the outer normal; 0 where the image shows no skin.
        look: see :class:`Look`.

    Returns:
        (H, W, 3) linear light, not clipped.
    """
    rows, columns = np.nonzero(maps.shown & (np.abs(height) + np.abs(gaussian_filter(height, 2.0)) > 1e-4))
    out = image.copy()
    if len(rows) == 0:
        return out
    low = (max(rows.min() - 3, 0), max(columns.min() - 3, 0))
    part = (slice(low[0], rows.max() + 4), slice(low[1], columns.max() + 4))
    maps = SurfaceMaps(maps.shown[part], maps.normals[part], maps.points[part], maps.chart[part])
    height = height[part]
    turned = detailed_normals(maps, height)
    middle = sh_basis_array(np.array([[0.0, 0.0, 1.0]])) @ light
    least = _LEAST * np.abs(middle[0])
    before = np.maximum(sh_basis_array(maps.normals) @ light, least)
    after = np.maximum(sh_basis_array(turned) @ light, least)
    deep = np.minimum(cavity(maps, height, 3.0), 0)
    change = np.log(after / before) + look.occlusion * deep[..., None] * look.blood
    change[~maps.shown] = 0
    change = gaussian_filter(change, (look.softness, look.softness, 0))
    result = image[part] * np.exp(change)
    if look.gloss > 0:
        main = light[[3, 1, 2]].mean(axis=1) + np.array([0, 0, 1e-6])
        halfway = main / np.linalg.norm(main) + np.array([0.0, 0.0, 1.0])
        halfway /= np.linalg.norm(halfway)
        shine = [np.clip(n @ halfway, 0, 1) ** look.sharpness for n in (maps.normals, turned)]
        more = look.gloss * (shine[1] - shine[0]) * maps.shown
        result += gaussian_filter(more, look.softness)[..., None] * np.abs(middle[0]) * 0.3
    out[part] = np.maximum(result, 0)
    return out.astype(np.float32)

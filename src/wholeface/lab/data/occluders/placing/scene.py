"""What a sample says about light and colours, for occluders that are to look as if they had been there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.spherical_harmonics import C0, C1, sh_basis_array
from .....perceive import ParsingClass
from ...samples.sample import FaceSample
from ..drawing.alpha import unpremultiply

__all__ = ["SceneLight", "face_colour", "hair_colour", "scene_light", "to_rgba"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class SceneLight:
    """Light as nine harmonics, for colours that are multiplied in sRGB.

    Args:
        harmonics: (9, 3) in the order and scale of :func:`wholeface.render.sh_basis`.
        direction: (3,) unit, camera space, where most light comes from.
    """

    harmonics: Array
    direction: Array

    def diffuse(self, normals: NDArray[np.floating[Any]]) -> Array:
        """(N, 3) brightness of a white surface with unit normals (N, 3) in camera space, about 1 in full light."""
        linear = sh_basis_array(normals) @ self.harmonics
        return np.clip(linear, 0.02, 2.2).astype(np.float32) ** np.float32(1 / 2.2)


def scene_light(sample: FaceSample, rng: np.random.Generator) -> SceneLight:
    """The light of a rendering, or a guess from how bright the two cheeks of a photo are."""
    if "light" in sample.parameters and np.size(sample.parameters["light"]) == 27:
        harmonics = np.asarray(sample.parameters["light"], np.float32).reshape(9, 3).copy()
        # Exposure and tint are the composer's; what remains is how the light changes over the head.
        front = sh_basis_array(np.array([[0.0, 0.3, 0.95]], np.float32)) @ harmonics
        harmonics /= np.maximum(front, 0.03)
        strongest = harmonics[[3, 1, 2]].mean(1) + np.array([0.0, 0.1, 0.2], np.float32)
    else:
        left, right = _patch(sample, (1, 2, 31)), _patch(sample, (15, 14, 35))
        side = float(np.clip((right.mean() - left.mean()) / max(right.mean() + left.mean(), 20.0), -0.5, 0.5))
        strongest = np.array([2.0 * side, 0.45 + 0.2 * rng.normal(), 0.7], np.float32)
        strongest /= np.linalg.norm(strongest)
        harmonics = np.zeros((9, 3), np.float32)
        harmonics[0] = 0.62 / C0
        harmonics[[3, 1, 2]] = (0.55 / C1) * strongest[:, None]
    direction = strongest / max(float(np.linalg.norm(strongest)), 1e-6)
    return SceneLight(harmonics, direction.astype(np.float32))


def _patch(sample: FaceSample, points: tuple[int, ...]) -> Array:
    """(3,) median colour of a small patch in the middle of some of the 68 points."""
    reach = max(2, sample.size // 64)
    x, y = (sum(float(sample.landmarks_68[p, k]) for p in points) / len(points) for k in (0, 1))
    column, row = (int(min(max(v, reach), sample.size - reach - 1)) for v in (x, y))  # NaN becomes reach
    patch = sample.image[row - reach : row + reach, column - reach : column + reach].reshape(-1, 3)
    return patch.mean(0, dtype=np.float32)


def face_colour(sample: FaceSample) -> Array:
    """(3,) in 0..1, sRGB: the skin of the cheeks and nose."""
    found = np.stack([_patch(sample, points) for points in ((2, 31, 48), (14, 35, 54), (29, 30), (27, 28))])
    return np.median(found, axis=0).astype(np.float32) / 255.0


def hair_colour(sample: FaceSample) -> Array | None:
    """(3,) in 0..1, sRGB: the hair that the image already shows, or None where it shows none."""
    if "parsing" not in sample.known:
        return None
    rows, columns = np.nonzero(sample.parsing[::3, ::3] == ParsingClass.HAIR)
    if len(rows) < 40:
        return None
    return np.median(sample.image[::3, ::3][rows, columns], axis=0).astype(np.float32) / 255.0


def to_rgba(canvas: Array) -> NDArray[np.uint8] | None:
    """(S, S, 4) uint8 straight RGBA of a premultiplied float canvas; None where hardly anything is on it."""
    out = np.empty(canvas.shape, np.uint8)
    return out if unpremultiply(canvas, out) > 3.0 else None

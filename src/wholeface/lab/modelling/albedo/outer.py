"""Scalp, ears and neck: the avatars' mean, without their hair and clothes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....morphable.model import MorphableModel
from .atlas import Atlas, pad_texture, texture_at_vertices, to_grid
from .extend import extend_field

__all__ = ["outer_pattern"]

Array = NDArray[Any]
_LUMA, _CHROMA = 0.45, 0.16


def outer_pattern(
    model: MorphableModel, atlas: Atlas, skin: NDArray[np.bool_], skins: Array, tones: Array
) -> Array:
    """(V, 3) what skin outside the face has in common: mean log albedo less the person's tone.

    Hair, caps and collars are told from skin by colour, texel by texel and with a margin; what remains is
    averaged and smoothed over the mesh.

    Args:
        model: with the regions ``skin``.
        atlas: fine atlas.
        skin: (S, S) bool, its skin texels.
        skins: (N, T, 3) linear light over the skin texels.
        tones: (N, 3) log albedo of each face.
    """
    from scipy import ndimage

    total = np.zeros((int(skin.sum()), 3))
    count = np.zeros(int(skin.sum()))
    for colour, tone in zip(skins, tones):
        relative = np.log(np.maximum(colour, 3e-3)) - tone
        luma = relative.mean(1)
        chroma = np.linalg.norm(relative - luma[:, None], axis=1)
        bad = (np.abs(luma) > _LUMA) | (chroma > _CHROMA)
        # Painted hair is streaked: a neighbourhood with many rejected texels is rejected as a whole.
        density = ndimage.gaussian_filter(to_grid(bad.astype(np.float64), skin), 5.0)
        density /= np.maximum(ndimage.gaussian_filter(skin.astype(np.float64), 5.0), 1e-3)
        good = ~bad & (density[skin] < 0.25)
        total += relative * good[:, None]
        count += good
    known = count >= 3
    grid = to_grid(total / np.maximum(count, 1)[:, None], skin)
    reliable = to_grid(known.astype(np.float64), skin)
    filled = pad_texture(grid, reliable > 0)
    values = texture_at_vertices(model, filled)
    confidence = texture_at_vertices(model, pad_texture(reliable[..., None], skin))[:, 0]
    is_skin = model.regions["skin"].numpy()
    values = np.clip(values, -0.9, 0.35)
    vertices, triangles = model.mean.double().numpy(), model.triangles.numpy()
    faces = triangles[is_skin[triangles].all(1)]
    middle = np.median(values[is_skin & (confidence > 0.5)], axis=0)
    smooth = extend_field(
        values, np.where(is_skin, 0.02 * (confidence > 0.6), 0.0), middle, vertices, faces, length=60.0
    )
    smooth = 0.7 * smooth
    return 0.5 * (smooth + smooth[model.mirror.numpy()]) if model.mirror is not None else smooth

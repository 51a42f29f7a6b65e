"""Tone of the teeth: the model's, as bright as the photo shows what lies between the lips."""

from __future__ import annotations

import numpy as np

from ....core.luminance import luminance
from ._kernels import chamfer
from .atlas import INNER, TEETH, Array, Atlas, Surface
from .fields import Fields
from .view import View

__all__ = ["tone_teeth"]

_FEWEST = 12  # pixels from which a tone is read
_UNSEEN = -0.6  # log luminance of teeth that are not seen: lips leave them in the shade
_DARKEST, _LIGHTEST, _CHROMA = -1.1, 0.1, 0.15  # how far they may be from the model's, in log


def tone_teeth(surface: Surface, atlas: Atlas, view: View, fields: Fields, texels: Array) -> Array:
    """Albedo of the texels with the teeth in the tone in which the photo shows them.

    Teeth stand in the shade of lips, which no light of nine coefficients knows; with the model's bright albedo a
    mouth that is open by a millimetre shows a white slit. Photo pixels are not laid on the teeth, for a fit
    whose lips are parted a little too far would paint lips on them: only their median colour is read, a pixel or half
    a millimetre from the lips, and believed within limits.

    Args:
        surface, atlas, view, fields: of the photo.
        texels: (T, 3) float32 linear albedo.

    Returns:
        (T, 3) float32.
    """
    teeth = np.flatnonzero(surface.kind[atlas.triangle] == TEETH)
    if len(teeth) == 0:
        return texels
    kind = np.where(view.triangle >= 0, surface.kind[np.maximum(view.triangle, 0)], 255)
    inside = np.empty(kind.shape, np.float32)
    chamfer(~np.isin(kind, (TEETH, INNER)), inside)
    seen = (kind == TEETH) & (inside > max(1.0, 0.5 * view.pixels_per_mm)) & (view.clearance > 2.0)
    tint = np.full(3, _UNSEEN)
    if seen.sum() >= _FEWEST and fields.reliable:
        found = np.maximum(np.median(view.linear[seen], axis=0) / fields.tone, 2e-3)
        own = np.maximum(np.median(texels[teeth], axis=0), 2e-3)
        level = float(np.log(luminance(found) / luminance(own)))
        tint = np.clip(np.log(found / own) - level, -_CHROMA, _CHROMA) + np.clip(level, _DARKEST, _LIGHTEST)
    result = texels.copy()
    result[teeth] = np.clip(texels[teeth] * np.exp(tint), 0.003, 1.0)
    return result

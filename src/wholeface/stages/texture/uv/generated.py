"""What a network put in the occluder's place, as another source of the texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ....core.smoothstep import smoothstep
from ....core.srgb import LINEAR_OF_BYTE
from ....photo import footprint, warp
from ._kernels import chamfer
from .atlas import EYEBALL, FACE, INNER, TEETH, Array, Surface
from .view import View

if TYPE_CHECKING:
    from ...state import GeneratedFace

__all__ = ["generated_view", "with_matte"]

_PERHAPS, _SURELY = 0.5, 0.9  # of the matte, between which something is taken to hide the face
_SURE, _UNSURE = 0.09, 0.18  # expected errors, sRGB of [0, 1], between which trust goes from 1 to none
_RIM = 16.0  # mm from the face's rim over which generated colours give way to those that the scalp continues


def _surely(matte: Array) -> Array:
    """0 up to one half: a network that changes skin a little does not say that something hides it."""
    return np.asarray(smoothstep(_PERHAPS, _SURELY, matte), np.float32)


def with_matte(hidden: Array, generated: GeneratedFace) -> Array:
    """The mask with all that the network replaced: seams and cast shadows of the occluder, too.

    Args:
        hidden: (H, W) float32 in [0, 1].
        generated: of the same photo.
    """
    size = len(generated.matte)
    left, top, right, bottom = footprint(generated.crop, (0, 0, size, size), *hidden.shape)
    if right <= left or bottom <= top:
        return hidden
    matte = _surely(warp(generated.matte, generated.window(left, top), (right - left, bottom - top)))
    result = hidden.copy()
    part = result[top:bottom, left:right]
    np.maximum(part, matte, out=part)
    return np.clip(result, 0, 1)


def generated_view(generated: GeneratedFace, view: View, surface: Surface) -> tuple[Array, Array]:
    """The network's colours where the view has the photo's, and how much they count.

    Args:
        generated: of the same photo.
        view: of the photo.
        surface: of the face model.

    Returns:
        (h, w, 3) float32 linear light, and (h, w) float32 in [0, 1]: 0 beside the face, in eyes and mouth and where
        the photo was kept, less where the network expects to err.
    """
    height, width = view.depth.shape
    there = generated.window(view.left, view.top, view.factor)
    pixels = warp(generated.pixels, there, (width, height), fill="edge")
    matte, error = (warp(m, there, (width, height), fill="edge") for m in (generated.matte, generated.error))
    kind = np.where(view.triangle >= 0, surface.kind[np.maximum(view.triangle, 0)], 255)
    weight = np.where(kind == FACE, _surely(matte), np.float32(0))
    weight *= 1 - smoothstep(_SURE, _UNSURE, error)
    weight *= smoothstep(0.8, 3.3, view.inset)
    corners = surface.triangles[np.maximum(view.triangle, 0)]
    weight *= smoothstep(0.0, _RIM, np.einsum("hwj,hwj->hw", view.barycentric, surface.rim[corners]))
    inside = np.isin(kind, (EYEBALL, TEETH, INNER))
    if inside.any():
        distance = np.empty(kind.shape, np.float32)
        chamfer(inside, distance)
        weight *= smoothstep(0.0, 1.5, distance)
    return np.ascontiguousarray(LINEAR_OF_BYTE[pixels], np.float32), np.ascontiguousarray(weight, np.float32)

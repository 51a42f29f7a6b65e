"""What a relief network is given of a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.short_repr import short_repr
from ...core.spherical_harmonics import C1, C2, C20, C22, sh_basis_array
from ...core.srgb import LINEAR_OF_BYTE, encode_srgb
from ...morphable import MorphableModel
from ...perceive import ParsingClass
from ...photo import warp
from ...render import shade
from ..state import FaceState
from ..texture.uv.atlas import FACE, surface_of
from ..upright import UprightFace, crop_around, upright

__all__ = [
    "FRAME_MARGIN",
    "MAPS",
    "RELIEF_CHANNELS",
    "ReliefInput",
    "network_input",
    "relief_input",
    "shading_slopes",
]

FRAME_MARGIN = 1.25
"""Edge of the crop over the longer side of the face."""
RELIEF_CHANNELS = 15
"""Channels of :func:`network_input`."""
MAPS: dict[str, tuple[type[np.generic], int]] = {
    "image": (np.uint8, 3),
    "rendering": (np.uint8, 3),
    "normals": (np.int8, 3),
    "place": (np.int8, 3),
    "visible": (np.uint8, 1),
    "slopes": (np.int8, 2),
}
"""Name of each map of :class:`ReliefInput` -> its type and number of channels."""

_SKIN = (ParsingClass.SKIN, ParsingClass.NOSE)
_DARK = 0.01  # linear light added before logs are taken
_LEAST_SHADE = 0.02
_LEAST_SHARE = 0.15  # of the largest shading: where it is darker, slopes tell nothing
_SLOPE_UNIT = 40.0
_MOST = 1.5  # of the log ratio: more is something else than skin
_LOG = np.log(LINEAR_OF_BYTE + np.float32(_DARK)).astype(np.float32)


@dataclass(frozen=True)
class ReliefInput:
    """Maps of one face in an upright crop of S × S pixels.

    Args:
        image: (S, S, 3) uint8 sRGB, the photo.
        rendering: (S, S, 3) uint8 sRGB, the foundation with the fitted albedo under the fitted light; black beside
            the head.
        normals: (S, S, 3) int8, the foundation's outer unit normals in the crop's camera space times 127.
        place: (S, S, 3) int8 mm, the surface point's place on the mean head from the middle of its face.
        visible: (S, S) uint8, 255 where the photo shows skin of the face, 0 elsewhere.
        slopes: (S, S, 2) int8, :func:`shading_slopes` of the fitted light times 40.
    """

    image: NDArray[np.uint8]
    rendering: NDArray[np.uint8]
    normals: NDArray[np.int8]
    place: NDArray[np.int8]
    visible: NDArray[np.uint8]
    slopes: NDArray[np.int8]

    __repr__ = short_repr

    @property
    def size(self) -> int:
        """S."""
        return self.image.shape[0]

    @property
    def face(self) -> NDArray[np.bool_]:
        """(S, S) where the head is, hidden or not."""
        found: NDArray[np.bool_] = (self.normals != 0).any(axis=2)
        return found

    def maps(self) -> dict[str, NDArray[np.generic]]:
        """Name -> map, as :func:`network_input` takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def relief_input(face: FaceState, size: int) -> tuple[ReliefInput, UprightFace]:
    """The maps of a face, and the frame in which they lie.

    Args:
        face: with ``fit`` and ``mask``; without ``parsing`` everything of the face region that the mask does not
            call hidden counts as skin.
        size: S in pixels.

    Raises:
        UsageError: the face has no fit or mask.
    """
    if face.fit is None or face.mask is None:
        raise UsageError("relief needs the slots 'fit' and 'mask' of a face")
    points = face.landmarks.points_478
    frame = crop_around(face.landmarks.points if points is None else points, size, FRAME_MARGIN)
    where = upright(face.fit, frame, size)
    edge = (size, size)
    rendering, normals, place, region = _foundation(face.fit.model, where)
    seen = np.clip(1 - warp(face.mask.occluder, frame, edge), 0, 1) * region
    if face.parsing is not None:
        onward = face.parsing.frame.inverse().then(frame)
        seen = seen * warp(face.parsing.parsing[list(_SKIN)].sum(axis=0), onward, edge)
    visible = np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8)
    image = warp(face.photo.pixels, frame, edge, fill="edge")
    light = where.parameters.light.detach().cpu().float().numpy()
    return ReliefInput(image, rendering, normals, place, visible, shading_slopes(normals, light)), where


def shading_slopes(normals: NDArray[np.int8], light: NDArray[np.floating]) -> NDArray[np.int8]:
    r"""How the brightness of a surface answers to its tilt: what a fold of known slope would look like.

    .. math:: g = \frac{P_n \nabla_n \bar s(n)}{\bar s(n)}, \quad P_n = 1 - n n^T

    with :math:`\bar s` the shading of the mean of the light's channels: a height :math:`h` on the surface changes the
    logarithm of the brightness by about :math:`-g \cdot \nabla h`.

    Args:
        normals: (S, S, 3) int8, unit normals in camera space times 127; 0 beside the head.
        light: (9, 3) spherical harmonics, camera space.

    Returns:
        (S, S, 2) int8: the parts of g along the image's rows (to the right) and columns (downwards) times 40, clipped
        to ±3; 0 beside the head.
    """
    n = normals.astype(np.float32) / np.float32(127)
    x, y, z = n[..., 0], n[..., 1], n[..., 2]
    mean = light.astype(np.float32).mean(axis=1)
    shading = sh_basis_array(n.reshape(-1, 3)).astype(np.float32) @ mean
    shading = shading.reshape(x.shape)
    shading = np.maximum(shading, _LEAST_SHARE * max(float(np.abs(shading).max()), 1e-6))
    a = (
        np.float32(C1) * mean[3]
        + np.float32(C2) * (y * mean[4] + z * mean[7])
        + np.float32(2 * C22) * x * mean[8]
    )
    b = (
        np.float32(C1) * mean[1]
        + np.float32(C2) * (x * mean[4] + z * mean[5])
        - np.float32(2 * C22) * y * mean[8]
    )
    c = (
        np.float32(C1) * mean[2]
        + np.float32(C2) * (y * mean[5] + x * mean[7])
        + np.float32(6 * C20) * z * mean[6]
    )
    inwards = a * x + b * y + c * z
    there = (normals != 0).any(axis=2)
    slopes = np.stack([(a - inwards * x) / shading, -(b - inwards * y) / shading], axis=2) * there[..., None]
    result: NDArray[np.int8] = np.round(np.clip(slopes, -3, 3) * _SLOPE_UNIT).astype(np.int8)
    return result


def network_input(maps: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    """What a relief network reads.

    Channels: the photo in sRGB (3); the log of its linear light over that of the rendering, clipped, 0 beside the
    head (3); the foundation's normals (3); the place on the mean head in decimetres (3); visible skin (1);
    how the shading answers to slopes (2).

    Args:
        maps: those of :data:`MAPS`, each (N, S, S[, 3]).

    Returns:
        (N, 15, S, S) float32.
    """
    image, rendering = maps["image"], maps["rendering"]
    out = np.empty((image.shape[0], RELIEF_CHANNELS, *image.shape[1:3]), np.float32)
    there = (maps["normals"] != 0).any(axis=3)
    ratio = np.clip(_LOG[image] - _LOG[rendering], -_MOST, _MOST) * there[..., None]
    out[:, :3] = image.transpose(0, 3, 1, 2)
    out[:, :3] *= np.float32(1 / 255)
    out[:, 3:6] = ratio.transpose(0, 3, 1, 2)
    out[:, 6:9] = maps["normals"].transpose(0, 3, 1, 2)
    out[:, 6:9] *= np.float32(1 / 127)
    out[:, 9:12] = maps["place"].transpose(0, 3, 1, 2)
    out[:, 9:12] *= np.float32(1 / 100)
    out[:, 12] = maps["visible"]
    out[:, 12] *= np.float32(1 / 255)
    out[:, 13:15] = maps["slopes"].transpose(0, 3, 1, 2)
    out[:, 13:15] *= np.float32(1 / _SLOPE_UNIT)
    return out


def _middle_of_face(model: MorphableModel) -> NDArray[np.float32]:
    """(V, 3) int8-ranged mm, the mean head from the middle of its face."""
    mean = model.mean.detach().cpu().float().numpy()
    surface = surface_of(model)
    face = mean[np.unique(surface.triangles[surface.kind == FACE])]
    middle = (face.min(axis=0) + face.max(axis=0)) / 2
    return np.clip(mean - middle, -127, 127).astype(np.float32)


def _foundation(
    model: MorphableModel, where: UprightFace
) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.int8], NDArray[np.float32]]:
    """Lit foundation, normals, place and face region (0 or 1) in the crop."""
    surface = surface_of(model)
    with torch.no_grad():
        if model.albedo is None:
            albedo = np.full((model.vertex_count, 3), 0.5, np.float32)
        else:
            albedo = model.albedo.vertices(where.parameters.albedo.detach()).cpu().float().numpy()
    normals = where.posed.normals.cpu().float().numpy()
    place = model.table("place on the face", _middle_of_face)
    attributes = np.concatenate([albedo, normals, place], axis=1).astype(np.float32)
    shown, index, mixed = where.posed.at_pixels(where.camera, attributes)
    mixed[:, 3:6] /= np.maximum(np.linalg.norm(mixed[:, 3:6], axis=1, keepdims=True), 1e-9)
    light = where.parameters.light.detach().cpu().float()
    lit = shade(torch.ones(3), torch.from_numpy(mixed[:, 3:6].copy()), light).numpy()
    colour = np.clip(mixed[:, :3] * np.maximum(lit, _LEAST_SHADE), 0, 1)
    edge = shown.shape
    rendering = np.zeros((*edge, 3), np.uint8)
    rendering[shown] = np.round(encode_srgb(colour) * 255)
    turned, on_mean = np.zeros((*edge, 3), np.int8), np.zeros((*edge, 3), np.int8)
    turned[shown] = np.round(mixed[:, 3:6] * 127)
    on_mean[shown] = np.round(mixed[:, 6:9])
    region = np.zeros(edge, np.float32)
    region[shown] = surface.kind[index] == FACE
    return rendering, turned, on_mean, region

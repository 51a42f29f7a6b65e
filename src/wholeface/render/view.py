"""Previews: a head seen from a chosen side, antialiased, in a pleasant light."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..morphable import linear_to_srgb, srgb_to_linear
from .camera import Camera
from .deferred import render_mesh
from .lighting import ambient_light, directional_light
from .rotation import rotation_from_degrees, to_camera

__all__ = ["framing_camera", "render_view"]

_Array = np.ndarray[Any, Any]
_CLAY = 0.42  # linear-light albedo
_SUPERSAMPLING = 2


def framing_camera(vertices: Tensor, size: int, *, field_of_view_deg: float = 22.0) -> tuple[Camera, Tensor]:
    """Camera and translation that frame a mesh equally from every side.

    Args:
        vertices: (V, 3) mm.
        size: image edge in pixels.
        field_of_view_deg: of the whole image.

    Returns:
        The camera, and the translation (3,) mm for a head that is rotated about the middle of its bounding
        box (subtract the middle first; see :func:`render_view`).
    """
    low, high = vertices.amin(0), vertices.amax(0)
    radius = float((vertices - (low + high) / 2).norm(dim=-1).max())
    half = math.radians(field_of_view_deg) / 2
    distance = 1.02 * radius / math.sin(half)
    camera = Camera(size / 2 / math.tan(half), (size - 1) / 2, (size - 1) / 2, size, size)
    return camera, torch.tensor([0.0, 0.0, -distance])


def _studio_light(textured: bool) -> Tensor:
    """Soft key from above on the image's left, weak fill from the right, a little from everywhere."""
    if textured:
        return (
            ambient_light(0.70)
            + directional_light((-0.5, 0.6, 0.9), 0.36)
            + directional_light((0.9, 0.1, 0.6), 0.12)
        )
    return (
        ambient_light(0.24)
        + directional_light((-0.55, 0.75, 0.75), (0.98, 0.96, 0.93))
        + directional_light((0.95, 0.05, 0.35), (0.26, 0.28, 0.32))
        + directional_light((0.3, 0.8, -0.8), (0.25, 0.25, 0.27))
    )


@lru_cache(maxsize=4)
def _backdrop(size: int) -> Tensor:
    """(3, size, size) linear: light grey, brighter behind the head."""
    axis = torch.linspace(-1, 1, size)
    squared = (axis[:, None] + 0.15) ** 2 + axis[None] ** 2
    level = srgb_to_linear(0.62 + 0.26 * torch.exp(-squared / 0.9))
    return level * torch.tensor([0.985, 0.995, 1.01])[:, None, None]


def render_view(
    vertices: Tensor | _Array,
    triangles: Tensor | _Array,
    *,
    yaw_deg: float = 0.0,
    pitch_deg: float = 0.0,
    size: int = 512,
    uv: Tensor | _Array | None = None,
    uv_triangles: Tensor | _Array | None = None,
    texture: Tensor | _Array | None = None,
    vertex_colours: Tensor | _Array | None = None,
    light: Tensor | None = None,
    background: tuple[int, int, int] | None = None,
) -> _Array:
    """Picture of a head from one side.

    Args:
        vertices: (V, 3) mm, model space.
        triangles: (F, 3).
        yaw_deg: positive turns the face to its own left (image right).
        pitch_deg: positive turns it upwards.
        size: image edge in pixels.
        uv: (U, 2), with ``uv_triangles`` (F, 3) and ``texture``.
        uv_triangles: (F, 3) into ``uv``.
        texture: (S, S, 3) uint8 sRGB, taken as albedo.
        vertex_colours: (V, 3) linear-light albedo, used without ``texture``. Grey clay when both are missing.
        light: (9, 3) in camera space, or None for a soft studio light.
        background: sRGB, or None for a soft grey backdrop.

    Returns:
        (size, size, 3) uint8 sRGB.
    """
    shape = _floats(vertices)
    faces = torch.as_tensor(triangles).long().cpu()
    camera, translation = framing_camera(shape, size * _SUPERSAMPLING)
    middle = (shape.amin(0) + shape.amax(0)) / 2
    points = to_camera(shape - middle, rotation_from_degrees(yaw_deg, pitch_deg), translation)
    textured = texture is not None or vertex_colours is not None
    lamp = _studio_light(textured) if light is None else light.float().cpu()
    with torch.no_grad():
        if texture is not None and uv is not None and uv_triangles is not None:
            decoded = _decoding()[torch.as_tensor(texture).cpu().long()].permute(2, 0, 1)
            corners = torch.as_tensor(uv_triangles).long().cpu()
            rendering = render_mesh(
                points, faces, camera, lamp, texture=decoded, uv=_floats(uv), uv_triangles=corners
            )
        else:
            albedo = torch.full_like(shape, _CLAY) if vertex_colours is None else _floats(vertex_colours)
            rendering = render_mesh(points, faces, camera, lamp, albedo=albedo)
        # Average in linear light, coverage as alpha
        colour = torch.nn.functional.avg_pool2d(rendering.image.clamp_(0, 1), _SUPERSAMPLING)[0]
        alpha = torch.nn.functional.avg_pool2d(rendering.mask.float(), _SUPERSAMPLING)
        behind = (
            _backdrop(size) if background is None else _decoding()[torch.tensor(background)][:, None, None]
        )
        return _encode(colour + (1 - alpha) * behind)


def _floats(values: Tensor | _Array) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32).detach().cpu()


@lru_cache(maxsize=1)
def _decoding() -> Tensor:
    """(256,) linear light of the sRGB codes."""
    return srgb_to_linear(torch.arange(256) / 255)


@lru_cache(maxsize=1)
def _encoding() -> Tensor:
    """(65536,) uint8 sRGB codes of linear light in steps of 1/65535: a table spares three million powers."""
    return (linear_to_srgb(torch.linspace(0, 1, 65536)) * 255 + 0.5).to(torch.uint8)


def _encode(linear: Tensor) -> _Array:
    """(H, W, 3) uint8 sRGB from (3, H, W) linear light."""
    index = (linear.clamp(0, 1) * 65535 + 0.5).int().numpy()
    encoded: _Array = np.ascontiguousarray(_encoding().numpy().take(index).transpose(1, 2, 0))
    return encoded

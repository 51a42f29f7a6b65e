"""Previews: a head seen from a chosen side, antialiased, in a pleasant light."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..morphable import linear_to_srgb, srgb_to_linear
from .camera import Camera
from .interpolate import Covered, interpolate_covered
from .lighting import ambient_light, directional_light, shade
from .normals import vertex_normals
from .rasterize import rasterize
from .rotation import rotation_from_degrees, to_camera
from .texture import sample_texture

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


def _backdrop(size: int) -> Tensor:
    """(size, size, 3) linear: light grey, brighter behind the head."""
    axis = torch.linspace(-1, 1, size)
    r2 = (axis[:, None] + 0.15) ** 2 + axis[None] ** 2
    level = 0.62 + 0.26 * torch.exp(-r2 / 0.9)
    return srgb_to_linear(level)[..., None] * torch.tensor([0.985, 0.995, 1.01])


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
    shape = torch.as_tensor(vertices, dtype=torch.float32).detach().cpu()
    faces = torch.as_tensor(triangles).long().cpu()
    big = size * _SUPERSAMPLING
    camera, translation = framing_camera(shape, big)
    middle = (shape.amin(0) + shape.amax(0)) / 2
    points = to_camera(shape - middle, rotation_from_degrees(yaw_deg, pitch_deg), translation)
    fragments = rasterize(points, faces, camera)
    covered = Covered(fragments)
    normals = torch.nn.functional.normalize(
        interpolate_covered(vertex_normals(points, faces), faces, covered), dim=-1
    )
    textured = texture is not None or vertex_colours is not None
    if texture is not None and uv is not None and uv_triangles is not None:
        at = interpolate_covered(
            torch.as_tensor(uv, dtype=torch.float32).cpu(),
            torch.as_tensor(uv_triangles).long().cpu(),
            covered,
        )
        image = torch.as_tensor(texture).cpu().permute(2, 0, 1).float() / 255
        albedo = srgb_to_linear(sample_texture(image, at))
    elif vertex_colours is not None:
        albedo = interpolate_covered(
            torch.as_tensor(vertex_colours, dtype=torch.float32).detach().cpu(), faces, covered
        )
    else:
        albedo = torch.full_like(normals, _CLAY)
    colour = shade(albedo, normals, _studio_light(textured) if light is None else light.float().cpu())
    if background is None:
        canvas = _backdrop(big)
    else:
        canvas = (
            srgb_to_linear(torch.tensor(background, dtype=torch.float32) / 255).expand(big, big, 3).clone()
        )
    canvas.view(-1, 3)[fragments.pixels] = colour.clamp(0, 1)
    small = torch.nn.functional.avg_pool2d(canvas.permute(2, 0, 1)[None], _SUPERSAMPLING)[0]
    encoded: _Array = (
        (linear_to_srgb(small) * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to(torch.uint8).numpy()
    )
    return encoded

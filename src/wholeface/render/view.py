"""Previews: a head seen from a chosen side, antialiased, in a pleasant light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr
from ..core.srgb_torch import linear_to_srgb, srgb_to_linear
from ..core.threads import run_ranges
from ._view_kernels import draw_rows
from .camera import Camera
from .lighting import ambient_light, directional_light
from .normals import vertex_normals
from .raster.rasterize import Fragments, rasterize
from .rotation import rotation_from_degrees, rotation_matrix, to_camera

__all__ = ["HeadView", "framing_camera", "render_view"]

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
    """(size, size, 3) linear: light grey, brighter behind the head."""
    axis = torch.linspace(-1, 1, size)
    squared = (axis[:, None] + 0.15) ** 2 + axis[None] ** 2
    level = srgb_to_linear(0.62 + 0.26 * torch.exp(-squared / 0.9))
    return level[..., None] * torch.tensor([0.985, 0.995, 1.01])


@dataclass(frozen=True)
class HeadView:
    """A head seen from one side, rasterised; :meth:`draw` may be called for several looks of it.

    Args:
        triangles: (F, 3) int64.
        normals: (V, 3) float32, camera space.
        fragments: of one image, :attr:`supersampling` times as fine as the image.
        size: edge of the image in pixels.
        tangents: (N, 4) float32, camera space, with handedness, where they are known; and ``tangent_triangles``
            (F, 3) into them.
    """

    triangles: Tensor
    normals: Tensor
    fragments: Fragments
    size: int
    tangents: Tensor | None = None
    tangent_triangles: Tensor | None = None

    __repr__ = short_repr

    @staticmethod
    def of(
        vertices: Tensor | _Array,
        triangles: Tensor | _Array,
        *,
        yaw_deg: float = 0.0,
        pitch_deg: float = 0.0,
        size: int = 512,
        normals: Tensor | _Array | None = None,
        tangents: Tensor | _Array | None = None,
        tangent_triangles: Tensor | _Array | None = None,
    ) -> HeadView:
        """See :func:`render_view` for the arguments.

        Args:
            normals: (V, 3) unit, model space, where they are known already.
            tangents: (N, 4) unit, model space, with handedness, and ``tangent_triangles`` (F, 3) into them: needed
                to draw with a normal map (see :func:`wholeface.core.tangents.tangent_frames`).
        """
        shape = _floats(vertices)
        faces = torch.as_tensor(triangles).long().cpu()
        camera, translation = framing_camera(shape, size * _SUPERSAMPLING)
        middle = (shape.amin(0) + shape.amax(0)) / 2
        with torch.no_grad():
            rotation = rotation_matrix(rotation_from_degrees(yaw_deg, pitch_deg))
            points = to_camera(shape - middle, rotation, translation)
            turned = vertex_normals(points, faces) if normals is None else _floats(normals) @ rotation.mT
            along = corners = None
            if tangents is not None and tangent_triangles is not None:
                given = _floats(tangents)
                along = torch.cat([given[:, :3] @ rotation.mT, given[:, 3:]], dim=1)
                corners = torch.as_tensor(tangent_triangles).long().cpu()
            return HeadView(faces, turned, rasterize(points, faces, camera), size, along, corners)

    def draw(
        self,
        *,
        uv: Tensor | _Array | None = None,
        uv_triangles: Tensor | _Array | None = None,
        texture: Tensor | _Array | None = None,
        normal_map: Tensor | _Array | None = None,
        vertex_colours: Tensor | _Array | None = None,
        light: Tensor | None = None,
        background: tuple[int, int, int] | None = None,
    ) -> _Array:
        """(size, size, 3) uint8 sRGB; see :func:`render_view` for the arguments.

        Raises:
            UsageError: a normal map for a view without tangents, or without UV.
        """
        textured = texture is not None or vertex_colours is not None
        lamp = _studio_light(textured) if light is None else light.float().cpu()
        image = bumps = np.zeros((0, 0, 3), np.uint8)
        points, corners = np.zeros((1, 2), np.float32), np.zeros((1, 3), np.int64)
        along, along_corners = np.zeros((1, 4), np.float32), corners
        if uv is not None and uv_triangles is not None:
            points, corners = _floats(uv).numpy(), torch.as_tensor(uv_triangles).long().cpu().numpy()
            if texture is not None:
                image = np.ascontiguousarray(torch.as_tensor(texture).cpu().numpy())
        if normal_map is not None:
            if uv is None or uv_triangles is None or self.tangents is None or self.tangent_triangles is None:
                raise UsageError("a normal map needs uv, and a view that was made with tangents")
            bumps = np.ascontiguousarray(torch.as_tensor(normal_map).cpu().numpy())
            along, along_corners = self.tangents.contiguous().numpy(), self.tangent_triangles.numpy()
        colours = torch.full_like(self.normals, _CLAY) if vertex_colours is None else _floats(vertex_colours)
        behind = (
            _backdrop(self.size)
            if background is None
            else _decoding()[torch.tensor(background)].expand(self.size, self.size, 3).contiguous()
        )
        drawn = np.empty((self.size, self.size, 3), np.uint8)
        run_ranges(
            draw_rows,
            self.size,
            16,
            self.fragments.triangle[0].numpy(),
            self.fragments.barycentric[0].numpy(),
            self.triangles.numpy(),
            self.normals.numpy(),
            lamp.numpy(),
            colours.contiguous().numpy(),
            np.ascontiguousarray(points),
            corners,
            image,
            bumps,
            along,
            along_corners,
            _decoding().numpy(),
            behind.numpy(),
            _encoding().numpy(),
            drawn,
        )
        return drawn


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
    """Image of a head from one side.

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
    view = HeadView.of(vertices, triangles, yaw_deg=yaw_deg, pitch_deg=pitch_deg, size=size)
    return view.draw(
        uv=uv,
        uv_triangles=uv_triangles,
        texture=texture,
        vertex_colours=vertex_colours,
        light=light,
        background=background,
    )


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

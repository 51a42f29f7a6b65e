"""The photo around a face at working size, with what the fitted model says about each pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ....core.errors import UsageError
from ....core.srgb import LINEAR_OF_BYTE
from ....morphable import Parameters
from ....render import Camera, interpolate, sh_basis
from ...posed import PosedFace
from .zones import ZONES, FaceZones

__all__ = ["FaceView", "Window", "face_view", "photo_content", "to_linear"]

_PLAIN_SKIN = (0.36, 0.22, 0.16)  # linear albedo where the model has none; the light takes up any error
_GREY = 0.5  # what render_parameters assumes for models without albedo


_F32 = NDArray[np.float32]
_Bool = NDArray[np.bool_]


def to_linear(pixels: NDArray[np.uint8]) -> _F32:
    """Linear light in [0, 1] from sRGB bytes."""
    linear: _F32 = LINEAR_OF_BYTE[pixels]
    return linear


@dataclass(frozen=True)
class Window:
    """An axis-aligned part of the photo, resampled: crop pixel = (photo pixel − corner + ½)·factor − ½."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    @property
    def factor(self) -> float:
        """Crop pixels per photo pixel."""
        return self.width / (self.right - self.left)


@dataclass(frozen=True)
class FaceView:
    """Everything the mask is decided from, (h, w, …) at working size.

    Args:
        window: which part of the photo this is.
        linear: (h, w, 3) linear light.
        content: pixels that the photo really has: not beyond its border, not letterbox bars.
        region: the projected amodal outline of facial skin.
        skin: where the projected head shows skin when nothing is in front: face, ears, neck; not the scalp.
        scalp: the rest of the projected head.
        zones: the soft zones by name, 0 outside the head (``region`` in mm).
        place: (h, w, 3) position on the mean head, mm.
        cosine: cosine between the surface and the viewing axis.
        basis: (h, w, 9) spherical harmonics of the normals.
        albedo: (h, w, 3) linear albedo.
        albedo_gain: (3,) albedo of the view over what the renderer assumes: the light's correction for models
            without albedo.
    """

    window: Window
    linear: _F32
    content: _Bool
    region: _Bool
    skin: _Bool
    scalp: _Bool
    zones: dict[str, _F32]
    place: _F32
    cosine: _F32
    basis: _F32
    albedo: _F32
    albedo_gain: _F32


def photo_content(pixels: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The photo without black bars: left, top, right, bottom (exclusive).

    A bar is a run of border rows or columns in which practically every pixel is black.
    """
    height, width = pixels.shape[:2]

    def run(lines: Iterable[NDArray[np.uint8]]) -> int:
        """Number of dark lines before the first that is not; 0 where all are dark."""
        for count, line in enumerate(lines):
            if (line.max(axis=-1) <= 4).mean() <= 0.99:
                return count
        return 0

    top = run(pixels[row] for row in range(height))
    bottom = run(pixels[row] for row in range(height - 1, -1, -1))
    body = pixels[top : height - bottom]
    left = run(body[:, column] for column in range(width))
    right = run(body[:, column] for column in range(width - 1, -1, -1))
    return left, top, width - right, height - bottom


def face_view(
    pixels: NDArray[np.uint8],
    head: PosedFace,
    parameters: Parameters,
    camera: Camera,
    zones: FaceZones,
    face_size: int,
    margin: float,
) -> FaceView:
    """Render the model's geometry and zones over a crop of the photo.

    Args:
        pixels: (H, W, 3) uint8.
        head: the posed face.
        parameters: of it; only its albedo is used.
        camera: of the photo.
        zones: of the model.
        face_size: longer side of the face in the crop, pixels.
        margin: surroundings on each side, over the face's longer side.

    Raises:
        UsageError: the face lies outside the photo.
    """
    model, vertices = head.model, head.points
    window = _window(
        camera.project(vertices[zones.attributes[:, 0] > 0]).detach().numpy(), camera, face_size, margin
    )
    crop_camera = replace(
        camera.cropped(
            window.left, window.top, window.right - window.left, window.bottom - window.top
        ).scaled(window.factor),
        width=window.width,
        height=window.height,
    )
    fragments = head.seen(crop_camera)
    albedo = (
        vertices.new_tensor(_PLAIN_SKIN).expand(vertices.shape)
        if model.albedo is None
        else model.albedo.vertices(parameters.albedo).detach()
    )
    attributes = torch.cat([zones.attributes, head.normals, albedo], dim=1)
    drawn = interpolate(attributes, model.triangles, fragments)[0]
    count = len(ZONES)
    normals = torch.nn.functional.normalize(drawn[..., count + 3 : count + 6], dim=-1)
    hit = fragments.mask[0].numpy()
    names = {name: np.ascontiguousarray(drawn[..., i].numpy()) for i, name in enumerate(ZONES)}
    place = drawn[..., count : count + 3].numpy()
    region = ndimage.binary_fill_holes(hit & (names["region"] > 0)) & hit
    scalp = hit & ~region & (place[..., 1] > zones.forehead)
    rgb, content = _resample(pixels, window)
    return FaceView(
        window=window,
        linear=to_linear(rgb),
        content=content,
        region=region,
        skin=hit & ~scalp,
        scalp=scalp,
        zones=names,
        place=place,
        cosine=normals[..., 2].numpy(),
        basis=sh_basis(normals).numpy(),
        albedo=drawn[..., count + 6 :].numpy(),
        albedo_gain=np.ones(3, np.float32)
        if model.albedo
        else np.array(_PLAIN_SKIN, np.float32) / np.float32(_GREY),
    )


def _window(points: NDArray[np.float32], camera: Camera, face_size: int, margin: float) -> Window:
    low, high = points.min(axis=0), points.max(axis=0)
    if not (
        np.isfinite(points).all()
        and high[0] > 0
        and high[1] > 0
        and low[0] < camera.width
        and low[1] < camera.height
    ):
        raise UsageError("the fitted face lies outside the photo, so there is nothing to mask")
    side = float((high - low).max())
    left, top = (int(v) for v in np.floor(low - margin * side))
    right, bottom = (int(v) + 1 for v in np.ceil(high + margin * side))
    factor = face_size / side
    return Window(
        left,
        top,
        right,
        bottom,
        max(8, round((right - left) * factor)),
        max(8, round((bottom - top) * factor)),
    )


def _resample(pixels: NDArray[np.uint8], window: Window) -> tuple[NDArray[np.uint8], _Bool]:
    """The window's pixels, area-averaged when shrunk, and which of them the photo has."""
    height, width = pixels.shape[:2]
    x0, y0 = max(window.left, 0), max(window.top, 0)
    x1, y1 = min(window.right, width), min(window.bottom, height)
    f = window.factor
    target = [
        round((x0 - window.left) * f),
        round((y0 - window.top) * f),
        round((x1 - window.left) * f),
        round((y1 - window.top) * f),
    ]
    size = (max(1, target[2] - target[0]), max(1, target[3] - target[1]))
    part = Image.fromarray(np.ascontiguousarray(pixels[y0:y1, x0:x1])).resize(
        size, Image.Resampling.BOX if f < 1 else Image.Resampling.BILINEAR
    )
    rgb = np.zeros((window.height, window.width, 3), dtype=np.uint8)
    rgb[target[1] : target[1] + size[1], target[0] : target[0] + size[0]] = np.asarray(part)[
        : window.height - target[1], : window.width - target[0]
    ]
    left, top, right, bottom = photo_content(pixels)
    column = (np.arange(window.width) + 0.5) / f + window.left
    row = (np.arange(window.height) + 0.5) / f + window.top
    content = ((row > top) & (row < bottom))[:, None] & ((column > left) & (column < right))[None]
    return rgb, content

"""Points on the visible face, and the photo that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ....core.errors import UsageError
from ....render import Camera, interpolate
from ...mask.synthesis.view import to_linear
from ...posed import PosedFace
from ._kernels import reduce_visible, spline_colours

__all__ = ["FaceSamples", "SmoothPhoto", "face_samples"]

_F64 = NDArray[np.float64]
_Bool = NDArray[np.bool_]
_LEAST_COSINE = 0.35  # cosine below which a point is seen too obliquely to be compared
_MARGIN = 2  # working pixels between a sample and the nearest hidden pixel
_BYTES = to_linear(np.arange(256, dtype=np.uint8))
_DEFORMING = ("eyeballs", "teeth", "inner_mouth")  # they move by other rules than skin


@dataclass(frozen=True)
class SmoothPhoto:
    """The visible part of the photo at working size, in linear light, smoothed.

    Hidden pixels take no part: they are zeroed before anything is averaged, averages are divided by the
    visible share, and what remains empty takes the nearest visible colour.

    Args:
        image: (h, w, 3) linear light.
        valid: (h, w) bool, far enough from hidden pixels to be compared.
        camera: the photo's camera seen at working size.
    """

    image: _F64
    valid: _Bool
    camera: Camera

    def at(self, points: _F64) -> tuple[_F64, _F64]:
        """Colours (P, 3) and derivatives (P, 3, 2) at working pixels (P, 2), by the quadratic B-spline.

        The spline blurs a little and has continuous derivatives; points are clamped to the border.
        """
        colour = np.empty((len(points), 3))
        slope = np.empty((len(points), 3, 2))
        spline_colours(self.image, np.ascontiguousarray(points), colour, slope)
        return colour, slope


@dataclass(frozen=True)
class FaceSamples:
    """Points fixed on the surface at which model and photo are compared.

    Args:
        photo: what they are compared with.
        corners: (P, 3) vertex indices.
        barycentric: (P, 3).
    """

    photo: SmoothPhoto
    corners: NDArray[np.int64]
    barycentric: _F64


def face_samples(
    pixels: NDArray[np.uint8],
    head: PosedFace,
    camera: Camera,
    visible: _Bool,
    face_size: int,
    count: int,
) -> FaceSamples:
    """About ``count`` evenly spaced points of the visible facial skin.

    Args:
        pixels: (H, W, 3) uint8.
        head: the posed face.
        camera: of the photo.
        visible: (H, W) bool.
        face_size: longer side of the face at working size, pixels.
        count: wanted number of points.

    Raises:
        UsageError: too little of the face is visible to be compared.
    """
    model, vertices = head.model, head.points
    region = (
        model.region("face") if "face" in model.regions else torch.ones(model.vertex_count, dtype=torch.bool)
    )
    for name in _DEFORMING:
        if name in model.regions:
            region = region & ~model.regions[name]
    place = camera.project(vertices[region]).numpy()
    low, high = place.min(axis=0), place.max(axis=0)
    side = float((high - low).max())
    left, top = (int(np.floor(v - 0.1 * side)) for v in low)
    right, bottom = (int(np.ceil(v + 0.1 * side)) + 1 for v in high)
    factor = min(face_size / side, 2.0)
    crop = camera.cropped(left, top, right - left, bottom - top).scaled(factor)
    photo = _smooth_photo(pixels, visible, (left, top, right, bottom), crop)
    fragments = head.seen(crop)
    attributes = torch.cat([head.normals, vertices], dim=1)
    drawn = interpolate(attributes, model.triangles, fragments)[0]
    towards = -torch.nn.functional.normalize(drawn[..., 3:], dim=-1)
    cosine = (torch.nn.functional.normalize(drawn[..., :3], dim=-1) * towards).sum(-1).numpy()
    triangle = fragments.triangle[0].long()
    wanted = region[model.triangles].all(dim=1)[triangle.clamp(min=0)].numpy()
    usable = wanted & (triangle >= 0).numpy() & (cosine > _LEAST_COSINE) & photo.valid
    found = np.flatnonzero(usable)
    if len(found) < 60:
        raise UsageError(f"only {len(found)} pixels of the face are visible: too few for a photometric fit")
    chosen = found[np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    return FaceSamples(
        photo,
        model.triangles[triangle.flatten()[chosen]].numpy(),
        fragments.barycentric.reshape(-1, 3)[chosen].double().numpy(),
    )


def _smooth_photo(
    pixels: NDArray[np.uint8], visible: _Bool, box: tuple[int, int, int, int], camera: Camera
) -> SmoothPhoto:
    left, top, right, bottom = box
    height, width = visible.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if x1 <= x0 or y1 <= y0:
        raise UsageError("the fitted face lies outside the photo, so there is nothing to compare it with")
    size = (camera.width, camera.height)
    shrinking = camera.width < right - left
    # Averaged over whole blocks first where the face is many times as large as the working size.
    step = max(1, (right - left) // (2 * camera.width))
    planes = np.empty((4, -(-(bottom - top) // step), -(-(right - left) // step)), dtype=np.float32)
    part = (slice(y0, y1), slice(x0, x1))
    reduce_visible(pixels[part], visible[part], _BYTES, x0 - left, y0 - top, step, planes)
    method = Image.Resampling.BOX if shrinking else Image.Resampling.BILINEAR
    area = (0.0, 0.0, (right - left) / step, (bottom - top) / step)
    small = np.stack(
        [np.asarray(Image.fromarray(plane).resize(size, method, box=area)) for plane in planes]
    ).astype(np.float64)
    small = np.stack([ndimage.gaussian_filter(plane, 0.5, truncate=2.5) for plane in small])
    share = small[3]
    filled = share > 0.5
    if not filled.any():
        raise UsageError("nothing of the face is visible, so there is nothing to fit")
    image = (small[:3] / np.maximum(share, 1e-6)).transpose(1, 2, 0)
    nearest = ndimage.distance_transform_edt(~filled, return_distances=False, return_indices=True)
    image = image[tuple(nearest)]
    valid = ndimage.binary_erosion(share > 0.98, iterations=_MARGIN)
    return SmoothPhoto(np.ascontiguousarray(image), valid, camera)

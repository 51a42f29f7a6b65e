"""The perspective camera that every room shares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr

__all__ = ["Camera"]

_DEFAULT_FOCAL = 1.2


@dataclass(frozen=True)
class Camera:
    r"""Pinhole camera with square pixels and no lens distortion.

    .. math:: u = c_x + f\,x/(-z), \qquad v = c_y - f\,y/(-z)

    Convention: camera at the origin, looking along −z, +x to the image's right, +y up; pixel (0, 0) is the
    CENTRE of the top-left pixel, so the middle of an image of width W is at (W − 1) / 2.

    Args:
        focal: focal length in pixels; a float, or a tensor () or (N,) for differentiable or batched cameras.
        cx: principal point, pixels to the right; like ``focal``.
        cy: principal point, pixels down; like ``focal``.
        width: image width W in pixels.
        height: image height H in pixels.
    """

    focal: float | Tensor
    cx: float | Tensor
    cy: float | Tensor
    width: int
    height: int

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if int(self.width) < 1 or int(self.height) < 1:
            raise UsageError(f"a camera needs a positive image size, got {self.width}×{self.height}")
        for name in ("focal", "cx", "cy"):
            value = getattr(self, name)
            if not isinstance(value, Tensor):
                object.__setattr__(self, name, float(value))
            elif value.ndim > 1:
                raise UsageError(f"camera {name} must be a number or of shape (N,), got {tuple(value.shape)}")

    @staticmethod
    def of_photo(width: int, height: int, focal: float | Tensor | None = None) -> Camera:
        """Camera of an uncropped photo: principal point in the middle.

        Args:
            width: pixels.
            height: pixels.
            focal: pixels; None takes 1.2 × the longer side (45° across it), about that of a portrait taken
                with a telephone or of a moderate crop from a longer lens.
        """
        if focal is None:
            focal = _DEFAULT_FOCAL * max(width, height)
        return Camera(focal, (width - 1) / 2, (height - 1) / 2, width, height)

    def project(self, points_cam: Tensor) -> Tensor:
        """Pixels (..., P, 2) of camera-space points (..., P, 3); differentiable.

        Points at or behind the camera plane (z ≥ 0) have no image; their result is meaningless but finite
        unless z is exactly 0. With batched intrinsics (N,) the points are (N, P, 3).
        """
        depth = -points_cam[..., 2]
        u = _lift(self.cx, points_cam) + _lift(self.focal, points_cam) * points_cam[..., 0] / depth
        v = _lift(self.cy, points_cam) - _lift(self.focal, points_cam) * points_cam[..., 1] / depth
        return torch.stack((u, v), dim=-1)

    def rays(self, pixels: Tensor) -> Tensor:
        """Directions (..., P, 3) through pixels (..., P, 2), scaled to z = −1 (so a point = depth · ray)."""
        x = (pixels[..., 0] - _lift(self.cx, pixels)) / _lift(self.focal, pixels)
        y = (_lift(self.cy, pixels) - pixels[..., 1]) / _lift(self.focal, pixels)
        return torch.stack((x, y, -torch.ones_like(x)), dim=-1)

    def unproject(self, pixels: Tensor, depth: Tensor) -> Tensor:
        """Camera-space points (..., P, 3) from pixels (..., P, 2) and positive depths (..., P) in mm."""
        return self.rays(pixels) * depth[..., None]

    def scaled(self, factor: float) -> Camera:
        """The same view in an image ``factor`` times as large (size rounded to whole pixels, at least 1)."""
        return replace(
            self,
            focal=self.focal * factor,
            cx=(self.cx + 0.5) * factor - 0.5,
            cy=(self.cy + 0.5) * factor - 0.5,
            width=max(1, round(self.width * factor)),
            height=max(1, round(self.height * factor)),
        )

    def resized(self, width: int, height: int) -> Camera:
        """The same view resampled to another size of the same aspect ratio.

        Raises:
            UsageError: the aspect ratios differ by more than a pixel of rounding.
        """
        factor = max(width / self.width, height / self.height)
        if abs(self.width * factor - width) > 1.0 or abs(self.height * factor - height) > 1.0:
            raise UsageError(
                f"{width}×{height} has another aspect ratio than {self.width}×{self.height}; crop first"
            )
        return replace(self.scaled(factor), width=width, height=height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The camera of a crop whose top-left pixel is (left, top); the crop may exceed the image."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Camera:
        """The same camera with its tensors (if any) on another device or in another dtype."""

        def move(value: float | Tensor) -> float | Tensor:
            return value.to(device=device, dtype=dtype) if isinstance(value, Tensor) else value

        return replace(self, focal=move(self.focal), cx=move(self.cx), cy=move(self.cy))


def _lift(value: float | Tensor, points: Tensor) -> float | Tensor:
    """Intrinsics that broadcast against (..., P): (N,) becomes (N, 1)."""
    if isinstance(value, Tensor) and value.ndim == 1:
        return value.reshape(-1, *([1] * (points.ndim - 2)))
    return value

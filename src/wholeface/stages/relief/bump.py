r"""Bump maps as published: depth along the viewing ray, encoded as grey values; and their twins along the normal.

Convention: camera space, the camera at the origin looking along −z; depth is the distance from it along the ray
through the middle of a pixel, so that what stands out of the face has less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...render import Camera

__all__ = [
    "BUMP_REACH",
    "LEAST_FACING",
    "along_normal",
    "along_ray",
    "decode_bump",
    "detailed_depth",
    "encode_bump",
    "viewing_rays",
]

BUMP_REACH = 4.0
"""mm along the viewing ray that θ maps to 0 and 255."""
LEAST_FACING = 0.2
"""Cosine between normal and ray below which a surface is taken for one at this angle: 78°."""

Floats = NDArray[np.float32]


def viewing_rays(camera: Camera) -> Floats:
    """(H, W, 3) float32 unit vectors from the camera through the middle of each pixel, camera space.

    Args:
        camera: without a batch dimension.
    """
    u = (np.arange(camera.width) - float(camera.cx)) / float(camera.focal)
    v = (np.arange(camera.height) - float(camera.cy)) / float(camera.focal)
    rays = np.empty((camera.height, camera.width, 3))
    rays[..., 0], rays[..., 1], rays[..., 2] = u, -v[:, None], -1.0
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    return rays.astype(np.float32)


def along_ray(displacement: Floats, normals: Floats, rays: Floats, *, least: float = LEAST_FACING) -> Floats:
    r"""What a displacement along the outer normal changes of the depth.

    A plane :math:`\{x : n \cdot x = c\}`, moved by :math:`h` along its unit normal :math:`n`, meets the ray
    :math:`t d` at :math:`t = (c + h) / (n \cdot d)` instead of :math:`c / (n \cdot d)`:

    .. math:: \delta = \frac{h}{n \cdot d}

    which is exact where the surface is flat over the distance by which the ray's foot moves,
    :math:`|h| \tan\angle(n, -d)`.

    Args:
        displacement: (…) mm, h, positive outwards.
        normals: (…, 3) outer unit normals, camera space.
        rays: (…, 3) unit, from the camera; see :func:`viewing_rays`.
        least: cosine to which surfaces seen at a grazing angle, or from behind, are limited.

    Returns:
        (…) float32 mm, δ of eq. 3: negative where the face comes nearer.

    Raises:
        UsageError: ``least`` is not in (0, 1].
    """
    return np.asarray(displacement / _facing(normals, rays, least), np.float32)


def along_normal(change: Floats, normals: Floats, rays: Floats, *, least: float = LEAST_FACING) -> Floats:
    r"""Inverse of :func:`along_ray`, :math:`h = \delta\, n \cdot d`.

    Args:
        change: (…) mm, δ.
        normals: see :func:`along_ray`.
        rays: see :func:`along_ray`.
        least: see :func:`along_ray`.

    Returns:
        (…) float32 mm along the outer normal.

    Raises:
        UsageError: ``least`` is not in (0, 1].
    """
    return np.asarray(change * _facing(normals, rays, least), np.float32)


def encode_bump(change: Floats, *, reach: float = BUMP_REACH) -> Floats:
    r"""Linear encoding of a change of depth as grey values, in eq. 3.

    .. math:: \theta(\delta) = 255\,\frac{\delta + r}{2r}, \quad \theta(0) = 127.5

    Args:
        change: (…) mm, δ; 0 where no face is.
        reach: r in mm.

    Returns:
        (…) float32 in [0, 255], not rounded; a byte then stands for 2r/255: 0.03 mm with the usual reach.

    Raises:
        UsageError: ``reach`` is not above 0.
    """
    _check_reach(reach)
    grey = (change + np.float32(reach)) * np.float32(255 / (2 * reach))
    return np.asarray(np.clip(grey, 0, 255), np.float32)


def decode_bump(bump: NDArray[np.generic], *, reach: float = BUMP_REACH) -> Floats:
    r"""Inverse of :func:`encode_bump`, :math:`\theta^{-1}`.

    Args:
        bump: (…) grey values in [0, 255].
        reach: r in mm.

    Returns:
        (…) float32 mm in [−r, r].

    Raises:
        UsageError: ``reach`` is not above 0.
    """
    _check_reach(reach)
    return np.asarray(bump.astype(np.float32) * np.float32(2 * reach / 255) - np.float32(reach), np.float32)


def detailed_depth(depth: Floats, bump: NDArray[np.generic], *, reach: float = BUMP_REACH) -> Floats:
    r"""Depth of the detailed face, eq. 4.

    .. math:: z'(p) = z(p) + \theta^{-1}(\Delta(p))

    Args:
        depth: (…) mm, z: distance of the foundation along the viewing ray; not a number beside the face.
        bump: (…) Δ in [0, 255].
        reach: of θ in mm.

    Returns:
        (…) float32 mm.

    Raises:
        UsageError: ``reach`` is not above 0.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, eq. 4.
    """
    return np.asarray(depth + decode_bump(bump, reach=reach), np.float32)


def _facing(normals: Floats, rays: Floats, least: float) -> Floats:
    """n · d, −1 where the surface faces the camera, never above −least."""
    if not 0 < least <= 1:
        raise UsageError(f"the least cosine must be in (0, 1], got {least}")
    cosine = np.einsum("...c,...c->...", normals, rays)
    return np.minimum(cosine, np.float32(-least))


def _check_reach(reach: float) -> None:
    if not reach > 0:
        raise UsageError(f"the reach of the encoding must be above 0 mm, got {reach}")

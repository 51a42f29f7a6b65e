"""A working copy of a huge photo."""

from __future__ import annotations

from dataclasses import replace

from .crop import warp
from .reading import Photo
from .similarity import Similarity

__all__ = ["working_copy"]


def working_copy(photo: Photo, max_side: int) -> tuple[Photo, Similarity]:
    """The photo with its longer side brought down to ``max_side``, and the way between the two.

    Points go forth with ``similarity.apply`` and back with ``similarity.inverse().apply``; images and masks
    come back with ``warp(mask, similarity.inverse(), (photo.width, photo.height), fill="edge")``. A photo
    that is small enough already is returned as it is, with the identity.

    Args:
        photo: any photo.
        max_side: pixels, at least 1.

    Returns:
        The smaller photo, its focal length scaled too, and the similarity from photo to working pixels.
    """
    longest = max(photo.width, photo.height)
    if longest <= max_side:
        return photo, Similarity()
    scale = max_side / longest
    # Outer corners coincide: u + ½ -> (u + ½) · scale.
    similarity = Similarity(scale, 0.0, 0.5 * scale - 0.5, 0.5 * scale - 0.5)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return (
        replace(
            photo,
            pixels=warp(photo.pixels, similarity, size, fill="edge"),
            alpha=None if photo.alpha is None else warp(photo.alpha, similarity, size, fill="edge"),
            focal_px=None if photo.focal_px is None else photo.focal_px * scale,
        ),
        similarity,
    )

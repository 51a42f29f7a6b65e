"""One training image with everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr

__all__ = ["FaceSample"]


@dataclass(frozen=True)
class FaceSample:
    """A square image of one face and its truth.

    Convention: pixel (0, 0) is the centre of the top-left pixel; x to the right, y down. Masks and maps have the
    image's size.

    Args:
        image: (S, S, 3) uint8 sRGB, with occluders and camera effects.
        clean: (S, S, 3) uint8 sRGB, the same image, with the same camera effects, without occluders.
        parsing: (S, S) uint8, :class:`ParsingClass` of what is seen; ``IGNORE`` where unknown.
        occluder: (S, S) uint8, :class:`OccluderKind`. Hair and hats count only where they cover ``face``;
            everything else counts over its whole extent.
        face: (S, S) bool, amodal outline of facial skin, chin to hairline, ear to ear (without ears and neck),
            whether or not it is occluded.
        landmarks_68: (68, 2) float32 pixels, iBUG order, hidden ones included.
        facing_68: (68,) bool, the point's surface is not turned away or hidden by the head itself.
        dense: (D, 2) float32 pixels, the points of :func:`wholeface.morphable.dense_embedding`, hidden ones too.
        facing_dense: (D,) bool, as ``facing_68``.
        known: which labels are reliable, a subset of {"parsing", "occluder", "landmarks", "geometry"}.
        parameters: truth of a rendering by name (identity, expression, albedo, light, rotation, translation, focal,
            cx, cy) as float32 arrays; empty for photos.
        depth: (S, S) float32 mm, inf = background, or None.
        normals: (S, S, 3) float32 camera space, or None.
        source: what this is, e.g. ``synthetic`` or ``portrait_0012``.
        seed: what makes this very sample again.
        eyewear: (S, S) uint8, :class:`EyewearPart` of what is seen, ``IGNORE`` where unknown; None where nothing is
            known of it.

    Raises:
        UsageError: arrays that do not fit each other.
    """

    image: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    parsing: NDArray[np.uint8]
    occluder: NDArray[np.uint8]
    face: NDArray[np.bool_]
    landmarks_68: NDArray[np.float32]
    facing_68: NDArray[np.bool_]
    dense: NDArray[np.float32]
    facing_dense: NDArray[np.bool_]
    known: frozenset[str]
    parameters: dict[str, NDArray[np.float32]]
    depth: NDArray[np.float32] | None
    normals: NDArray[np.float32] | None
    source: str
    seed: tuple[int, ...]
    eyewear: NDArray[np.uint8] | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        size = self.image.shape[0]
        for name, array, shape in (
            ("image", self.image, (size, size, 3)),
            ("clean", self.clean, (size, size, 3)),
            ("parsing", self.parsing, (size, size)),
            ("occluder", self.occluder, (size, size)),
            ("face", self.face, (size, size)),
            ("landmarks_68", self.landmarks_68, (68, 2)),
            ("facing_68", self.facing_68, (68,)),
            ("facing_dense", self.facing_dense, (len(self.dense),)),
            ("depth", self.depth, (size, size)),
            ("normals", self.normals, (size, size, 3)),
            ("eyewear", self.eyewear, (size, size)),
        ):
            if array is not None and array.shape != shape:
                raise UsageError(f"{self.source}: {name} must have shape {shape}, got {array.shape}")

    @property
    def size(self) -> int:
        """Edge of the image in pixels."""
        return self.image.shape[0]

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """(S, S) bool, the face is there but an occluder hides it."""
        return self.face & (self.occluder > 0)

    def visible_68(self) -> NDArray[np.bool_]:
        """(68,) facing the camera and behind nothing."""
        return self.facing_68 & ~_at(self.occluder > 0, self.landmarks_68)

    def visible_dense(self) -> NDArray[np.bool_]:
        """(D,) facing the camera and behind nothing."""
        return self.facing_dense & ~_at(self.occluder > 0, self.dense)

    def with_(self, **changes: Any) -> FaceSample:
        """The same sample with some fields replaced."""
        return replace(self, **changes)


def _at(mask: NDArray[np.bool_], points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(P,) mask at the nearest pixel; False outside the image."""
    column, row = np.rint(points).astype(np.int64).T
    inside = (column >= 0) & (column < mask.shape[1]) & (row >= 0) & (row < mask.shape[0])
    found = np.zeros(len(points), dtype=bool)
    found[inside] = mask[row[inside], column[inside]]
    return found

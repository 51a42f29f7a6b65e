"""How relief leaves a result: as an image of displacements, and as numbers in the record."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.provenance import Provenance
from ..morphable import MorphableModel
from ..stages import ReliefMap
from ..stages.texture.uv.atlas import FACE, atlas_of, surface_of

__all__ = ["DETAILS", "check_detail", "displacement_image", "relief_record"]

DETAILS = ("none", "normal", "mesh")
"""How a mesh shows relief: not at all, by a normal map, by geometry."""
_ZERO = 32768
_STEP = 0.001  # mm


def check_detail(detail: str) -> None:
    """Refuse what is not in ``DETAILS``.

    Raises:
        UsageError: it is not.
    """
    if detail not in DETAILS:
        raise UsageError(f"unknown detail {detail!r}; choose from {', '.join(DETAILS)}")


def displacement_image(relief: ReliefMap) -> NDArray[np.uint16]:
    """(S, S) displacements in steps of 1 µm above 32768, which is 0; ±32 mm can be said."""
    steps = relief.displacement * np.float32(1 / _STEP)
    return (np.clip(np.rint(steps), 1 - _ZERO, _ZERO - 1) + _ZERO).astype(np.uint16)


def relief_record(model: MorphableModel, relief: ReliefMap | None) -> dict[str, Any] | None:
    """What ``face.json`` says of the relief: how to read ``displacement.png``, and where the relief comes from.

    ``shares`` are of the face's texels, or vertices. ``rms_mm`` is the root mean square displacement of those
    observed.
    """
    if relief is None:
        return None
    codes = relief.provenance.ravel()
    counts = np.bincount(codes[_of_the_face(model, relief)], minlength=len(Provenance))
    known = max(int(counts[1:].sum()), 1)
    seen = relief.displacement.ravel()[codes == Provenance.OBSERVED]
    image = relief.displacement.ndim == 2  # else a value for each vertex, which is in the dense mesh alone
    return {
        "displacement": {"file": "displacement.png", "zero": _ZERO, "mm_per_step": _STEP} if image else None,
        "shares": {
            code.name.lower(): float(counts[code] / known) for code in Provenance if counts[code] and code
        },
        "rms_mm": float(np.sqrt(np.mean(np.square(seen, dtype=np.float64)))) if seen.size else 0.0,
    }


def _of_the_face(model: MorphableModel, relief: ReliefMap) -> NDArray[np.int64]:
    """Flat indices of the texels, or the vertices, that show the face: neither scalp, ears nor neck."""
    surface = surface_of(model)
    if relief.displacement.ndim == 1:
        corners: NDArray[np.int64] = np.unique(surface.triangles[surface.kind == FACE]).astype(np.int64)
        return corners
    atlas = atlas_of(model, len(relief.displacement))
    return atlas.texel[surface.kind[atlas.triangle] == FACE].astype(np.int64)

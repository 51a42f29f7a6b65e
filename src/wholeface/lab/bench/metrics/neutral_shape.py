"""How far two neutral faces of one topology lie apart, their place, turn and size aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.umeyama import umeyama

__all__ = ["neutral_error"]


def neutral_error(found: NDArray[np.float64], truth: NDArray[np.float64], name: str = "face") -> float:
    """Mean distance in mm between corresponding vertices after the best similarity of one onto the other.

    Args:
        found: (V, 3) mm, the vertices of the face, neutral.
        truth: (V, 3) mm, the same vertices of the true face.
        name: of the item, for errors.

    Raises:
        UsageError: different shapes, or values that are not finite.

    Source: the alignment with scale of the NoW protocol (Sanyal et al. 2019), between corresponding points.
    """
    a, b = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3:
        raise UsageError(f"{name}: expected vertices (V, 3) of one topology, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError(f"{name}: a vertex is not finite")
    scale, rotation, translation = umeyama(a, b)
    return float(np.linalg.norm(scale * a @ rotation.T + translation - b, axis=1).mean())

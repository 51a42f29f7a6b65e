"""Distance between a reconstructed shape and a true one, in the manner of the NoW benchmark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.nearest import Surface
from ....core.umeyama import umeyama

Array = NDArray[np.float64]

SEVEN = (36, 39, 42, 45, 33, 48, 54)
"""Of the 68 iBUG landmarks: eye corners, nose base, mouth corners."""


def scan_distances(
    vertices: Array,
    triangles: NDArray[np.int64],
    seven: Array,
    scan: Array,
    scan_seven: Array,
    *,
    iterations: int = 6,
) -> Array:
    """(P,) distances in mm of scan points from a reconstruction that is first aligned to them.

    A similarity from seven landmarks, then refined (with scale) between scan points and their nearest points on
    the reconstruction, leaving out the tenth that lies farthest away.

    Args:
        vertices: (V, 3) mm, reconstruction.
        triangles: (F, 3), the part of the reconstruction to compare.
        seven: (7, 3) mm, its landmarks.
        scan: (P, 3) mm, points of the true face.
        scan_seven: (7, 3) mm.
        iterations: of the refinement.

    Source: Sanyal et al. 2019 (NoW), with an iterative closest point refinement in place of its optimiser.
    """
    surface = Surface(vertices, triangles)
    # The scan is moved onto the reconstruction, so that the search tree is built once; distances are scaled back.
    scale, rotation, translation = umeyama(scan_seven, seven)
    for _ in range(iterations):
        moved = scale * scan @ rotation.T + translation
        nearest = surface.nearest(moved)[0]
        distance = np.linalg.norm(nearest - moved, axis=1)
        kept = distance <= np.quantile(distance, 0.9)
        scale, rotation, translation = umeyama(scan[kept], nearest[kept])
    moved = scale * scan @ rotation.T + translation
    nearest = surface.nearest(moved)[0]
    return np.asarray(np.linalg.norm(nearest - moved, axis=1) / scale)

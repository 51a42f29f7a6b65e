r"""Membranes: the smooth fields that carry a mismatch from where it is known to where it is not.

Both functions minimise

.. math:: \sum_i w_i (x_i - d_i)^2 + \lambda \sum_{(i, j)} (x_i - x_j)^2 + \mu \sum_i x_i^2,

whose normal equations are the screened Poisson equation :math:`(W + \lambda L + \mu) x = W d`. With large
weights on a rim and none inside, it is the seamless clone of Pérez et al. in the membrane form of Farbman et
al. Solved directly, by sparse LU with an ordering for symmetric systems, or by a solver that knows the graph. On a
mesh, the field crosses the borders of UV charts as if they
were not there.

Source: Pérez, Gangnet, Blake, "Poisson Image Editing", 2003; Farbman et al., "Coordinates for Instant Image
Cloning", 2009.
"""

from __future__ import annotations

import numpy as np

from .graph_solver import Array, GraphSolver

__all__ = ["grid_membrane", "mesh_membrane"]

_TINY = 1e-9  # of the stiffness, on the diagonal: parts without any data are 0, not singular


def mesh_membrane(
    rows: Array,
    columns: Array,
    weight: Array,
    data: Array,
    *,
    stiffness: float,
    screen: float = 0.0,
    solver: GraphSolver | None = None,
) -> Array:
    """Membrane over a graph.

    Args:
        rows: (V + 1,) int32, compressed sparse rows of the symmetric adjacency.
        columns: (E,) int32.
        weight: (V,) ≥ 0, confidence in the data.
        data: (V, C), ignored where the weight is 0.
        stiffness: λ; the square of the smoothing length in edges.
        screen: μ, pull towards 0 where nothing is known.
        solver: of this graph, when more than one membrane is wanted over it.

    Returns:
        (V, C) float64. Vertices without neighbours and weight stay 0; without any data all is 0.
    """
    weight = np.ascontiguousarray(weight, np.float64)
    right = np.where(weight[:, None] > 0, data, 0.0) * weight[:, None]
    if not weight.any():
        return right
    if solver is not None:
        return solver.solve(weight + screen + stiffness * (np.diff(rows) + _TINY), stiffness, right)
    from scipy.sparse import csc_matrix, diags
    from scipy.sparse.linalg import splu

    count = len(weight)
    neighbours = csc_matrix((np.ones(len(columns)), columns, rows), shape=(count, count))
    diagonal = weight + screen + stiffness * (np.diff(rows) + _TINY)
    system = diags(diagonal, format="csc") - stiffness * neighbours
    factor = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factor.solve(right))


def grid_membrane(weight: Array, data: Array, *, stiffness: float) -> Array:
    """Membrane over the pixels of an image; natural boundary (no pull at the image border).

    Args:
        weight: (H, W) ≥ 0, confidence in the data.
        data: (H, W, C), ignored where the weight is 0.
        stiffness: λ > 0.

    Returns:
        (H, W, C) float64; 0 if there is no data at all.
    """
    h, w = weight.shape
    index = np.arange(h * w).reshape(h, w)
    pairs = np.concatenate(
        [
            np.stack((index[:, :-1].ravel(), index[:, 1:].ravel())),
            np.stack((index[:-1].ravel(), index[1:].ravel())),
        ],
        axis=1,
    )
    start, stop = np.concatenate((pairs, pairs[::-1]), axis=1)
    order = np.lexsort((stop, start))
    rows = np.concatenate(([0], np.cumsum(np.bincount(start, minlength=h * w)))).astype(np.int32)
    columns = stop[order].astype(np.int32)
    flat = mesh_membrane(rows, columns, weight.ravel(), data.reshape(h * w, -1), stiffness=stiffness)
    return flat.reshape(h, w, -1)

r"""Direct solver for many systems on one graph: :math:`(\mathrm{diag}(d) - \lambda A)\,x = b` with its adjacency A.

What depends on the graph alone (the ordering that keeps the factor sparse, the elimination tree, where the factor's
columns begin) is found once; a system then costs one pass of numbers, less than half of a general sparse LU.

Source: Davis, "Algorithm 849: A Concise Sparse Cholesky Factorization Package", 2005 (up-looking LDLᵀ); the ordering
is SuperLU's minimum degree, by SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ....core.jit import njit

__all__ = ["GraphSolver"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GraphSolver:
    """Use :meth:`of`.

    Args:
        order: (V,) the vertex that is eliminated n-th.
        rows, columns: compressed sparse rows of the reordered adjacency, below the diagonal only.
        parent: (V,) elimination tree, −1 at roots.
        starts: (V + 1,) where the factor's columns begin.
    """

    order: Array
    rows: Array
    columns: Array
    parent: Array
    starts: Array

    @staticmethod
    def of(rows: Array, columns: Array) -> GraphSolver:
        """Analyse a graph.

        Args:
            rows: (V + 1,) compressed sparse rows of the symmetric adjacency, without loops.
            columns: (E,).
        """
        from scipy.sparse import csc_matrix, diags, tril
        from scipy.sparse.linalg import splu

        count = len(rows) - 1
        neighbours = csc_matrix((np.ones(len(columns)), columns, rows), shape=(count, count))
        system = diags(np.diff(rows) + 1.0, format="csc") - neighbours
        # SciPy has the ordering only as a part of a factorisation.
        factor = splu(
            system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        order = np.argsort(factor.perm_c)
        lower = tril(neighbours[order][:, order], k=-1, format="csr")
        lower.sort_indices()
        first, below = lower.indptr.astype(np.int32), lower.indices.astype(np.int32)
        parent, sizes = np.empty(count, np.int32), np.zeros(count, np.int64)
        _tree(first, below, parent, sizes)
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        return GraphSolver(order, first, below, parent, starts)

    def solve(self, diagonal: Array, stiffness: float, right: Array) -> Array:
        """(V, C) float64 solution.

        Args:
            diagonal: (V,) d > λ · number of neighbours, so that the system is positive definite.
            stiffness: λ.
            right: (V, C) b.
        """
        solution = np.ascontiguousarray(right[self.order], np.float64)
        pivots = np.empty(len(self.order))
        index, factor = np.empty(self.starts[-1], np.int32), np.empty(self.starts[-1])
        _factorise(
            self.rows,
            self.columns,
            self.parent,
            self.starts,
            np.ascontiguousarray(diagonal[self.order], np.float64),
            float(stiffness),
            pivots,
            index,
            factor,
        )
        _substitute(self.starts, index, factor, pivots, solution)
        result = np.empty_like(solution)
        result[self.order] = solution
        return result


@njit(cache=True, nogil=True)
def _tree(rows, columns, parent, sizes):  # type: ignore[no-untyped-def]
    """Elimination tree, and the number of entries in each column of the factor."""
    count = len(parent)
    flag = np.empty(count, np.int32)
    for k in range(count):
        parent[k] = -1
        flag[k] = k
        for p in range(rows[k], rows[k + 1]):
            i = columns[p]
            while flag[i] != k:
                if parent[i] == -1:
                    parent[i] = k
                sizes[i] += 1
                flag[i] = k
                i = parent[i]


@njit(cache=True, nogil=True)
def _factorise(rows, columns, parent, starts, diagonal, stiffness, pivots, index, factor):  # type: ignore[no-untyped-def]
    """L (unit, by columns) and the pivots D of L D Lᵀ, one row of L after the other."""
    count = len(parent)
    row = np.zeros(count)
    flag = np.full(count, -1, np.int32)
    pattern = np.empty(count, np.int32)
    stops = starts[:-1].copy()
    for k in range(count):
        top = count
        flag[k] = k
        for p in range(rows[k], rows[k + 1]):
            i = columns[p]
            row[i] = -stiffness
            length = 0
            while flag[i] != k:
                pattern[length] = i
                length += 1
                flag[i] = k
                i = parent[i]
            while length > 0:
                length -= 1
                top -= 1
                pattern[top] = pattern[length]
        pivot = diagonal[k]
        for place in range(top, count):
            i = np.uint64(pattern[place])
            value = row[i]
            row[i] = 0.0
            stop = np.uint64(stops[i])
            for p in range(np.uint64(starts[i]), stop):
                row[np.uint64(index[p])] -= factor[p] * value
            share = value / pivots[i]
            pivot -= share * value
            index[stop] = k
            factor[stop] = share
            stops[i] += 1
        pivots[k] = pivot


@njit(cache=True, nogil=True)
def _substitute(starts, index, factor, pivots, solution):  # type: ignore[no-untyped-def]
    count, width = solution.shape
    for k in range(count):
        for p in range(starts[k], starts[k + 1]):
            for c in range(width):
                solution[index[p], c] -= factor[p] * solution[k, c]
    for k in range(count - 1, -1, -1):
        for c in range(width):
            solution[k, c] /= pivots[k]
        for p in range(starts[k], starts[k + 1]):
            for c in range(width):
                solution[k, c] -= factor[p] * solution[index[p], c]

r"""A mesh at ever fewer vertices, with sparse matrices that carry values down and up between neighbouring levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .nearest import Surface
from .quadric_collapse import collapse_edges
from .short_repr import short_repr

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MeshHierarchy", "MeshLevel", "build_hierarchy", "normalised_adjacency"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class MeshLevel:
    """One level.

    Args:
        vertices: (V, 3), in the units that were given.
        triangles: (F, 3).
        kept: (V,) the vertices' numbers in the finest level.
    """

    vertices: Floats
    triangles: Ints
    kept: Ints

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.vertices)


@dataclass(frozen=True)
class MeshHierarchy:
    """Levels from fine to coarse.

    Args:
        levels: L levels, the finest first.
        down: L − 1 matrices (V[l + 1], V[l]): a coarse vertex takes the value of the fine vertex that it is.
        up: L − 1 matrices (V[l], V[l + 1]): a fine vertex takes the barycentric mean at the nearest point of the
            coarse surface. ``down @ up`` is the identity.

    Source: Ranjan et al. 2018, "Generating 3D faces using Convolutional Mesh Autoencoders", §3.
    """

    levels: tuple[MeshLevel, ...]
    down: tuple[csr_array, ...]
    up: tuple[csr_array, ...]

    __repr__ = short_repr


def build_hierarchy(vertices: Floats, triangles: Ints, factors: Sequence[float]) -> MeshHierarchy:
    """Decimate a mesh again and again; the result follows from the mesh alone.

    Parts that do not hang together are reduced together and never vanish. A level may stay larger than its factor
    asks, where the surface allows no further collapse.

    Args:
        vertices: (V, 3), finite. Vertices that no triangle uses take part in the finest level alone.
        triangles: (F, 3) indices, at least one triangle.
        factors: by how much each further level has fewer vertices; each above 1.

    Raises:
        UsageError: no triangles, or a factor that makes nothing smaller.
    """
    from scipy.sparse import csr_array

    if len(triangles) == 0:
        raise UsageError("a mesh without triangles has no hierarchy")
    if wrong := [factor for factor in factors if not factor > 1]:
        raise UsageError(f"a factor of {wrong[0]} makes no coarser level; each must be above 1")
    points = np.ascontiguousarray(vertices, np.float64)
    levels = [MeshLevel(points, np.array(triangles, np.int64), np.arange(len(points)))]
    down, up = [], []
    for factor in factors:
        fine = levels[-1]
        kept, faces, _ = collapse_edges(fine.vertices, fine.triangles, max(1, round(len(fine) / factor)))
        coarse = MeshLevel(fine.vertices[kept], faces, fine.kept[kept])
        shape = (len(coarse), len(fine))
        down.append(csr_array((np.ones(len(kept)), (np.arange(len(kept)), kept)), shape=shape))
        triangle, weights = Surface(coarse.vertices, coarse.triangles).barycentric(fine.vertices)
        weights = np.clip(weights, 0, None)
        weights /= weights.sum(axis=1, keepdims=True)
        columns = coarse.triangles[triangle]
        # A vertex that stays is itself, whichever of its triangles was found.
        columns[kept], weights[kept] = np.arange(len(kept))[:, None], (1.0, 0.0, 0.0)
        rows = np.repeat(np.arange(len(fine)), 3)
        matrix = csr_array((weights.ravel(), (rows, columns.ravel())), shape=shape[::-1])
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        up.append(matrix)
        levels.append(coarse)
    return MeshHierarchy(tuple(levels), tuple(down), tuple(up))


def normalised_adjacency(triangles: Ints, count: int) -> Any:
    r"""The matrix :math:`D^{-1/2} A D^{-1/2}` of a mesh's edges; :math:`I` less it is the normalised Laplacian.

    Args:
        triangles: (F, 3).
        count: vertices V.

    Returns:
        (V, V) symmetric CSR array; rows of vertices without edges are empty. Its eigenvalues lie in [−1, 1].

    Source: Chung 1997, "Spectral Graph Theory".
    """
    from scipy.sparse import csr_array

    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]).astype(
        np.int64
    )
    edges = edges[edges[:, 0] != edges[:, 1]]
    keys = np.unique(np.concatenate([edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]]))
    row, column = keys // count, keys % count
    degree = np.bincount(row, minlength=count)
    values = 1 / np.sqrt(degree[row] * degree[column].astype(np.float64))
    return csr_array((values, (row, column)), shape=(count, count))

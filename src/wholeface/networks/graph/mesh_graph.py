"""A mesh hierarchy as tensors: what graph convolutions multiply with. It holds nothing that is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from ...core.mesh_hierarchy import MeshHierarchy, normalised_adjacency

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["MeshGraph", "SparseMatrix"]


class _Product(torch.autograd.Function):
    """A x, with Aᵀ g as its gradient: both matrices are kept, each sorted by its rows."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, dense: Tensor) -> Tensor:
        ctx.matrices = (matrix, transposed)
        return torch.sparse.mm(matrix, dense)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        matrix, transposed = ctx.matrices
        onward: Tensor = _Product.apply(transposed, matrix, gradient.contiguous())  # type: ignore[no-untyped-call]
        return None, None, onward


class SparseMatrix(nn.Module):
    """A constant sparse matrix that multiplies dense ones; it moves with the module that holds it.

    Args:
        matrix: (M, N).
        dtype: of the values.
    """

    def __init__(self, matrix: csr_array, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        self.forwards: Tensor
        self.backwards: Tensor
        for name, kept in (("forwards", matrix), ("backwards", matrix.T)):
            entries = kept.tocoo()
            entries.sum_duplicates()
            order = np.lexsort((entries.col, entries.row))
            place = np.stack([entries.row[order], entries.col[order]]).astype(np.int64)
            values = torch.from_numpy(entries.data[order]).to(dtype)
            made = torch.sparse_coo_tensor(
                torch.from_numpy(place), values, entries.shape, is_coalesced=True, check_invariants=False
            )
            self.register_buffer(name, made, persistent=False)

    def forward(self, dense: Tensor) -> Tensor:
        """(N, …) -> (M, …), :math:`y_m = Σ_n A_{mn} x_n`, differentiable in x as often as wanted."""
        if dense.shape[0] != self.shape[1]:
            raise UsageError(f"a matrix of {self.shape} cannot multiply {dense.shape[0]} rows")
        flat = dense.reshape(dense.shape[0], -1).contiguous()
        found: Tensor = _Product.apply(self.forwards, self.backwards, flat)  # type: ignore[no-untyped-call]
        return found.reshape(self.shape[0], *dense.shape[1:])


@dataclass(frozen=True, eq=False)
class MeshGraph:
    r"""What the layers of a graph network need of a mesh at each level.

    Args:
        laplacians: L matrices :math:`\tilde L = 2 L / \lambda_{max} - I` with :math:`\lambda_{max} = 2`, the largest
            that a normalised Laplacian can have: :math:`\tilde L = -D^{-1/2} A D^{-1/2}`.
        down: L − 1 matrices to the next coarser level.
        up: L − 1 matrices to the next finer level.

    Source: Defferrard et al. 2016, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering".
    """

    laplacians: tuple[SparseMatrix, ...]
    down: tuple[SparseMatrix, ...]
    up: tuple[SparseMatrix, ...]

    @staticmethod
    def of(hierarchy: MeshHierarchy, dtype: torch.dtype = torch.float32) -> MeshGraph:
        """The graph of a hierarchy."""
        return MeshGraph(
            tuple(
                SparseMatrix(-normalised_adjacency(level.triangles, len(level)), dtype)
                for level in hierarchy.levels
            ),
            tuple(SparseMatrix(matrix, dtype) for matrix in hierarchy.down),
            tuple(SparseMatrix(matrix, dtype) for matrix in hierarchy.up),
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Vertices of each level."""
        return tuple(matrix.shape[0] for matrix in self.laplacians)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> MeshGraph:
        """Move the matrices, in place; returns itself."""
        for matrix in self._all():
            matrix.to(device=device, dtype=dtype)
        return self

    def _all(self) -> Iterator[SparseMatrix]:
        yield from (*self.laplacians, *self.down, *self.up)

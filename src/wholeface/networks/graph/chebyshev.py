"""Chebyshev graph convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...core.errors import UsageError
from .mesh_graph import SparseMatrix

__all__ = ["ChebyshevConv"]


class ChebyshevConv(nn.Module):
    r"""A spectral filter that sees K − 1 edges far.

    .. math:: y = \sum_{k=0}^{K-1} T_k(\tilde L)\, x\, W_k + b, \quad
        T_0 = 1, \; T_1 = \tilde L, \; T_k = 2 \tilde L T_{k-1} - T_{k-2}

    Weights belong to no mesh: the same layer works on every graph.

    Args:
        inputs: features in.
        outputs: features out.
        order: K, at least 1.

    Raises:
        UsageError: an order below 1.

    Source: Defferrard et al. 2016, "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering",
    eq. 4.
    """

    def __init__(self, inputs: int, outputs: int, order: int) -> None:
        super().__init__()
        if order < 1:
            raise UsageError(f"a Chebyshev filter has an order of at least 1, not {order}")
        self.order = order
        self.weight = nn.Parameter(torch.empty(order * inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_uniform_(self.weight.T, nonlinearity="relu")  # the fan-in is K · inputs

    def forward(self, x: Tensor, laplacian: SparseMatrix) -> Tensor:
        """(V, N, inputs) -> (V, N, outputs): vertices first, so that one sparse product serves the whole batch.

        Args:
            x: features.
            laplacian: (V, V) scaled to eigenvalues in [−1, 1], see :class:`MeshGraph`.
        """
        terms = [x]
        if self.order > 1:
            terms.append(laplacian(x))
        for _ in range(2, self.order):
            terms.append(2 * laplacian(terms[-1]) - terms[-2])
        # y_vno = sum_{k, i} T_k x_vni W_kio + b_o
        return torch.cat(terms, dim=-1) @ self.weight + self.bias

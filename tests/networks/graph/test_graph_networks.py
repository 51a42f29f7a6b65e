"""Chebyshev convolution against the dense formula; the refinement network; the critic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from wholeface.core.mesh_hierarchy import MeshHierarchy, build_hierarchy
from wholeface.errors import UsageError
from wholeface.networks.graph import (
    ChebyshevConv,
    MeshGraph,
    RenderingCritic,
    RenderingCriticConfig,
    SparseMatrix,
    TextureGraphNet,
    TextureGraphNetConfig,
)


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A wavy square sheet of size² vertices."""
    y, x = np.mgrid[:size, :size].astype(float)
    number = np.arange(size * size).reshape(size, size)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    )
    return np.stack([x.ravel(), y.ravel(), 0.4 * np.sin(x + 0.7 * y).ravel()], axis=1), triangles


@pytest.fixture(scope="module")
def hierarchy() -> MeshHierarchy:
    return build_hierarchy(*grid(9), factors=(3.0, 3.0))


def test_products_and_their_gradients_are_those_of_the_dense_matrix() -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((5, 7)) < 0.4, rng.normal(size=(5, 7)), 0)
    matrix = SparseMatrix(csr_array(dense), torch.float64)
    x = torch.from_numpy(rng.normal(size=(7, 2, 3))).requires_grad_()
    y = matrix(x)
    assert torch.allclose(y, torch.einsum("mn,nbc->mbc", torch.from_numpy(dense), x), atol=1e-14)
    assert torch.autograd.gradcheck(matrix, (x,))
    assert torch.autograd.gradgradcheck(matrix, (x,))
    with pytest.raises(UsageError, match="cannot multiply 5 rows"):
        matrix(torch.zeros(5, 1, dtype=torch.float64))


def test_a_matrix_moves_with_its_module_and_is_no_part_of_its_state() -> None:
    matrix = SparseMatrix(csr_array(np.eye(3)))
    assert matrix.state_dict() == {}
    assert matrix.to(torch.float64)(torch.ones(3, 2, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_chebyshev_convolution_is_the_dense_formula(hierarchy: MeshHierarchy, order: int) -> None:
    graph = MeshGraph.of(hierarchy, torch.float64)
    torch.manual_seed(order)
    layer = ChebyshevConv(3, 4, order).double()
    torch.nn.init.normal_(layer.bias)
    level = hierarchy.levels[1]
    count = len(level)
    adjacency = np.zeros((count, count))
    for i, j, k in level.triangles:
        for a, b in ((i, j), (j, k), (k, i)):
            adjacency[a, b] = adjacency[b, a] = 1
    root = np.diag(adjacency.sum(axis=1) ** -0.5)
    scaled = torch.from_numpy(2 * (np.eye(count) - root @ adjacency @ root) / 2 - np.eye(count))
    assert np.abs(np.linalg.eigvalsh(scaled.numpy())).max() <= 1 + 1e-12
    values, vectors = torch.linalg.eigh(scaled)
    x = torch.randn(count, 2, 3, dtype=torch.float64, requires_grad=True)
    # T_k(cos a) = cos(k a): the polynomial of the eigenvalues, by another way than the recurrence.
    angle = torch.arccos(values.clamp(-1, 1))
    weight = layer.weight.reshape(order, 3, 4)
    wanted = layer.bias + sum(
        torch.einsum("uv,vni,io->uno", vectors @ torch.diag(torch.cos(k * angle)) @ vectors.T, x, weight[k])
        for k in range(order)
    )
    found = layer(x, graph.laplacians[1])
    assert torch.allclose(found, wanted, atol=1e-10)
    loss_found = torch.autograd.grad(found.square().sum(), (x, layer.weight, layer.bias))
    loss_wanted = torch.autograd.grad(wanted.square().sum(), (x, layer.weight, layer.bias))
    for a, b in zip(loss_found, loss_wanted):
        assert torch.allclose(a, b, atol=1e-8)


def test_chebyshev_convolution_needs_an_order() -> None:
    with pytest.raises(UsageError, match="at least 1, not 0"):
        ChebyshevConv(1, 1, 0)


def _small() -> TextureGraphNetConfig:
    return TextureGraphNetConfig(2, (4, 6, 8), 3, 5, 2)


def test_an_untrained_network_changes_nothing_and_the_batch_does_not_mix(hierarchy: MeshHierarchy) -> None:
    graph, network = MeshGraph.of(hierarchy), TextureGraphNet(_small())
    colours, features = torch.randn(3, 81, 3), torch.randn(3, 81, 2)
    assert torch.equal(network(colours, features, graph), colours)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    whole = network(colours, features, graph)
    assert not torch.equal(whole, colours)
    alone = torch.cat([network(colours[i : i + 1], features[i : i + 1], graph) for i in range(3)])
    assert torch.allclose(whole, alone, atol=1e-5)


def test_every_weight_of_the_network_learns_and_the_change_is_bounded(hierarchy: MeshHierarchy) -> None:
    graph, network = MeshGraph.of(hierarchy), TextureGraphNet(_small())
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    colours, features = torch.randn(2, 81, 3), torch.randn(2, 81, 2)
    fine = network(100 * colours, 100 * features, graph)
    assert float((fine - 100 * colours).abs().max()) <= 1.5 + 1e-4
    network(colours, features, graph).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_the_network_has_neither_image_convolutions_nor_fully_connected_layers() -> None:
    for config in (TextureGraphNetConfig(), TextureGraphNetConfig.full()):
        network = TextureGraphNet(config)
        assert not any(
            isinstance(m, (torch.nn.Linear, torch.nn.modules.conv._ConvNd)) for m in network.modules()
        )
    assert sum(p.numel() for p in TextureGraphNet(TextureGraphNetConfig()).parameters()) < 1_000_000


def test_what_does_not_fit_is_refused(hierarchy: MeshHierarchy) -> None:
    graph = MeshGraph.of(hierarchy)
    with pytest.raises(UsageError, match="4 levels, the mesh hierarchy only 3"):
        TextureGraphNet(TextureGraphNetConfig(2, (4, 4, 4, 4)))(
            torch.zeros(1, 81, 3), torch.zeros(1, 81, 2), graph
        )
    with pytest.raises(UsageError, match="do not fit 81 vertices and 2 features"):
        TextureGraphNet(_small())(torch.zeros(1, 80, 3), torch.zeros(1, 80, 2), graph)


def test_the_critic_scores_patches_by_what_they_show() -> None:
    critic = RenderingCritic(RenderingCriticConfig(4, 8, 3))
    images = torch.rand(2, 4, 64, 64, requires_grad=True)
    scores = critic(images)
    assert scores.shape == (2, 1, 8, 8)
    (slope,) = torch.autograd.grad(scores[0, 0, 0, 0], images)
    assert float(slope[0, :, :24, :24].abs().max()) > 0
    assert float(slope[0, :, 40:, 40:].abs().max()) == 0
    assert float(slope[1].abs().max()) == 0

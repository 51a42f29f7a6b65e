from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from wholeface.stages.texture.uv.membrane import grid_membrane, mesh_membrane


def _path(count: int) -> tuple[np.ndarray, np.ndarray]:
    neighbours = [[j for j in (i - 1, i + 1) if 0 <= j < count] for i in range(count)]
    rows = np.concatenate([[0], np.cumsum([len(n) for n in neighbours])]).astype(np.int32)
    return rows, np.concatenate(neighbours).astype(np.int32)


def _laplacian(rows: np.ndarray, columns: np.ndarray) -> sp.csr_matrix:
    count = len(rows) - 1
    adjacency = sp.csr_matrix((np.ones(len(columns)), columns, rows), shape=(count, count))
    return sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency


def test_mesh_membrane_between_two_anchors_is_a_straight_line() -> None:
    rows, columns = _path(21)
    weight = np.zeros(21)
    weight[[0, -1]] = 1e6
    data = np.zeros((21, 2))
    data[-1] = (1.0, -3.0)
    found = mesh_membrane(rows, columns, weight, data, stiffness=1.0)
    np.testing.assert_allclose(found, np.linspace(0, 1, 21)[:, None] * (1.0, -3.0), atol=1e-4)


def test_mesh_membrane_screen_decays_like_a_hyperbolic_cosine() -> None:
    # x'' = x · screen / stiffness on a path, x = 1 at one end, free at the other: cosh(k (n − i)) / cosh(k n)
    rows, columns = _path(60)
    weight = np.zeros(60)
    weight[0] = 1e8
    data = np.zeros((60, 1))
    data[0] = 1.0
    found = mesh_membrane(rows, columns, weight, data, stiffness=1.0, screen=0.01)[:, 0]
    k = np.arccosh(1 + 0.01 / 2)  # of the discrete equation
    expected = np.cosh(k * (59.5 - np.arange(60))) / np.cosh(k * 59.5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), stiffness=st.floats(0.1, 50), screen=st.floats(0, 0.1))
def test_mesh_membrane_equals_a_sparse_direct_solve(seed: int, stiffness: float, screen: float) -> None:
    generator = np.random.default_rng(seed)
    edges = np.unique(np.sort(generator.integers(0, 80, (200, 2)), axis=1), axis=0)
    edges = np.concatenate([edges[edges[:, 0] != edges[:, 1]], [[i, i + 1] for i in range(79)]])
    both = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    rows = np.concatenate([[0], np.cumsum(np.bincount(both[:, 0], minlength=80))]).astype(np.int32)
    columns = both[:, 1].astype(np.int32)
    weight = generator.random(80) * (generator.random(80) < 0.4)
    weight[0] = 1.0
    data = generator.standard_normal((80, 3))
    system = sp.diags(weight + screen) + stiffness * _laplacian(rows, columns)
    expected = spsolve(system.tocsc(), weight[:, None] * data)
    found = mesh_membrane(rows, columns, weight, data, stiffness=stiffness, screen=screen)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_mesh_membrane_ignores_data_without_weight() -> None:
    rows, columns = _path(300)
    generator = np.random.default_rng(3)
    weight = (generator.random(300) < 0.2).astype(float)
    data = generator.standard_normal((300, 3))
    hidden = np.where(weight[:, None] > 0, data, np.nan)
    expected = mesh_membrane(rows, columns, weight, data, stiffness=4.0)
    found = mesh_membrane(rows, columns, weight, hidden, stiffness=4.0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_membranes_without_data_are_zero() -> None:
    rows, columns = _path(9)
    assert not mesh_membrane(rows, columns, np.zeros(9), np.ones((9, 3)), stiffness=1.0).any()
    assert not grid_membrane(np.zeros((7, 9)), np.ones((7, 9, 3)), stiffness=1.0).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 17), (64, 96)])
def test_grid_membrane_equals_a_sparse_direct_solve(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(7)
    h, w = shape
    weight = generator.random(shape) * (generator.random(shape) < 0.15)
    weight[0, 0] = 1.0
    data = generator.standard_normal((h, w, 2))

    def line(count: int) -> sp.csr_matrix:
        return _laplacian(*_path(count)) if count > 1 else sp.csr_matrix((1, 1))

    laplacian = sp.kron(line(h), sp.eye(w)) + sp.kron(sp.eye(h), line(w))
    right = (weight[..., None] * data).reshape(-1, 2)
    expected = spsolve((sp.diags(weight.ravel()) + 2.0 * laplacian).tocsc(), right).reshape(h, w, 2)
    found = grid_membrane(weight, data, stiffness=2.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_grid_membrane_between_two_sides_is_a_ramp() -> None:
    weight = np.zeros((50, 65))
    weight[:, [0, -1]] = 1e5
    data = np.zeros((50, 65, 1))
    data[:, -1] = 10.0
    found = grid_membrane(weight, data, stiffness=1.0)
    np.testing.assert_allclose(found[..., 0], np.broadcast_to(np.linspace(0, 10, 65), (50, 65)), atol=0.02)

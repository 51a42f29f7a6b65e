import numpy as np
import pytest

from wholeface.stages.texture.uv.graph_solver import GraphSolver
from wholeface.stages.texture.uv.membrane import mesh_membrane


def _graph(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random symmetric graph with a vertex that has no neighbours, and its dense adjacency."""
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.random((count, count)) < 3 / count, 1)
    dense[5], dense[:, 5] = False, False
    dense = dense | dense.T
    rows = np.concatenate(([0], np.cumsum(dense.sum(axis=1)))).astype(np.int32)
    return rows, np.nonzero(dense)[1].astype(np.int32), dense.astype(float)


@pytest.mark.parametrize("seed", range(3))
def test_solves_what_dense_algebra_solves(seed):
    rows, columns, dense = _graph(80, seed)
    rng = np.random.default_rng(seed)
    diagonal = 2.5 * dense.sum(axis=1) + rng.random(80) + 0.1
    right = rng.standard_normal((80, 3))
    expected = np.linalg.solve(np.diag(diagonal) - 2.5 * dense, right)
    np.testing.assert_allclose(
        GraphSolver.of(rows, columns).solve(diagonal, 2.5, right), expected, rtol=1e-9, atol=1e-12
    )


def test_a_membrane_is_the_same_with_and_without_it():
    rows, columns, _ = _graph(200, 1)
    rng = np.random.default_rng(0)
    weight, data = rng.random(200) * (rng.random(200) < 0.3), rng.standard_normal((200, 2))
    options = {"stiffness": 20.0, "screen": 0.01}
    np.testing.assert_allclose(
        mesh_membrane(rows, columns, weight, data, solver=GraphSolver.of(rows, columns), **options),
        mesh_membrane(rows, columns, weight, data, **options),
        atol=1e-10,
    )

import numpy as np
import pytest

from wholeface.export import Mesh


def make_mesh(rows: int = 9, columns: int = 12, **changes) -> Mesh:
    """An open tube with a UV seam: the last column of vertices is the first, its UV points are not."""
    angle = np.arange(columns) / columns * 2 * np.pi
    height = np.linspace(80, -80, rows)
    y, a = np.meshgrid(height, angle, indexing="ij")
    vertices = np.stack([70 * np.sin(a) + 5 * np.sin(3 * a), y, 90 * np.cos(a)], -1).reshape(-1, 3)
    u, v = np.meshgrid(np.linspace(0.05, 0.95, columns + 1), np.linspace(0.97, 0.03, rows))
    uv = np.stack([u, v], -1).reshape(-1, 2)
    i, j = (g.ravel() for g in np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij"))

    def corner(di, dj, width, wrap):
        return (i + di) * width + ((j + dj) % wrap)

    def both(width, wrap):
        a, b = corner(0, 0, width, wrap), corner(1, 0, width, wrap)
        c, d = corner(1, 1, width, wrap), corner(0, 1, width, wrap)
        return np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])

    generator = np.random.default_rng(5)
    count = rows * columns
    few = np.zeros((count, 3))
    few[3:7] = generator.normal(size=(4, 3))
    size = 64
    row, column = np.mgrid[:size, :size]
    mesh = {
        "vertices": vertices,
        "triangles": both(columns, columns),
        "uv": uv,
        "uv_triangles": both(columns + 1, columns + 2),
        "texture": np.stack([row * 4, column * 4, (row + column) * 2], -1).astype(np.uint8),
        "provenance": (1 + (column > 20) + (row > 40)).astype(np.uint8),
        "confidence": (column / (size - 1)).astype(np.float32),
        "morph_targets": {
            "jawOpen": few,
            "all": generator.normal(size=(count, 3)),
            "nothing": np.zeros((count, 3)),
        },
        "glossy": both(columns, columns).min(1) < columns,
        "extras": {"face_model": "test 1", "sigma": np.float32(0.5)},
    }
    return Mesh(**{**mesh, **changes})


@pytest.fixture
def mesh() -> Mesh:
    return make_mesh()


@pytest.fixture(scope="session")
def mesh_factory():
    return make_mesh

"""Small mesh facts that several loaders need: orientation, landmarks at vertices, mirror index, OBJ text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import ModelFileError
from ..embedding import Embedding
from ._files import floats, indices, parsing, read_bytes


def tensor(array: NDArray[Any]) -> Tensor:
    """A tensor of its own memory: float32, int64 or bool as given."""
    return torch.from_numpy(np.array(array, order="C", copy=True))


def outward(vertices: NDArray[np.float32], triangles: NDArray[np.int64]) -> bool:
    """Whether the triangles run counter-clockwise seen from outside.

    The signed volume Σ det(a−p, b−p, c−p) about a point p behind the middle of the mesh is positive
    then, for a closed head (any p) as for an open face that looks along +z.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    behind = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], dtype=np.float64)
    a, b, c = (vertices[triangles[:, corner]].astype(np.float64) - behind for corner in range(3))
    return bool((a * np.cross(b, c)).sum() >= 0)


def oriented(
    vertices: NDArray[np.float32], *corner_arrays: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    """The triangle arrays (the first indexes ``vertices``), all flipped if the first one points inwards."""
    if outward(vertices, corner_arrays[0]):
        return corner_arrays
    return tuple(np.ascontiguousarray(corners[:, ::-1]) for corners in corner_arrays)


def at_vertices(vertices: NDArray[np.int64], triangles: NDArray[np.int64], path: Path) -> Embedding:
    """Embedding of points that sit exactly on vertices.

    Args:
        vertices: (L,) vertex indices.
        triangles: (F, 3).
        path: for messages.

    Raises:
        ModelFileError: a vertex that no triangle uses.
    """
    count = int(max(triangles.max(initial=-1), vertices.max(initial=-1))) + 1
    first = np.full(count, -1, dtype=np.int64)
    # Written backwards, so that the lowest triangle of each vertex stays.
    first[triangles[::-1].reshape(-1)] = np.repeat(np.arange(len(triangles))[::-1], 3)
    chosen = first[vertices]
    if (chosen < 0).any():
        raise ModelFileError(f"{path}: landmark vertex {int(vertices[chosen < 0][0])} lies on no triangle")
    weights = (triangles[chosen] == vertices[:, None]).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    return Embedding(tensor(chosen), tensor(weights))


def read_landmark_vertices(path: Path, vertex_count: int) -> NDArray[np.int64]:
    """68 vertex indices, counted from 0, from a JSON list or from text with one number per point.

    Raises:
        ModelFileError: not 68 whole numbers inside the mesh.
    """
    data = read_bytes(path)
    with parsing(path, "a list of 68 vertex indices"):
        text = data.decode("utf-8")
        numbers = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [int(w) for w in re.split(r"[\s,;]+", text) if w]
        )
    return indices(numbers, (68,), vertex_count, "landmark list", path)


def mirror_index(
    vertices: NDArray[np.float32], triangles: NDArray[np.int64], tolerance: float
) -> NDArray[np.int64] | None:
    """(V,) index of each vertex's mirror image in x; None if the mesh is not symmetric.

    Vertices are paired by their position and the mean of their neighbours, because where surfaces touch
    (lips, gums) the nearest vertex alone may belong to the other surface.
    """
    from scipy.spatial import cKDTree

    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    total, count = np.zeros(vertices.shape), np.zeros((len(vertices), 1))
    np.add.at(total, edges[:, 0], vertices[edges[:, 1]])
    np.add.at(count, edges[:, 0], 1)
    features = np.hstack([vertices, total / np.maximum(count, 1)])
    _, partner = cKDTree(features).query(features * np.array([-1.0, 1, 1, -1, 1, 1]))
    partner = np.asarray(partner, dtype=np.int64)
    distance = np.linalg.norm(vertices[partner] * np.array([-1.0, 1, 1]) - vertices, axis=1)
    if distance.max() > tolerance or not np.array_equal(partner[partner], np.arange(len(vertices))):
        return None
    return partner


def triangulate(polygons: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles of mixed triangles and quads.

    Args:
        polygons: (F, 4), −1 in the last column pads triangles.

    Returns:
        (F', 3) corners, all first triangles, then the second halves of the quads; and (F', 3) their positions
        in ``polygons.reshape(-1)``, by which a parallel array (UV) is cut the same way.
    """
    quads = np.flatnonzero(polygons[:, 3] >= 0)
    position = np.concatenate(
        [np.arange(len(polygons))[:, None] * 4 + [0, 1, 2], quads[:, None] * 4 + [0, 2, 3]]
    ).astype(np.int64)
    return polygons.reshape(-1)[position], position


class Obj(NamedTuple):
    """What a loader needs of a Wavefront OBJ file."""

    vertices: NDArray[np.float32]  # (V, 3)
    triangles: NDArray[np.int64]  # (F, 3)
    uv: NDArray[np.float32] | None  # (U, 2)
    uv_triangles: NDArray[np.int64] | None  # (F, 3)


def read_obj_vertices(path: Path) -> NDArray[np.float32]:
    """(V, 3) vertex positions of an OBJ file."""
    data = read_bytes(path)
    with parsing(path, "a Wavefront OBJ file"):
        return _rows(data, b"v ", 3, path)


def read_obj(path: Path) -> Obj:
    """Vertices, UV and triangles (quads split, larger polygons refused) of an OBJ file.

    Raises:
        ModelFileError: damaged, without vertices or faces, or with indices outside the file's own lists.
    """
    data = read_bytes(path)
    with parsing(path, "a Wavefront OBJ file"):
        vertices = _rows(data, b"v ", 3, path)
        has_uv = b"\nvt " in data or data.startswith(b"vt ")
        uv = _rows(data, b"vt ", 2, path) if has_uv else None
        corners, uv_corners = [], []
        for line in data.split(b"\n"):
            if not line.startswith(b"f "):
                continue
            words = line.split()[1:]
            if len(words) not in (3, 4):
                raise ModelFileError(
                    f"{path}: a face with {len(words)} corners; only triangles and quads are read"
                )
            parts = [word.split(b"/") for word in words]
            corners.append([int(part[0]) - 1 for part in parts] + [-1] * (4 - len(parts)))
            if uv is not None:
                uv_corners.append([int(part[1]) - 1 for part in parts] + [-1] * (4 - len(parts)))
        if not corners:
            raise ModelFileError(f"{path} has no faces")
        triangles, position = triangulate(np.array(corners, dtype=np.int64))
        triangles = indices(triangles, (None, 3), len(vertices), "faces", path)
        if uv is None:
            return Obj(vertices, triangles, None, None)
        uv_triangles = np.array(uv_corners, dtype=np.int64).reshape(-1)[position]
        return Obj(vertices, triangles, uv, indices(uv_triangles, (None, 3), len(uv), "UV faces", path))


def _rows(data: bytes, tag: bytes, columns: int, path: Path) -> NDArray[np.float32]:
    lines = [line[len(tag) :] for line in data.split(b"\n") if line.startswith(tag)]
    if not lines:
        raise ModelFileError(f"{path} has no lines that start with {tag.decode().strip()!r}")
    values = np.array(b" ".join(lines).split(), dtype=np.float64)
    width, rest = divmod(values.size, len(lines))
    if rest or width < columns:
        raise ModelFileError(f"{path} is damaged: its {tag.decode().strip()!r} lines differ in length")
    return floats(values.reshape(len(lines), width)[:, :columns], (None, columns), tag.decode().strip(), path)

"""A small reader for glTF 2.0 files with a binary buffer beside them: triangles and materials, nothing else.

Samples follow from their seed, so the order of vertices, triangles and materials must be the file's own in every
version; making samples does not need trimesh besides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError

__all__ = ["GltfMesh", "read_gltf", "simplified"]

_TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_MOST_POINTS = 20_000_000
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class GltfMesh:
    """All triangles of a scene, in its own units.

    Args:
        vertices: (V, 3) float32.
        normals: (V, 3) float32 unit.
        triangles: (F, 3) int32.
        material: (F,) int32, index into the file's materials.
        colours: (M, 4) float32 linear base colours and opacities.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    triangles: NDArray[np.int32]
    material: NDArray[np.int32]
    colours: NDArray[np.float32]


def read_gltf(path: Path) -> GltfMesh:
    """Read ``scene.gltf`` and the buffer that it names.

    Raises:
        UsageError: a file is missing or is no such glTF.
    """
    try:
        scene = json.loads(path.read_text(encoding="utf-8"))
        buffers = [_beside(path, item["uri"]).read_bytes() for item in scene["buffers"]]
        vertices, normals, triangles, material = [], [], [], []
        count = 0
        for node, place in _placed(scene):
            for part in scene["meshes"][scene["nodes"][node]["mesh"]]["primitives"]:
                if part.get("mode", 4) != 4:
                    continue
                points = _accessor(scene, buffers, part["attributes"]["POSITION"]).astype(np.float64)
                directions = _accessor(scene, buffers, part["attributes"]["NORMAL"]).astype(np.float64)
                faces = _accessor(scene, buffers, part["indices"]).reshape(-1, 3).astype(np.int64)
                if (
                    points.shape != directions.shape
                    or points.shape[1:] != (3,)
                    or not np.isfinite(points).all()
                ):
                    raise ValueError("positions and normals must be as many finite points")
                if faces.size and not 0 <= faces.min() <= faces.max() < len(points):
                    raise ValueError("a triangle names a vertex that is not there")
                turned = directions @ np.linalg.inv(place[:3, :3])
                vertices.append(points @ place[:3, :3].T + place[:3, 3])
                normals.append(turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12))
                triangles.append(faces + count)
                material.append(np.full(len(faces), part.get("material", 0)))
                count += len(points)
                if count > _MOST_POINTS:
                    raise ValueError("more vertices than an object of a scene has")
        colours = [
            m.get("pbrMetallicRoughness", {}).get("baseColorFactor", [1, 1, 1, 1]) for m in scene["materials"]
        ]
    except Exception as error:  # any part of the scene may be of any type
        raise UsageError(f"{path}: not a glTF file with its buffer beside it ({str(error)[:120]})") from error
    if not triangles:
        raise UsageError(f"{path}: holds no triangles")
    return GltfMesh(
        np.concatenate(vertices).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate(material).astype(np.int32),
        np.array(colours, np.float32),
    )


def _beside(path: Path, uri: str) -> Path:
    """The file that a scene names, which must lie in its folder."""
    place = path.parent / uri
    if not place.resolve().is_relative_to(path.parent.resolve()):
        raise ValueError(f"the buffer {uri[:80]!r} lies outside the folder")
    return place


def simplified(mesh: GltfMesh, cell: float) -> GltfMesh:
    """The mesh with all vertices of one material that fall into one cell of a grid joined.

    Args:
        mesh: a mesh.
        cell: edge of a cell in its units.
    """
    of_vertex = np.zeros(len(mesh.vertices), np.int64)
    of_vertex[mesh.triangles.ravel()] = np.repeat(mesh.material, 3)
    grid = np.floor(mesh.vertices / cell).astype(np.int64)
    side = mesh.normals[:, 2:] > 0  # keeps the two faces of a thin lens apart
    key = np.concatenate((grid, of_vertex[:, None], side), axis=1)
    _, index, count = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    index = index.ravel()
    merged = np.zeros((len(count), 6))
    np.add.at(merged, index, np.concatenate((mesh.vertices, mesh.normals), axis=1))
    merged /= count[:, None]
    normals = merged[:, 3:]
    faces = index[mesh.triangles]
    good = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    faces, first = np.unique(np.sort(faces[good], axis=1), axis=0, return_index=True)
    return GltfMesh(
        merged[:, :3].astype(np.float32),
        (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)).astype(np.float32),
        faces.astype(np.int32),
        mesh.material[good][first],
        mesh.colours,
    )


def _placed(scene: dict[str, Any]) -> list[tuple[int, NDArray[np.float64]]]:
    """Nodes with a mesh, and their 4×4 places in the scene."""
    found: list[tuple[int, NDArray[np.float64]]] = []
    todo = [(int(n), np.eye(4)) for n in scene["scenes"][scene.get("scene", 0)]["nodes"]]
    seen: set[int] = set()
    while todo:
        node, parent = todo.pop()
        if node in seen:
            raise ValueError("a node lies below two others, or below itself")
        seen.add(node)
        item = scene["nodes"][node]
        place = parent @ np.array(item["matrix"], np.float64).reshape(4, 4).T if "matrix" in item else parent
        if any(name in item for name in ("translation", "rotation", "scale")):
            raise ValueError("nodes must be placed by matrices")
        if "mesh" in item:
            found.append((node, place))
        todo.extend((int(child), place) for child in reversed(item.get("children", [])))
    return found


def _accessor(scene: dict[str, Any], buffers: list[bytes], index: int) -> NDArray[Any]:
    """(count, width) values of an accessor, interleaved or not."""
    item = scene["accessors"][index]
    view = scene["bufferViews"][item["bufferView"]]
    dtype, width = np.dtype(_TYPES[item["componentType"]]), _WIDTHS[item["type"]]
    start = view.get("byteOffset", 0) + item.get("byteOffset", 0)
    stride = view.get("byteStride") or dtype.itemsize * width
    if not all(isinstance(n, int) for n in (start, stride, item["count"])):
        raise ValueError("a place or length that is no whole number")
    if start < 0 or stride < dtype.itemsize * width or item["count"] < 1:
        raise ValueError("an impossible place, step or length")
    raw = np.frombuffer(buffers[view["buffer"]], np.uint8)
    length = stride * (item["count"] - 1) + dtype.itemsize * width
    block = raw[start : start + length]
    if len(block) < length:
        raise ValueError("the buffer is too short")
    rows = np.lib.stride_tricks.as_strided(block, (item["count"], dtype.itemsize * width), (stride, 1))
    return np.ascontiguousarray(rows).view(dtype)

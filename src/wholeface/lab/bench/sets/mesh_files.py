"""Strict readers of meshes and 3D landmarks as benchmarks hand them out; every error names the file.

trimesh reads these formats too, but forgives what a benchmark must not: of a PLY that is cut short, announces
99,999,999,999 faces or names vertices that are not there it returns what it found, and an OBJ vertex of two numbers
makes a mesh in the plane (measured with trimesh 5.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, OutputError
from ....core.npy import parse_npy

__all__ = ["TriangleMesh", "read_landmarks", "read_mesh", "write_landmarks", "write_obj"]

Array = NDArray[np.float64]
_MOST_TEXT = 4_000_000  # bytes of a landmark file
_PLY_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A mesh from a file.

    Args:
        vertices: (V, 3) float64 in the file's unit, finite.
        triangles: (F, 3) int64, F > 0.
    """

    vertices: Array
    triangles: NDArray[np.int64]


def read_mesh(path: Path) -> TriangleMesh:
    """A mesh from ``.obj`` or ``.ply`` (text or binary); polygons become fans of triangles.

    Raises:
        DataError: no such file, another format, no vertices, no faces, values that are not finite, faces that point
            outside the vertices, or fewer elements than announced. The file and what was expected are named.
    """
    kind = path.suffix.lower()
    if kind not in (".obj", ".ply"):
        raise DataError(f"{path}: not a mesh that can be read here; expected .obj or .ply")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected a mesh") from error
    try:
        vertices, triangles = _obj(data) if kind == ".obj" else _ply(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise DataError(f"{path}: not a sound {kind[1:]} file ({str(error)[:120]})") from error
    if len(vertices) == 0:
        raise DataError(f"{path}: has no vertices; expected a mesh")
    if len(triangles) == 0:
        raise DataError(f"{path}: has {len(vertices)} vertices but no faces; expected a triangle mesh")
    bad = ~np.isfinite(vertices).all(axis=1)
    if bad.any():
        raise DataError(
            f"{path}: vertex {int(np.argmax(bad)) + 1} and {int(bad.sum()) - 1} others are not finite"
        )
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise DataError(f"{path}: a face names a vertex that is not among the {len(vertices)} of the file")
    return TriangleMesh(vertices, triangles)


def read_landmarks(path: Path, counts: tuple[int, ...] = (7,)) -> Array:
    """3D landmarks from MeshLab's ``.pp``, ``.txt`` (three numbers a line) or ``.npy``.

    Args:
        path: the file.
        counts: how many points it may hold.

    Returns:
        (L, 3) float64 in the file's order and unit.

    Raises:
        DataError: no such file, another format, another number of points, or values that are not finite.
    """
    expected = f"{' or '.join(map(str, counts))} landmarks of three numbers each"
    try:
        if path.stat().st_size > _MOST_TEXT:
            raise DataError(f"{path}: {path.stat().st_size} bytes; expected {expected}")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected {expected}") from error
    try:
        if path.suffix.lower() == ".pp":
            points = _picked_points(data)
        elif path.suffix.lower() == ".npy":
            values = parse_npy(data)
            if values.dtype.kind not in "fiu":
                raise DataError(f"{path}: holds {str(values.dtype)[:40]}; expected {expected}")
            points = values.astype(np.float64)
        elif path.suffix.lower() == ".txt":
            rows = [
                line.replace(",", " ").split()
                for line in data.decode("utf-8-sig").splitlines()
                if line.strip()
            ]
            points = np.array([[float(word) for word in row] for row in rows], dtype=np.float64)
        else:
            raise DataError(f"{path}: expected {expected} in a .pp, .txt or .npy file")
    except DataError:
        raise
    except Exception as error:  # the XML parser raises almost any type on damaged text
        raise DataError(f"{path}: {str(error)[:120]}; expected {expected}") from error
    if points.ndim != 2 or points.shape[1] != 3 or len(points) not in counts:
        shape = " × ".join(map(str, points.shape)) or "one number"
        raise DataError(f"{path}: holds {shape} numbers; expected {expected}")
    if not np.isfinite(points).all():
        raise DataError(
            f"{path}: landmark {int(np.argmax(~np.isfinite(points).all(axis=1))) + 1} is not finite"
        )
    return points


def write_obj(path: Path, vertices: NDArray[Any], triangles: NDArray[np.int64]) -> None:
    """A bare mesh: positions and triangles, no material.

    Raises:
        OutputError: the file cannot be written.
    """
    text = ("v %.6f %.6f %.6f\n" * len(vertices)) % tuple(
        np.asarray(vertices, dtype=np.float64).ravel().tolist()
    )
    text += ("f %d %d %d\n" * len(triangles)) % tuple((triangles + 1).ravel().tolist())
    _write(path, text)


def write_landmarks(path: Path, points: Array) -> None:
    """Three numbers a line.

    Raises:
        OutputError: the file cannot be written.
    """
    _write(path, "".join(f"{x:.6f} {y:.6f} {z:.6f}\n" for x, y, z in points))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _picked_points(data: bytes) -> Array:
    """MeshLab's picked points, in the file's order.

    A document type with entities is refused: nothing here needs one, and it can blow up the parser.
    """
    if b"<!ENTITY" in data.upper() or b"\0" in data:  # UTF-16 would hide it
        raise ValueError("declares entities, which picked points never do")
    root = ElementTree.fromstring(data)
    points = [element for element in root.iter() if element.tag.lower() == "point"]
    missing = [axis for element in points for axis in "xyz" if axis not in element.attrib]
    if missing:
        raise ValueError(f"a point lacks its {missing[0]}")
    return np.array([[float(p.attrib[axis]) for axis in "xyz"] for p in points], dtype=np.float64).reshape(
        -1, 3
    )


def _obj(data: bytes) -> tuple[Array, NDArray[np.int64]]:
    vertices: list[list[bytes]] = []
    faces: list[list[int]] = []
    for number, line in enumerate(data.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if words[0] == b"v":
            if len(words) < 4:
                raise DataError(f"line {number}: a vertex with {len(words) - 1} numbers; expected 3")
            vertices.append(words[1:4])
        elif words[0] == b"f":
            if len(words) < 4:
                raise DataError(f"line {number}: a face with {len(words) - 1} corners; expected at least 3")
            corners = [int(word.partition(b"/")[0]) for word in words[1:]]
            if 0 in corners:
                raise DataError(f"line {number}: a face names vertex 0; OBJ counts from 1")
            here = len(vertices)
            corners = [c - 1 if c > 0 else here + c for c in corners]
            faces += [[corners[0], b, c] for b, c in pairwise(corners[1:])]
    points = np.array(vertices, dtype="S32").astype(np.float64).reshape(-1, 3)
    return points, np.array(faces, dtype=np.int64).reshape(-1, 3)


@dataclass
class _Element:
    name: str
    count: int
    properties: list[tuple[str, str, str]]  # name, type, type of a list's length or ""


def _ply(data: bytes) -> tuple[Array, NDArray[np.int64]]:
    head, found, body = data.partition(b"end_header")
    lines = head.decode("ascii", errors="replace").splitlines()
    if not found or not lines or lines[0].strip() != "ply":
        raise DataError("no PLY header; expected a file that begins with 'ply'")
    body = body[2:] if body[:2] == b"\r\n" else body[1:]
    form, elements = "", []
    for line in lines[1:]:
        words = line.split()
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements:
            kind = (words[4], words[3], words[2]) if words[1] == "list" else (words[2], words[1], "")
            if {kind[1], kind[2]} - set(_PLY_TYPES) - {""}:
                raise DataError(f"unknown type in {line!r}")
            elements[-1].properties.append(kind)
    if form not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise DataError(f"PLY format {form or 'missing'}; expected ascii or binary 1.0")
    for element in elements:
        # Every element takes a byte at least, so a header cannot announce more than the file has bytes.
        if not 0 <= element.count <= len(body) or (element.count and not element.properties):
            raise DataError(
                f"announces {element.count} elements {element.name[:40]!r}, which its {len(body)} bytes cannot hold"
            )
    names = [e.name for e in elements]
    if "vertex" not in names:
        raise DataError("no element 'vertex'; expected a mesh")
    vertices, faces = np.empty((0, 3)), np.empty((0, 3), dtype=np.int64)
    source = _Words(body) if form == "ascii" else _Bytes(body, "<" if form == "binary_little_endian" else ">")
    for element in elements:
        if element.name == "vertex":
            columns = [p[0] for p in element.properties]
            if not {"x", "y", "z"} <= set(columns) or any(p[2] for p in element.properties):
                raise DataError("vertices without x, y, z; expected three coordinates each")
            table = source.table(element)
            vertices = table[:, [columns.index(axis) for axis in "xyz"]]
        elif element.name == "face":
            faces = source.fans(element)
        elif any(p[2] for p in element.properties):
            if "face" in names[names.index(element.name) :]:
                raise DataError(
                    f"element {element.name!r} with lists before the faces; expected vertices and faces"
                )
            break
        else:
            source.table(element)
    return vertices, faces


class _Words:
    """The body of a text PLY."""

    def __init__(self, body: bytes) -> None:
        self.words, self.at = body.split(), 0

    def take(self, count: int, what: str) -> list[bytes]:
        words = self.words[self.at : self.at + count] if count >= 0 else []
        if len(words) != count:
            raise DataError(
                f"ends in the middle of its {what} elements; expected as many as the header announces"
            )
        self.at += count
        return words

    def table(self, element: _Element) -> Array:
        width = len(element.properties)
        words = self.take(width * element.count, element.name)
        return np.array(words, dtype="S40").astype(np.float64).reshape(element.count, width)

    def fans(self, element: _Element) -> NDArray[np.int64]:
        out: list[list[int]] = []
        for _ in range(element.count):
            for name, _, length in element.properties:
                size = int(self.take(1, "face")[0]) if length else 1
                corners = self.take(size, "face")
                if name in ("vertex_indices", "vertex_index"):
                    out += _fan([int(c) for c in corners])
        return np.array(out, dtype=np.int64).reshape(-1, 3)


class _Bytes:
    """The body of a binary PLY."""

    def __init__(self, body: bytes, order: str) -> None:
        self.body, self.order, self.at = body, order, 0

    def take(self, kind: np.dtype[Any], count: int, what: str) -> NDArray[Any]:
        size = kind.itemsize * count
        if count < 0 or self.at + size > len(self.body):
            raise DataError(
                f"ends in the middle of its {what} elements; expected as many as the header announces"
            )
        values = np.frombuffer(self.body, kind, count, self.at)
        self.at += size
        return values

    def kind(self, name: str) -> np.dtype[Any]:
        return np.dtype(self.order + _PLY_TYPES[name])

    def table(self, element: _Element) -> Array:
        row = np.dtype([(f"p{i}", self.kind(p[1])) for i, p in enumerate(element.properties)])
        values = self.take(row, element.count, element.name)
        columns = [values[f"p{i}"].astype(np.float64) for i in range(len(element.properties))]
        return np.stack(columns, axis=1)

    def fans(self, element: _Element) -> NDArray[np.int64]:
        quick = self._all_triangles(element)
        if quick is not None:
            return quick
        out: list[list[int]] = []
        for _ in range(element.count):
            for name, kind, length in element.properties:
                size = int(self.take(self.kind(length), 1, "face")[0]) if length else 1
                corners = self.take(self.kind(kind), size, "face")
                if name in ("vertex_indices", "vertex_index"):
                    out += _fan([int(c) for c in corners])
        return np.array(out, dtype=np.int64).reshape(-1, 3)

    def _all_triangles(self, element: _Element) -> NDArray[np.int64] | None:
        """At once, where every list holds three; None elsewhere."""
        if len(element.properties) != 1 or element.properties[0][0] not in ("vertex_indices", "vertex_index"):
            return None
        _, kind, length = element.properties[0]
        row = np.dtype([("n", self.kind(length)), ("i", self.kind(kind), (3,))])
        if self.at + row.itemsize * element.count > len(self.body):
            return None
        values = np.frombuffer(self.body, row, element.count, self.at)
        if (values["n"] != 3).any():
            return None
        self.at += row.itemsize * element.count
        return values["i"].astype(np.int64)


def _fan(corners: list[int]) -> list[list[int]]:
    if len(corners) < 3:
        raise DataError(f"a face with {len(corners)} corners; expected at least 3")
    return [[corners[0], b, c] for b, c in pairwise(corners[1:])]

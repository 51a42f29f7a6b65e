"""Binary PLY with vertex colours."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ._files import write_file
from ._geometry import sample_map, split_seams, vertex_normals
from .mesh import Mesh

__all__ = ["encode_ply", "write_ply"]

_PLY_TYPES = {"<f4": "float", "|u1": "uchar"}


def write_ply(path: str | os.PathLike[str], mesh: Mesh) -> Path:
    """Writes a mesh as PLY; see :func:`encode_ply`.

    Raises:
        OutputError: the file cannot be written.
    """
    return write_file(path, encode_ply(mesh))


def encode_ply(mesh: Mesh) -> bytes:
    """Binary little-endian PLY in millimetres; vertices keep their order and number.

    Each vertex has ``x y z nx ny nz``; with a texture ``red green blue`` (sRGB) sampled from it, where a UV
    seam passes the mean of its sides, or the vertex's own colour;
    with a provenance map ``provenance`` (code) and with a confidence map
    ``confidence``, where a seam passes the value of the side with the lowest UV index.
    """
    fields = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    if mesh.texture is not None or mesh.colours is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
    if mesh.provenance is not None:
        fields.append(("provenance", "u1"))
    if mesh.confidence is not None:
        fields.append(("confidence", "<f4"))
    count = len(mesh.vertices)
    table = np.zeros(count, dtype=fields)
    normals = vertex_normals(mesh)
    for axis, (position, normal) in enumerate(zip("xyz", ("nx", "ny", "nz"))):
        table[position] = mesh.vertices[:, axis]
        table[normal] = normals[:, axis]
    if mesh.colours is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            table[name] = mesh.colours[:, channel]
        for name, values in (("provenance", mesh.provenance), ("confidence", mesh.confidence)):
            if values is not None:
                table[name] = values
    if mesh.uv is not None:
        split = split_seams(mesh)
        first = np.flatnonzero(np.diff(split.vertex, prepend=-1))  # one per vertex that has a triangle
        owner = split.vertex[first]
        uv = mesh.uv[split.uv]
        if mesh.texture is not None:
            sides = np.bincount(split.vertex, minlength=count)[owner]
            colours = np.add.reduceat(sample_map(mesh.texture, uv), first, axis=0) / sides[:, None]
            for channel, name in enumerate(("red", "green", "blue")):
                table[name][owner] = np.rint(colours[:, channel]).astype(np.uint8)
        if mesh.provenance is not None:
            table["provenance"][owner] = sample_map(mesh.provenance, uv[first], nearest=True)
        if mesh.confidence is not None:
            table["confidence"][owner] = sample_map(mesh.confidence, uv[first])
    faces = np.empty(len(mesh.triangles), dtype=[("count", "u1"), ("indices", "<i4", (3,))])
    faces["count"] = 3
    faces["indices"] = mesh.triangles
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment WholeFace, millimetres, +y up, +z out of the face",
    ]
    if mesh.provenance is not None:
        codes = ", ".join(f"{code} {name}" for code, name in enumerate(mesh.provenance_names))
        header.append(f"comment provenance: {codes}")
    header.append(f"element vertex {count}")
    header += [f"property {_PLY_TYPES[np.dtype(kind).str]} {name}" for name, kind in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode("ascii", "replace") + table.tobytes() + faces.tobytes()

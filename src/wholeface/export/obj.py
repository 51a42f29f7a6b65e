"""Wavefront OBJ with its material library and texture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ._files import side_file_stem, write_file
from ._geometry import vertex_normals
from .images import encode_png
from .mesh import Mesh

__all__ = ["write_obj"]


def write_obj(path: str | os.PathLike[str], mesh: Mesh) -> tuple[Path, ...]:
    """Writes a mesh as OBJ in millimetres, with ``<stem>.mtl`` and ``<stem>_texture.png`` beside it.

    A normal map is written as ``<stem>_normals.png`` and named twice, by ``norm``, its proper keyword, and by
    ``map_Bump``, where Blender and others look for it; without ``-bm 1`` Blender takes its strength for 0.

    A mesh with ``colours`` instead of a texture has them, sRGB in [0, 1], behind each vertex's position, where most
    readers look for them. Vertices keep their order and number; UV points have indices of their own, so nothing
    is split. Characters on which OBJ readers stumble, such as spaces, become underscores in the names of the side
    files. Provenance and morph targets have no place in OBJ.

    Returns:
        The files written, the OBJ last.

    Raises:
        UsageError: the path does not end in ``.obj``.
        OutputError: a file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".obj":
        raise UsageError(f"{target} should end in .obj")
    stem = side_file_stem(target)
    written = []
    texture_name = None
    if mesh.texture is not None:
        texture_name = f"{stem}_texture.png"
        written.append(write_file(target.with_name(texture_name), encode_png(mesh.texture)))
    normals_name = None
    if mesh.normal_map is not None:
        normals_name = f"{stem}_normals.png"
        written.append(write_file(target.with_name(normals_name), encode_png(mesh.normal_map)))
    written.append(
        write_file(
            target.with_name(f"{stem}.mtl"), _materials(texture_name, normals_name, mesh).encode("ascii")
        )
    )
    written.append(write_file(target, _objects(f"{stem}.mtl", mesh).encode("ascii")))
    return tuple(written)


def _materials(texture_name: str | None, normals_name: str | None, mesh: Mesh) -> str:
    variants = {"skin": (0.04, 20)}
    if mesh.glossy is not None and mesh.glossy.any():
        variants["glossy"] = (0.3, 200)
    lines = []
    for name, (specular, exponent) in variants.items():
        colour = "1 1 1" if texture_name or mesh.colours is not None else "0.8 0.78 0.76"
        lines += [f"newmtl {name}", "Ka 0 0 0", f"Kd {colour}", f"Ks {specular} {specular} {specular}"]
        lines += [f"Ns {exponent}", "d 1", "illum 2"]
        if texture_name:
            lines.append(f"map_Kd {texture_name}")
        if normals_name and name != "glossy":
            lines += [f"norm {normals_name}", f"map_Bump -bm 1 {normals_name}"]
        lines.append("")
    return "\n".join(lines)


def _objects(library: str, mesh: Mesh) -> str:
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in mesh.name) or "face"
    parts = ["# WholeFace, millimetres, +y up, +z out of the face\n", f"mtllib {library}\n", f"o {name}\n"]
    if mesh.colours is None:
        parts.append(_lines("v %.6f %.6f %.6f\n", mesh.vertices))
    else:
        table = np.concatenate([mesh.vertices, mesh.colours / np.float64(255)], axis=1)
        parts.append(_lines("v %.6f %.6f %.6f %.4f %.4f %.4f\n", table))
    if mesh.uv is not None:
        parts.append(_lines("vt %.7f %.7f\n", mesh.uv))
    parts.append(_lines("vn %.5f %.5f %.5f\n", vertex_normals(mesh)))
    corners = mesh.triangles + 1  # OBJ counts from 1
    columns, pattern = [corners, corners], "%d//%d"
    if mesh.uv_triangles is not None:
        columns, pattern = [corners, mesh.uv_triangles + 1, corners], "%d/%d/%d"
    table = np.stack(columns, axis=-1).reshape(len(corners), -1)
    row = f"f {pattern} {pattern} {pattern}\n"
    glossy = np.zeros(len(corners), bool) if mesh.glossy is None else mesh.glossy
    for material, chosen in (("skin", ~glossy), ("glossy", glossy)):
        if chosen.any():
            parts += [f"usemtl {material}\n", "s 1\n", _lines(row, table[chosen])]
    return "".join(parts)


def _lines(row: str, table: NDArray[Any]) -> str:
    """One formatted row per row of the table; a single formatting call is many times faster than a loop."""
    return (row * len(table)) % tuple(table.ravel().tolist())

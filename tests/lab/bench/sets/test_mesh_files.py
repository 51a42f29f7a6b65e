"""Meshes and landmarks from files, and what is said about those that are not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError
from wholeface.lab.bench.sets.mesh_files import read_landmarks, read_mesh, write_landmarks, write_obj
from wholeface.lab.bench.sets.scan_subjects import write_picked_points

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0.5], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])
SEVEN = np.arange(21.0).reshape(7, 3) * 1.25


def test_obj_there_and_back(tmp_path: Path) -> None:
    write_obj(tmp_path / "a" / "mesh.obj", SQUARE, HALVES)
    mesh = read_mesh(tmp_path / "a" / "mesh.obj")
    np.testing.assert_array_equal(mesh.vertices, SQUARE)
    np.testing.assert_array_equal(mesh.triangles, HALVES)


def test_obj_as_scanners_write_it(tmp_path: Path) -> None:
    file = tmp_path / "scan.obj"
    file.write_text(
        "# 4 vertices\nmtllib scan.mtl\nv 0 0 0 0.5 0.5 0.5\nv 1 0 0\nv 1 1 .5\nvt 0 0\nvn 0 0 1\nv 0 1 0 1.0\n"
        "usemtl skin\nf 1/1/1 2/1/1 3/1/1 4/1/1\nf -4//1 -3//1 -2//1\n"
    )
    mesh = read_mesh(file)
    np.testing.assert_array_equal(mesh.vertices, SQUARE)
    np.testing.assert_array_equal(mesh.triangles, [*HALVES, [0, 1, 2]])


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("polygons", [False, True])
def test_ply_in_every_form(tmp_path: Path, form: str, polygons: bool) -> None:
    faces = [[0, 1, 2, 3], [0, 1, 2]] if polygons else HALVES.tolist()
    head = (
        f"ply\nformat {form} 1.0\ncomment by hand\nelement vertex 4\nproperty uchar red\nproperty float x\n"
        "property float y\nproperty double z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()
    if form == "ascii":
        body = "".join(f"7 {x:g} {y:g} {z:g}\n" for x, y, z in SQUARE).encode()
        body += "".join(f"{len(f)} {' '.join(map(str, f))}\n" for f in faces).encode()
    else:
        order = "<" if form == "binary_little_endian" else ">"
        body = b"".join(struct.pack(f"{order}Bffd", 7, *v) for v in SQUARE)
        body += b"".join(struct.pack(f"{order}B{len(f)}i", len(f), *f) for f in faces)
    file = tmp_path / "mesh.ply"
    file.write_bytes(head + body)
    mesh = read_mesh(file)
    np.testing.assert_array_equal(mesh.vertices, SQUARE)
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [0, 2, 3], [0, 1, 2]] if polygons else HALVES)
    file.write_bytes(head + body[:-5])
    with pytest.raises(DataError, match=r"mesh\.ply.*header announces"):
        read_mesh(file)


def test_trimesh_reads_and_writes_the_same(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    shape = trimesh.creation.icosphere(subdivisions=2)
    for name in ("a.ply", "a.obj"):
        shape.export(tmp_path / name)
        mesh = read_mesh(tmp_path / name)
        np.testing.assert_allclose(mesh.vertices, shape.vertices, atol=1e-6)
        np.testing.assert_array_equal(mesh.triangles, shape.faces)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\n", "3 vertices but no faces"),
        ("a.obj", "f 1 2 3\n", "no vertices"),
        ("a.obj", "v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "vertex 2 .*not finite"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "not among the 3"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "counts from 1"),
        ("a.obj", "v 0 0\n", "line 1.*expected 3"),
        ("a.obj", "v 0 0 0\nf 1 1\n", "line 2.*at least 3"),
        ("a.obj", "v 0 zero 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not a sound obj"),
        ("a.ply", "solid x\n", "no PLY header"),
        ("a.ply", "ply\nformat ascii 1.0\nelement face 0\nend_header\n", "no element 'vertex'"),
        (
            "a.ply",
            "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
            "without x, y, z",
        ),
        ("a.stl", "solid", r"expected \.obj or \.ply"),
    ],
)
def test_broken_meshes_are_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=rf"{name}.*{said}"):
        read_mesh(tmp_path / name)


def test_missing_mesh_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.obj.*No such file"):
        read_mesh(tmp_path / "gone.obj")


def test_landmarks_in_three_formats(tmp_path: Path) -> None:
    write_landmarks(tmp_path / "a.txt", SEVEN)
    write_picked_points(tmp_path / "a.pp", SEVEN)
    np.save(tmp_path / "a.npy", SEVEN.astype(np.float32))
    for name in ("a.txt", "a.pp", "a.npy"):
        np.testing.assert_allclose(read_landmarks(tmp_path / name), SEVEN)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"1 2 3\n" * 6, "6 × 3 numbers; expected 7 landmarks"),
        ("a.txt", b"1 2\n" * 7, "7 × 2"),
        ("a.txt", b"1 2 nan\n" * 7, "landmark 1 is not finite"),
        ("a.txt", b"1 2 three\n" * 7, "expected 7"),
        ("a.pp", b"<PickedPoints><point x='1' y='2'/></PickedPoints>", "lacks its z"),
        ("a.pp", b"<PickedPoints>", "expected 7"),
        ("a.pp", b"<!DOCTYPE p [<!ENTITY a 'b'>]><p>&a;</p>", "entities"),
        ("a.npy", b"nothing", "expected 7"),
        ("a.csv", b"", r"\.pp, \.txt or \.npy"),
    ],
)
def test_broken_landmarks_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        read_landmarks(tmp_path / name)
    if said != "entities":
        assert name in str(error.value)


def test_pickled_landmarks_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        read_landmarks(tmp_path / "a.npy")

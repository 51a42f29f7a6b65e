"""Damaged and hostile meshes and landmark files: DataError, soon."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError
from wholeface.lab.bench.sets.mesh_files import read_landmarks, read_mesh

SEVEN = np.arange(21.0).reshape(7, 3)
VERTICES = "element vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
FACES = "property list uchar int vertex_indices\n"
BODY = "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
PLY = {
    "faces without properties": f"{VERTICES}element face 99999999999\nend_header\n{BODY}",
    "faces that are not there": f"{VERTICES}element face 99999999999\n{FACES}end_header\n{BODY}",
    "others without properties": f"element stuff 99999999999\n{VERTICES}element face 1\n{FACES}end_header\n{BODY}",
    "others after the faces": f"{VERTICES}element face 1\n{FACES}element e 99999999999\nend_header\n{BODY}",
    "vertices that are not there": VERTICES.replace("3", "99999999999")
    + f"element face 1\n{FACES}end_header\n{BODY}",
    "a negative count": f"{VERTICES}element face -1\n{FACES}end_header\n{BODY}",
    "a negative list": f"{VERTICES}element face 1\nproperty list int int a\n{FACES}end_header\n0 0 0\n1 0 0\n0 1 0\n-9 3 0 1 2\n",  # noqa: E501
    "a count of many digits": f"{VERTICES}element face {'9' * 6000}\n{FACES}end_header\n{BODY}",
}


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("name", PLY)
def test_a_header_cannot_announce_more_than_the_file_holds(tmp_path: Path, name: str, form: str) -> None:
    file = tmp_path / "mesh.ply"
    file.write_text(f"ply\nformat {form} 1.0\n{PLY[name]}")
    with pytest.raises(DataError, match=r"mesh\.ply"):
        read_mesh(file)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=SEVEN)
    return stream.getvalue()


LANDMARKS = {
    "an archive": _npz(),
    "empty": b"",
    "a cut header": _npy(SEVEN)[:40],
    "an open bracket": _npy(SEVEN).replace(b"(7, 3), }", b"(7, 3,  }"),
    "a lying header": _npy(SEVEN).replace(b"(7, 3), }  ", b"(7, 9**9), }")
    if b"(7, 3), }  " in _npy(SEVEN)
    else b"",
    "huge": _npy(np.zeros((2, 3))).replace(b"(2, 3), }        ", b"(999999999, 3), }"),
    "complex": _npy(SEVEN.astype(complex)),
    "text": _npy(SEVEN.astype(str)),
    "dates": _npy(SEVEN.astype("M8[s]")),
    "one number": _npy(np.array(1.0)),
    "brackets": b"\x93NUMPY\x01\x00" + (60000).to_bytes(2, "little") + b"(" * 60000,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", LANDMARKS)
def test_damaged_landmark_arrays(tmp_path: Path, name: str) -> None:
    file = tmp_path / "points.npy"
    file.write_bytes(LANDMARKS[name])
    with pytest.raises(DataError, match=r"points\.npy"):
        read_landmarks(file)


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0" encoding="none-such"?><a/>',
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
        b"<a>" * 400_000,
        b'<a><point x="1" y="2" z="' + b"9" * 100_000 + b'e"/></a>',
    ],
)
def test_damaged_picked_points(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "points.pp"
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"points\.pp"):
        read_landmarks(file)


@pytest.mark.filterwarnings("error")
def test_mutated_files_raise_nothing_else(tmp_path: Path) -> None:
    ply = f"ply\nformat ascii 1.0\n{VERTICES}element face 1\n{FACES}end_header\n{BODY}".encode()
    wholes = {
        "m.ply": ply,
        "m.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "p.npy": _npy(SEVEN),
        "p.txt": b"1 2 3\n" * 7,
        "p.pp": b"<P>" + b'<point x="1" y="2" z="3"/>' * 7 + b"</P>",
    }
    rng = np.random.default_rng(23)
    for name, whole in wholes.items():
        file = tmp_path / name
        for _ in range(150):
            broken = bytearray(whole)
            for at in rng.integers(0, len(broken), rng.integers(1, 4)):
                broken[at] = rng.choice([*b"0123456789-()[]{}<>\"' \n\xff\x00e", int(rng.integers(0, 256))])
            file.write_bytes(broken[: rng.integers(1, len(broken) + 1)] if rng.random() < 0.2 else broken)
            try:
                (read_mesh if name.startswith("m") else read_landmarks)(file)
            except DataError:
                continue

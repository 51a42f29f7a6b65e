"""Small files that would cost much: each is one ModelFileError, in little time and memory."""

from __future__ import annotations

import io
import os
import pickle
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError
from wholeface.morphable.loaders import load_model
from wholeface.morphable.loaders._files import read_bytes, read_npz
from wholeface.morphable.loaders._mat import read_mat
from wholeface.morphable.loaders._pickle import read_pickle

WHERE = Path("some.pkl")


@contextmanager
def bounded(megabytes: float = 700, seconds: float = 10.0) -> Iterator[None]:
    """A limit for the process's highest memory, and one for time far above what is expected, for busy machines."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < megabytes * 1e3


def refusal(load: Callable[[Any], Any], source: Any) -> str:
    """What the error says, or nothing."""
    try:
        load(source)
    except ModelFileError as error:
        return str(error)
    return ""


def text(value: bytes) -> bytes:
    return pickle.BINUNICODE + struct.pack("<I", len(value)) + value


def blob(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def put(place: int) -> bytes:
    return b"r" + struct.pack("<I", place)


def get(place: int) -> bytes:
    return b"j" + struct.pack("<I", place)


def shared(kind: bytes, width: int, depth: int, leaf: bytes = b"K\x01") -> bytes:
    """A list or tuple of one thing again and again, and so on, ``width ** depth`` leaves unfolded."""
    data = leaf + put(0)
    for level in range(depth):
        inside = get(level) * width
        data += (b"(" + inside + b"t" if kind == b"t" else b"](" + inside + b"e") + put(level + 1)
    return data


def mapping(field: str, value: bytes, before: bytes = b"") -> bytes:
    return b"\x80\x02" + before + b"}" + text(field.encode()) + value + b"s."


NDARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"


def dtype(code: bytes = b"f8", order: bytes = b"<") -> bytes:
    return b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\x00K\x01\x87R(K\x03U\x01" + order + b"NNNtb"


def ndarray(shape: bytes, raw: bytes, kind: bytes | None = None) -> bytes:
    return NDARRAY + b"(K\x01" + shape + (kind or dtype()) + b"\x89" + raw + b"tb"


def sparse(shape: bytes, value: bytes, index: bytes, pointer: bytes) -> bytes:
    state = b"}(" + text(b"_shape") + shape + text(b"data") + value + text(b"indices") + index
    return b"cscipy.sparse\ncsc_matrix\n)\x81" + state + text(b"indptr") + pointer + b"ub"


def select(source: bytes, chosen: bytes) -> bytes:
    return b"cchumpy.reordering\nSelect\n)\x81}(" + text(b"a") + source + text(b"idxs") + chosen + b"ub"


ONE_MEGABYTE = blob(bytes(1_000_000))
BOMBS: dict[str, Callable[[], bytes]] = {
    "shared lists as an array": lambda: mapping("v_template", shared(b"e", 10, 20)),
    "shared lists, few and wide": lambda: mapping("v_template", shared(b"e", 2000, 3)),
    "shared tuples as an array": lambda: mapping("v_template", shared(b"t", 10, 20)),
    "shared tuples as a shape": lambda: mapping("v_template", ndarray(shared(b"t", 10, 30), blob(b""))),
    "shared tuples as an encoding": lambda: mapping(
        "v_template", b"c_codecs\nencode\n" + text(b"x") + shared(b"t", 10, 30) + b"\x86R"
    ),
    "shared tuples as a data type": lambda: mapping(
        "v_template",
        ndarray(b"K\x01\x85", blob(bytes(8)), b"cnumpy\ndtype\n" + shared(b"t", 10, 30) + b"\x85R"),
    ),
    "shared tuples as a byte order": lambda: mapping(
        "v_template",
        ndarray(
            b"K\x01\x85",
            blob(bytes(8)),
            b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03" + shared(b"t", 10, 30) + b"NNNtb",
        ),
    ),
    "a list in itself": lambda: mapping("v_template", b"]" + put(0) + b"(" + get(0) * 50 + b"e"),
    "huge whole numbers in a shape": lambda: mapping(
        "v_template",
        ndarray(b"(" + (b"\x8b" + struct.pack("<I", 30000) + b"\x7f" * 30000) * 20 + b"t", blob(b"")),
    ),
    "many numbers in a shape": lambda: mapping(
        "v_template", ndarray(b"(" + (b"\x8a\x08" + b"\x7f" * 8) * 100_000 + b"t", blob(b""))
    ),
    "a long decimal number": lambda: mapping("v_template", b"L" + b"9" * 2_000_000 + b"L\n"),
    "a long decimal place": lambda: b"\x80\x02K\x01p" + b"9" * 2_000_000 + b"\n.",
    "a long float": lambda: mapping("v_template", b"F0." + b"9" * 2_000_000 + b"\n"),
    "millions of steps": lambda: b"\x80\x02" + b"N0" * 2_000_000 + b"N.",
    "millions of places": lambda: b"\x80\x04" + b"N\x940" * 1_500_000 + b"N.",
    "millions of marks": lambda: b"\x80\x02" + b"(" * 2_000_000 + b"N.",
    "deep tuples": lambda: mapping("v_template", b"N" + b"\x85" * 300_000),
    "deep lists": lambda: mapping("v_template", b"](" * 100_000 + b"e" * 100_000),
    "keys that collide": lambda: (
        b"\x80\x02}("
        + b"".join(b"\x8a\x10" + (n * (2**61 - 1)).to_bytes(16, "little") + b"N" for n in range(1, 60_000))
        + b"u."
    ),
    "one text encoded again and again": lambda: (
        b"\x80\x02"
        + text(b"a" * 1_000_000)
        + put(0)
        + dtype(b"u1", b"|")
        + put(1)
        + b"}("
        + b"".join(
            text(str(n).encode()) + ndarray(b"J\x40\x42\x0f\x00\x85", get(0), get(1)) for n in range(3000)
        )
        + b"u."
    ),
    "large sparse matrices": lambda: (
        b"\x80\x02}("
        + b"".join(
            text(str(n).encode())
            + sparse(
                b"J\x00\x00\xff\x00K\x01\x86",
                ndarray(b"K\x00\x85", blob(b"")),
                ndarray(b"K\x00\x85", blob(b""), dtype(b"i4")),
                ndarray(b"K\x02\x85", blob(bytes(8)), dtype(b"i4")),
            )
            for n in range(200)
        )
        + b"u."
    ),
    "selections of selections": lambda: (
        b"\x80\x02"
        + ndarray(b"J\x40\x42\x0f\x00\x85", ONE_MEGABYTE, dtype(b"i1", b"|"))
        + put(0)
        + b"}("
        + b"".join(text(str(n).encode()) + select(get(0), get(0)) for n in range(3000))
        + b"u."
    ),
    "selection of long strings": lambda: mapping(
        "v_template",
        select(
            ndarray(b"K\x01\x85", blob(bytes(1_000_000)), dtype(b"S1000000", b"|")),
            ndarray(b"J\x40\x42\x0f\x00\x85", ONE_MEGABYTE, dtype(b"i1", b"|")),
        ),
    ),
    "one long string in a list": lambda: mapping(
        "v_template", text(b"a" * 500_000) + b"0](" + text(b"a" * 500_000) + b"K\x01" * 100_000 + b"e"
    ),
    "one array in a list again and again": lambda: mapping(
        "v_template",
        ndarray(b"J\x40\x42\x0f\x00\x85", ONE_MEGABYTE, dtype(b"i1", b"|"))
        + put(0)
        + b"0]("
        + get(0) * 5000
        + b"e",
    ),
    "a long name": lambda: b"cos\n" + b"\x1b[2Jx" * 300_000 + b"\n.",
    "bytes that are not there": lambda: mapping("v_template", b"\x8e" + struct.pack("<Q", 1 << 62)),
    "a frame that is not there": lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_expensive_pickles_are_cheap_to_refuse(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pkl"
    path.write_bytes(BOMBS[name]())
    with bounded():
        said = refusal(load_model, path)
    assert said.startswith(str(path))
    assert len(said) < 1000
    assert said.isprintable()


def test_shared_arrays_and_texts_are_still_read() -> None:
    numbers = np.arange(300_000.0)
    value = {"a": numbers, "b": numbers, "text": ["jaw"] * 1000, "rows": [[1.0, 2.0, 3.0]] * 1000}
    found = read_pickle(pickle.dumps(value), WHERE)
    np.testing.assert_array_equal(found["b"], numbers)
    assert found["rows"] == value["rows"]


def npz_bomb(path: Path, name: str, size: int, method: int = zipfile.ZIP_DEFLATED) -> Path:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (size // 12, 3)}
    )
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for real in ("shapedirs", "posedirs"):
            archive.writestr(f"{real}.npy", b"x")
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    return path


def test_an_npz_that_unpacks_to_far_more_is_refused_unread(tmp_path: Path) -> None:
    path = npz_bomb(tmp_path / "bomb.npz", "v_template", 300 << 20)
    with bounded(megabytes=20), pytest.raises(ModelFileError, match=r"bomb\.npz would unpack to far more"):
        load_model(path)


def test_an_unwanted_array_is_not_unpacked(tmp_path: Path) -> None:
    path = npz_bomb(tmp_path / "bomb.npz", "junk", 300 << 20)
    with bounded(megabytes=20), pytest.raises(ModelFileError, match=r"damaged|lacks"):
        load_model(path)


def test_other_ways_of_packing_and_swarms_of_members_are_refused(tmp_path: Path) -> None:
    path = npz_bomb(tmp_path / "a.npz", "v_template", 1 << 20, zipfile.ZIP_LZMA)
    with pytest.raises(ModelFileError, match="way that NumPy does not use"):
        read_npz(path)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(ModelFileError, match="more than 10000 arrays"):
        load_model(tmp_path / "b.npz")


def mat_variable(name: bytes, count: int, kind: int = 9, own: int = 6, zeros: int | None = None) -> bytes:
    """A compressed MATLAB variable of zeros."""

    def element(code: int, data: bytes) -> bytes:
        return struct.pack("<II", code, len(data)) + data + bytes(-len(data) % 8)

    size = {9: 8, 2: 1}[kind]
    head = (
        element(6, struct.pack("<II", own, 0)) + element(5, struct.pack("<ii", 1, count)) + element(1, name)
    )
    head += struct.pack("<II", kind, size * count)
    body_size = len(head) + size * count + -(size * count) % 8
    packer = zlib.compressobj(1)
    parts = [packer.compress(struct.pack("<II", 14, body_size) + head)]
    left = body_size - len(head) if zeros is None else zeros
    while left:
        step = min(left, 1 << 20)
        parts.append(packer.compress(bytes(step)))
        left -= step
    packed = b"".join([*parts, packer.flush()])
    return struct.pack("<II", 15, len(packed)) + packed


def mat(path: Path, *variables: bytes) -> Path:
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(variables))
    return path


def test_unwanted_matlab_variables_are_not_unpacked(tmp_path: Path) -> None:
    path = mat(tmp_path / "a.mat", mat_variable(b"junk", 50_000_000), mat_variable(b"tri", 5))
    with bounded(megabytes=20):
        np.testing.assert_array_equal(read_mat(path, ["tri"])["tri"], np.zeros((1, 5)))


@pytest.mark.parametrize(
    "variables",
    [
        [mat_variable(b"tri", 50_000_000)],
        [mat_variable(b"tri", 4_000_000)] * 10,
        [mat_variable(b"tri", 40_000_000, kind=2)],
        [struct.pack("<II", 1, 0)] * 20_000,
    ],
    ids=["one", "many", "narrow", "swarm"],
)
def test_matlab_bombs_are_refused(tmp_path: Path, variables: list[bytes]) -> None:
    path = mat(tmp_path / "bomb.mat", *variables)
    with bounded(megabytes=700), pytest.raises(ModelFileError, match=r"bomb\.mat"):
        read_mat(path, ["tri"])


def test_hdf5_bombs_are_refused(files: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = files.bfm17(tmp_path / "bomb.h5")
    with h5py.File(path, "a") as archive:
        del archive["shape/model/mean"]
        archive.create_dataset(
            "shape/model/mean", (200_000_000,), "f8", chunks=(1_000_000,), compression="gzip", fillvalue=0
        )
    with bounded(megabytes=50), pytest.raises(ModelFileError, match="far more than the file can hold"):
        load_model(path)


@pytest.mark.parametrize("kind", ["external link", "external data", "virtual"])
def test_hdf5_reads_no_other_file(files: Any, tmp_path: Path, kind: str) -> None:
    h5py = pytest.importorskip("h5py")
    path, other = files.bfm17(tmp_path / "m.h5"), files.bfm17(tmp_path / "other.h5")
    with h5py.File(path, "a") as archive:
        mean = archive["shape/model/mean"][()]
        del archive["shape/model/mean"]
        if kind == "external link":
            archive["shape/model/mean"] = h5py.ExternalLink(str(other), "shape/model/mean")
        elif kind == "external data":
            (tmp_path / "raw").write_bytes(mean.tobytes())
            archive.create_dataset(
                "shape/model/mean", mean.shape, "f4", external=[(str(tmp_path / "raw"), 0, mean.nbytes)]
            )
        else:
            layout = h5py.VirtualLayout(mean.shape, "f4")
            layout[:] = h5py.VirtualSource(str(other), "shape/model/mean", mean.shape)
            archive.create_virtual_dataset("shape/model/mean", layout)
    with pytest.raises(ModelFileError):
        load_model(path)


def test_what_is_no_plain_file_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no regular file"):
        read_bytes("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="no regular file"):
        load_model(tmp_path / "pipe")
    with open(tmp_path / "hole.pkl", "wb") as hole:
        hole.write(b"\x80\x02")
        hole.truncate(1 << 40)
    with pytest.raises(ModelFileError, match="too large"):
        load_model(tmp_path / "hole.pkl")


def test_mutated_pickles_are_cheap(files: Any, tmp_path: Path) -> None:
    """Opcodes overwritten, repeated and moved in a valid model file."""
    data = files.flame(tmp_path / "m.pkl").read_bytes()
    rng = np.random.default_rng(17)
    with bounded(megabytes=300, seconds=60):
        for _ in range(150):
            broken = bytearray(data)
            for _ in range(rng.integers(1, 4)):
                at, size = int(rng.integers(0, len(broken))), int(rng.integers(1, 40))
                choice = rng.integers(0, 3)
                if choice == 0:
                    broken[at] = int(rng.integers(0, 256))
                elif choice == 1:
                    broken[at:at] = broken[at : at + size] * int(rng.integers(1, 50))
                else:
                    del broken[at : at + size]
            assert len(refusal(lambda data: read_pickle(data, WHERE), bytes(broken))) < 1000

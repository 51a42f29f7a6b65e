"""The restricted reader: what it reads, and that it never runs anything."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.core.errors import ModelFileError
from wholeface.morphable.loaders import load_model
from wholeface.morphable.loaders._files import read_npy, read_npz
from wholeface.morphable.loaders._pickle import read_pickle

WHERE = Path("some.pkl")


class Call:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduction = (function, arguments)

    def __reduce__(self) -> Any:
        return self.reduction


ARRAYS = [
    np.arange(12, dtype=np.float64).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    np.arange(5, dtype=">u2"),
    np.array([True, False]),
    np.array(["a", "bc"]),
    np.array(7),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_values(protocol: int) -> None:
    value = {
        "arrays": ARRAYS,
        "text": "naïve",
        "none": None,
        "pair": (1, -(2**70)),
        "scalar": np.float32(1.5),
        3: b"\x00\xff",
    }
    found = read_pickle(pickle.dumps(value, protocol=protocol), WHERE)
    for got, expected in zip(found.pop("arrays"), value.pop("arrays"), strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
    assert found == value


@pytest.mark.parametrize("kind", ["csc", "csr", "coo"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_sparse_comes_back_dense(kind: str, protocol: int) -> None:
    dense = np.array([[0, 1.5, 0, 0], [2, 0, 0, 3], [0, 0, 0, 0]])
    data = pickle.dumps(scipy.sparse.coo_matrix(dense).asformat(kind), protocol=protocol)
    np.testing.assert_array_equal(read_pickle(data, WHERE), dense)
    old = data.replace(b"scipy.sparse._" + kind.encode(), b"scipy.sparse." + kind.encode())
    if protocol < 4:  # no length prefix: as older scipy wrote it
        np.testing.assert_array_equal(read_pickle(old, WHERE), dense)


def test_objects_in_object_arrays() -> None:
    found = read_pickle(pickle.dumps(np.array({"a": np.arange(3)}, dtype=object)), WHERE)
    np.testing.assert_array_equal(found["a"], np.arange(3))


def evil(tmp_path: Path) -> list[Any]:
    target = tmp_path / "written"
    command = f"open({str(target)!r}, 'w')"
    return [
        Call(os.system, f"touch {target}"),
        Call(builtins.eval, command),
        Call(builtins.exec, command),
        Call(builtins.open, str(target), "w"),
        Call(builtins.getattr, "text", "upper"),
        Call(builtins.__import__, "os"),
        # Inside an admitted package: NumPy has functions that run text or load files.
        Call(np.lib.format.open_memmap, str(target), "w+", "f8", (1,)),
        Call(np.save, str(target), np.ones(1)),
        Call(np.load, str(target)),
        Call(scipy.sparse.save_npz, str(target), scipy.sparse.eye(2)),
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("number", range(10))
def test_never_runs_code(tmp_path: Path, number: int, protocol: int) -> None:
    payload = evil(tmp_path)[number]
    data = pickle.dumps({"v_template": payload, "list": [payload]}, protocol=protocol)
    before = set(tmp_path.iterdir())
    path = tmp_path / "evil.pkl"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"evil\.pkl"):
        load_model(path)
    # The same inside .npy and .npz files.
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": ()})
    npy = buffer.getvalue() + data
    with pytest.raises(ModelFileError, match=r"evil\.npy"):
        read_npy(npy, Path("evil.npy"), "x", objects=True)
    archive = tmp_path / "evil.npz"
    with zipfile.ZipFile(archive, "w") as stream:
        for name in ("v_template", "shapedirs"):
            stream.writestr(f"{name}.npy", npy)
    with pytest.raises(ModelFileError, match=r"evil\.npz"):
        load_model(archive)
    assert set(tmp_path.iterdir()) - before == {path, archive}


def test_names_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"some\.pkl asks for (posix|nt)\.system.*nothing in it was run"):
        read_pickle(pickle.dumps(Call(os.system, "true")), WHERE)
    with pytest.raises(ModelFileError, match=r"asks for __builtin__\.eval"):
        read_pickle(pickle.dumps(Call(builtins.eval, "1"), protocol=2), WHERE)


def test_opcodes_that_call_are_refused() -> None:
    for data in (
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"Pid\n.",  # PERSID
        b"\x80\x02\x82\x01.",  # EXT1
        b"\x80\x04\x8f.",  # EMPTY_SET
    ):
        with pytest.raises(ModelFileError, match=r"asks for|damaged"):
            read_pickle(data, WHERE)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"}q\x00h\x05.",  # a memo entry that does not exist
        b"\x80\x02r\xff\xff\xff\x7f.",  # a huge memo index
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.",  # a huge byte array
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",  # huge bytes
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",  # a huge frame
        b"(" * 100_000 + b".",
        b"\x80\x02]" + b"]" * 50_000 + b"a" * 50_000 + b".",  # nested lists
        b"\x80\x02)" + b"\x85" * 100_000 + b".",  # nested tuples
        b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.",  # a nested tuple as a key
        b"]q\x00h\x00a.",  # a list inside itself
        b"cnumpy.core.multiarray\n_reconstruct\n)R.",
        b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR.K\x01b.",
    ],
)
def test_hostile_pickles_are_one_error(data: bytes) -> None:
    try:
        found = read_pickle(data, WHERE)
    except ModelFileError as error:
        assert "some.pkl" in str(error)  # noqa: PT017
    else:
        assert not isinstance(found, (dict, np.ndarray))


def test_shared_objects_do_not_blow_up() -> None:
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    found = read_pickle(pickle.dumps(value), WHERE)
    assert found[0] is found[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"indices": np.array([0, 99], dtype=np.int32)},
        {"indices": np.array([0, -1], dtype=np.int32)},
        {"indptr": np.array([0, 5, 2, 2], dtype=np.int32)},
        {"indptr": np.array([0, 2], dtype=np.int32)},
        {"data": np.array(["a", "b"])},
        {"_shape": (3, 10**9)},
        {"_shape": (3, -3)},
        {"_shape": "x"},
    ],
)
def test_damaged_sparse_matrix(changes: dict[str, Any]) -> None:
    matrix = scipy.sparse.csc_matrix(([1.0, 2.0], ([0, 1], [0, 2])), shape=(3, 3))
    matrix.__dict__.update(changes)
    with pytest.raises(ModelFileError, match=r"sparse matrix|impossible shape"):
        read_pickle(pickle.dumps(matrix), WHERE)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes(data: bytes) -> None:
    for start in (b"", b"\x80\x02", b"\x80\x04cnumpy\ndtype\n"):
        try:
            read_pickle(start + data, WHERE)
        except ModelFileError:
            continue


def test_npy_shapes_and_versions(tmp_path: Path) -> None:
    for array in ARRAYS:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version=(2, 0))
        found = read_npy(buffer.getvalue(), WHERE, "x")
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
    )
    with pytest.raises(ModelFileError, match="cut short"):
        read_npy(buffer.getvalue() + bytes(80), WHERE, "x")
    buffer = io.BytesIO()
    np.save(buffer, np.array([None]), allow_pickle=True)
    with pytest.raises(ModelFileError, match="Python objects"):
        read_npy(buffer.getvalue(), WHERE, "x")


def test_npz_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wholeface.morphable.loaders import _files

    path = tmp_path / "big.npz"
    np.savez_compressed(path, mean=np.zeros(200_000))
    assert read_npz(path)["mean"].shape == (200_000,)
    monkeypatch.setattr(_files, "_UNPACKED_FREE", 1_000_000)
    with pytest.raises(ModelFileError, match=r"big\.npz would unpack to far more"):
        read_npz(path)

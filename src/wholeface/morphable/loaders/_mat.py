"""Reading numeric variables of MATLAB files, versions 5 to 7, with every length checked.

SciPy's reader trusts the lengths inside the file and can crash the process on a damaged one; face models
need only real numeric arrays, which are simple.

Source: *MAT-File Format*, The MathWorks.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError
from ._files import parsing, read_bytes

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_NUMERIC_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_COMPLEX_FLAG = 0x0800
_MAX_UNPACKED = 8 << 30


def read_mat(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Real numeric arrays of a MATLAB file by name; other names and other kinds of variables are skipped.

    Args:
        path: the file.
        names: the variables to read.

    Raises:
        ModelFileError: missing, damaged, or in MATLAB's HDF5 format 7.3.
    """
    data = read_bytes(path)
    if data.startswith(b"MATLAB 7.3"):
        raise ModelFileError(f"{path} is in MATLAB's format 7.3; save it again with save(…, '-v7')")
    found: dict[str, NDArray[Any]] = {}
    with parsing(path, "a MATLAB file"):
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise ValueError("no byte-order mark")
        for kind, content in _elements(memoryview(data)[_HEADER:], order, padded=False):
            if kind == _COMPRESSED:
                kind, content = _unpack(bytes(content), order)  # noqa: PLW2901
            if kind == _MATRIX:
                name, array = _matrix(content, order, names)
                if array is not None:
                    found[name] = array
    return found


def _elements(data: memoryview, order: str, *, padded: bool) -> Iterator[tuple[int, memoryview]]:
    """(type, content) of the data elements that follow one another in ``data``."""
    place = 0
    while place < len(data):
        if len(data) - place < 8:
            raise EOFError("cut short inside a tag")
        first, size = (int(n) for n in np.frombuffer(data[place : place + 8], order + "u4"))
        if first >> 16:  # a small element: length and type share a word, at most 4 bytes follow
            kind, size, start = first & 0xFFFF, first >> 16, place + 4
            end, place = start + size, place + 8
            if size > 4:
                raise ValueError("a small element with more than 4 bytes")
        else:
            kind, start = first, place + 8
            end = start + size
            # Inside arrays every element is padded to 8 bytes; variables are whole multiples or compressed.
            place = end + (-size % 8 if padded else 0)
        if end > len(data):
            raise EOFError(f"cut short: {end - len(data)} bytes are missing")
        yield kind, data[start:end]


def _unpack(content: bytes, order: str) -> tuple[int, memoryview]:
    """The one element inside a compressed element."""
    stream = zlib.decompressobj()
    tag = stream.decompress(content, 8)
    if len(tag) < 8:
        raise EOFError("cut short inside a compressed variable")
    kind, size = (int(n) for n in np.frombuffer(tag, order + "u4"))
    if size > _MAX_UNPACKED:
        raise ValueError(f"a variable of {size} bytes")
    body = stream.decompress(stream.unconsumed_tail, size + 1) if size else b""
    if len(body) != size:
        raise EOFError("a compressed variable of another length than announced")
    return kind, memoryview(body)


def _matrix(content: memoryview, order: str, names: Collection[str]) -> tuple[str, NDArray[Any] | None]:
    """Name and array of a variable; None for an unwanted one or one that is not real and numeric."""
    parts = _elements(content, order, padded=True)
    flags = np.frombuffer(next(parts)[1], order + "u4")
    if not 1 <= int(flags[0]) & 0xFF <= 15:
        return "", None  # an opaque object, which is laid out differently
    shape = tuple(int(n) for n in np.frombuffer(next(parts)[1], order + "i4"))
    name = bytes(next(parts)[1]).decode("latin1")
    if name not in names:
        return name, None
    if int(flags[0]) & 0xFF not in _NUMERIC_CLASSES or int(flags[0]) & _COMPLEX_FLAG:
        raise ValueError(f"{name} is not an array of real numbers")
    kind, raw = next(parts)
    if kind not in _TYPES:
        raise ValueError(f"{name} has the unknown number type {kind}")
    values = np.frombuffer(raw, order + _TYPES[kind])
    count = 1
    for size in shape:
        count *= size
    if min(shape, default=0) < 0 or count != values.size:
        raise ValueError(f"{name} announces the shape {shape} and holds {values.size} numbers")
    # Whole numbers are often stored in a narrower type than the variable's own.
    own = _NUMERIC_CLASSES[int(flags[0]) & 0xFF]
    return name, values.reshape(shape, order="F").astype(own)

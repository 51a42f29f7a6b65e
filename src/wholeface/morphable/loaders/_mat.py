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

from ...core.errors import ModelFileError
from ._files import most_unpacked, parsing, read_bytes

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_NUMERIC_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_COMPLEX_FLAG = 0x0800
_MAX_VARIABLES, _MAX_AXES = 10_000, 8
_HEAD = 1024
"""Bytes of a variable in which its name is looked for before the rest is unpacked."""


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
    left = most_unpacked(len(data))
    with parsing(path, "a MATLAB file"):
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise ValueError("no byte-order mark")
        for number, (kind, content) in enumerate(_elements(memoryview(data)[_HEADER:], order, padded=False)):
            if number >= _MAX_VARIABLES:
                raise ValueError(f"more than {_MAX_VARIABLES} variables")
            if kind not in (_MATRIX, _COMPRESSED):
                continue
            head = content[:_HEAD] if kind == _MATRIX else _unpack(content, order, _HEAD)
            if head is None or _name(head, order) not in names:
                continue
            size = len(content) if kind == _MATRIX else _size(content, order)
            if size > left:
                raise ModelFileError(f"{path} would unpack to far more than face models do; not loading it")
            body = content if kind == _MATRIX else _unpack(content, order, size)
            if body is None or len(body) != size:
                raise EOFError("a compressed variable of another length than announced")
            name, array = _matrix(body, order, left - size)
            left -= size + array.nbytes
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


def _size(content: memoryview, order: str) -> int:
    """Announced length of the variable inside a compressed element."""
    tag = zlib.decompressobj().decompress(content, 8)
    return int(np.frombuffer(tag, order + "u4")[1])


def _unpack(content: memoryview, order: str, most: int) -> memoryview | None:
    """At most so many bytes of the variable inside a compressed element; None if it holds something else."""
    stream = zlib.decompressobj()
    tag = stream.decompress(content, 8)
    if len(tag) < 8:
        raise EOFError("cut short inside a compressed variable")
    kind, size = (int(n) for n in np.frombuffer(tag, order + "u4"))
    if kind != _MATRIX:
        return None
    body = stream.decompress(stream.unconsumed_tail, min(most, size) + (most >= size)) if size else b""
    return memoryview(body)


def _name(head: memoryview, order: str) -> str | None:
    """Name of a variable from its first bytes; None where it is an opaque object or has no plain name."""
    try:
        parts = _elements(head, order, padded=True)
        flags = np.frombuffer(next(parts)[1], order + "u4")
        if not 1 <= int(flags[0]) & 0xFF <= 15:
            return None  # an opaque object, which is laid out differently
        next(parts)
        return bytes(next(parts)[1]).decode("latin1")
    except (EOFError, StopIteration):
        return None  # longer than the head: none of our names


def _matrix(content: memoryview, order: str, most: int) -> tuple[str, NDArray[Any]]:
    """Name and array of a variable that must be real and numeric and take at most so many bytes."""
    parts = _elements(content, order, padded=True)
    flags = np.frombuffer(next(parts)[1], order + "u4")
    axes = next(parts)[1]
    if len(axes) > 4 * _MAX_AXES:
        raise ValueError(f"an array of more than {_MAX_AXES} axes")
    shape = tuple(int(n) for n in np.frombuffer(axes, order + "i4"))
    name = bytes(next(parts)[1]).decode("latin1")
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
    own = np.dtype(_NUMERIC_CLASSES[int(flags[0]) & 0xFF])
    if count * own.itemsize > most:
        raise ValueError(f"{name} unfolds to far more than face models do")
    return name, values.reshape(shape, order="F").astype(own)

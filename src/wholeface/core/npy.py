"""NumPy's ``.npy`` format from untrusted bytes: nothing is executed, and nothing is larger than the bytes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["npy_header", "parse_npy"]


def npy_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, data type, and where the values begin.

    Raises:
        ValueError: damaged, or of an unknown version.
    """
    stream = io.BytesIO(data)
    npy: Any = np.lib.format  # its type stubs differ between NumPy 1 and 2
    try:
        version = npy.read_magic(stream)
        readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        if version not in readers:
            raise ValueError(f"unsupported .npy version {version}")
        shape, fortran, dtype = readers[version](stream)
    except Exception as error:  # NumPy evaluates the header as Python source, which raises almost any type
        raise ValueError(f"no .npy header ({type(error).__name__}: {str(error)[:120]})") from error
    sizes = tuple(int(size) for size in shape)
    if len(sizes) > 32 or any(size < 0 for size in sizes):
        raise ValueError("an impossible shape in the .npy header")
    return sizes, bool(fortran), dtype, stream.tell()


def parse_npy(data: bytes) -> NDArray[Any]:
    """The array in the bytes of a ``.npy`` file, read-only, without a copy.

    Raises:
        ValueError: damaged, cut short, or holding Python objects.
    """
    shape, fortran, dtype, start = npy_header(data)
    if dtype.hasobject:
        raise ValueError("it holds Python objects; only plain arrays are read")
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize > len(data) - start:
        raise ValueError(f"it is cut short: {count} values are announced")
    if not count or not dtype.itemsize:
        return np.zeros(shape if not count else (), dtype=dtype)
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")

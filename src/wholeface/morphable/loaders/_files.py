"""Reading untrusted model files: every failure becomes one ``ModelFileError`` that names the file."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError

_MAX_UNPACKED = 8 << 30
"""Bytes that an archive may unpack to; FLAME's largest texture space needs about 1.3 GB."""

_OBJECTS_REFUSED = "holds Python objects; only plain arrays are read from this format"


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a parser throws at damaged bytes into one error that names the file.

    Parsers for these formats raise almost any exception type on damaged input, hence the broad clause;
    our own ``ModelFileError`` passes unchanged.
    """
    try:
        yield
    except ModelFileError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".strip().rstrip(":")
        raise ModelFileError(f"{path} is damaged or is not {what} ({reason[:200]})") from error


def read_bytes(path: str | os.PathLike[str], limit: int = -1) -> bytes:
    """The whole file, or its first ``limit`` bytes.

    Raises:
        ModelFileError: it is missing, unreadable or empty.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(limit)
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"cannot read the model file {path}: {getattr(error, 'strerror', None) or error}"
        ) from error
    if not data:
        raise ModelFileError(f"the model file {path} is empty")
    return data


def require(fields: Iterable[str], names: Iterable[str], path: Path, what: str) -> None:
    """Refuse a file that lacks one of ``names``, listing all that it lacks."""
    present = set(fields)
    if missing := [name for name in names if name not in present]:
        raise ModelFileError(f"{path} is not a complete {what}: it lacks {', '.join(missing)}")


def array(value: Any, name: str, path: Path) -> NDArray[Any]:
    """Any array; nested lists of unequal lengths and the like are refused.

    Raises:
        ModelFileError: the value is no array.
    """
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFileError(f"{path}: {name} is not an array ({error})") from error


def floats(value: Any, shape: tuple[int | None, ...], name: str, path: Path) -> NDArray[np.float32]:
    """A finite float32 array of the given shape (None = any size).

    Raises:
        ModelFileError: not numbers, another shape, or NaN or infinite values.
    """
    given = array(value, name, path)
    if given.dtype.kind not in "fiu":
        raise ModelFileError(f"{path}: {name} should hold numbers, it holds {given.dtype}")
    _check_shape(given, shape, name, path)
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.ascontiguousarray(given, dtype=np.float32)
    if not np.isfinite(result).all():
        raise ModelFileError(f"{path}: {name} has values that are not finite; the file is damaged")
    return result


def indices(
    value: Any, shape: tuple[int | None, ...], count: int, name: str, path: Path, *, base: int = 0
) -> NDArray[np.int64]:
    """An int64 index array, counted from 0, with every entry in [0, count).

    Raises:
        ModelFileError: not whole numbers, another shape, or an index outside the mesh.
    """
    given = array(value, name, path)
    _check_shape(given, shape, name, path)
    if given.dtype.kind == "f" and np.isfinite(given).all() and (np.abs(given) < 2**52).all():
        whole = given.astype(np.int64)
        given = whole if (whole == given).all() else given
    if given.dtype.kind not in "iu":
        raise ModelFileError(f"{path}: {name} should hold whole numbers, it holds {given.dtype}")
    if given.size and (int(given.min()) < base or int(given.max()) >= count + base):
        raise ModelFileError(
            f"{path}: {name} runs from {given.min()} to {given.max()}, "
            f"but should lie in [{base}, {count + base})"
        )
    return np.ascontiguousarray(given, dtype=np.int64) - base


def _check_shape(given: NDArray[Any], shape: tuple[int | None, ...], name: str, path: Path) -> None:
    if given.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, given.shape)
    ):
        wanted = " × ".join("any" if size is None else str(size) for size in shape)
        raise ModelFileError(f"{path}: {name} has the shape {given.shape}, but should be {wanted}")


def read_npy(data: bytes, path: Path, name: str, *, objects: bool = False) -> Any:
    """One array in NumPy's ``.npy`` format, read without ever executing anything.

    Args:
        data: the bytes of the ``.npy`` file.
        path: for messages.
        name: for messages.
        objects: read pickled objects through the restricted reader (returns that object); else refuse them.

    Raises:
        ModelFileError: damaged, or objects where none may be.
    """
    with parsing(path, f"a NumPy file ({name})"):
        stream = io.BytesIO(data)
        npy: Any = np.lib.format  # its type stubs differ between NumPy 1 and 2
        version = npy.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(stream)
        else:
            raise ModelFileError(f"{path}: {name} is in the unsupported .npy version {version}")
        if dtype.hasobject:
            if not objects:
                raise ModelFileError(f"{path}: {name} {_OBJECTS_REFUSED}")
            from ._pickle import read_pickle

            return read_pickle(data[stream.tell() :], path)
        count = 1
        for size in shape:
            count *= int(size)
        if count < 0 or count * dtype.itemsize > len(data) - stream.tell():
            raise ModelFileError(
                f"{path} is cut short: {name} announces {count} values and does not hold them"
            )
        flat = np.frombuffer(data, dtype=dtype, count=count, offset=stream.tell())
        return flat.reshape(shape, order="F" if fortran else "C")


def read_npz(
    path: Path, *, data: bytes | None = None, only: Iterable[str] | None = None, objects: bool = False
) -> Mapping[str, Any]:
    """Arrays of an ``.npz`` archive by name.

    Args:
        path: the archive.
        data: its bytes, where they have been read already.
        only: names to read; others are skipped.
        objects: see :func:`read_npy`.

    Raises:
        ModelFileError: missing, damaged, unreasonably large, or holding objects where none may be.
    """
    wanted = None if only is None else set(only)
    content = read_bytes(path) if data is None else data
    with parsing(path, "an .npz archive"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        members = {name: info for name, info in members.items() if wanted is None or name in wanted}
        if sum(info.file_size for info in members.values()) > _MAX_UNPACKED:
            raise ModelFileError(
                f"{path} would unpack to more than {_MAX_UNPACKED >> 30} GiB; not loading it"
            )
        return {
            name: read_npy(archive.read(info), path, name, objects=objects) for name, info in members.items()
        }


def npz_names(path: Path) -> frozenset[str]:
    """Names of the arrays in an ``.npz`` archive, without reading them."""
    with parsing(path, "an .npz archive"), zipfile.ZipFile(path) as archive:
        return frozenset(name.removesuffix(".npy") for name in archive.namelist())

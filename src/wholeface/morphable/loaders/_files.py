"""Reading untrusted model files: every failure becomes one ``ModelFileError`` that names the file."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ...core.npy import npy_header, parse_npy

_MAX_FILE = 8 << 30
"""Bytes of a model file."""
_UNPACKED_FREE, _UNPACKED_RATIO = 256 << 20, 16
"""An archive may unpack to so many bytes, and so many times its own size besides.

The numbers of face models hardly shrink; FLAME's largest texture space, 1.3 GB, lies in a file of 1.2 GB.
"""
_MAX_MEMBERS = 10_000
_MAX_ITEMS, _MAX_ITEM_BYTES = 4_000_000, 256 << 20
"""Of an array that is given as nested lists."""

_MEMBER = b"PK\x01\x02"
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


def most_unpacked(file_size: int) -> int:
    """How many bytes the wanted parts of a compressed file may unpack to."""
    return _UNPACKED_FREE + _UNPACKED_RATIO * file_size


def read_bytes(path: str | os.PathLike[str], limit: int = -1) -> bytes:
    """The whole file, or its first ``limit`` bytes.

    Raises:
        ModelFileError: it is missing, unreadable, empty, no regular file, or larger than any face model.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise ModelFileError(f"cannot read the model file {path}: it is {what}")
        if limit < 0 and status.st_size > _MAX_FILE:
            raise ModelFileError(
                f"{path} is too large for a face model: {status.st_size >> 30} GiB, the limit is {_MAX_FILE >> 30}"
            )
        with open(path, "rb") as stream:
            data = stream.read(limit)
    except MemoryError as error:
        raise ModelFileError(f"the model file {path} does not fit into memory") from error
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
        ModelFileError: the value is no array, or lists that share their parts so that the array would be huge.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if isinstance(value, (list, tuple)):
            _check_lists(value)
        return np.asarray(value)
    except Exception as error:  # lists of odd objects raise almost any type
        raise ModelFileError(f"{path}: {name} is not an array ({str(error)[:120]})") from error


def _check_lists(value: Any) -> None:
    """Refuse lists that would make a huge array; a list that occurs often is counted once and often added."""
    known: dict[int, int] = {}
    widest = 8

    def leaves(item: Any, depth: int) -> int:
        nonlocal widest
        if isinstance(item, (str, bytes)):
            widest = max(widest, 4 * len(item))
        elif isinstance(item, np.ndarray):
            widest = max(widest, item.dtype.itemsize)
            return int(item.size)
        if not isinstance(item, (list, tuple)):
            return 1
        if depth > 32:
            raise ValueError("lists are nested too deeply")
        if id(item) not in known:
            known[id(item)] = sum(leaves(part, depth + 1) for part in item)
        return known[id(item)]

    count = leaves(value, 0)
    if count > _MAX_ITEMS or count * widest > _MAX_ITEM_BYTES:
        raise ValueError("its lists unfold to more than a face model needs")


def floats(
    value: Any, shape: tuple[int | None, ...], name: str, path: Path, *, scale: float = 1.0
) -> NDArray[np.float32]:
    """A finite float32 array of the given shape (None = any size), multiplied by ``scale``.

    Raises:
        ModelFileError: not numbers, another shape, or NaN or infinite values.
    """
    given = array(value, name, path)
    if given.dtype.kind not in "fiu":
        raise ModelFileError(f"{path}: {name} should hold numbers, it holds {given.dtype}")
    _check_shape(given, shape, name, path)
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.ascontiguousarray(given, dtype=np.float32)
        if scale != 1.0:
            result = result * np.float32(scale)
    return finite(result, name, path)


def finite(values: NDArray[np.float32], name: str, path: Path) -> NDArray[np.float32]:
    """The values.

    Raises:
        ModelFileError: NaN or infinite ones among them.
    """
    if not np.isfinite(values).all():
        raise ModelFileError(f"{path}: {name} has values that are not finite; the file is damaged")
    return values


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
        _, _, dtype, start = npy_header(data)
        if not dtype.hasobject:
            return parse_npy(data)
        if not objects:
            raise ModelFileError(f"{path}: {name} {_OBJECTS_REFUSED}")
        from ._pickle import read_pickle

        return read_pickle(data[start:], path)


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
    if content.count(_MEMBER) > _MAX_MEMBERS:
        raise ModelFileError(f"{path} holds more than {_MAX_MEMBERS} arrays, which no face model does")
    with parsing(path, "an .npz archive"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        members = {name: info for name, info in members.items() if wanted is None or name in wanted}
        if sum(info.file_size for info in members.values()) > most_unpacked(len(content)):
            raise ModelFileError(
                f"{path} would unpack to far more than face models do, {len(content)} bytes to "
                f"{sum(info.file_size for info in members.values())}; not loading it"
            )
        if any(
            info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in members.values()
        ):
            raise ModelFileError(f"{path} is packed in a way that NumPy does not use")
        return {
            name: read_npy(archive.read(info), path, name, objects=objects) for name, info in members.items()
        }


def npz_names(path: Path) -> frozenset[str]:
    """Names of the arrays in an ``.npz`` archive, without reading them."""
    content = read_bytes(path)
    if content.count(_MEMBER) > _MAX_MEMBERS:
        raise ModelFileError(f"{path} holds more than {_MAX_MEMBERS} arrays, which no face model does")
    with parsing(path, "an .npz archive"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        return frozenset(name.removesuffix(".npy") for name in archive.namelist())

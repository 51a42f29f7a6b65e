"""Samples as WebDataset shards: plain tar files that clusters stream."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, OutputError, UsageError
from ....core.npy import parse_npy
from ....export import encode_jpeg, encode_png
from ._images import decoded
from ._labels_json import FLAGS, LABELS_VERSION, POINTS, labels_json
from .sample import FaceSample

__all__ = ["encode_sample", "read_shards", "write_encoded_shards", "write_shards"]

PhotoFormat = Literal["png", "jpg"]

_MOST_BYTES, _MOST_PIXELS = 256 << 20, 4096 * 4096
"""Of one file of a sample."""
_MAPS = ("parsing", "occluder", "face")
_IMAGES = ("clean", *_MAPS)
_EYEWEAR = "eyewear.png"
_GEOMETRY = ("depth", "normals")
_EXTENSIONS = {
    "png",
    "jpg",
    "json",
    _EYEWEAR,
    *(f"{n}.png" for n in _IMAGES),
    *(f"{n}.npy" for n in _GEOMETRY),
}


def encode_sample(
    sample: FaceSample, *, photo: PhotoFormat = "png", geometry: bool = True
) -> dict[str, bytes]:
    """The files of one sample, by extension.

    ``png`` (or ``jpg``) is the image, ``clean.png``, ``parsing.png``, ``occluder.png`` and ``face.png`` (0, 255)
    are the fields of the same names, ``json`` holds points, flags, parameters, source and seed; ``eyewear.png``,
    and ``depth.npy`` and ``normals.npy`` of float32, are there where the sample has them.

    Args:
        sample: the sample.
        photo: format of the image; ``jpg`` is smaller, but no longer exactly the sample's.
        geometry: keep depth and normals, 1 MiB for a sample of 256².
    """
    image = encode_png(sample.image) if photo == "png" else encode_jpeg(sample.image, quality=95)
    files: dict[str, bytes] = {photo: image}
    files |= {f"{name}.png": encode_png(getattr(sample, name)) for name in _IMAGES}
    if sample.eyewear is not None:
        files[_EYEWEAR] = encode_png(sample.eyewear)
    files["json"] = labels_json(sample)
    for name in _GEOMETRY if geometry else ():
        array = getattr(sample, name)
        if array is not None:
            stream = io.BytesIO()
            np.save(stream, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
            files[f"{name}.npy"] = stream.getvalue()
    return files


def write_shards(
    samples: Iterable[FaceSample],
    folder: str | os.PathLike[str],
    *,
    prefix: str = "faces",
    per_shard: int = 1000,
    photo: PhotoFormat = "png",
    geometry: bool = True,
) -> list[Path]:
    """Writes samples to ``folder/prefix-000000.tar``, ``prefix-000001.tar``, …

    The keys count from 00000000 through all shards. The same samples give the same bytes. A shard appears under its
    name only when it is whole.

    Args:
        samples: any dataset or iterator of samples; it is gone through once.
        folder: is created; must not hold shards of this prefix yet.
        prefix: beginning of the file names.
        per_shard: samples in a shard; the last one may hold fewer.
        photo: format of the image, see :func:`encode_sample`.
        geometry: keep depth and normals.

    Returns:
        The shards in order; none for no samples.

    Raises:
        UsageError: shards are there already, or ``per_shard`` < 1.
        OutputError: a shard cannot be written.
    """
    encoded = (encode_sample(sample, photo=photo, geometry=geometry) for sample in samples)
    return write_encoded_shards(encoded, folder, prefix=prefix, per_shard=per_shard)


def write_encoded_shards(
    encoded: Iterable[dict[str, bytes]],
    folder: str | os.PathLike[str],
    *,
    prefix: str = "faces",
    per_shard: int = 1000,
    first_key: int = 0,
) -> list[Path]:
    """As :func:`write_shards`, from what :func:`encode_sample` returned, perhaps in other processes.

    The keys count from ``first_key``.
    """
    if per_shard < 1:
        raise UsageError(f"a shard needs at least one sample, got per_shard={per_shard}")
    out = Path(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = sorted(out.glob(f"{prefix}-*.tar"))
    except OSError as error:
        raise OutputError(f"cannot create the folder {out}: {error.strerror or error}") from error
    if there:
        raise UsageError(f"{there[0]} is there already; choose another folder, or remove the old shards")
    paths: list[Path] = []
    with contextlib.ExitStack() as open_shard:
        for index, files in enumerate(encoded):
            if index % per_shard == 0:
                open_shard.close()
                paths.append(out / f"{prefix}-{len(paths):06d}.tar")
                shard = open_shard.enter_context(_new_shard(paths[-1]))
            for extension, data in files.items():
                # Every field that could tell when, where and by whom it was made keeps its default, zero.
                member = tarfile.TarInfo(f"{first_key + index:08d}.{extension}")
                member.size, member.mode = len(data), 0o644
                try:
                    shard.addfile(member, io.BytesIO(data))
                except OSError as error:
                    raise OutputError(f"cannot write {paths[-1]}: {error.strerror or error}") from error
    return paths


def read_shards(paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str]) -> Iterator[FaceSample]:
    """Reads samples back, in the order in which they were written, without unpacking.

    What :func:`write_shards` wrote as PNG with geometry comes back bit by bit, each array in its dtype.

    Args:
        paths: shards, or one shard or folder of shards (all its ``*.tar`` in the order of their names).

    Yields:
        The samples; nothing is loaded before it is asked for.

    Raises:
        DataError: a shard is missing, cut off, or holds a sample that lacks a file, has one too many, or does not
            fit together; the message names the shard and the key.
    """
    for path in _shards(paths):
        for key, files in _groups(path):
            yield _decode(path, key, files)


@contextlib.contextmanager
def _new_shard(path: Path) -> Iterator[tarfile.TarFile]:
    """An open tar file that takes its name only when all went well."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        try:
            with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as shard:
                yield shard
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _shards(paths: Iterable[str | os.PathLike[str]] | str | os.PathLike[str]) -> Sequence[Path]:
    if not isinstance(paths, (str, os.PathLike)):
        return [Path(path) for path in paths]
    one = Path(paths)
    if not one.is_dir():
        return [one]
    found = sorted(one.glob("*.tar"))
    if not found:
        raise DataError(f"{one}: the folder holds no shards (*.tar)")
    return found


def _groups(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and files by extension of each sample; the files of a sample stand side by side."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot read the shard: {error.strerror or error}") from error
    key = ""
    files: dict[str, bytes] = {}
    seen: set[str] = set()
    with stream:
        for name, data in _members(path, stream):
            stem, _, extension = name.rpartition("/")[2].partition(".")
            if stem != key:
                if files:
                    yield key, files
                if stem in seen:
                    raise DataError(f"{path}: key {stem} occurs twice")
                seen.add(stem)
                key, files = stem, {}
            if extension in files or extension not in _EXTENSIONS:
                problem = "occurs twice" if extension in files else "is no file of a face sample"
                raise DataError(f"{path}: key {stem}: {name} {problem}")
            files[extension] = data
    if files:
        yield key, files


class _Bounded:
    """A file whose reads never ask for more than is left: damaged headers announce any length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._stream.tell())
        return self._stream.read(left if size < 0 else min(size, left))

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _members(path: Path, stream: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    last = "the first file"
    bounded: Any = _Bounded(stream)
    try:
        with tarfile.open(fileobj=bounded, mode="r:") as shard:
            for member in shard:
                if member.isdir():
                    continue
                last = member.name
                content = shard.extractfile(member) if member.isfile() and not member.issparse() else None
                if content is None:
                    raise DataError(
                        f"{path}: {member.name} is a link, a device or sparse; a shard holds plain files only"
                    )
                if member.size > _MOST_BYTES:
                    raise DataError(
                        f"{path}: {member.name} has {member.size} bytes; a sample's file has {_MOST_BYTES} at most"
                    )
                yield member.name, content.read()
            # tarfile also ends, without a word, at the end of the file and at what is no header.
            stream.seek(shard.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise DataError(f"{path}: the shard is cut off or damaged after {last}")
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot read on at {last}: {error.strerror or error}") from error
    except Exception as error:  # tarfile raises almost any type on damaged headers
        raise DataError(f"{path}: no tar file, or damaged at {last}: {str(error)[:120]}") from error


def _decode(path: Path, key: str, files: dict[str, bytes]) -> FaceSample:
    photo = [name for name in ("png", "jpg") if name in files]
    if len(photo) != 1:
        raise DataError(f"{path}: key {key} must have one image, {key}.png or {key}.jpg, got {len(photo)}")
    missing = [name for name in (*(f"{n}.png" for n in _IMAGES), "json") if name not in files]
    if missing:
        raise DataError(f"{path}: key {key} lacks {key}.{missing[0]}")
    try:
        labels = json.loads(files["json"])
        if labels["version"] != LABELS_VERSION:
            raise ValueError(f"version {labels['version']}, this release reads {LABELS_VERSION}")
        arrays = {n: _numbers(labels[n]).reshape(-1, 2) for n in POINTS}
        flags = {n: _flags(labels[n]) for n in FLAGS}
        parameters = {k: _numbers(v) for k, v in labels["parameters"].items()}
        known, source = frozenset(map(str, labels["known"])), str(labels["source"])
        seed = tuple(int(s) for s in labels["seed"])
        if not all(abs(s) < 1 << 63 for s in seed):
            raise ValueError("a seed that is no 64-bit number")
    except (
        ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError,
    ) as error:  # fmt: skip
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)[:120]
        raise DataError(
            f"{path}: key {key}: {key}.json does not hold the labels of a sample: {reason}"
        ) from error
    images = {n: _image(path, key, f"{n}.png", files, grey=n in _MAPS) for n in _IMAGES}
    geometry = {n: _array(path, key, f"{n}.npy", files) for n in _GEOMETRY}
    try:
        return FaceSample(
            image=_image(path, key, photo[0], files, grey=False),
            clean=images["clean"],
            parsing=images["parsing"],
            occluder=images["occluder"],
            face=images["face"] > 127,
            landmarks_68=arrays["landmarks_68"],
            facing_68=flags["facing_68"],
            dense=arrays["dense"],
            facing_dense=flags["facing_dense"],
            known=known,
            parameters=parameters,
            depth=geometry["depth"],
            normals=geometry["normals"],
            source=source,
            seed=seed,
            eyewear=_image(path, key, _EYEWEAR, files, grey=True) if _EYEWEAR in files else None,
        )
    except UsageError as error:
        raise DataError(f"{path}: key {key}: {error}") from error


def _numbers(values: object) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float32)
    if np.isinf(array).any():
        raise ValueError("a number is not finite")  # unknown ones are NaN
    return array


def _flags(values: object) -> NDArray[np.bool_]:
    array = np.array(values, dtype=np.int64)
    if not np.isin(array, (0, 1)).all():
        raise ValueError("a flag is neither 0 nor 1")
    return array.astype(bool)


def _image(path: Path, key: str, name: str, files: dict[str, bytes], *, grey: bool) -> NDArray[np.uint8]:
    try:
        pixels = np.array(decoded(files[name], ("PNG", "JPEG"), max_pixels=_MOST_PIXELS))
    except ValueError as error:
        raise DataError(f"{path}: key {key}: {key}.{name} is no readable image: {error}") from error
    if pixels.dtype != np.uint8 or pixels.ndim != (2 if grey else 3) or (not grey and pixels.shape[2] != 3):
        expected = "(S, S)" if grey else "(S, S, 3)"
        raise DataError(f"{path}: key {key}: {key}.{name} must be {expected} of 8 bits, got {pixels.shape}")
    return pixels


def _array(path: Path, key: str, name: str, files: dict[str, bytes]) -> NDArray[np.float32] | None:
    if name not in files:
        return None
    try:
        array = parse_npy(files[name]).copy()
    except ValueError as error:
        raise DataError(f"{path}: key {key}: {key}.{name} is no readable array: {error}") from error
    if array.dtype != np.float32:
        raise DataError(f"{path}: key {key}: {key}.{name} must be float32")
    return array

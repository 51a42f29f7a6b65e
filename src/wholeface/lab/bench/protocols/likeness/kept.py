"""Pictures of reconstructions kept in a folder, so that a run that was stopped need not repeat them.

What is kept is found again by everything it hangs on: the photo's pixels, the shipped weights, and the source text of
every room that has a say in a reconstruction.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.errors import OutputError
from ...report.provenance import weight_hashes
from .pictures import Pictures

__all__ = ["KeptPictures"]

_PACKAGE = Path(__file__).resolve().parents[4]
_NO_SAY = ("app", "lab", "export")


class KeptPictures:
    """Pictures by what they were made of.

    Args:
        folder: where they are kept, made when missing; None keeps nothing.
        version: names what made them; None hashes the source text and the weights of this package.
    """

    def __init__(self, folder: Path | None, version: str | None = None) -> None:
        self._folder, self._version = folder, version

    def __call__(self, pixels: NDArray[np.uint8], make: Callable[[], Pictures]) -> Pictures:
        """The pictures for a photo, from the folder, or made and put there.

        Raises:
            OutputError: they cannot be written.
        """
        if self._folder is None:
            return make()
        shape = str(pixels.shape).encode()
        name = hashlib.sha256(self.version.encode() + shape + pixels.tobytes()).hexdigest()[:24]
        file = self._folder / f"{name}.npz"
        known = _read(file)
        if known is None:
            known = make()
            _write(file, known)
        return known

    @cached_property
    def version(self) -> str:
        """What made the pictures."""
        return source_version() if self._version is None else self._version


def source_version() -> str:
    """SHA-256 of the weights and of the source text that has a say in a reconstruction and its pictures."""
    digest = hashlib.sha256(str(sorted(weight_hashes().items())).encode())
    files = [f for f in _PACKAGE.rglob("*.py") if f.relative_to(_PACKAGE).parts[0] not in _NO_SAY]
    files.append(Path(__file__).with_name("pictures.py"))
    for file in sorted(files):
        digest.update(str(file.relative_to(_PACKAGE)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _read(file: Path) -> Pictures | None:
    """None where there is nothing, or a file that was cut short."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            names = [str(name) for name in stored["names"]]
            images = {name: stored[f"image_{k}"] for k, name in enumerate(names)}
            return Pictures(images, stored["identity"], float(stored["hidden"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(file: Path, pictures: Pictures) -> None:
    images: dict[str, Any] = {f"image_{k}": image for k, image in enumerate(pictures.images.values())}
    partial = file.with_suffix(".partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            np.savez_compressed(
                stream,
                names=np.array(list(pictures.images)),
                identity=pictures.identity,
                hidden=pictures.hidden,
                **images,
            )
        partial.replace(file)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error

"""What earlier runs have written: whose result a folder holds, and whether it is the one that is asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ... import __version__
from ...result.files import RECORD, path_id
from ._folders import face_folder

__all__ = ["EarlierResults"]

_BLOCK = 1 << 20  # bytes
_LARGEST_RECORD = 64 << 20  # bytes; a record is about 40 kB


class EarlierResults:
    """The results in one folder, each record read once, each photo hashed once.

    Args:
        out: the folder of the results.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._records: dict[str, Mapping[str, Any] | None] = {}
        self._photos: dict[Path, _Identity] = {}

    def held_by_another(self, folder: str, photo: Path) -> bool:
        """Whether a folder of OUT holds a complete result of another photo: of another file with other content."""
        record = self._record(folder)
        return record is not None and not self._is_of(record, photo)

    def is_of(self, folder: str, photo: Path) -> bool:
        """Whether a folder of OUT holds a complete result of this photo."""
        record = self._record(folder)
        return record is not None and self._is_of(record, photo)

    def finished(
        self, name: str, existing: Sequence[str], photo: Path, options: Mapping[str, Any]
    ) -> dict[str, Mapping[str, Any]] | None:
        """The records of a photo's faces by folder, when all that these options ask for are there, else None.

        Args:
            name: of the photo's folder.
            existing: the folders that may hold its faces.
            photo: the file; its content must be the one that was reconstructed.
            options: as they would be noted in the record.
        """
        found: dict[int, tuple[str, Mapping[str, Any]]] = {}
        count = 0
        for folder in existing:
            record = self._record(folder)
            if record is None or not self._answers(record, folder, photo, options):
                continue
            number, count = int(record["face"]["number"]), int(record["face"]["of"])
            if folder == face_folder(name, number, count):
                found[number] = (folder, record)
        wanted = [options["face"]] if options.get("face") else range(1, min(count, options["max_faces"]) + 1)
        if not count or not all(number in found for number in wanted):
            return None
        return dict(found[number] for number in wanted)

    def _answers(
        self, record: Mapping[str, Any], folder: str, photo: Path, options: Mapping[str, Any]
    ) -> bool:
        return (
            record.get("wholeface_version") == __version__
            and record.get("options") == options
            and record["photo"].get("sha256") is not None
            and record["photo"]["sha256"] == self._identity(photo).sha256
            and all((self._out / folder / file).is_file() for file in record.get("files", ()))
        )

    def _is_of(self, record: Mapping[str, Any], photo: Path) -> bool:
        noted = record["photo"]
        if noted.get("path_sha256") is None and noted.get("sha256") is None:  # schema 1
            return noted.get("source") == str(photo)
        identity = self._identity(photo)
        return noted.get("path_sha256") == identity.path_id or (
            noted.get("sha256") is not None and noted["sha256"] == identity.sha256
        )

    def _identity(self, photo: Path) -> _Identity:
        if photo not in self._photos:
            self._photos[photo] = _Identity(photo)
        return self._photos[photo]

    def _record(self, folder: str) -> Mapping[str, Any] | None:
        """The record of a folder, or None where there is none that could be ours."""
        if folder not in self._records:
            self._records[folder] = _read_record(self._out / folder / RECORD)
        return self._records[folder]


class _Identity:
    """What tells one photo from another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.path_id = path_id(path)

    @cached_property
    def sha256(self) -> str:
        """Of the file's content; empty where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with self._path.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
        except OSError:
            return ""
        return digest.hexdigest()


def _read_record(path: Path) -> Mapping[str, Any] | None:
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            return None
        record = json.loads(path.read_bytes())
        whole = (
            record["schema_version"] in (1, 2)
            and isinstance(record["photo"], dict)
            and isinstance(record["face"]["number"], int)
            and isinstance(record["face"]["of"], int)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if whole else None

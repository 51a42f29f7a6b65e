"""Finished results in the same page: no uploads, no models."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from ... import __version__
from ...core.errors import DataError, PhotoError
from ...result.files import RECORD, belongs_to_a_result, path_id
from .answers import Reconstruction, reconstruction_of
from .api import add_common_routes, to_standard_error
from .bundle import EVERYTHING, write_zip
from .guard import Guard
from .jobs import Job
from .metrics import Metrics
from .results import result_routes
from .screen import PHOTO, write_screen_copies, write_screen_photo
from .settings import ServeSettings
from .summary import face_summary, read_record

__all__ = ["Viewed", "create_view_app", "find_results"]


@dataclass(frozen=True)
class Viewed:
    """The faces of one photo, as folders.

    Args:
        folders: of its faces, largest face first.
        photo: the photo itself, where it is still to be had.
    """

    folders: tuple[Path, ...]
    photo: Path | None = None


def find_results(folders: Sequence[Path], photo: Path | None = None) -> list[Viewed]:
    """The results in folders: a folder with ``face.json`` is one, others are looked into, one level deep.

    Folders of the same photo belong together. The photo is taken from where it was when it was reconstructed, if its
    content is still the same.

    Args:
        folders: results, or folders of results.
        photo: of all of them, instead of where it was.

    Raises:
        DataError: a folder holds no result.
    """
    groups: dict[str, list[tuple[int, Path]]] = {}
    photos: dict[str, Path | None] = {}
    for folder in folders:
        inside = (
            [folder] if (folder / RECORD).is_file() else sorted(p.parent for p in folder.glob(f"*/{RECORD}"))
        )
        if not inside:
            raise DataError(
                f"{folder} holds no result; `wholeface reconstruct PHOTO -o OUT --expressions` makes one in OUT"
            )
        for place in inside:
            record = read_record(place)
            noted = record["photo"]
            key = str(noted.get("sha256") or noted.get("path_sha256") or place)
            group = groups.setdefault(key, [])
            if place not in (other for _, other in group):
                group.append((record["face"]["number"], place))
            photos[key] = photo or _where_it_was(noted)
    return [Viewed(tuple(place for _, place in sorted(group)), photos[key]) for key, group in groups.items()]


def _where_it_was(noted: dict[str, Any]) -> Path | None:
    """The photo of a record, where a file of the same content lies there."""
    source, digest = str(noted.get("source") or ""), noted.get("sha256")
    if not source or source.startswith("<"):
        return None
    path = Path(source)
    try:
        if digest is None:
            return path if path.is_file() and noted.get("path_sha256") == path_id(path) else None
        with path.open("rb") as file:
            return path if hashlib.sha256(file.read()).hexdigest() == digest else None
    except (OSError, ValueError):
        return None


@dataclass
class _Shelf:
    """Results that lie in folders of other people's making; what has to be made for the screen goes elsewhere."""

    workspace: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    paths: dict[str, dict[str, Path]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, viewed: Viewed) -> None:
        job_id = secrets.token_urlsafe(16)
        made = self.workspace / job_id
        made.mkdir()
        paths: dict[str, Path] = {}
        size: dict[str, Any] = {}
        if viewed.photo is not None:
            size = _screen_photo(viewed.photo, made / PHOTO)
            paths[PHOTO] = made / PHOTO
        faces = []
        for number, folder in enumerate(viewed.folders, start=1):
            summary = face_summary(folder)
            own = {p.name: p for p in sorted(folder.iterdir()) if belongs_to_a_result(p.name) and p.is_file()}
            copies = made / str(number)
            copies.mkdir()
            own |= {name: copies / name for name in write_screen_copies(copies, folder)}
            paths |= {f"{summary['number']}/{name}": path for name, path in own.items()}
            faces.append(summary)
            size = size or {name: summary["camera"][name] for name in ("width", "height")}
        changed = (viewed.folders[0] / RECORD).stat().st_mtime
        report = {
            "title": re.sub(r"_face\d+$", "", viewed.folders[0].name)
            if faces[0]["of"] > 1
            else viewed.folders[0].name,
            "photo": {**size, "warnings": []},
            "face_count": faces[0]["of"],
            "faces": faces,
        }
        self.jobs[job_id] = Job(job_id, "done", changed, finished=changed, result=report)
        self.paths[job_id] = paths

    def get(self, job_id: str) -> Job | None:
        return self.jobs.get(job_id)

    def files(self, job: Job) -> dict[str, Path]:
        return self.paths[job.id]

    async def everything(self, job: Job) -> Path:
        target = self.workspace / job.id / EVERYTHING
        async with self.lock:
            if not target.is_file():
                await asyncio.to_thread(write_zip, target, self.files(job))
        return target

    def expires(self, job: Job) -> float | None:
        return None


def _screen_photo(path: Path, target: Path) -> dict[str, Any]:
    from PIL import Image

    from ...photo import read_photo

    try:
        photo = read_photo(path)
    except PhotoError as error:
        raise DataError(f"--photo: {error}") from error
    write_screen_photo(target, Image.fromarray(photo.pixels))
    return {"width": photo.width, "height": photo.height}


def create_view_app(
    results: Sequence[Viewed], workspace: Path, settings: ServeSettings | None = None
) -> FastAPI:
    """The page for finished results, as an ASGI application.

    Args:
        results: see :func:`find_results`.
        workspace: an empty folder for copies at the screen's size.
        settings: host and token; None takes the defaults.

    Raises:
        DataError: a folder holds no complete result, or the photo cannot be read.
    """
    chosen = settings or ServeSettings()
    shelf = _Shelf(workspace)
    for viewed in results:
        shelf.add(viewed)
    app = FastAPI(title="WholeFace", version=__version__, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, settings=chosen, metrics=Metrics())
    add_common_routes(app, chosen, mode="view", ready=lambda: True, log=to_standard_error)

    @app.get("/v1/reconstructions", tags=["reconstructions"], name="list")
    def listed() -> list[Reconstruction]:
        """All results that are shown."""
        return [
            reconstruction_of(job, shelf.files(job), expires=None, position=None)
            for job in shelf.jobs.values()
        ]

    app.include_router(result_routes(lambda: shelf, lambda job_id: None))
    return app

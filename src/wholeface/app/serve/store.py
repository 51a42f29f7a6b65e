"""Uploads, records and results in a folder; a server that was killed finds all of them again.

    STORE/ID/job.json     the record: written under another name, then renamed
    STORE/ID/photo        what was uploaded, until the result is there
    STORE/ID/result/      the result: written under another name, then renamed; ``result.json`` says what is in it
    STORE/ID/everything.zip

No name in there comes from a client. Renaming guards against killed processes, not against power cuts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ...core.errors import OutputError
from .bundle import EVERYTHING, write_zip
from .jobs import Job

__all__ = ["MOST_ATTEMPTS", "Store"]

MOST_ATTEMPTS = 2
"""A photo whose server ended this often while it was worked on is not tried again."""
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_RECORD, _PHOTO, _RESULT, _REPORT = "job.json", "photo", "result", "result.json"
_COPY_BLOCK = 1 << 20


class Store:
    """The jobs of one server, in memory and on disk; used from one event loop.

    Args:
        folder: created when missing, readable by its owner alone.
        keep_seconds: finished jobs are forgotten after this long.
        keep_results: and the oldest of them when there are more than this many, but not those of the last
            ``grace_seconds``: whoever waited for one can still fetch it.
        grace_seconds: see there.
        clock: seconds since 1970.

    Raises:
        OutputError: the folder cannot be created or read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_seconds: float = 3600.0,
        keep_results: int = 200,
        grace_seconds: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._keep_seconds = keep_seconds
        self._keep_results = keep_results
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._zipping: dict[str, asyncio.Lock] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            entries = sorted(path for path in folder.iterdir() if _ID.fullmatch(path.name))
        except OSError as error:
            raise OutputError(
                f"cannot keep results in {folder}: {error.strerror}; give another --store"
            ) from error
        for path in entries:
            job = _found(path)
            if job is None:  # an upload that was cut short
                shutil.rmtree(path, ignore_errors=True)
            else:
                self._jobs[job.id] = job

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All jobs, oldest first."""
        return tuple(sorted(self._jobs.values(), key=lambda job: (job.created, job.id)))

    def get(self, job_id: str) -> Job | None:
        """The job, or None where there is none (any more)."""
        return self._jobs.get(job_id)

    def expires(self, job: Job) -> float | None:
        """When a finished job will be forgotten, seconds since 1970."""
        return None if job.finished is None else job.finished + self._keep_seconds

    async def add(self, photo: IO[bytes], options: Mapping[str, Any]) -> Job:
        """A new, queued job; the photo is copied from its start."""
        job = Job(id=secrets.token_urlsafe(16), created=self._clock(), options=dict(options))
        await asyncio.to_thread(self._lay_down, job, photo)
        self._jobs[job.id] = job
        return job

    def _lay_down(self, job: Job, photo: IO[bytes]) -> None:
        place = self._folder / job.id
        place.mkdir(mode=0o700)
        try:
            photo.seek(0)
            with (place / _PHOTO).open("wb") as file:
                shutil.copyfileobj(photo, file, _COPY_BLOCK)
            _write_record(place, job)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def photo(self, job: Job) -> Path:
        """The uploaded file."""
        return self._folder / job.id / _PHOTO

    def new_result(self, job: Job) -> Path:
        """A name, not yet taken, for a folder into which a worker may write the result."""
        return self._folder / job.id / f".{_RESULT}-{secrets.token_hex(6)}"

    def change(self, job_id: str, **changes: Any) -> Job | None:
        """Changes a job in memory, and wakes who waits for that; None where it has been removed."""
        job = self._jobs.get(job_id)
        if job is None:
            return None
        self._jobs[job_id] = job = replace(job, **changes)
        self.wake(job_id)
        return job

    async def write(self, job: Job) -> None:
        """Writes a job's record."""
        with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
            await asyncio.to_thread(_write_record, self._folder / job.id, job)

    async def finish(self, job_id: str, folder: Path) -> Job | None:
        """The job is done: its result, written to a folder of :meth:`new_result`, takes its place."""
        job = self._jobs.get(job_id)
        if job is None:  # removed, while a worker went on writing
            await asyncio.to_thread(shutil.rmtree, self._folder / job_id, True)
            return None
        report = await asyncio.to_thread(_put_in_place, folder, self._folder / job_id)
        done = replace(job, status="done", finished=self._clock(), progress=None, result=report)
        await self.write(done)
        self.photo(job).unlink(missing_ok=True)
        return self.change(
            job_id, **{name: getattr(done, name) for name in ("status", "finished", "progress", "result")}
        )

    async def fail(self, job_id: str, kind: str, message: str) -> Job | None:
        """The job has failed, for a reason in words."""
        job = self._jobs.get(job_id)
        if job is None:
            await asyncio.to_thread(shutil.rmtree, self._folder / job_id, True)
            return None
        changes: dict[str, Any] = {
            "status": "failed",
            "finished": self._clock(),
            "progress": None,
            "error": {"kind": kind, "message": message},
        }
        await self.write(replace(job, **changes))
        await asyncio.to_thread(_clear_work, self._folder / job_id)
        return self.change(job_id, **changes)

    def changed(self, job_id: str) -> asyncio.Event:
        """Set at the next change of a job, or when it is removed."""
        return self._changed.setdefault(job_id, asyncio.Event())

    def wake(self, job_id: str) -> None:
        """Wakes who waits for a change of a job."""
        if event := self._changed.pop(job_id, None):
            event.set()

    def files(self, job: Job) -> dict[str, Path]:
        """Public name -> file, of a job that is done."""
        names = (job.result or {}).get("files", ())
        return {name: self._folder / job.id / _RESULT / name for name in names}

    async def everything(self, job: Job) -> Path:
        """A zip of all files of a job that is done; made when first asked for."""
        target = self._folder / job.id / EVERYTHING
        async with self._zipping.setdefault(job.id, asyncio.Lock()):
            if not target.is_file():
                await asyncio.to_thread(write_zip, target, self.files(job))
        return target

    async def remove(self, job_id: str) -> bool:
        """Forgets a job and deletes all of its files; whether there was one."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return False
        self._zipping.pop(job_id, None)
        self.wake(job_id)
        await asyncio.to_thread(shutil.rmtree, self._folder / job_id, True)
        return True

    async def expire(self) -> int:
        """Removes finished jobs that are too old or too many; how many."""
        finished = sorted((job.finished, job.id) for job in self._jobs.values() if job.finished is not None)
        now = self._clock()
        spare = len(finished) - self._keep_results
        old = [
            job_id
            for number, (when, job_id) in enumerate(finished)
            if when + (self._grace_seconds if number < spare else self._keep_seconds) <= now
        ]
        for job_id in old:
            await self.remove(job_id)
        return len(old)


def _write_record(place: Path, job: Job) -> None:
    temporary = place / f".{_RECORD}-{secrets.token_hex(6)}"
    temporary.write_text(json.dumps(job.to_json()), encoding="utf-8")
    os.replace(temporary, place / _RECORD)


def _put_in_place(folder: Path, place: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    shutil.rmtree(place / _RESULT, ignore_errors=True)
    folder.rename(place / _RESULT)
    return report


def _clear_work(place: Path) -> None:
    """Removes the upload and what an attempt left."""
    (place / _PHOTO).unlink(missing_ok=True)
    for path in place.glob(f".{_RESULT}-*"):
        shutil.rmtree(path, ignore_errors=True)


def _found(place: Path) -> Job | None:
    """The job that an earlier server left in a folder, ready to go on, or None where there is none."""
    try:
        job = Job.from_json(json.loads((place / _RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if job.id != place.name:
        return None
    for path in place.glob(f".{_RECORD}-*"):
        path.unlink(missing_ok=True)
    for path in place.glob(f".{_RESULT}-*"):
        shutil.rmtree(path, ignore_errors=True)
    return job if job.over else _gone_on(job, place)


def _gone_on(job: Job, place: Path) -> Job | None:
    """What becomes of a job that was waiting or worked on when its server ended."""
    with contextlib.suppress(OSError, ValueError):  # it ended between the result and the record
        report = json.loads((place / _RESULT / _REPORT).read_text(encoding="utf-8"))
        return replace(job, status="done", finished=(place / _RESULT).stat().st_mtime, result=report)
    if not (place / _PHOTO).is_file():
        return None
    if job.attempts < MOST_ATTEMPTS:
        return replace(job, status="queued")
    reason = f"the server ended {job.attempts} times while this photo was worked on"
    return replace(job, status="failed", finished=time.time(), error={"kind": "crash", "message": reason})

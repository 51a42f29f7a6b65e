"""The bounded queue, and the worker processes that empty it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import Callable
from typing import Any

from .jobs import Job, Progress
from .metrics import Metrics
from .settings import ServeSettings
from .store import Store

__all__ = ["Crew"]

_LOADING_S = 300.0  # s that a worker may take to load its models
_FIRST_GUESS_S = 10.0  # s that a photo takes, before any was done
_PAUSE_S = 5.0  # s before a worker whose models cannot be loaded is started again
_LONGEST_LINE = 1 << 20


class Crew:
    """Workers and the photos that wait for them.

    Args:
        store: of the jobs.
        settings: how many workers, how long the queue, how many seconds for each photo.
        metrics: what is counted.
        log: is given a line when a worker cannot be started or ends by itself.
    """

    def __init__(
        self, store: Store, settings: ServeSettings, metrics: Metrics, log: Callable[[str], None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._waiting: deque[str] = deque()
        self._arrived = asyncio.Condition()
        self._seconds = _FIRST_GUESS_S  # of one photo, an exponential mean
        self._ready: set[int] = set()
        self._members: list[asyncio.Task[None]] = []
        self._reserved = 0

    @property
    def ready(self) -> bool:
        """Whether a worker has loaded its models."""
        return bool(self._ready)

    @property
    def waiting(self) -> int:
        """Photos that no worker has taken yet."""
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the queue takes no more photos, those being uploaded included."""
        return len(self._waiting) + self._reserved >= self._settings.queue

    @property
    def retry_after(self) -> int:
        """Seconds until there should be room again."""
        return max(1, min(600, math.ceil(self._seconds / self._settings.workers)))

    def position(self, job_id: str) -> int | None:
        """Place in the queue, counted from 1, or None."""
        return self._waiting.index(job_id) + 1 if job_id in self._waiting else None

    @contextlib.contextmanager
    def place(self) -> Any:
        """A place in the queue while a photo is uploaded."""
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    async def start(self) -> None:
        """Start the workers; photos of an earlier server are queued first."""
        self._waiting.extend(job.id for job in self._store.jobs if job.status == "queued")
        self._members = [
            asyncio.create_task(self._member(number), name=f"worker {number}")
            for number in range(self._settings.workers)
        ]

    async def stop(self) -> None:
        """End the workers; what they were doing is queued again by the next server of the same store."""
        for member in self._members:
            member.cancel()
        await asyncio.gather(*self._members, return_exceptions=True)

    async def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        async with self._arrived:
            self._waiting.append(job.id)
            self._arrived.notify()

    def withdraw(self, job_id: str) -> None:
        """Take a job out of the queue, if it is in there."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(job_id)
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        for other in self._waiting:  # their places have changed
            self._store.wake(other)

    async def _next(self) -> Job:
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._waiting)
                job_id = self._waiting.popleft()
            self._wake_waiting()
            if (job := self._store.get(job_id)) is not None:
                return job

    async def _member(self, number: int) -> None:
        worker: _Worker | None = None
        try:
            while True:
                if worker is None or not worker.alive:
                    self._ready.discard(number)
                    worker = await self._begun(number)
                    self._ready.add(number)
                job = await self._next()
                if not worker.alive:  # ended while it had nothing to do
                    self._log("a worker ended by itself; another one is started")
                    self._metrics.restarts.inc()
                    self._ready.discard(number)
                    worker = await self._begun(number)
                    self._ready.add(number)
                try:
                    await self._work(worker, job)
                except Exception as error:  # of the disk, or of an engine that breaks its word
                    self._log(f"a photo could not be finished: {type(error).__name__}: {error}")
                    await worker.end()
                    await self._given_up(job.id)
        finally:
            self._ready.discard(number)
            if worker is not None:
                await worker.end()

    async def _begun(self, number: int) -> _Worker:
        while True:
            worker = await _Worker.begin(self._settings)
            try:
                reply = await asyncio.wait_for(worker.reply(), _LOADING_S)
            except asyncio.TimeoutError:
                reply = {"broken": f"nothing for {_LOADING_S:.0f} s"}
            except asyncio.CancelledError:
                await worker.end()
                raise
            if reply is not None and reply.get("ready"):
                return worker
            await worker.end()
            reason = (reply or {}).get("broken", "it ended without a word")
            self._log(f"worker {number + 1} cannot load its models: {reason}; it is tried again")
            self._metrics.restarts.inc()
            await asyncio.sleep(_PAUSE_S)

    async def _work(self, worker: _Worker, job: Job) -> None:
        now = time.time()
        self._metrics.waited.observe(max(0.0, now - job.created))
        running = self._store.change(
            job.id, status="running", started=now, attempts=job.attempts + 1, progress=None
        )
        if running is None:
            return
        await self._store.write(running)
        folder = self._store.new_result(running)
        started = time.monotonic()
        try:
            outcome = await asyncio.wait_for(self._led(worker, running, folder), self._settings.max_seconds)
        except asyncio.TimeoutError:
            await worker.end()
            self._metrics.restarts.inc()
            outcome = {
                "kind": "timeout",
                "message": f"it took longer than the {self._settings.max_seconds:g} seconds that this server allows",
            }
        if outcome is None:
            finished = await self._store.finish(job.id, folder)
            spent = time.monotonic() - started
            self._seconds += 0.2 * (spent - self._seconds)
            self._metrics.seconds.observe(spent)
            if finished is not None:
                self._metrics.faces.inc(len((finished.result or {}).get("faces", ())))
                self._metrics.finished.labels(status="done").inc()
            return
        if outcome["kind"] == "crash":
            self._log("a worker ended while it reconstructed a photo; another one is started")
            self._metrics.restarts.inc()
        if await self._store.fail(job.id, **outcome) is not None:
            self._metrics.finished.labels(status="failed").inc()

    async def _given_up(self, job_id: str) -> None:
        message = "the server could not reconstruct this photo; its log says why"
        self._metrics.finished.labels(status="failed").inc()
        try:
            await self._store.fail(job_id, "error", message)
        except OSError as error:  # no room even for that: it is noted in memory alone
            self._log(f"and that could not be noted: {error}")
            failed = {"kind": "error", "message": message}
            self._store.change(job_id, status="failed", finished=time.time(), progress=None, error=failed)

    async def _led(self, worker: _Worker, job: Job, folder: Any) -> dict[str, str] | None:
        """What the worker says until it is done: None, or why it failed."""
        photo = self._store.photo(job)
        await worker.ask({"photo": str(photo), "folder": str(folder), "options": dict(job.options)})
        while (reply := await worker.reply()) is not None:
            if "stage" in reply:
                self._store.change(job.id, progress=Progress(**reply))
            elif "failed" in reply:
                return dict(reply["failed"])
            elif reply.get("done"):
                return None
        await worker.end()
        return {
            "kind": "crash",
            "message": "the process that worked on this photo ended; it may have run out of memory",
        }


class _Worker:
    """One process of :mod:`.worker`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begin(cls, settings: ServeSettings) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"{__package__}.worker", stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        worker = cls(process)
        kept = ("engine", "method", "device", "max_pixels")
        await worker.ask({name: getattr(settings, name) for name in kept})
        return worker

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, words: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the reply says that it has ended
            self._process.stdin.write((json.dumps(words) + "\n").encode())
            await self._process.stdin.drain()

    async def reply(self) -> dict[str, Any] | None:
        """The next line, or None when it has ended."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

"""What a server finds again after it was killed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from wholeface.app.serve.jobs import Job
from wholeface.app.serve.store import MOST_ATTEMPTS, Store
from wholeface.errors import OutputError

from .conftest import STUB, Server, wait_until

_REPORT = {"files": ["photo.jpg"], "faces": [], "face_count": 1}


def _added(store: Store, photo: bytes = b"photo") -> Job:
    return asyncio.run(store.add(io.BytesIO(photo), {"remove": "auto"}))


def _written(store: Store, job: Job) -> Path:
    folder = store.new_result(job)
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"jpeg")
    (folder / "result.json").write_text(json.dumps(_REPORT))
    return folder


def test_a_finished_job_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "store")
    job = _added(store)
    done = asyncio.run(store.finish(job.id, _written(store, job)))
    assert done is not None
    again = Store(tmp_path / "new" / "store")
    assert again.jobs == (done,)
    assert again.files(done)["photo.jpg"].read_bytes() == b"jpeg"
    assert not again.photo(done).exists()
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "new" / "store").stat().st_mode) == 0o700


def test_one_that_was_waiting_waits_again(tmp_path: Path) -> None:
    job = _added(Store(tmp_path))
    (found,) = Store(tmp_path).jobs
    assert found == job
    assert Store(tmp_path).photo(job).read_bytes() == b"photo"


@pytest.mark.parametrize(("attempts", "status"), [(MOST_ATTEMPTS - 1, "queued"), (MOST_ATTEMPTS, "failed")])
def test_one_that_was_worked_on_is_tried_again_but_not_for_ever(
    tmp_path: Path, attempts: int, status: str
) -> None:
    store = Store(tmp_path)
    job = _added(store)
    changed = store.change(job.id, status="running", attempts=attempts)
    assert changed is not None
    asyncio.run(store.write(changed))
    left = _written(store, job)
    (found,) = Store(tmp_path).jobs
    assert found.status == status
    assert not left.exists()  # what the attempt left behind


def test_one_whose_result_was_in_place_but_not_yet_noted_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    job = _added(store)
    _written(store, job).rename(tmp_path / job.id / "result")
    (found,) = Store(tmp_path).jobs
    assert found.status == "done"
    assert found.result == _REPORT


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"id": "x"}', '{"id": "x", "status": "odd"}'])
def test_an_upload_that_was_cut_short_is_cleared(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / ("a" * 22)
    folder.mkdir()
    (folder / "photo").write_bytes(b"half")
    if content is not None:
        (folder / "job.json").write_text(content)
    (tmp_path / "mine.txt").write_text("not of the store")
    assert Store(tmp_path).jobs == ()
    assert not folder.exists()
    assert (tmp_path / "mine.txt").exists()


def test_jobs_expire_by_age_and_by_number(tmp_path: Path) -> None:
    now = 1000.0
    store = Store(tmp_path, keep_seconds=10, keep_results=2, grace_seconds=3, clock=lambda: now)

    async def finished() -> Job:
        job = await store.add(io.BytesIO(b"x"), {})
        await store.finish(job.id, _written(store, job))
        return job

    jobs = []
    for _ in range(3):
        now += 1
        jobs.append(asyncio.run(finished()))
    waiting = _added(store)
    assert asyncio.run(store.expire()) == 0  # the first is 2 s old: who waited for it may not have it yet
    now += 1
    assert asyncio.run(store.expire()) == 1
    assert [job.id in store for job in jobs] == [False, True, True]
    now += 8
    assert asyncio.run(store.expire()) == 1
    assert [job.id in store for job in jobs] == [False, False, True]
    now += 1000
    asyncio.run(store.expire())
    assert [job.id for job in store.jobs] == [waiting.id]  # what waits does not expire
    assert [path.name for path in tmp_path.iterdir()] == [waiting.id]


def test_removed_while_it_was_worked_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    job = _added(store)
    folder = _written(store, job)

    async def both() -> tuple[Any, Any]:
        await store.remove(job.id)
        return await store.finish(job.id, folder), await store.fail(job.id, "error", "late")

    assert asyncio.run(both()) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_changes(tmp_path: Path) -> None:
    async def run(change: Callable[[Store, Job], Coroutine[Any, Any, Any]]) -> None:
        store = Store(tmp_path)
        job = await store.add(io.BytesIO(b"x"), {})
        event = store.changed(job.id)
        await change(store, job)
        await asyncio.wait_for(event.wait(), 1)

    async def changed(store: Store, job: Job) -> None:
        store.change(job.id, status="running")

    for change in (changed, lambda store, job: store.remove(job.id), lambda s, j: s.fail(j.id, "a", "b")):
        asyncio.run(run(change))


def test_a_store_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--store"):
        Store(tmp_path / "file")


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_server_that_was_killed_has_lost_nothing(tmp_path: Path) -> None:
    """Done stays done; what was worked on and what waited is finished by the next server."""
    log = tmp_path / "log"

    def send(photo: bytes) -> str:
        answer = httpx.post(f"{server.url}/v1/reconstructions", files={"photo": photo}, timeout=30)
        return str(answer.json()["url"])

    def status(url: str) -> str:
        return str(httpx.get(server.url + url, timeout=30).json()["status"])

    server = Server(tmp_path / "store", log, engine=STUB)
    try:
        done = send(b"first")
        wait_until(lambda: status(done) == "done", 60, "done")
        running, waiting = send(b"sleep 3"), send(b"last")
        wait_until(lambda: status(running) == "running", 30, "running")
        server.kill()
        server = Server(tmp_path / "store", log, engine=STUB)
        assert status(done) == "done"
        assert httpx.get(f"{server.url}{done}/files/photo.jpg").content == b"first"
        wait_until(lambda: status(waiting) == "done", 60, "the rest")
        assert status(running) == "done"
        for url in (running, waiting):
            folder = tmp_path / "store" / url.rsplit("/", 1)[-1]
            assert {path.name for path in folder.iterdir()} == {"job.json", "result"}
    finally:
        server.kill()

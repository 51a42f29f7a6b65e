"""Progress as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from .answers import Reconstruction
from .store import Store

__all__ = ["progress_events"]

_BEAT_S = 15.0  # s after which a comment keeps proxies from closing the connection


async def progress_events(
    store: Store, job_id: str, told: Callable[[str], Reconstruction | None]
) -> AsyncIterator[str]:
    """An event ``status`` at once and at each change, until the job is over or removed (event ``gone``).

    Args:
        store: of the jobs.
        job_id: which.
        told: what to tell about it now.
    """
    last = ""
    while True:
        changed = (
            store.changed(job_id) if job_id in store else None
        )  # before it is read, so that nothing is missed
        answer = told(job_id)
        if answer is None or changed is None:
            yield "event: gone\ndata: {}\n\n"
            return
        text = answer.model_dump_json(exclude_none=True)
        if text != last:
            last = text
            yield f"event: status\ndata: {text}\n\n"
        if answer.status in ("done", "failed"):
            return
        try:
            await asyncio.wait_for(changed.wait(), _BEAT_S)
        except asyncio.TimeoutError:
            yield ": still here\n\n"

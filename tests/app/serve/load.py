"""Many clients at once: ``python tests/app/serve/load.py --clients 50 --seconds 120`` prints what became of them.

Each client sends a photo of its own again and again, waits as long as a refusal asks for, listens to the events,
and compares what comes back with what it sent. The engine has no models: it takes a moment and writes 2 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

if __name__ == "__main__":  # as a script it is no part of a package
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from tests.app.serve.conftest import STUB, Server
else:
    from .conftest import STUB, Server

__all__ = ["Outcome", "run_load"]


@dataclass
class Outcome:
    """What became of all requests; times in seconds, memory in MiB."""

    accepted: int = 0
    good: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    server_mib: list[float] = field(default_factory=list)
    worker_mib: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Numbers for a table."""
        waits = sorted(self.waits) or [0.0]

        def at(share: float) -> float:
            return round(waits[min(len(waits) - 1, int(share * len(waits)))], 2)

        def memory(readings: list[float]) -> list[float]:
            rest = [round(value, 1) for value in readings]
            return [rest[0], rest[len(rest) // 4], rest[len(rest) // 2], rest[-1]] if rest else []

        return {
            "accepted": self.accepted,
            "came back right": self.good,
            "lost": len(self.lost),
            "refused with 429": self.refused,
            "from sent to done, s": {"median": at(0.5), "95 %": at(0.95), "longest": at(1.0)},
            "server MiB: first, at 1/4, 1/2, last": memory(self.server_mib),
            "worker MiB: first, at 1/4, 1/2, last": memory(self.worker_mib),
        }


def run_load(
    *, clients: int, seconds: float, store: Path, photo_bytes: int = 500_000, work: str = "sleep 0.05"
) -> Outcome:
    """Lets clients at a new server.

    Args:
        clients: at once.
        seconds: for which they begin new photos.
        store: of the server, a folder.
        photo_bytes: of each photo.
        work: first words of each photo, see :mod:`.stub_engine`.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    )
    server = Server(store, store.with_name("load.log"), engine=STUB, queue=16, keep_results=100)
    try:
        return asyncio.run(_all(server, clients, seconds, photo_bytes, work))
    finally:
        server.end()


async def _all(server: Server, clients: int, seconds: float, size: int, work: str) -> Outcome:
    outcome = Outcome()
    until = time.monotonic() + seconds
    async with httpx.AsyncClient(
        base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=None)
    ) as http:
        while not (await http.get("/healthz")).json()["ready"]:
            await asyncio.sleep(0.1)
        watching = asyncio.create_task(_watch(server.process.pid, outcome))
        await asyncio.gather(*(_client(http, n, until, outcome, size, work) for n in range(clients)))
        watching.cancel()
    return outcome


async def _client(
    http: httpx.AsyncClient, number: int, until: float, outcome: Outcome, size: int, work: str
) -> None:
    sent = 0
    while time.monotonic() < until:
        photo = f"{work} client {number} photo {sent} ".encode().ljust(size, b".")
        sent += 1
        begun = time.monotonic()
        answer = await http.post("/v1/reconstructions", files={"photo": photo})
        if answer.status_code == 429:
            outcome.refused += 1
            await asyncio.sleep(int(answer.headers["retry-after"]))
            continue
        assert answer.status_code == 202, answer.text
        outcome.accepted += 1
        url = answer.json()["url"]
        last: dict[str, Any] = {}
        async with http.stream("GET", f"{url}/events") as events:
            async for line in events.aiter_lines():
                if line.startswith("data: "):
                    last = json.loads(line[6:])
        outcome.waits.append(time.monotonic() - begun)
        back = await http.get(f"{url}/files/photo.jpg")
        if last.get("status") == "done" and back.content == photo:
            outcome.good += 1
        else:
            outcome.lost.append(f"{url}: {last.get('status')}, {back.status_code}")


async def _watch(pid: int, outcome: Outcome) -> None:
    while True:
        outcome.server_mib.append(_resident(pid))
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if children.exists():
            outcome.worker_mib.append(sum(_resident(int(child)) for child in children.read_text().split()))
        await asyncio.sleep(1)


def _resident(pid: int) -> float:
    """Memory of a process in MiB; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_load(clients=options.clients, seconds=options.seconds, store=Path(folder) / "store")
    print(json.dumps(outcome.summary(), indent=2))
    for line in outcome.lost[:10]:
        print(line)


if __name__ == "__main__":
    _main()

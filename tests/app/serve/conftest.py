"""Servers for tests: with an engine that has no models, and one with all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs wholeface[serve]")
pytest.importorskip("httpx", reason="the test client needs httpx")

from fastapi.testclient import TestClient

from wholeface.app.serve import ServeSettings, create_app

_HERE = str(Path(__file__).parent)
STUB = "stub_engine:StubEngine"


@pytest.fixture(scope="session", autouse=True)
def _workers_find_the_stub() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [_HERE, os.environ.get("PYTHONPATH", "")])))
        yield


Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """``with serve(queue=2, …) as client``: a running application; keywords are those of ServeSettings."""

    @contextmanager
    def running(**chosen: Any) -> Iterator[TestClient]:
        said: list[str] = []
        app = create_app(ServeSettings(**{"engine": STUB, **chosen}), log=said.append)
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            client.said = said  # type: ignore[attr-defined]
            yield client

    return running


def send(client: TestClient, photo: bytes = b"photo", **fields: Any) -> str:
    """Address of a new reconstruction."""
    answer = client.post("/v1/reconstructions", files={"photo": ("x.jpg", photo)}, data=fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["url"])


def told(client: TestClient, url: str) -> list[dict[str, Any]]:
    """What the events of a reconstruction tell, to its end."""
    events = [block.split("\n") for block in client.get(f"{url}/events").text.split("\n\n") if block]
    return [json.loads(lines[1][6:]) for lines in events if lines[0] == "event: status"]


class Server:
    """A server in a process of its own.

    Args:
        store: its folder.
        log: where its standard error goes.
        settings: further ones of ServeSettings.
    """

    def __init__(self, store: Path, log: Path, **settings: Any) -> None:
        code = (
            "import json, socket, sys, uvicorn\nfrom pathlib import Path\n"
            "from wholeface.app.serve import ServeSettings, create_app\n"
            "chosen = json.loads(sys.argv[2])\n"
            "app = create_app(ServeSettings(store=Path(sys.argv[1]), **chosen))\n"
            "listener = socket.create_server(('127.0.0.1', 0))\n"
            "print(listener.getsockname()[1], flush=True)\n"
            "uvicorn.Server(uvicorn.Config(app, log_level='warning')).run(sockets=[listener])\n"
        )
        words = [sys.executable, "-c", code, str(store), json.dumps(settings)]
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        port = self.process.stdout.readline().strip()
        assert port, log.read_text()
        self.url = f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        """As the system would for want of memory."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until something is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(0.05)

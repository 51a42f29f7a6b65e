"""What ``serve`` and ``view`` share: words, the extra that they need, and running until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

from ...core.errors import OutputError, UsageError
from ._terminal import say

if TYPE_CHECKING:
    from ..serve import ServeSettings

__all__ = ["add_address", "need_the_extra", "run_server", "token_of"]

_TOKEN = "WHOLEFACE_TOKEN"


def add_address(parser: argparse.ArgumentParser, port: int) -> None:
    """Add ``--host``, ``--port`` and ``--token``."""
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="NAME",
        help="address to listen on (default: 127.0.0.1, which this machine alone reaches)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=_port, default=port, metavar="N", help=f"TCP port (default: {port}; 0: any free one)"
    )
    parser.add_argument(
        "--token", metavar="TEXT",
        help=f"what requests must show; at least 12 characters (better in ${_TOKEN}, which others cannot list)",
    )  # fmt: skip


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: a port from 0 to 65535")
    return int(text)


def token_of(options: argparse.Namespace) -> str | None:
    """That of the command line, else of the environment, else none."""
    return options.token or os.environ.get(_TOKEN) or None


def need_the_extra() -> None:
    """Raises:
    UsageError: FastAPI or what it needs is not installed.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{error.name} is not installed; the server needs: pip install 'wholeface[serve]'"
        ) from error


def run_server(app: Any, settings: ServeSettings, *, greeting: str, browse: bool = False) -> int:
    """Serves an application until it is interrupted; says where, once that is settled.

    Args:
        app: ASGI application.
        settings: host, port, token.
        greeting: line with ``{url}`` in it.
        browse: open the page in the browser.

    Raises:
        OutputError: the port is taken, or the address is not this machine's.
    """
    import uvicorn

    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    say(greeting.format(url=url))
    if browse:
        import webbrowser

        with contextlib.suppress(Exception):  # a machine without a browser
            webbrowser.open(f"{url}#token={settings.token}" if settings.token else url)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, date_header=True,
        limit_concurrency=512, timeout_keep_alive=15, timeout_graceful_shutdown=3,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot listen on {host}:{port}: {reason}; choose another --port or --host"
        ) from error

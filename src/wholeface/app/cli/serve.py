"""``wholeface serve``: a page and a service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ._serving import add_address, need_the_extra, run_server, token_of
from ._terminal import say
from ._words import named, path_of

_DESCRIPTION = """\
A page in the browser, and a service for programs: photos in, heads out. It needs wholeface[serve], and nothing
from the internet.

  GET    /                                  the page
  POST   /v1/reconstructions                photo (field `photo`) and options in, {"id", "status"} out
  GET    /v1/reconstructions/ID             queued, running, done or failed, and why
  GET    /v1/reconstructions/ID/events      progress as server-sent events
  GET    /v1/reconstructions/ID/files/NAME  1/face.glb, everything.zip, ...
  DELETE /v1/reconstructions/ID             photo and result are deleted
  GET    /healthz, /readyz, /metrics        for whoever watches over it (Prometheus)
  GET    /docs, /openapi.json               all of this in detail

Photos wait in a queue; when it is full, further ones are refused with 429 and Retry-After. Results expire. With
--store they outlive the server, also a killed one; without it they go with it.
"""

_EPILOG = """\
examples:
  wholeface serve                                         then open http://127.0.0.1:8000/
  wholeface serve --workers 2 --store results --keep 24h
  WHOLEFACE_TOKEN=... wholeface serve --host 0.0.0.0      for other machines; put https in front of it
"""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(text: str) -> float:
    number, unit = (text[:-1], text[-1]) if text[-1:] in _SECONDS else (text, "s")
    try:
        seconds = float(number) * _SECONDS[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: a time, e.g. 90s, 30m, 24h or 7d")
    return seconds


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r}: a number, 1 or more")
    return int(text)


def _millions(text: str) -> int:
    number = text[:-1] if text[-1:] in ("M", "m") else text
    if not number.isdecimal() or not 0 < len(number) <= 12 or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a number, e.g. 50M")
    return int(number) * (1_000_000 if number != text else 1)


def add_serve_parser(commands: Any) -> None:
    """Add ``serve`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "serve",
        help="a page in the browser, and a service for programs",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_address(parser, 8000)
    parser.add_argument(
        "--store", type=path_of, metavar="FOLDER",
        help="keep uploads and results here, readable by you alone (default: a temporary folder)",
    )  # fmt: skip
    parser.add_argument("--workers", type=_count, default=1, metavar="N",
                        help="processes that reconstruct, each with the models in memory (default: 1)")  # fmt: skip
    parser.add_argument("--queue", type=_count, default=16, metavar="N",
                        help="photos that may wait (default: 16)")  # fmt: skip
    parser.add_argument("--keep", type=_duration, default=3600.0, metavar="TIME",
                        help="how long results are kept (default: 1h)")  # fmt: skip
    parser.add_argument("--keep-results", type=_count, default=200, metavar="N",
                        help="how many at most; the oldest go first (default: 200)")  # fmt: skip
    parser.add_argument("--max-bytes", type=_millions, default=25 << 20, metavar="N",
                        help="of a photo's file (default: 25 MiB)")  # fmt: skip
    parser.add_argument("--max-pixels", type=_millions, default=50_000_000, metavar="N",
                        help="of a photo (default: 50M)")  # fmt: skip
    parser.add_argument("--max-faces", type=_count, default=5, metavar="N",
                        help="of a photo, the largest (default: 5)")  # fmt: skip
    parser.add_argument("--max-seconds", type=_duration, default=300.0, metavar="TIME",
                        help="for a photo; its worker is ended then (default: 300s)")  # fmt: skip
    parser.add_argument("--max-texture-size", type=_count, default=2048, metavar="N",
                        help="that a request may ask for (default: 2048)")  # fmt: skip
    parser.add_argument("--allow-host", dest="hosts", action="append", default=[], type=named, metavar="NAME",
                        help="a name by which it may be called (on 127.0.0.1: its own)")  # fmt: skip
    parser.add_argument("--method", default="auto", help="which system runs (default: auto)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need_the_extra()
    from ..serve import ServeSettings, create_app
    from ..serve.settings import is_loopback

    if options.method.endswith(".py") and not Path(options.method).is_file():
        raise UsageError(f"method {options.method}: no such file")
    names = ("host", "port", "store", "workers", "queue", "max_bytes", "max_pixels", "max_faces", "max_seconds",
             "max_texture_size", "keep_results", "method", "device")  # fmt: skip
    settings = ServeSettings(
        **{name: getattr(options, name) for name in names},
        keep_seconds=options.keep,
        token=token_of(options),
        hosts=tuple(options.hosts),
    )
    if settings.token is None and not is_loopback(settings.host):
        say(
            "wholeface: note: without --token everybody who reaches this machine may use the server",
            sys.stderr,
        )
    greeting = "WholeFace is at {url} (the models are loading; Ctrl-C ends it)"
    return run_server(create_app(settings), settings, greeting=greeting, browse=options.open)

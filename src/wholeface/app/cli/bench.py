"""``wholeface bench``: measurements, one subcommand per protocol."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ._words import path_of
from .bench_protocol import LazyParser, add_protocols


def add_bench_parser(commands: Any) -> None:
    """Add ``bench`` and its protocols to the subparsers ``commands``."""
    parser = commands.add_parser(
        "bench", help="measure speed and accuracy", description="Measure, print a table."
    )
    protocols = parser.add_subparsers(
        dest="protocol", metavar="PROTOCOL", required=True, parser_class=LazyParser
    )
    _add_all(protocols)
    add_protocols(protocols)


def _add_all(protocols: Any) -> None:
    everything = protocols.add_parser(
        "all",
        help="every protocol, each in a process of its own, and one table",
        description="Runs every protocol on its own synthetic or built-in set and prints one line for each. What "
        "fails is reported and the rest goes on; the exit code is then 1.",
    )
    everything.add_argument(
        "--quick", action="store_true", help="miniature sets: at most 5 minutes on two cores"
    )
    everything.add_argument(
        "--systems",
        metavar="LIST",
        help="between commas (default: mean face, wholeface and, if installed, mediapipe)",
    )
    everything.add_argument(
        "--data", type=path_of, metavar="DIR", help="source material, for the protocols that can use it"
    )
    everything.add_argument("--only", metavar="LIST", help="some protocols, between commas (default: all)")
    everything.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    everything.add_argument(
        "--jobs", type=int, metavar="N", help="protocols at a time (default: one per core, at most 2)"
    )
    everything.add_argument("--json", type=path_of, metavar="FILE", help="also write all records as JSON")
    everything.add_argument(
        "-o", "--out", type=path_of, metavar="DIR", help="also write images, files and tables there"
    )
    everything.set_defaults(run=_all)


def _all(options: argparse.Namespace) -> int:
    from ...lab.bench import all_protocols

    result = all_protocols.run_all(
        quick=options.quick,
        data=options.data,
        systems=None if options.systems is None else _split(options.systems),
        only=None if options.only is None else _split(options.only),
        seed=options.seed,
        jobs=options.jobs,
        out=options.out,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(result.text())
    if options.json is not None:
        from ...lab.bench.report.outputs import write_json

        write_json(options.json, result.record())
        print(f"written: {options.json}", file=sys.stderr)
    if options.out is not None:
        print(f"written: what each protocol printed and drew, in {options.out}", file=sys.stderr)
    return 1 if result.failed else 0


def _split(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]

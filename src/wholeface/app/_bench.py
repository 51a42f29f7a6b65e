"""``wholeface bench``: measurements, one subcommand per protocol."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ._bench_protocol import LazyParser, add_protocols
from ._words import path_of


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

    speed = protocols.add_parser("speed", help="time and memory of each room, end to end, on this machine")
    speed.add_argument(
        "photos", nargs="*", help="photos to time (default: example pictures of installed packages)"
    )
    speed.add_argument("--repeat", type=int, default=5, help="runs after the first (default: 5)")
    speed.add_argument("--json", type=path_of, metavar="FILE", help="also write the rows as JSON")
    speed.add_argument(
        "--short",
        action="store_true",
        help="without the batch of 32 photos and those of 12 to 108 megapixels",
    )
    speed.set_defaults(run=_speed)

    render = protocols.add_parser("render", help="rasteriser, shading and the differentiable chain")
    render.set_defaults(run=_render)

    occluders = protocols.add_parser("occluders", help="occluder masks against hand-drawn ones")
    occluders.add_argument(
        "--data", type=path_of, required=True, help="folder with photo_XX.png, _face.png, _occluder.png"
    )
    occluders.add_argument("-o", "--out", type=path_of, required=True, help="folder for the results")
    occluders.set_defaults(run=_occluders)

    shrinkage = protocols.add_parser(
        "shrinkage", help="does the fitted identity beat the mean face, and at what strength"
    )
    shrinkage.add_argument("--json", type=path_of, metavar="FILE", help="also write the table as JSON")
    shrinkage.add_argument("--data", type=path_of, help="video_faces folder for the same-person table")
    shrinkage.add_argument("--count", type=int, default=80, help="held-out synthetic faces (default: 80)")
    shrinkage.set_defaults(run=_shrinkage)

    perception = protocols.add_parser(
        "perception",
        help="detector, landmarks, fitted shape, parsing, masks and speed of the networks, beside mediapipe",
        description="Held-out synthetic faces, held-out portraits and annotated photos; all from fixed seeds.",
    )
    perception.add_argument("--count", type=int, default=50, help="pictures per set (default: 50)")
    perception.add_argument(
        "--data", type=path_of, help="folder of source material (default: synthetic faces only)"
    )
    perception.add_argument(
        "--weights",
        type=path_of,
        metavar="DIR",
        help="weight files or training runs (default: the shipped weights)",
    )
    perception.add_argument("--json", type=path_of, metavar="FILE", help="also write the tables as JSON")
    perception.add_argument(
        "--sheet", type=path_of, metavar="FILE", help="also write a contact sheet of the annotated photos"
    )
    perception.add_argument(
        "--only", metavar="PARTS", help="some of detector,landmarks,shape,parsing,speed (default: all)"
    )
    perception.add_argument("--no-teacher", action="store_true", help="leave mediapipe out")
    perception.add_argument("--seed", type=int, default=0, help="of the pictures (default: 0)")
    perception.set_defaults(run=_perception)


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
    everything.add_argument("--only", metavar="LIST", help="some protocols, between commas (default: all)")
    everything.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    everything.add_argument(
        "--jobs", type=int, metavar="N", help="protocols at a time (default: one per core, at most 2)"
    )
    everything.add_argument("--json", type=path_of, metavar="FILE", help="also write all records as JSON")
    everything.add_argument(
        "-o", "--out", type=path_of, metavar="DIR", help="also write pictures, files and tables there"
    )
    everything.set_defaults(run=_all)


def _all(options: argparse.Namespace) -> int:
    from ..bench import all_protocols

    result = all_protocols.run_all(
        quick=options.quick,
        systems=None if options.systems is None else _split(options.systems),
        only=None if options.only is None else _split(options.only),
        seed=options.seed,
        jobs=options.jobs,
        out=options.out,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(result.text())
    if options.json is not None:
        from ..bench.outputs import write_json

        write_json(options.json, result.record())
        print(f"written: {options.json}", file=sys.stderr)
    if options.out is not None:
        print(f"written: what each protocol printed and drew, in {options.out}", file=sys.stderr)
    return 1 if result.failed else 0


def _split(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _speed(options: argparse.Namespace) -> int:
    from ..bench import speed

    return speed.run(options.photos, repeat=options.repeat, json_file=options.json, large=not options.short)


def _render(options: argparse.Namespace) -> int:
    from ..bench import render_speed

    return render_speed.run()


def _occluders(options: argparse.Namespace) -> int:
    from ..bench import occluders

    return occluders.run(options.data, options.out)


def _shrinkage(options: argparse.Namespace) -> int:
    from ..bench import shrinkage

    return shrinkage.run(count=options.count, data=options.data, json_file=options.json)


def _perception(options: argparse.Namespace) -> int:
    from ..bench import perception

    return perception.run(
        count=options.count,
        data=options.data,
        weights=options.weights,
        json_file=options.json,
        sheet=options.sheet,
        only=perception.PARTS if options.only is None else options.only.split(","),
        teacher=not options.no_teacher,
        seed=options.seed,
    )

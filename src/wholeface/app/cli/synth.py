"""``wholeface synth``: training images with everything that is known about them."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError
from ._progress import progress_bar
from ._words import path_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...lab.data import FaceSample, IndexedSource

_SHEET_SAMPLES = 24
_SHEET_COLUMNS = 2
_TILE = 192
_PER_WORKER = 16  # a process takes seconds to start: not for fewer samples than this

_DESCRIPTION = """\
Make training images: faces with glasses, masks, hands, hair and other occluders in front of them, and the
truth about each. The faces are rendered from the face model; with --data, photos and more occluders come in.

OUT/contact_sheet.png shows the first samples: image with its landmarks (green = visible, red = occluded,
blue = turned away), the same image without occluders, parsing map, occluders. Look at it first.

Each sample has a folder OUT/00000000/ with

  photo.png      the image
  clean.png      the same image without the occluders
  face.png       255 = the face, hidden parts included
  parsing.png    class of each pixel    (viewers show colours; the values are wholeface.perceive.ParsingClass)
  occluder.png   kind of occluder, 0 = none           (the same; the values are wholeface.perceive.OccluderKind)
  labels.json    68 and dense landmarks in pixels, which are visible, parameters of the rendering, source, seed

or, with --shards, OUT/faces-000000.tar, … holds the same files as a WebDataset.
"""

_EPILOG = """\
examples:
  wholeface synth --count 24 -o look                       a first look
  wholeface synth --count 100000 -o train --shards         for a cluster
  wholeface synth --count 1000 -o test --held-out          faces and occluders that training never sees
  wholeface synth --count 100 -o hands --occluders hands=1,others=0

The same --seed, --size and --data give the same samples, whatever --workers and --count are; --start goes on where
an earlier run ended.
"""


@dataclass(frozen=True)
class _Recipe:
    """What the samples are made from; travels to the worker processes."""

    data: Path | None
    seed: int
    size: int
    held_out: bool
    clean: float
    occluders: tuple[tuple[str, float], ...]  # weight of each kind, or empty for the usual ones
    geometry: bool = False

    def make(self) -> IndexedSource:
        """The data engine."""
        from ...lab.data.engine import EngineSettings, FaceEngine
        from ...lab.data.synthetic.faces import SyntheticSettings

        settings = EngineSettings(
            clean=self.clean,
            occluders=dict(self.occluders) or None,
            synthetic=SyntheticSettings(geometry=self.geometry),
        )
        split = "held_out" if self.held_out else "train"
        return FaceEngine(self.data, seed=self.seed, size=self.size, split=split, settings=settings)


def _occluder_weights(factors: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    """The usual weight of each kind times its factor; ``others`` stands for all kinds that are not named."""
    from ...lab.data.occluders import DEFAULT_WEIGHTS

    if not factors:
        return ()
    named = dict(factors)
    others = named.pop("others", 1.0)
    unknown = sorted(set(named) - set(DEFAULT_WEIGHTS))
    if unknown:
        raise UsageError(
            f"unknown occluder {unknown[0]!r}; known are {', '.join(DEFAULT_WEIGHTS)}, and others"
        )
    weights = {name: usual * named.get(name, others) for name, usual in DEFAULT_WEIGHTS.items()}
    if not any(weights.values()):
        raise UsageError("no kind of occluder is left; for images with nothing in front use --clean 1")
    return tuple(weights.items())


def add_synth_parser(commands: Any) -> None:
    """Add ``synth`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "synth",
        help="make training images of partly hidden faces, with the truth about each",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--count", type=_at_least(1), required=True, metavar="N", help="how many samples to make"
    )
    parser.add_argument(
        "-o", "--out", type=path_of, required=True, metavar="OUT", help="folder for the samples (is created)"
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="S", help="another seed, other samples (default: 0)"
    )
    parser.add_argument(
        "--start", type=_at_least(0), default=0, metavar="I", help="number of the first sample (default: 0)"
    )
    parser.add_argument(
        "--size",
        type=_at_least(32),
        default=256,
        metavar="PX",
        help="edge of the images in pixels (default: 256)",
    )
    parser.add_argument(
        "--workers", type=_at_least(1), metavar="W", help="processes (default: one for each core)"
    )
    parser.add_argument(
        "--data",
        type=path_of,
        metavar="DIR",
        help="folder with portraits/ and occluders/ to mix in (default: none; everything is rendered or procedural)",
    )
    parser.add_argument("--held-out", action="store_true", help="the part that training never draws from")
    parser.add_argument(
        "--occluders",
        type=_weights,
        default=(),
        metavar="LIST",
        help="how often each kind comes: 1 = as usual, 0 = never, others = all that are not named; e.g. "
        "hands=2,hair=0. Kinds: glasses, hair, hands, hats, masks, objects, patches, scarves, sunglasses",
    )
    parser.add_argument(
        "--clean",
        type=_share,
        default=0.25,
        metavar="SHARE",
        help="share of images with nothing in front of the face (default: 0.25)",
    )
    parser.add_argument("--shards", action="store_true", help="write WebDataset shards instead of folders")
    parser.add_argument(
        "--per-shard", type=_at_least(1), default=1000, metavar="N", help="samples in a shard (default: 1000)"
    )
    parser.add_argument(
        "--geometry", action="store_true", help="also write depth and normals of renderings (1 MB a sample)"
    )
    parser.set_defaults(run=_run)


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}: a whole number, {least} or more")
        return int(text)

    return number


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a share from 0 to 1")
    return share


def _weights(text: str) -> tuple[tuple[str, float], ...]:
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            weight = -1.0
        if not name or name in weights or not 0 <= weight < float("inf"):
            raise argparse.ArgumentTypeError(
                f"{part!r}: write each kind once, with a weight of 0 or more, e.g. hands=2,hair=0"
            )
        weights[name] = weight
    return tuple(sorted(weights.items()))


@dataclass(frozen=True)
class _Made:
    """What the parent process hears of a sample."""

    files: dict[str, bytes] | None
    panel: NDArray[np.uint8] | None


def _write_folder(out: Path, sheet_end: int, geometry: bool, index: int, sample: FaceSample) -> _Made:
    from ...lab.data import write_sample

    write_sample(sample, out / f"{index:08d}", geometry=geometry)
    return _Made(None, _panel(sample) if index < sheet_end else None)


def _encode(sheet_end: int, geometry: bool, index: int, sample: FaceSample) -> _Made:
    from ...lab.data import encode_sample

    files = encode_sample(sample, geometry=geometry)
    return _Made(files, _panel(sample) if index < sheet_end else None)


def _panel(sample: FaceSample) -> NDArray[np.uint8]:
    from ...lab.data import sample_panel

    return sample_panel(sample, _TILE)


def _run(options: argparse.Namespace) -> int:
    from ...export import write_png
    from ...lab.data import contact_sheet, in_workers, write_encoded_shards

    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give a folder with -o")
    if options.data is not None and not options.data.is_dir():
        raise UsageError(f"{options.data}: no such folder (--data)")
    recipe = _Recipe(
        options.data,
        options.seed,
        options.size,
        options.held_out,
        options.clean,
        _occluder_weights(options.occluders),
        options.geometry,
    )
    indices = range(options.start, options.start + options.count)
    workers = options.workers or min(_cores(), max(1, options.count // _PER_WORKER))

    sheet_end = options.start + _SHEET_SAMPLES
    work = (
        partial(_encode, sheet_end, options.geometry)
        if options.shards
        else partial(_write_folder, out, sheet_end, options.geometry)
    )
    panels: list[NDArray[np.uint8]] = []
    times = [time.monotonic()]
    with progress_bar(shown=True) as bar:
        task = bar.add_task("samples", total=options.count)

        def made() -> Any:
            for done in in_workers(recipe.make, work, indices, workers=workers):
                if done.panel is not None:
                    panels.append(done.panel)
                bar.advance(task)
                times[1:] = [times[1] if len(times) > 1 else time.monotonic(), time.monotonic()]
                yield done.files

        if options.shards:
            shards = write_encoded_shards(made(), out, per_shard=options.per_shard, first_key=options.start)
        else:
            for _ in made():
                pass
    sheet = write_png(out / "contact_sheet.png", contact_sheet(panels, columns=_SHEET_COLUMNS), compact=True)
    where = f"{len(shards)} shard{'s' * (len(shards) > 1)} in {out}" if options.shards else f"{out}"
    begun, first, last = times
    # The first sample also waits for processes to start and kernels to compile.
    rate = f" ({(options.count - 1) / (last - first):.0f} a second once started)" if last > first else ""
    print(f"{options.count} samples in {where}, {last - begun:.1f} s{rate}; look at {sheet}")
    return 0


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

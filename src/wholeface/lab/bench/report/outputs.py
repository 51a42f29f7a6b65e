"""One protocol from options to files: runs it, says what to print, writes JSON, images and further files."""

from __future__ import annotations

import inspect
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ....core.errors import OutputError, UsageError
from ..protocol import Missing, Protocol, Report, RunOptions
from .provenance import Provenance, gather, report_record

__all__ = ["Outcome", "missing_lines", "printed", "run_protocol", "write_json", "write_outputs"]

_VALIDATION = 10_000_000  # added to its seeds: no series of the test begins there
_SEEDS = 1_000_000  # more would reach the other split's
_SHOWN = 10  # missing items that are printed one by one


@dataclass(frozen=True)
class Outcome:
    """A protocol that has run.

    Args:
        report: what it found.
        record: for JSON.
        provenance: what it was measured with and on.
        seconds: that it took.
    """

    report: Report
    record: Mapping[str, Any]
    provenance: Provenance
    seconds: float


def run_protocol(protocol: Protocol, options: RunOptions, own: Mapping[str, Any] | None = None) -> Outcome:
    """Run it and record it.

    Args:
        protocol: to run.
        options: that all protocols have.
        own: the protocol's own options.

    Raises:
        UsageError: an option is out of range, the data are missing, or the protocol does not know an own option.
        DataError: the data are damaged.
    """
    own = dict(own or {})
    if options.count is not None and options.count < 1:
        raise UsageError(f"--count {options.count}: at least 1")
    if not 0 <= options.seed < _SEEDS:
        raise UsageError(f"--seed {options.seed}: at least 0 and below {_SEEDS:,}")
    if options.data is not None and not options.data.exists():
        raise UsageError(f"--data {options.data}: no such folder")
    if options.data is None and protocol.needs_data:
        raise UsageError(
            f"bench {protocol.name} has no set of its own: name the folder of its data with --data"
        )
    known = inspect.signature(protocol.run).parameters
    catch_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    unknown = [name for name in own if name not in known]
    if unknown and not catch_all:
        raise UsageError(f"bench {protocol.name} does not know the option {unknown[0]!r}")
    provenance = gather(options.seed)
    start = time.perf_counter()
    drawn = replace(options, seed=options.seed + _VALIDATION) if options.split == "validation" else options
    report = protocol.run(drawn, **own)
    seconds = time.perf_counter() - start
    return Outcome(
        report, report_record(protocol, options, own, report, seconds, provenance), provenance, seconds
    )


def missing_lines(missing: Sequence[Missing], shown: int = _SHOWN) -> list[str]:
    """One line for each item that was left out, at most ``shown`` of them, then how many more."""
    lines = [f"missing: {m.item}{f' ({m.system})' if m.system else ''}: {m.reason}" for m in missing[:shown]]
    if len(missing) > shown:
        lines.append(f"missing: and {len(missing) - shown} more")
    return lines


def printed(outcome: Outcome) -> str:
    """What people read: machine and commit, tables, what is missing."""
    about = outcome.provenance
    head = [
        about.machine,
        f"commit {about.commit or 'unknown'}, seed {about.seed}, faces by {about.detector}",
    ]
    if outcome.record["options"]["split"] == "validation":
        head.append("validation split: for choosing settings, not for reports")
    blocks = ["\n".join(head), *(table.text() for table in outcome.report.tables)]
    if lines := missing_lines(outcome.report.missing):
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def write_json(file: Path, record: Mapping[str, Any]) -> None:
    """The record as JSON, folders made.

    Raises:
        OutputError: it cannot be written.
    """
    _write(file, (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_outputs(report: Report, folder: Path) -> list[Path]:
    """Images as PNG and further files, in a folder that is made.

    Raises:
        OutputError: something cannot be written, or a name would leave the folder.
    """
    from ....export.images import encode_png

    written = []
    for stem, pixels in report.images.items():
        written.append(_inside(folder, f"{stem}.png"))
        _write(written[-1], encode_png(pixels))
    for name, text in report.files.items():
        written.append(_inside(folder, name))
        _write(written[-1], text.encode())
    return written


def _inside(folder: Path, name: str) -> Path:
    if not re.fullmatch(r"[^/\\\0][^\\\0]*", name) or ".." in Path(name).parts:
        raise OutputError(f"{name!r} is no name for a file inside {folder}")
    return folder / name


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error

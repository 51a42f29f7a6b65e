"""``wholeface bench all``: every protocol in a process of its own, one line each."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...core.errors import OutputError, UsageError
from .protocol import PROTOCOL_MODULES, load_protocol
from .report.provenance import SCHEMA, Provenance, gather, plain
from .report.table import Cell, Table

__all__ = ["AllResult", "Headline", "ProtocolRun", "headline", "run_all", "usual_systems"]

_ALONE = ("scaling", "speed", "render")  # measure time: nothing else may run beside it
_LONGEST = 600.0  # seconds after which a quick protocol is stopped
_MOST_JOBS = 2
_SHOWN_ERROR = 300  # characters


@dataclass(frozen=True)
class Headline:
    """The first metric of a protocol, for each system.

    Args:
        metric: what is measured, on which group and in which unit.
        values: system -> value, None where it has none (no item could be evaluated).
        better: whether ``lower`` or ``higher`` values are better, values near ``one``, or ``none`` of these.
        count: items that the least complete of these values rests on; ``total``: that it should rest on.
    """

    metric: str
    values: Mapping[str, float | None]
    better: str
    count: int
    total: int


@dataclass(frozen=True)
class ProtocolRun:
    """One protocol's process.

    Args:
        name: of the protocol.
        seconds: from its start to its exit.
        record: its JSON, or None where it failed.
        printed: its standard output.
        error: why it failed, or empty.
    """

    name: str
    seconds: float
    record: Mapping[str, Any] | None
    printed: str
    error: str = ""


@dataclass(frozen=True)
class AllResult:
    """All of them.

    Args:
        runs: in the order of :data:`PROTOCOL_MODULES`.
        systems: columns of the summary.
        provenance: of the whole run.
        quick: whether the miniature sets were used.
        seconds: from the first start to the last exit.
    """

    runs: Sequence[ProtocolRun]
    systems: Sequence[str]
    provenance: Provenance
    quick: bool
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Names of the protocols that failed."""
        return [run.name for run in self.runs if run.error]

    def table(self) -> Table:
        """The summary: one row for each protocol."""
        columns = [("protocol", ""), ("first number of its table", ""), *((s, ".4g") for s in self.systems)]
        columns += [("better", ""), ("n of m", ""), ("seconds", ".0f")]
        rows: list[Sequence[Cell]] = []
        notes: list[str] = []
        for run in self.runs:
            head = None if run.record is None else headline(run.record)
            if head is None:
                what = "FAILED" if run.error else "no numbers"
                rows.append((run.name, what, *(None for _ in self.systems), "", "", run.seconds))
                continue
            shown = [_shown(head, system) for system in self.systems]
            values = [None if name is None else head.values[name] for name in shown]
            others = {name: value for name, value in head.values.items() if name not in shown}
            if others:
                parts = (
                    f"{name} {'-' if value is None else format(value, '.4g')}"
                    for name, value in others.items()
                )
                notes.append(f"{run.name}, other rows: {'; '.join(parts)}")
            items = f"{head.count} of {head.total}" if head.total else ""
            better = {"none": "", "one": "near 1"}.get(head.better, head.better)
            rows.append((run.name, head.metric, *values, better, items, run.seconds))
        notes += [f"{run.name} failed: {run.error}" for run in self.runs if run.error]
        left = sum(len(run.record["missing"]) for run in self.runs if run.record is not None)
        if left:
            notes.append(f"items left out: {left}; each protocol's own table and JSON name them")
        title = "All protocols" + (", quick: miniature synthetic or built-in sets" if self.quick else "")
        return Table(title, columns, rows, notes)

    def text(self) -> str:
        """What people read."""
        about = self.provenance
        done = len(self.runs) - len(self.failed)
        return (
            f"{about.machine}\ncommit {about.commit or 'unknown'}, seed {about.seed}, faces by {about.detector}\n\n"
            f"{self.table().text()}\n\n{done} of {len(self.runs)} protocols ran"
        )

    def record(self) -> dict[str, Any]:
        """For JSON: schema 1, with the whole record of each protocol."""
        return {
            "schema": SCHEMA,
            "protocol": "all",
            "quick": self.quick,
            "seconds": round(self.seconds, 1),
            "provenance": plain(asdict(self.provenance)),
            "summary": plain(self.table().record()),
            "failed": {run.name: run.error for run in self.runs if run.error},
            "protocols": {run.name: run.record for run in self.runs if run.record is not None},
        }


def headline(record: Mapping[str, Any]) -> Headline | None:
    """The first metric of a protocol's record, with the values that all systems have of it; None without metrics.

    Args:
        record: see :func:`wholeface.lab.bench.report.provenance.report_record`.
    """
    metrics = record["metrics"]
    if not metrics:
        return None
    first = metrics[0]
    same = [m for m in metrics if (m["name"], m["group"]) == (first["name"], first["group"])]
    values: dict[str, float | None] = {}
    for metric in same:  # what rests on no item at all is no number, whatever stands there
        empty = metric["total"] > 0 and metric["count"] == 0
        values.setdefault(metric["system"], None if empty else metric["value"])
    least = min([m for m in same if m["count"]] or same, key=lambda m: m["count"] - m["total"])
    group = f" ({first['group']})" if first["group"] not in ("", "all") else ""
    unit = f", {first['unit']}" if first["unit"] not in ("", "1") else ""
    return Headline(f"{first['name']}{group}{unit}", values, first["better"], least["count"], least["total"])


def usual_systems() -> list[str]:
    """Who is compared where nobody is named: the mean face, ours, and mediapipe where it is installed."""
    found = importlib.util.find_spec("mediapipe") is not None
    return ["mean face", "wholeface", *(["mediapipe"] if found else [])]


def run_all(
    *,
    quick: bool,
    data: Path | None = None,
    systems: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    seed: int = 0,
    jobs: int | None = None,
    out: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> AllResult:
    """Run every protocol as ``wholeface bench NAME`` in a process of its own.

    Protocols that measure time run alone, after the others; those that need a package that is not installed are left
    out.

    Args:
        quick: on miniature sets.
        data: folder of source material for the protocols that can use it; without it those that have no set of
            their own are left out.
        systems: to compare; None takes :func:`usual_systems`.
        only: names of protocols, or None for all.
        seed: of everything random.
        jobs: processes at a time; None takes one per core, at most 2.
        out: folder for what each of them prints and draws, or None.
        progress: is told when a protocol has ended.

    Raises:
        UsageError: an unknown protocol, or an option out of range.
        OutputError: ``out`` cannot be written.
    """
    chosen = list(PROTOCOL_MODULES) if only is None else [name for name in PROTOCOL_MODULES if name in only]
    unknown = sorted(set(only or ()) - set(PROTOCOL_MODULES))
    if unknown or not chosen:
        raise UsageError(
            f"--only: no protocol {', '.join(unknown)}; there are: {', '.join(PROTOCOL_MODULES)}"
        )
    if seed < 0:
        raise UsageError(f"--seed {seed}: at least 0")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = min(_MOST_JOBS, cores) if jobs is None else jobs
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least 1")
    folders = {name: _material(name, data) for name in chosen}
    chosen = [name for name in chosen if folders[name] is not None]
    for name in list(chosen):
        lacking = [p for p in load_protocol(name).packages if importlib.util.find_spec(p) is None]
        if lacking:
            chosen.remove(name)
            progress(f"{name}: left out, it needs {', '.join(lacking)}; `wholeface bench {name}` says how")
    compared = usual_systems() if systems is None else list(systems)
    provenance = gather(seed)
    words = ["--systems", ",".join(compared), "--seed", str(seed), *(["--quick"] if quick else [])]
    # Two protocols beside each other compute with one thread each.
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if jobs > 1 else {})
    start = time.perf_counter()

    def one(name: str) -> ProtocolRun:
        own = dict(os.environ) if name in _ALONE else environment
        run = _run_one(
            name,
            [*words, *(folders[name] or ())],
            own,
            None if out is None else out / name,
            _LONGEST if quick else None,
        )
        progress(f"{name}: {'failed' if run.error else 'done'} after {run.seconds:.0f} s")
        return run

    with ThreadPoolExecutor(jobs) as pool:
        runs = {run.name: run for run in pool.map(one, [n for n in chosen if n not in _ALONE])}
    for name in chosen:
        if name in _ALONE:
            runs[name] = one(name)
    return AllResult(
        [runs[name] for name in chosen], compared, provenance, quick, time.perf_counter() - start
    )


def _material(name: str, data: Path | None) -> list[str] | None:
    """The words that give a protocol its folder of the source material; None where it cannot run without."""
    protocol = load_protocol(name)
    folder = None if data is None or not protocol.material else data / protocol.material
    if folder is not None and folder.is_dir():
        return ["--data", str(folder)]
    return None if protocol.needs_data else []


def _run_one(
    name: str, words: Sequence[str], environment: Mapping[str, str], out: Path | None, longest: float | None
) -> ProtocolRun:
    with tempfile.TemporaryDirectory(prefix="wholeface-bench-") as folder:
        file = Path(folder) / "record.json"
        command = [sys.executable, "-m", "wholeface.app.cli", "bench", name, *words, "--json", str(file)]
        command += [] if out is None else ["--out", str(out)]
        start = time.perf_counter()
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=dict(environment), timeout=longest
            )
            error = "" if done.returncode == 0 else _last_line(done.stderr) or f"exit code {done.returncode}"
            printed = done.stdout
        except subprocess.TimeoutExpired:
            printed, error = "", f"stopped after {longest:.0f} s"
        seconds = time.perf_counter() - start
        record: Mapping[str, Any] | None = None
        if not error:
            try:
                record = json.loads(file.read_text())
            except (OSError, ValueError) as problem:
                error = f"its record cannot be read ({problem})"
    if out is not None and printed:
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{name}.txt").write_text(printed)
            if record is not None:
                (out / f"{name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        except OSError as problem:
            raise OutputError(f"{out} cannot be written: {problem.strerror or problem}") from problem
    return ProtocolRun(name, seconds, record, printed, error)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("wholeface: ")[:_SHOWN_ERROR] if lines else ""


def _shown(head: Headline, system: str) -> str | None:
    """The row of this system, or of the only part of it that was measured (``wholeface network``)."""
    if system in head.values:
        return system
    word = system.partition("=")[0].removeprefix("folder:")
    parts = [name for name in head.values if name == word or name.startswith(f"{word} ")]
    return parts[0] if len(parts) == 1 else None

"""What a measurement was taken with and on, and its record as JSON (schema 1)."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..protocol import Protocol, Report, RunOptions
from .machine import machine_line

__all__ = ["SCHEMA", "Provenance", "commit", "gather", "plain", "report_record", "weight_hashes"]

SCHEMA = 1
_ASSETS = Path(__file__).resolve().parents[3] / "assets"


@dataclass(frozen=True)
class Provenance:
    """Everything that a number may hang on besides its own settings.

    Args:
        package: version of wholeface.
        commit: of the source tree that ran, with a ``+`` where it was changed since; empty when unknown.
        machine: processor, cores, Python, torch and its threads in one line.
        platform: operating system.
        python: version; ``torch`` and ``numpy``: theirs.
        threads: that torch computes with.
        device: on which the networks ran.
        detector: which front end finds faces where nobody asks for one.
        weights: file name -> SHA-256 of every shipped weight file, the face model included.
        seed: of everything random.
        time: when it was measured, UTC.
    """

    package: str
    commit: str
    machine: str
    platform: str
    python: str
    torch: str
    numpy: str
    threads: int
    device: str
    detector: str
    weights: Mapping[str, str]
    seed: int
    time: str


def commit(folder: Path | None = None) -> str:
    """Of the source tree in ``folder`` (None: this package's), with a ``+`` where changed; empty when unknown."""
    where = Path(__file__).parent if folder is None else folder
    words = ["git", "-C", str(where), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def weight_hashes(folder: Path | None = None) -> dict[str, str]:
    """SHA-256 of every ``.safetensors`` file in a folder, by file name.

    Args:
        folder: None takes the shipped weights.
    """
    files = sorted((_ASSETS if folder is None else folder).glob("*.safetensors"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def gather(seed: int, *, device: str = "cpu") -> Provenance:
    """The provenance of a measurement that starts now."""
    import torch

    from .... import __version__

    return Provenance(
        package=__version__,
        commit=commit(),
        machine=machine_line(),
        platform=platform.platform(terse=True),
        python=platform.python_version(),
        torch=str(torch.__version__),
        numpy=np.__version__,
        threads=torch.get_num_threads(),
        device=device,
        detector="wholeface",
        weights=weight_hashes(),
        seed=seed,
        time=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )


def plain(value: Any) -> Any:
    """A value as JSON can hold it: no NaN (null), no machine's folders (last name only), lists and mappings."""
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]
    if isinstance(value, os.PathLike):
        return Path(value).name
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def report_record(
    protocol: Protocol,
    options: RunOptions,
    own: Mapping[str, Any],
    report: Report,
    seconds: float,
    provenance: Provenance,
) -> dict[str, Any]:
    """What is written as JSON: schema 1.

    Args:
        protocol: that ran.
        options: that it was given; ``own``: its own options.
        report: what it found.
        seconds: that it took.
        provenance: what it was measured with and on.

    Returns:
        ``schema``, ``protocol``, ``title``, ``source``, ``provenance``, ``options``, ``settings``, ``seconds``,
        ``metrics``, ``tables``, ``missing``, and the names of ``images`` and ``files``.
    """
    return {
        "schema": SCHEMA,
        "protocol": protocol.name,
        "title": protocol.title,
        "source": protocol.source,
        "provenance": plain(asdict(provenance)),
        "options": plain({**asdict(options), "systems": _without_paths(options.systems), **own}),
        "settings": plain(dict(report.settings)),
        "seconds": round(seconds, 2),
        "metrics": [plain(asdict(metric)) for metric in report.metrics],
        "tables": [plain(table.record()) for table in report.tables],
        "missing": [plain(asdict(missing)) for missing in report.missing],
        "images": sorted(report.images),
        "files": sorted(report.files),
    }


def _without_paths(systems: Any) -> list[str]:
    """``folder:MICA=/long/path/results`` becomes ``folder:MICA=results``."""
    shown = []
    for name in systems:
        word, equals, value = name.partition("=")
        shown.append(word + equals + (Path(value).name if value else ""))
    return shown

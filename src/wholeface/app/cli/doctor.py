"""``wholeface doctor``: what is installed, what of it works, where the weights lie, how fast this machine is."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ... import __version__
from ...core.errors import WholeFaceError
from ._terminal import reason_of, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Finding", "add_doctor_parser", "examine"]

_DESCRIPTION = """\
Says what is installed, whether it works, where the weights lie and whether they are whole, and how fast this
machine makes a head (of a face that is rendered for the purpose). Send what it prints along when you report a
problem; --json is for programs.

exit code: 0 all is well (what is optional may be missing), 1 something is broken
"""

State = Literal["ok", "absent", "broken"]
_SIGNS: dict[State, str] = {"ok": "ok", "absent": "--", "broken": "!!"}
_PACKAGES = ("torch", "numpy", "scipy", "numba", "pillow", "safetensors")
_MODULES = {  # extra -> modules of it that must import
    "heic": ("pillow_heif",),
    "models": ("h5py",),
    "body-models": ("body_models",),
    "train": ("lightning_fabric",),
    "bench": ("matplotlib",),
    "eos": ("eos",),
    "serve": ("fastapi", "uvicorn", "python_multipart", "prometheus_client"),
    "onnx": ("onnx", "onnxruntime"),
    "mediapipe": ("mediapipe",),
}
_SIZE = 512  # pixels of the rendered photo


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        group: ``machine``, ``packages``, ``extras``, ``weights``, ``backends`` or ``speed``.
        name: of the thing.
        state: ``ok``; ``absent``, which is no fault; or ``broken``.
        words: about it, and what to do where it is broken.
    """

    group: str
    name: str
    state: State
    words: str


def add_doctor_parser(commands: Any) -> None:
    """Add ``doctor`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "doctor",
        help="what is installed, what works, how fast this machine is",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="make no head, so say nothing about speed")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    findings = []
    group = ""
    for finding in examine(speed=not options.quick):
        findings.append(finding)
        if options.json:
            continue
        if finding.group != group:
            group = finding.group
            say(f"{group}")
        say(f"  {_SIGNS[finding.state]}  {finding.name:22} {finding.words}")
    broken = [finding for finding in findings if finding.state == "broken"]
    if options.json:
        print(json.dumps({"ok": not broken, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        say(
            f"{len(broken)} of these {'is' if len(broken) == 1 else 'are'} broken (!!)"
            if broken
            else "all is well"
        )
    return 1 if broken else 0


def examine(*, speed: bool = True) -> Iterator[Finding]:
    """Looks at one thing after the other.

    Args:
        speed: make a head, too.
    """
    yield from _machine()
    yield from _packages()
    yield from _extras()
    yield from _weights()
    yield from _backends()
    if speed:
        yield from _speed()


def _machine() -> Iterator[Finding]:
    yield Finding("machine", "wholeface", "ok", f"{__version__}, Python {platform.python_version()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = ""
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not on every system
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"
    yield Finding("machine", platform.system(), "ok", f"{platform.machine()}, {cores} cores{memory}")


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        yield _checked("packages", name, partial(_imported, name))


def _imported(name: str) -> str:
    __import__({"pillow": "PIL"}.get(name, name))
    return importlib.metadata.version(name)


def _extras() -> Iterator[Finding]:
    for extra, modules in _MODULES.items():
        missing = [module for module in modules if not _found(module)]
        if missing:
            words = f"not installed: {', '.join(missing)} (pip install 'wholeface[{extra}]')"
            yield Finding("extras", extra, "absent", words)
        else:
            yield _checked("extras", extra, partial(_versions, modules))


def _found(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _versions(modules: tuple[str, ...]) -> str:
    packages = importlib.metadata.packages_distributions()
    words = []
    for module in modules:
        if module != "mediapipe":  # seconds, and lines of its own on standard error
            __import__(module)
        (name,) = packages.get(module, [module])[:1]
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            words.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(words)


def _weights() -> Iterator[Finding]:
    from ...morphable import load_model
    from ...networks.registry import METHOD_NETWORKS, NETWORKS, SHIPPED_WEIGHTS, has_weights, weights_file

    def model() -> str:
        loaded = load_model()
        return f"{loaded.version}, {loaded.vertex_count} vertices"

    yield Finding("weights", "folder", "ok", str(SHIPPED_WEIGHTS))
    yield _checked("weights", "face model", model)
    for name in (*NETWORKS, *METHOD_NETWORKS):
        if not has_weights(name):
            missing: State = "broken" if name in NETWORKS else "absent"
            yield Finding("weights", name, missing, f"not there: {weights_file(name)}")
            continue

        yield _checked("weights", name, partial(_network, weights_file(name)))


def _network(path: Path) -> str:
    from ...networks.weights import load_weights

    card = load_weights(path)[1]  # refuses what does not have the card's hash
    return f"{card.version}, {path.stat().st_size / 2**20:.1f} MiB, SHA-256 {card.sha256[:12]}"


def _backends() -> Iterator[Finding]:
    import torch

    yield _checked("backends", "torch on the CPU", lambda: _detects("torch"))
    if not torch.cuda.is_available():
        yield Finding("backends", "torch on a GPU", "absent", "this torch sees no CUDA GPU")
    else:
        yield _checked("backends", "torch on a GPU", _on_gpu)
    if _found("onnxruntime"):
        yield _checked("backends", "ONNX Runtime", lambda: _detects("onnx"))
    else:
        yield Finding("backends", "ONNX Runtime", "absent", "pip install 'wholeface[onnx]'")


def _detects(backend: Any) -> str:
    """Finds the face of the rendered photo."""
    from ...perceive import load_detector

    photo = _rendered()
    detector = load_detector(backend=backend)
    detector.detect(photo)
    start = time.perf_counter()
    faces = detector.detect(photo)
    spent = time.perf_counter() - start
    if len(faces) != 1:
        raise WholeFaceError(f"{len(faces)} faces found where there is 1")
    return f"finds face and landmarks in {1000 * spent:.0f} ms"


def _on_gpu() -> str:
    import torch

    values = torch.ones(8, 8, device="cuda")
    if float((values @ values).sum()) != 512.0:
        raise WholeFaceError("it computes wrongly")
    return torch.cuda.get_device_name()


def _speed() -> Iterator[Finding]:
    import torch

    from ...reconstructor import Reconstructor

    def head() -> str:
        photo = _rendered()
        start = time.perf_counter()
        reconstructor = Reconstructor()
        reconstructor(photo)
        first = time.perf_counter() - start
        start = time.perf_counter()
        found = reconstructor(photo)
        spent = time.perf_counter() - start
        if found.quality.verdict != "good":
            raise WholeFaceError(f"a rendered face was made {found.quality.verdict}: {found.quality.reasons}")
        slowest = max(found.timings_ms.items(), key=lambda item: item[1])
        return (
            f"{spent:.2f} s for a photo of {_SIZE} x {_SIZE} pixels ({first:.1f} s for the first, with loading; "
            f"most in {slowest[0]}, {slowest[1] / 1000:.2f} s; {torch.get_num_threads()} threads)"
        )

    yield _checked("speed", "one head", head)


def _rendered() -> NDArray[np.uint8]:
    """The mean face, three quarters of an image high."""
    import torch

    from ...morphable import load_model
    from ...render import render_view

    model = load_model()
    zeros = torch.zeros
    return render_view(
        model.vertices(zeros(model.identity_size), zeros(model.expression_size)),
        model.triangles,
        vertex_colours=None if model.albedo is None else model.albedo.vertices(zeros(model.albedo_size)),
        yaw_deg=8.0,
        size=_SIZE,
    )


def _checked(group: str, name: str, look: Callable[[], str]) -> Finding:
    """What a look finds; whatever it raises is told instead."""
    try:
        return Finding(group, name, "ok", look())
    except Exception as error:  # the more surprising, the more it should be told
        reason = re.sub(r"\s+", " ", reason_of(error))
        return Finding(group, name, "broken", f"{type(error).__name__}: {reason}")

"""The process that ``bench scaling`` times, bound to some cores; run by ``python -m``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]

_REPEATS = 5  # timed runs of a network, after one that is not counted


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one of the two measurements and print one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.bench.protocols.scaling.child")
    parser.add_argument("what", choices=("photos", "systems"))
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument(
        "--started", type=float, required=True, help="time.time() before this process was started"
    )
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--system", action="append", default=[])
    options = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):  # the first cores, so that threads of any library stay on them
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.threads]))
    import torch

    from .....core.errors import WholeFaceError

    torch.set_num_threads(options.threads)
    try:
        if options.what == "photos":
            answer = _photos(options.photos, options.started, options.detector)
            answer["networks"] = _networks(options.batch)
        else:
            answer = {name: _system(name, options.photos) for name in options.system}
    except WholeFaceError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(answer))
    return 0


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    import resource

    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    unit = 1 / 1024 if sys.platform != "darwin" else 1 / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _photos(photos: Sequence[Path], started: float, detector: str) -> dict[str, Any]:
    """Reconstruct and save each photo in turn, as ``wholeface reconstruct`` does."""
    from .....core.errors import NoFaceError
    from .....reconstructor import Reconstructor

    finder, watch = _detector(detector)
    reconstructor = Reconstructor(detector=finder)
    _ = reconstructor.detector, reconstructor.parser
    ready = time.time() - started
    rows, faceless = [], []
    with tempfile.TemporaryDirectory() as out:
        for photo in photos:
            watch.clear()
            begin = time.perf_counter()
            try:
                head = reconstructor(photo)
            except NoFaceError:
                faceless.append(photo.name)
                continue
            fitted = time.perf_counter()
            head.save(out)
            stages = dict(head.timings_ms) | {"save": 1000 * (time.perf_counter() - fitted)}
            if watch:  # our own detector: its two halves, and what lies between them
                stages |= watch
                stages["perceive"] = max(0.0, stages["perceive"] - sum(watch.values()))
            rows.append(
                {
                    "stages": stages,
                    "total": 1000 * (time.perf_counter() - begin),
                    "since_start": time.time() - started,
                    "peak_mib": peak_mib(),
                }
            )
    return {
        "ready": ready,
        "photos": rows,
        "faceless": faceless,
        "detector": type(reconstructor.detector).__name__,
    }


def _detector(name: str) -> tuple[Any, dict[str, float]]:
    """The detector, and a mapping that it fills with the milliseconds of its halves where they are ours."""
    from .....perceive import MediapipeDetector, load_detector

    watch: dict[str, float] = {}
    if name == "mediapipe":
        return MediapipeDetector(), watch
    found = load_detector()
    found.faces.detect = _timed(found.faces.detect, "detect", watch)  # type: ignore[method-assign]
    found.landmarks.locate = _timed(found.landmarks.locate, "landmarks", watch)  # type: ignore[method-assign]
    return found, watch


def _timed(work: Callable[..., Any], name: str, watch: dict[str, float]) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            watch[name] = watch.get(name, 0.0) + 1000 * (time.perf_counter() - start)

    return timed


def _networks(batch: int) -> list[dict[str, Any]]:
    """Milliseconds per image of each shipped network at batch 1 and ``batch``."""
    import numpy as np

    from .....networks.backend import TorchNetwork
    from .....perceive import NETWORKS, has_weights, load_network

    rows = []
    for name in NETWORKS:
        if not has_weights(name):
            continue
        module, card = load_network(name)
        config = card.architecture_config
        size = int(config.get("input_size", 128))
        width, height = (int(config.get(f"input_{side}", size)) for side in ("width", "height"))
        network = TorchNetwork(module)
        row: dict[str, Any] = {"network": str(name), "size": (width, height)}
        for count in sorted({1, batch}):
            images = np.random.default_rng(0).random((count, 3, height, width), dtype=np.float32)
            network(images)
            samples = []
            for _ in range(_REPEATS):
                start = time.perf_counter()
                network(images)
                samples.append(1000 * (time.perf_counter() - start) / count)
            row[str(count)] = statistics.median(samples)
        rows.append(row)
    return rows


def _system(name: str, photos: Sequence[Path]) -> dict[str, Any]:
    """Milliseconds per photo of one system, the first photo not counted; or why there are none."""
    from .....core.errors import NoFaceError, WholeFaceError
    from .....photo import read_photo
    from ...systems import load_systems

    samples, faceless = [], []
    try:
        (system,) = load_systems([name])
        for turn, photo in enumerate([photos[0], *photos]):
            pixels = read_photo(photo).pixels
            start = time.perf_counter()
            try:
                system.predict(pixels, photo)
            except NoFaceError:
                faceless += [photo.name] if turn else []
                continue
            if turn:
                samples.append(1000 * (time.perf_counter() - start))
    except WholeFaceError as error:
        return {"samples": [], "faceless": [], "error": str(error)}
    return {"samples": samples, "faceless": faceless, "error": ""}


if __name__ == "__main__":
    sys.exit(main())

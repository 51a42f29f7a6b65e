"""``python -m wholeface.lab.modelling``: build the shipped face model from the source material.

Six stages, each resting on the one before: ``geometry`` (mesh, UV, statistics), ``origins`` (further identity modes
from MakeHuman's heads and directions of age; it leaves everything else as it is), ``landmarks`` (where the
detector's 478 points lie on the mesh), ``lips`` (the same of the lower lip's inner edge, measured with open jaws),
``albedo`` (statistics of skin's colour and roughness) and ``noise`` (how the detector errs on renderings with that
albedo). A stage reads the model that the stage before it wrote, so one can be run again; ``lips`` leaves a finished
model as it is, to the bit, but for the places of nine points and the detector's response there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.errors import UsageError, WholeFaceError
from ...morphable.loaders.wholeface import SHIPPED_ASSET, read_asset, read_card
from ...morphable.model import MorphableModel
from .asset import write_asset

Stage = Callable[[MorphableModel | None, Path, Path, int], tuple[MorphableModel, dict[str, Any]]]
"""(model so far, source folder, model file, seed) -> (model, report); the file holds the model so far."""

# What write_asset derives from the model and the file itself.
_DERIVED = ("bytes", "format", "name", "sha256", "shapes", "version")


def _geometry(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from .geometry.stage import learn_geometry

    built, card = learn_geometry(source)
    return built, card["geometry"]


def _origins(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from .geometry.origins_stage import learn_second_origin

    return learn_second_origin(_needed(model), seed)


def _landmarks(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from ...perceive import MediapipeDetector
    from .landmarks478.embedding import calibrate_478

    calibration = calibrate_478(_needed(model), MediapipeDetector(), seed=478 + seed)
    report = {"points": len(calibration.embedding), "detector": "mediapipe 0.10.21"}
    return replace(_needed(model), landmarks_478=calibration.embedding), report


def _lips(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from ...perceive import MediapipeDetector
    from .landmarks478.lips import measure_lips

    return measure_lips(_needed(model), MediapipeDetector(), seed=14 + seed)


def _albedo(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from .albedo.stage import learn_albedo

    albedo, extras, report = learn_albedo(_needed(model), source, seed)
    return replace(_needed(model), albedo=albedo, extras={**_needed(model).extras, **extras}), report


def _noise(
    model: MorphableModel | None, source: Path, out: Path, seed: int
) -> tuple[MorphableModel, dict[str, Any]]:
    from .landmarks478.stage import learn_landmark_noise

    extras, report = learn_landmark_noise(out, source, seed)
    return replace(_needed(model), extras={**_needed(model).extras, **extras}), report


STAGES: dict[str, Stage] = {
    "geometry": _geometry,
    "origins": _origins,
    "landmarks": _landmarks,
    "lips": _lips,
    "albedo": _albedo,
    "noise": _noise,
}


def _needed(model: MorphableModel | None) -> MorphableModel:
    if model is None:
        raise UsageError("this stage builds on the geometry; run --stage geometry first")
    return model


def build(source: Path, out: Path, stages: list[str], *, seed: int = 0) -> dict[str, Any]:
    """Run stages in order; each writes the model file.

    Args:
        source: folder of the source material.
        out: model file; its card lies beside it.
        stages: names of ``STAGES``, in their order.
        seed: of all random draws.

    Returns:
        The card of the model file.
    """
    model, card = None, {}
    if stages[0] != "geometry":
        if not out.exists():
            raise UsageError(f"{out}: no such file; stage {stages[0]!r} builds on the stages before it")
        model = read_asset(out)
        card = {key: value for key, value in read_card(out).items() if key not in _DERIVED}
    for stage in stages:
        start = time.perf_counter()
        model, report = STAGES[stage](model, source, out, seed)
        card = write_asset(out, model, {**card, stage: report})
        card = {key: value for key, value in card.items() if key not in _DERIVED}
        print(f"{stage}: {time.perf_counter() - start:.0f} s", flush=True)
    return read_card(out)


def main(arguments: list[str] | None = None) -> int:
    """Run one stage or all of them; print the card without the table of shapes.

    Args:
        arguments: command line without the program's name; None takes the process's own.

    Returns:
        Exit code: 0, or 2 with one line on standard error.
    """
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.modelling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source", type=Path, default=Path("../shared/data"), help="folder of source material"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED_ASSET, help="model file; its card lies beside it")
    parser.add_argument("--stage", choices=("all", *STAGES), default="all", help="what to (re)build")
    parser.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")
    options = parser.parse_args(arguments)
    try:
        card = build(
            options.source,
            options.out,
            list(STAGES) if options.stage == "all" else [options.stage],
            seed=options.seed,
        )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({key: value for key, value in card.items() if key != "shapes"}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

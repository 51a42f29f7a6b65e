"""``python -m wholeface.lab.data.stores.shipped OUT --data FOLDER``: the samples behind the shipped networks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....core.errors import UsageError, WholeFaceError

if TYPE_CHECKING:
    from ..engine import FaceEngine

__all__ = ["STORES", "StorePlan", "main"]


@dataclass(frozen=True)
class StorePlan:
    """One store of samples.

    Args:
        count: samples.
        seed: of the engine.
        split: of the engine.
        size: edge of the images in pixels.
        settings: of :class:`wholeface.lab.data.engine.EngineSettings`.
        framing: of :class:`wholeface.lab.data.synthetic.faces.SyntheticSettings`.
        arrays: fields of the store, or None for the usual ones.
    """

    count: int
    seed: int
    split: str = "train"
    size: int = 224
    settings: Mapping[str, Any] = field(default_factory=dict)
    framing: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[str, ...] | None = None

    def told(self) -> dict[str, Any]:
        """What the store says of itself."""
        told = asdict(self)
        if self.arrays is None:
            del told["arrays"]
        return told

    def engine(self, data: Path) -> FaceEngine:
        """The engine that makes the samples."""
        from ..engine import EngineSettings, FaceEngine
        from ..synthetic.faces import SyntheticSettings

        settings = EngineSettings(**self.settings, synthetic=SyntheticSettings(**self.framing))
        return FaceEngine(data, seed=self.seed, size=self.size, split=self.split, settings=settings)


_HARD = {
    "hands": 0.3,
    "hats": 0.22,
    "hair": 0.22,
    "masks": 0.06,
    "objects": 0.08,
    "scarves": 0.06,
    "sunglasses": 0.06,
}

_BESIDE_HATS = {"hands": 0.1, "glasses": 0.05, "sunglasses": 0.1, "scarves": 0.05}
# Spectacles of every kind, and what is easily taken for them: brows under hats, strands of hair, fingers
_BESIDE = {"hats": 0.06, "hands": 0.06, "objects": 0.02, "patches": 0.02}
_WORN = {"clean": 0.22, "occluders": {"glasses": 0.5, "sunglasses": 0.22, "hair": 0.12, **_BESIDE}}
_DARK = {"clean": 0.22, "occluders": {"glasses": 0.38, "sunglasses": 0.36, "hair": 0.1, **_BESIDE}}
_LARGE = {"scale": 0.62}
_STUDENT = ("image", "clean", "occluder", "landmarks_68", "dense", "known", "parameters", "source", "seed")
_MIXED = {"model": 0.55, "makehuman": 0.25, "stretched": 0.2}
_EYEWEAR = ("image", "eyewear", "dense", "source", "seed", "parameters")
_ORIGINS = {"model": 0.4, "makehuman": 0.35, "stretched": 0.25}

STORES: Mapping[str, StorePlan] = {
    # rendered faces alone
    "s0": StorePlan(6000, 11, settings={"portraits": 0.0, "clean": 1.0, "hair": 0.0, "camera": 0.0}),
    "a1": StorePlan(
        8000,
        21,
        settings={
            "portraits": 0.0,
            "occluders": {"hair": 0.3, "masks": 0.2, "hands": 0.3, "patches": 0.12, "hats": 0.08},
        },
    ),
    "r1": StorePlan(12_000, 121, size=160, settings={"portraits": 0.0}),
    # occluded portraits
    "p1": StorePlan(
        6000,
        31,
        settings={
            "portraits": 1.0,
            "clean": 0.2,
            "occluders": {
                "hair": 0.24,
                "masks": 0.15,
                "hands": 0.26,
                "patches": 0.05,
                "hats": 0.06,
                "glasses": 0.08,
                "sunglasses": 0.1,
                "scarves": 0.06,
            },
        },
    ),
    "p2": StorePlan(
        4000,
        51,
        settings={
            "portraits": 0.6,
            "clean": 0.15,
            "occluders": {
                "objects": 0.3,
                "scarves": 0.1,
                "glasses": 0.08,
                "hair": 0.25,
                "hands": 0.18,
                "hats": 0.05,
                "patches": 0.04,
            },
        },
    ),
    # small faces in wide surroundings, for the detector
    "w1": StorePlan(
        6000,
        131,
        settings={"portraits": 0.5, "clean": 0.35},
        framing={"scale": 0.3, "scale_range": (0.4, 1.9), "shift": 0.3},
    ),
    # heads of several origins: the model's, MakeHuman's (children among them), stretched ones
    "shape_r": StorePlan(5000, 331, size=160, settings={"portraits": 0.0, "origins": _ORIGINS}),
    "shape_check": StorePlan(300, 341, "held_out", 192, settings={"portraits": 0.0, "origins": _ORIGINS}),
    # for the student: heads of several origins, nearly all behind something, with and without it
    "heads": StorePlan(
        14_000,
        611,
        size=160,
        settings={"portraits": 0.0, "clean": 0.04, "origins": _MIXED},
        framing={"turned": 0.15},
        arrays=_STUDENT,
    ),
    "heads_check": StorePlan(
        400,
        621,
        "held_out",
        size=160,
        settings={"portraits": 0.0, "clean": 0.0, "origins": _MIXED},
        framing={"turned": 0.1},
        arrays=_STUDENT,
    ),
    # heads turned up to profiles behind hands, hats and hair, in sharp shadows: large ones, and small ones in wide
    # surroundings for the detector
    "v1": StorePlan(
        4000,
        241,
        size=160,
        settings={"portraits": 0.0, "clean": 0.1, "occluders": _HARD},
        framing={"turned": 0.8, "shadow": 0.4},
    ),
    "wv": StorePlan(
        3500,
        231,
        settings={"portraits": 0.0, "clean": 0.25, "occluders": _HARD},
        framing={"scale": 0.3, "scale_range": (0.4, 1.9), "shift": 0.3, "turned": 0.75, "shadow": 0.45},
    ),
    # heads under hats, bowed or turned away, of medium size: what the detector missed longest
    "wh": StorePlan(
        2500,
        261,
        settings={"portraits": 0.0, "clean": 0.05, "occluders": {"hats": 0.6, "hair": 0.1, **_BESIDE_HATS}},
        framing={"scale": 0.42, "scale_range": (0.5, 1.7), "shift": 0.25, "turned": 0.9, "shadow": 0.5},
    ),
    # spectacles, on rendered faces and on portraits, large enough for thin frames
    "e0": StorePlan(
        1500,
        301,
        size=448,
        settings={"portraits": 0.0, **_WORN},
        framing={**_LARGE, "shadow": 0.3},
        arrays=_EYEWEAR,
    ),
    "e1": StorePlan(
        2000, 311, size=448, settings={"portraits": 1.0, **_WORN}, framing=_LARGE, arrays=_EYEWEAR
    ),
    "e2": StorePlan(
        368,
        371,
        size=448,
        settings={"portraits": 1.0, **_DARK},
        framing=_LARGE,
        arrays=_EYEWEAR,
    ),
    "ev": StorePlan(
        240,
        321,
        "held_out",
        size=448,
        settings={"portraits": 1.0, **_WORN},
        framing=_LARGE,
        arrays=(*_EYEWEAR, "occluder", "face"),
    ),
    # for validation (held-out subjects behind held-out occluders) and for the landmarks' calibration (held-out
    # subjects)
    "c1": StorePlan(300, 41, "held_out", settings={"portraits": 0.5, "clean": 0.1}),
    "cal": StorePlan(1000, 61, "test", settings={"portraits": 0.0, "clean": 0.1}),
}
"""By name. The recipes' settings that go with them stand in docs/training.md."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the stores; one that is whole already stays, one that was cut off goes on. Returns the exit code."""
    from .fields import STANDARD_FIELDS
    from .store import build_store

    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.data.stores.shipped", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the stores, about 20 GB for all")
    parser.add_argument("--data", type=Path, required=True, help="folder of source material")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(STORES)} (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--count", type=int, help="samples in each, fewer than usual: for a trial")
    options = parser.parse_args(arguments)
    try:
        names = list(STORES) if options.only is None else options.only.split(",")
        unknown = sorted(set(names) - set(STORES))
        if unknown:
            raise UsageError(f"--only {','.join(unknown)}: choose from {', '.join(STORES)}")
        if options.count is not None and options.count < 1:
            raise UsageError(f"--count {options.count}: at least 1")
        for name in names:
            plan = STORES[name]
            count = plan.count if options.count is None else min(options.count, plan.count)
            build_store(
                plan.engine(options.data),
                range(count),
                options.out / name,
                workers=options.workers,
                fields=STANDARD_FIELDS if plan.arrays is None else plan.arrays,
                settings={**plan.told(), "count": count},
            )
            print(f"{options.out / name}  {count} samples", flush=True)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

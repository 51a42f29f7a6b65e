"""``python -m wholeface.lab.bench.protocols.perception.certainty WEIGHTS --data FOLDER``: what the certainty of a
face follows from.

Runs the detector and the landmark network on rendered heads that are hard to find and on images without faces
(procedural backgrounds, shuffled portraits of the training split), and fits the logistic model of
:class:`wholeface.perceive.certainty.CertaintyModel` to what is a face and what is not. Its constant is chosen so that
one false face in 100 such images has the certainty :data:`~wholeface.perceive.certainty.KEPT`. The numbers go
into the notes of the detector's card. Seeds are others than those of ``wholeface bench perception``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .....core.boxes import box_iou
from .....core.errors import WholeFaceError
from .....networks.weights import card_path
from .....perceive import load_detector
from .....perceive.certainty import KEPT, CertaintyModel
from .....perceive.frames import face_box
from .....perceive.network_detector import NetworkDetector
from ....data.compositing.backgrounds import random_background
from ....data.engine import EngineSettings, FaceEngine
from .conditions import hard_faces
from .detector import scramble

__all__ = ["Judged", "fit_certainty", "judged_images", "main"]

Pixels = NDArray[np.uint8]

_SEED = 5_100  # of the images: neither training's nor the benchmark's
_FACE, _NO_FACE = 0.4, 0.2  # overlap (IoU) with the true box from which, and up to which, the answer is clear
_FALSE_PER_IMAGE = 1 / 100  # a fifth of what is asked for: images of other kinds mislead it more


@dataclass(frozen=True)
class Judged:
    """Something that the detector took for a face.

    Args:
        score: of the detector.
        sigma: of the points, over the size of the face.
        face: whether it is one.
        empty: whether the image shows no face at all.
    """

    score: float
    sigma: float
    face: bool
    empty: bool


def judged_images(
    detector: NetworkDetector, data: Path | None, count: int, progress: Callable[[str], None] = lambda _: None
) -> tuple[list[Judged], int]:
    """What the front end finds, whatever its certainty, and how many images showed no face.

    Args:
        detector: its model is replaced.
        data: folder of the source material, or None.
        count: images of each kind.
        progress: is told what comes next.
    """
    # This model's certainty is 1/(1 + sigma): it tells the sigma, and of two that overlap the surer one stays
    asked = NetworkDetector(
        detector.faces, detector.landmarks, certainty=0.0, model=CertaintyModel(0.0, -1.0, 0.0)
    )
    found: list[Judged] = []
    progress("hard faces")
    for face in hard_faces(data, count, _SEED):
        for seen in asked.detect(face.image):
            overlap = float(box_iou(seen.box, face.box))
            if overlap >= _FACE or overlap < _NO_FACE:
                found.append(Judged(seen.score, 1 / seen.certainty - 1, overlap >= _FACE, False))
    progress("images without faces")
    empty = 0
    for pixels in _empty(data, count):
        empty += 1
        found += [Judged(seen.score, 1 / seen.certainty - 1, False, True) for seen in asked.detect(pixels)]
    return found, empty


def _empty(data: Path | None, count: int) -> Iterator[Pixels]:
    rng = np.random.default_rng(_SEED)
    for _ in range(count):
        yield random_background(rng, 512)
    settings = EngineSettings(portraits=1.0 if data is not None else 0.0, clean=1.0)
    engine = FaceEngine(data, seed=_SEED, settings=settings)
    for i in range(count):
        sample = engine.sample(i)
        yield scramble(sample.image, face_box(sample.dense[:478]), rng)


def fit_certainty(found: Sequence[Judged], empty: int) -> CertaintyModel:
    """The logistic model of what was found.

    Args:
        found: of :func:`judged_images`.
        empty: images without a face.
    """
    x = np.array([[np.log(f.score / (1 - f.score)), np.log(f.sigma), 1.0] for f in found])
    y = np.array([f.face for f in found], dtype=np.float64)

    def loss(weights: NDArray[np.float64]) -> float:
        value = x @ weights
        return float((np.logaddexp(0.0, value) - y * value).mean() + 1e-4 * (weights[:2] ** 2).sum())

    weights = minimize(loss, np.array([1.0, -1.0, 0.0])).x
    values = np.sort((x @ weights)[[f.empty for f in found]])[::-1]
    allowed = _FALSE_PER_IMAGE * empty
    limit = float((x @ weights)[y == 1].min())
    if allowed <= len(values) - 1:
        limit = float(np.interp(allowed, np.arange(len(values)), values))
    bias = weights[2] - limit + float(np.log(KEPT / (1 - KEPT)))
    return CertaintyModel(float(weights[0]), float(weights[1]), float(bias))


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write into the card, tell. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.bench.protocols.perception.certainty", description=__doc__
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="folder of the networks' weights")
    parser.add_argument("--data", type=Path, help="folder of source material")
    parser.add_argument("--count", type=int, default=250, help="images of each kind (default: 250)")
    options = parser.parse_args(arguments)
    try:
        detector = load_detector(weights=options.weights)
        found, empty = judged_images(
            detector, options.data, options.count, lambda what: print(what, file=sys.stderr, flush=True)
        )
        model = fit_certainty(found, empty)
        file = card_path(options.weights / "detector.safetensors")
        card = json.loads(file.read_text())
        card["notes"]["certainty"] = [round(v, 4) for v in (model.score, model.sigma, model.bias)]
        file.write_text(json.dumps(card, indent=2) + "\n")
        true = [model(f.score, f.sigma) for f in found if f.face]
        kept = np.mean(np.array(true) >= KEPT)
        false = sum(model(f.score, f.sigma) >= KEPT for f in found if f.empty)
        print(
            f"{model}: keeps {kept:.1%} of {len(true)} found faces, and {false} false ones in {empty} images"
        )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

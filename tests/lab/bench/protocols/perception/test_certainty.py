"""The certainty of a face: the logistic model of what was found, and where it is one half."""

from __future__ import annotations

import numpy as np

from wholeface.lab.bench.protocols.perception.certainty import Judged, fit_certainty, judged_images
from wholeface.perceive.certainty import KEPT
from wholeface.perceive.network_detector import NetworkDetector


def _made(rng: np.random.Generator, face: bool, empty: bool) -> Judged:
    score = 1 / (1 + np.exp(-rng.normal(3.0 if face else -0.5, 1.0)))
    return Judged(float(score), float(np.exp(rng.normal(-3.8 if face else -1.5, 0.5))), face, empty)


def test_surer_scores_and_points_are_surer_faces_and_one_false_face_in_100_images_is_kept() -> None:
    rng = np.random.default_rng(1)
    found = [_made(rng, True, False) for _ in range(300)]
    found += [_made(rng, False, False) for _ in range(200)] + [_made(rng, False, True) for _ in range(400)]
    model = fit_certainty(found, empty=400)
    assert model.score > 0.3
    assert model.sigma < -0.3
    sure = [model(f.score, f.sigma) for f in found]
    assert sum(s > KEPT for s, f in zip(sure, found) if f.empty) == 4
    assert np.mean([s > KEPT for s, f in zip(sure, found) if f.face]) > 0.97


class _Blind:
    """Finds nothing."""

    max_faces = 16

    def passes(self, pixels, satisfied, smallest, min_score=None):  # type: ignore[no-untyped-def]
        yield []


def test_images_in_which_nothing_is_found_say_nothing() -> None:
    detector = NetworkDetector(_Blind(), None)  # type: ignore[arg-type]
    found, empty = judged_images(detector, None, 1)
    assert (found, empty) == ([], 2)

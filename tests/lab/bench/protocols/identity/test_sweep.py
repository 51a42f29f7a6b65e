"""The shrinkage sweep of systems that know everything, half, nothing, and the opposite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocols.identity.sweep import FACTORS, SCAN_METRICS, judge_sweep, sweep_system
from wholeface.lab.bench.systems import HeadPrediction
from wholeface.lab.bench.systems.own import model_head
from wholeface.morphable import MorphableModel, load_model

Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


@pytest.fixture(scope="module")
def truth(model: MorphableModel) -> dict[int, Floats]:
    rng = np.random.default_rng(5)
    return {i: rng.normal(size=model.identity_size).astype(np.float32) for i in (3, 8)}


def _heads(
    model: MorphableModel, truth: dict[int, Floats], system: Callable[[Floats], Floats]
) -> dict[int, HeadPrediction]:
    """Predictions with an expression, as photos have them."""
    smile = torch.zeros(model.expression_size)
    smile[0] = 0.5
    return {i: model_head(model, torch.from_numpy(system(t)), smile) for i, t in truth.items()}


def test_perfect_and_opposite(model: MorphableModel, truth: dict[int, Floats]) -> None:
    factors = (0.0, 0.5, 1.0)
    perfect = sweep_system(_heads(model, truth, lambda t: t), truth, model, factors)
    assert perfect.photos.tolist() == [3, 8]
    assert set(perfect.errors) == set(SCAN_METRICS)
    for errors in perfect.errors.values():
        assert (errors[:, 2] < 0.01).all()
        assert (np.diff(errors, axis=1) < 0).all()
        # Half of the way to the truth leaves about half of the error.
        np.testing.assert_allclose(errors[:, 1] / errors[:, 0], 0.5, atol=0.12)
    opposite = sweep_system(_heads(model, truth, lambda t: -t), truth, model, (0.0, 1.0))
    for name, errors in opposite.errors.items():
        np.testing.assert_allclose(errors[:, 0], perfect.errors[name][:, 0], rtol=1e-6)  # the same mean face
        assert (errors[:, 1] > 1.3 * errors[:, 0]).all()


def test_a_system_without_a_scale_is_not_measured_in_mm(
    model: MorphableModel, truth: dict[int, Floats]
) -> None:
    heads = {
        i: replace(
            head,
            vertices=head.vertices / 1000,
            landmarks=head.landmarks / 1000,
            neutral=None if head.neutral is None else head.neutral / 1000,
            metric=False,
        )
        for i, head in _heads(model, truth, lambda t: t).items()
    }
    # Its own mean head is unknown: on another mesh it is the average of its heads.
    cut = {
        i: replace(h, vertices=h.vertices[:-1], neutral=h.neutral[:-1])  # type: ignore[index]
        for i, h in heads.items()
    }
    kept = {
        i: replace(h, triangles=h.triangles[(h.triangles < len(h.vertices)).all(1)]) for i, h in cut.items()
    }
    kept = {i: replace(h, face_vertices=np.arange(len(h.vertices))) for i, h in kept.items()}
    found = sweep_system(kept, truth, model, (0.0, 1.0))
    assert set(found.errors) == set(SCAN_METRICS[:3])
    assert (found.errors["NoW median"][:, 1] < 0.01).all()
    assert (found.errors["NoW median"][:, 0] > 0.2).all()


def test_wrong_heads(model: MorphableModel, truth: dict[int, Floats]) -> None:
    heads = _heads(model, truth, lambda t: t)
    with pytest.raises(UsageError, match="neutral"):
        sweep_system({}, truth, model)
    with pytest.raises(UsageError, match="neutral"):
        sweep_system({3: replace(heads[3], neutral=None)}, truth, model)
    assert heads[8].neutral is not None
    with pytest.raises(UsageError, match="one mesh"):
        sweep_system({3: heads[3], 8: replace(heads[8], neutral=heads[8].neutral[:-1])}, truth, model)


# --- the verdict ----------------------------------------------------------------------------------------------------


def _errors(best: float, photos: int = 12, noise: float = 0.01) -> NDArray[np.float64]:
    factors = np.array(FACTORS)
    rng = np.random.default_rng(1)
    return 1 + (factors - best) ** 2 + noise * rng.normal(size=(photos, len(factors)))


@pytest.mark.parametrize(
    ("best", "words"),
    [
        (0.0, "has learned nothing about identity"),
        (0.25, "worse than the mean face as shipped; would help at 0.25"),
        (0.5, "not told apart from the mean face"),
        (1.0, "beats the mean face"),
        (1.25, "beats the mean face"),
    ],
)
def test_verdicts(best: float, words: str) -> None:
    verdict = judge_sweep(_errors(best))
    assert verdict.best == best
    assert verdict.words == words
    assert verdict.gain == pytest.approx(best**2 - (1 - best) ** 2, abs=0.02)
    assert verdict.half_width < 0.02
    assert verdict.zero_best == (1.0 if best == 0 else 0.0)


def test_the_mean_face_has_learned_nothing() -> None:
    constant = np.random.default_rng(2).uniform(1, 2, (20, 1)) + 1e-9 * np.arange(len(FACTORS))[::-1]
    verdict = judge_sweep(constant)
    assert (verdict.best, verdict.words) == (0.0, "has learned nothing about identity")
    assert verdict.better == pytest.approx(1.0)  # by a picometre, which the words do not count


def test_hard_words_need_evidence() -> None:
    assert judge_sweep(_errors(0.0, photos=3)).words == "too few photos to say"
    noisy = _errors(0.0, photos=8, noise=3.0)
    noisy[:, 0] += noisy.mean(axis=0).min() - noisy[:, 0].mean() - 0.01
    verdict = judge_sweep(noisy)
    assert verdict.best == 0.0
    assert verdict.zero_best < 0.95
    assert verdict.words == "best at 0, perhaps by chance"


def test_wrong_errors() -> None:
    for errors, factors, message in (
        (np.ones((3, 5)), FACTORS, r"\(N, 6\)"),
        (np.full((3, 6), np.nan), FACTORS, "no numbers"),
        (np.ones((3, 2)), (0.5, 1.0), "0 and 1"),
        (np.ones((0, 6)), FACTORS, "errors, got"),
    ):
        with pytest.raises(UsageError, match=message):
            judge_sweep(errors, factors)

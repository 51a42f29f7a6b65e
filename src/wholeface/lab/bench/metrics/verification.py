"""Face verification from similarity scores: accuracy by folds, equal error rate, area under the ROC curve.

A pair is accepted as one person where its score reaches the threshold. A score of −∞ says that there was nothing to
compare (no face found): such a pair is decided as two subjects at every threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = [
    "Verification",
    "accuracy_at",
    "area_under_roc",
    "best_threshold",
    "cosine_similarity",
    "equal_error_rate",
    "roc_curve",
    "verify",
]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
_DECIMALS = 9


@dataclass(frozen=True)
class Verification:
    """What the folds say; shares in [0, 1].

    Args:
        accuracy: (F,) of each fold, its threshold chosen on the others.
        thresholds: (F,) those thresholds.
        equal_error: (F,) equal error rate of each fold.
        area: (F,) area under the ROC curve of each fold.
        roc: false and true accept rates of all pairs together.
    """

    accuracy: Array
    thresholds: Array
    equal_error: Array
    area: Array
    roc: tuple[Array, Array]

    def summary(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation (n − 1) over the folds in percent: ``accuracy``, ``100 %−EER``, ``nAUC``."""
        values = {"accuracy": self.accuracy, "100 %−EER": 1 - self.equal_error, "nAUC": self.area}
        return {
            name: (100 * float(value.mean()), 100 * float(value.std(ddof=1)))
            for name, value in values.items()
        }


def cosine_similarity(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> Array:
    r"""Cosine of the angle between rows, :math:`a \cdot b / (\|a\|\,\|b\|)`.

    Rounded to nine digits, so that representations that differ by rounding errors alone tie.

    Args:
        first: (N, K); ``second``: (N, K). Rows with NaN stand for photos without a representation.

    Returns:
        (N,) in [−1, 1]; 0 where a vector is zero (it points nowhere), −∞ where one has NaN.

    Raises:
        UsageError: the shapes differ.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction", §5.1, after Tran et al. 2017, "Regressing robust and
    discriminative 3D morphable models".
    """
    if first.shape != second.shape or first.ndim != 2:
        raise UsageError(f"cosines need two (N, K) arrays, got {first.shape} and {second.shape}")
    a, b = first.astype(np.float64), second.astype(np.float64)
    dot = (a * b).sum(axis=1)
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    cosine = np.divide(dot, length, out=np.zeros(len(a)), where=known & (length > 1e-12))
    return np.where(known, np.round(cosine, _DECIMALS), -np.inf)


def roc_curve(scores: Array, same: Bools) -> tuple[Array, Array]:
    """Receiver operating characteristic.

    Args:
        scores: (N,) similarity; −∞ is allowed.
        same: (N,) whether the pair is one person.

    Returns:
        False accept rates and true accept rates (T,), rising from (0, 0) to (1, 1), one point for each different
        score; straight lines between them are what coins for tied scores give.

    Raises:
        UsageError: unequal lengths, NaN, or pairs of one kind only.
    """
    scores, same = _checked(scores, same)
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_same = scores[order], same[order]
    last = np.append(sorted_scores[1:] != sorted_scores[:-1], True)
    accepted_same = np.cumsum(sorted_same)[last]
    accepted_other = np.cumsum(~sorted_same)[last]
    true = np.concatenate([[0.0], accepted_same / same.sum()])
    false = np.concatenate([[0.0], accepted_other / (~same).sum()])
    return false, true


def area_under_roc(scores: Array, same: Bools) -> float:
    r"""Area under the ROC curve, :math:`P(s_+ > s_-) + \tfrac12 P(s_+ = s_-)`, in [0, 1].

    Raises:
        UsageError: see :func:`roc_curve`.

    Source: Hanley & McNeil 1982.
    """
    false, true = roc_curve(scores, same)
    return float((np.diff(false) * (true[1:] + true[:-1])).sum() / 2)


def equal_error_rate(scores: Array, same: Bools) -> float:
    """The share of errors where as many pairs of one person are refused as pairs of two are accepted, in [0, 1].

    The ROC curve's points are joined by straight lines.

    Raises:
        UsageError: see :func:`roc_curve`.
    """
    false, true = roc_curve(scores, same)
    gap = false - (1 - true)  # rises from −1 to 1
    after = int(np.searchsorted(gap, 0.0))
    if gap[after] == 0.0:
        return float(false[after])
    step = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(false[after - 1] + step * (false[after] - false[after - 1]))


def accuracy_at(threshold: float, scores: Array, same: Bools) -> float:
    """Mean of the share of same pairs accepted and of different pairs refused, in [0, 1].

    With as many pairs of each kind, as in LFW's folds, this is the share of right decisions; where pairs had to be
    left out, it keeps a representation that knows nothing at one half.

    Args:
        threshold: least score that is accepted.
        scores: (N,); −∞ is never accepted.
        same: (N,).

    Raises:
        UsageError: see :func:`roc_curve`.
    """
    scores, same = _checked(scores, same)
    accepted = (scores >= threshold) & (scores > -np.inf)
    return float((accepted[same].mean() + (~accepted[~same]).mean()) / 2)


def best_threshold(scores: Array, same: Bools) -> float:
    """The threshold with the highest :func:`accuracy_at`.

    Thresholds are tried half-way between neighbouring scores, below all of them and above (∞); of several best ones
    the middle one is taken.

    Raises:
        UsageError: see :func:`roc_curve`.
    """
    scores, same = _checked(scores, same)
    values = np.unique(scores[scores > -np.inf])
    if len(values) == 0:
        return float("inf")
    candidates = np.concatenate([[values[0]], (values[1:] + values[:-1]) / 2, [np.inf]])
    at_least = _counts_from(np.sort(scores[same]), candidates) / same.sum()
    wrongly = _counts_from(np.sort(scores[~same]), candidates) / (~same).sum()
    accuracy = np.round(at_least - wrongly, 12)
    best = np.flatnonzero(accuracy == accuracy.max())
    return float(candidates[best[(len(best) - 1) // 2]])


def verify(scores: Array, same: Bools, folds: NDArray[np.integer[Any]]) -> Verification:
    """The protocol of LFW's "View 2": each fold is judged by the threshold that is best on all others.

    Args:
        scores: (N,) similarity of the pairs; −∞ where there is none.
        same: (N,) whether the pair is one person.
        folds: (N,) which fold it belongs to, any integers.

    Raises:
        UsageError: fewer than two folds, or a fold with pairs of one kind only; see also :func:`roc_curve`.

    Source: Huang et al. 2007, "Labeled faces in the wild", §V; 100 %−EER and nAUC as in Tran et al. 2018, table 1.
    """
    scores, same = _checked(scores, same)
    folds = np.asarray(folds)
    if folds.shape != scores.shape:
        raise UsageError(f"{len(scores)} scores, but {folds.shape} folds")
    names = np.unique(folds)
    if len(names) < 2:
        raise UsageError("verification by folds needs at least two folds")
    for name in names:
        kinds = same[folds == name]
        if kinds.all() or not kinds.any():
            which = "two subjects" if kinds.all() else "one person"
            raise UsageError(f"fold {name} has no pair of {which}; take more pairs, or count failures")
    thresholds = np.array([best_threshold(scores[folds != f], same[folds != f]) for f in names])
    return Verification(
        accuracy=np.array(
            [accuracy_at(t, scores[folds == f], same[folds == f]) for f, t in zip(names, thresholds)]
        ),
        thresholds=thresholds,
        equal_error=np.array([equal_error_rate(scores[folds == f], same[folds == f]) for f in names]),
        area=np.array([area_under_roc(scores[folds == f], same[folds == f]) for f in names]),
        roc=roc_curve(scores, same),
    )


def _counts_from(ordered: Array, thresholds: Array) -> NDArray[np.int64]:
    """How many of the ordered scores reach each threshold."""
    return len(ordered) - np.searchsorted(ordered, thresholds, side="left")


def _checked(scores: Array, same: Bools) -> tuple[Array, Bools]:
    scores, same = np.asarray(scores, np.float64), np.asarray(same)
    if scores.ndim != 1 or same.shape != scores.shape or same.dtype != np.bool_:
        raise UsageError(
            f"scores and kinds of pairs must be (N,) float and (N,) bool, got {scores.shape} and {same.dtype} "
            f"{same.shape}"
        )
    if np.isnan(scores).any() or (scores == np.inf).any():
        raise UsageError("scores must be numbers; a pair without one has the score −∞")
    if same.all() or not same.any():
        raise UsageError("verification needs pairs of one person and pairs of two subjects")
    return scores, same

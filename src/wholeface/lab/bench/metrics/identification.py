r"""Identification: whose photo in a gallery is most like a probe; ranks, shares of them, areas under ROC curves.

Scores are similarities :math:`s_{pg}` of probe :math:`p` to gallery :math:`g`, and :math:`g_p` is the right one. The
rank of a probe is :math:`1 + |\{g \ne g_p : s_{pg} > s_{p g_p}\}|`; ties are decided by coins, so that what is the
same for everybody comes to chance exactly. A score of −∞ says that there was nothing to compare: a probe without a
representation is never identified.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from .verification import area_under_roc, cosine_similarity

__all__ = ["area_half_width", "cosines", "identified", "nearest_other", "nearness", "verification_area"]

Array = NDArray[np.float64]
_CHUNK = 100  # draws of the bootstrap at a time


def nearness(probes: Array, gallery: Array) -> Array:
    """(P, G) minus the Euclidean distances of rows (P, K) and (G, K), to nine digits; −∞ where a row has NaN."""
    apart = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    return np.where(np.isfinite(apart), -np.round(apart, 9), -np.inf)


def cosines(probes: Array, gallery: Array) -> Array:
    """(P, G) cosines of rows (P, K) and (G, K); −∞ where a row has NaN; see :func:`.cosine_similarity`."""
    count, columns = len(probes), len(gallery)
    first, second = np.repeat(probes, columns, axis=0), np.tile(gallery, (count, 1))
    return cosine_similarity(first, second).reshape(count, columns)


def identified(scores: Array, own: NDArray[np.integer[Any]], within: int) -> Array:
    """(P,) probability in [0, 1] that the right one is among the ``within`` most similar of the gallery.

    Args:
        scores: (P, G) similarities; −∞ where there was nothing to compare.
        own: (P,) column of the right one.
        within: 1 for rank-1, 5 for rank-5 …

    Raises:
        UsageError: unequal shapes, NaN, columns that are not there, or ``within`` < 1.
    """
    scores, own = _checked(scores, own)
    if within < 1:
        raise UsageError(f"rank {within}: at least 1")
    right = scores[np.arange(len(own)), own]
    better = (scores > right[:, None]).sum(axis=1)
    tied = (scores == right[:, None]).sum(axis=1)  # itself among them
    share = np.clip((within - better) / tied, 0.0, 1.0)
    return np.where(right > -np.inf, share, 0.0)


def nearest_other(scores: Array, own: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """(P,) column of the most similar one that is not the right one; −1 where the gallery has no other."""
    scores, own = _checked(scores, own)
    others = scores.copy()
    others[np.arange(len(own)), own] = -np.inf
    best = others.argmax(axis=1) if scores.shape[1] > 1 else np.full(len(own), -1)
    return np.where(others.max(axis=1) > -np.inf, best, -1).astype(np.int64)


def verification_area(scores: Array, own: NDArray[np.integer[Any]]) -> float:
    """Area under the ROC curve of all pairs of a probe and a gallery photo, in [0, 1]; NaN with pairs of one kind.

    Source: see :func:`.verification.area_under_roc`.
    """
    scores, own = _checked(scores, own)
    same = np.zeros(scores.shape, bool)
    same[np.arange(len(own)), own] = True
    if same.all() or not same.any():
        return float("nan")
    return area_under_roc(scores.ravel(), same.ravel())


def area_half_width(
    scores: Array, own: NDArray[np.integer[Any]], *, seed: int = 0, draws: int = 1000
) -> float:
    r"""Half the width of the 95 % bootstrap interval of :func:`verification_area`, drawn over people.

    A person who is drawn :math:`w` times counts :math:`w` times both as probe and in the gallery:

    .. math:: A(w) = \frac{\sum_{ijk} w_i w_j w_k\, [s_{ii} > s_{jk}]}{\sum_i w_i \sum_{j \ne k} w_j w_k}

    with :math:`[s = s'] = \tfrac12`.

    Args:
        scores: (P, G); people of the gallery who are no probes stay in it once.
        own: (P,) different columns.
        seed: of the draws; ``draws``: how many.

    Returns:
        In [0, 1]; NaN for fewer than two probes.
    """
    scores, own = _checked(scores, own)
    count, gallery = scores.shape
    if count < 2:
        return float("nan")
    right = scores[np.arange(count), own]
    wins = (right[:, None, None] > scores).astype(np.float32)
    wins += 0.5 * (right[:, None, None] == scores)
    other = np.ones((count, gallery), np.float32)
    other[np.arange(count), own] = 0.0
    wins *= other
    random = np.random.default_rng(seed)
    areas = []
    for start in range(0, draws, _CHUNK):
        picks = random.integers(count, size=(min(_CHUNK, draws - start), count))
        probe = np.stack([np.bincount(row, minlength=count) for row in picks]).astype(np.float32)
        column = np.ones((len(picks), gallery), np.float32)
        column[:, own] = probe
        # one_djk = sum_i w_di wins_ijk, then sum over j and k
        one = (probe @ wins.reshape(count, -1)).reshape(-1, count, gallery)
        total = np.einsum("djk,dj,dk->d", one, probe, column)
        pairs = probe.sum(axis=1) * np.einsum("jk,dj,dk->d", other, probe, column)
        areas.append(total[pairs > 0] / pairs[pairs > 0])
    return float(np.diff(np.quantile(np.concatenate(areas), (0.025, 0.975)))[0]) / 2


def _checked(scores: Array, own: NDArray[np.integer[Any]]) -> tuple[Array, NDArray[np.int64]]:
    scores, columns = np.asarray(scores, np.float64), np.asarray(own, np.int64)
    if scores.ndim != 2 or columns.shape != scores.shape[:1] or len(columns) == 0:
        raise UsageError(
            f"identification needs (P, G) scores and (P,) columns, got {scores.shape} and {columns.shape}"
        )
    if np.isnan(scores).any() or columns.min() < 0 or columns.max() >= scores.shape[1]:
        raise UsageError("scores must be numbers or −∞, and the right one a column of them")
    return scores, columns

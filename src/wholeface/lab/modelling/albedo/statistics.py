"""From completed textures to symmetric and antisymmetric modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Modes", "mirror_pairs", "symmetric_modes"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Modes:
    """Statistics over the T texels of a zone.

    Args:
        mean: (T, 3).
        basis: (K, T, 3), one standard deviation each, strongest first.
        parity: (K,) +1 for modes that equal their mirror image, −1 for those that are its negative.
        variance: (K,) area-weighted mean square of each mode.
        total: area-weighted mean variance of the samples.
        fine: (K, T, 3) fine structure that goes with each mode, where samples of it were given; else None.
    """

    mean: Array
    basis: Array
    parity: Array
    variance: Array
    total: float
    fine: Array | None = None


def mirror_pairs(zone: NDArray[np.bool_]) -> Array:
    """(T,) index of each texel's mirror image about the middle column; the zone must be symmetric."""
    index = np.full(zone.shape, -1, dtype=np.int64)
    index[zone] = np.arange(int(zone.sum()))
    pairs: Array = index[:, ::-1][zone]
    return pairs


def symmetric_modes(
    samples: Array, importance: Array, area: Array, pairs: Array, count: int, fine: Array | None = None
) -> Modes:
    """Principal components of samples and their mirror images, weighted by area and importance.

    Adding every sample's mirror image makes each mode either symmetric or antisymmetric; both kinds are found
    separately by the method of snapshots and merged by variance.

    Args:
        samples: (N, T, 3) without gaps.
        importance: (N,) ≥ 0.
        area: (T,) mm².
        pairs: (T,) from :func:`mirror_pairs`.
        count: modes K ≤ 2 N − 1.
        fine: (N, T, 3) fine structure of the same samples, which has no say in what the modes are; what of it goes
            with each mode is found by regression, and is 0 on average where nothing does.
    """
    n = len(samples)
    share = importance / importance.sum()
    mean = np.tensordot(share, samples, 1)
    mean = 0.5 * (mean + mean[pairs])
    centred = samples - mean.astype(samples.dtype)
    metric = np.sqrt(area / area.sum())[:, None]
    small = None if fine is None else fine - np.tensordot(share, fine, 1).astype(fine.dtype)
    found: list[tuple[float, int, Array, Array | None]] = []
    total = 0.0
    for parity in (1, -1):
        half = 0.5 * (centred + parity * centred[:, pairs])
        scaled = (half * metric * np.sqrt(share)[:, None, None].astype(samples.dtype)).reshape(n, -1)
        gram = scaled.astype(np.float32) @ scaled.T.astype(np.float32)
        values, vectors = np.linalg.eigh(gram.astype(np.float64))
        total += float(values.sum())
        best = np.argsort(values)[::-1][:count]
        best = best[values[best] > 1e-10]
        # B = X' v / |X' v| · sqrt(λ) = X' v, with X' the weighted samples
        mix = (vectors[:, best] * np.sqrt(share)[:, None]).T.astype(half.dtype)
        raised = (mix @ half.reshape(n, -1)).reshape(len(best), *half.shape[1:])
        along = np.empty(0)
        if small is not None:
            along = 0.5 * (small + parity * small[:, pairs])
            along = (mix @ along.reshape(n, -1)).reshape(len(best), *half.shape[1:])
        for k, (value, mode) in enumerate(zip(values[best], raised)):
            sign = 1 if mode.sum() >= 0 else -1
            found.append((float(value), parity, sign * mode, None if small is None else sign * along[k]))
    found.sort(key=lambda entry: -entry[0])
    found = found[:count]
    basis: Array = np.stack([mode for _, _, mode, _ in found]).astype(np.float32)
    parities = np.array([p for _, p, _, _ in found])
    basis = 0.5 * (basis + parities[:, None, None] * basis[:, pairs])
    variance = np.array([v for v, _, _, _ in found])
    detail = None if small is None else np.stack([f for _, _, _, f in found if f is not None])
    return Modes(mean.astype(np.float32), basis.astype(np.float32), parities, variance, total, detail)

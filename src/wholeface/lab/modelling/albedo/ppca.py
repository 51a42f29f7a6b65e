"""Probabilistic principal components of partly observed samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ppca", "complete", "fit_ppca", "posterior"]

Array = NDArray[Any]
_CHUNK = 2048


@dataclass(frozen=True)
class Ppca:
    """x = mean + loadings · z + noise, z ~ N(0, 1).

    Args:
        mean: (T, C).
        loadings: (K, T, C).
        noise: variance of the isotropic noise.
    """

    mean: Array
    loadings: Array
    noise: float


def _triangle(k: int) -> tuple[Array, Array]:
    return np.triu_indices(k)


def posterior(model: Ppca, samples: Array, weight: Array) -> tuple[Array, Array]:
    """Mean (N, K) and covariance (N, K, K) of the latents of samples (N, T, C) with weights (N, T).

    A weight w is a precision of w / noise; 0 = missing.
    """
    n, t = samples.shape[:2]
    k = len(model.loadings)
    rows, cols = _triangle(k)
    gram = np.zeros((n, len(rows)))
    right = np.zeros((n, k))
    for start in range(0, t, _CHUNK):
        part = slice(start, start + _CHUNK)
        load = np.moveaxis(model.loadings[:, part], 0, -1)  # (t, C, K)
        outer = np.einsum("tca,tcb->tab", load, load)[:, rows, cols]  # (t, K(K+1)/2)
        gram += weight[:, part].astype(outer.dtype, copy=False) @ outer
        centred = (samples[:, part] - model.mean[part]) * weight[:, part, None]
        right += centred.reshape(n, -1) @ load.reshape(-1, k)
    precision = np.zeros((n, k, k))
    precision[:, rows, cols] = gram / model.noise
    precision[:, cols, rows] = gram / model.noise
    precision += np.eye(k)
    covariance = np.linalg.inv(precision)
    return np.einsum("nab,nb->na", covariance, right / model.noise), covariance


def _maximise(
    samples: Array, weight: Array, z: Array, covariance: Array, importance: Array, noise: float
) -> Ppca:
    """M-step: mean and loadings jointly by weighted least squares per texel, then the noise."""
    n, t, c = samples.shape
    k = z.shape[1]
    extended = np.concatenate((z, np.ones((n, 1))), axis=1)
    moment = np.einsum("na,nb->nab", extended, extended)
    moment[:, :k, :k] += covariance
    rows, cols = _triangle(k + 1)
    flat = (moment[:, rows, cols] * importance[:, None]).astype(samples.dtype)  # (N, (K+1)(K+2)/2)
    extended = extended.astype(samples.dtype)
    importance = importance.astype(samples.dtype)
    weight = weight.astype(samples.dtype, copy=False)
    mean = np.empty((t, c), dtype=samples.dtype)
    loadings = np.empty((k, t, c), dtype=samples.dtype)
    error = total = 0.0
    # A weak prior of unit-free strength keeps texels that nobody shows at the mean of their neighbours'
    # solution.
    prior = np.diag(np.append(np.full(k, 1.0), 1e-3))
    for start in range(0, t, _CHUNK):
        part = slice(start, start + _CHUNK)
        w = weight[:, part]
        packed = w.T @ flat
        normal = np.empty((packed.shape[0], k + 1, k + 1))
        normal[:, rows, cols] = packed
        normal[:, cols, rows] = packed
        x = samples[:, part] * (w * importance[:, None])[..., None]
        right = np.einsum("ntc,nk->tkc", x, extended, optimize=True)
        solution = np.linalg.solve(normal + prior, right)  # (t, K+1, C)
        loadings[:, part] = np.moveaxis(solution[:, :k], 1, 0)
        mean[part] = solution[:, k]
        fitted = np.einsum("nk,tkc->ntc", extended, solution, optimize=True)
        ww = w * importance[:, None]
        error += float((ww[..., None] * (samples[:, part] - fitted) ** 2).sum())
        total += float(ww.sum()) * c
    return Ppca(mean, loadings, max(error / max(total, 1e-9), 0.02 * noise, 1e-8))


def fit_ppca(
    samples: Array,
    weight: Array,
    modes: int,
    *,
    importance: Array | None = None,
    iterations: int = 20,
    seed: int = 0,
    start: Array | None = None,
) -> Ppca:
    r"""Expectation–maximisation for probabilistic PCA with missing entries.

    .. math:: p(x_{nt} | z_n) = N(\mu_t + W_t z_n,\ \sigma^2 / w_{nt}), \quad z_n \sim N(0, I)

    Args:
        samples: (N, T, C); entries of weight 0 are never read (any finite value does).
        weight: (N, T) in [0, 1].
        modes: K.
        importance: (N,) how often a sample counts in the statistics, or None for 1.
        iterations: of EM.
        seed: of the random start.
        start: (N, K') latents to start from instead (for instance of a coarser grid); K' ≤ K.

    Returns:
        The model; the sign and rotation of its modes are arbitrary.

    Source: Tipping & Bishop, "Probabilistic Principal Component Analysis", 1999, appendix on missing data.
    """
    n = len(samples)
    importance = np.ones(n) if importance is None else importance
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, modes)).astype(samples.dtype)
    if start is not None:
        z[:, : start.shape[1]] = start
        if start.shape[1] < modes:
            z[:, start.shape[1] :] *= 0.1
    covariance = np.zeros((n, modes, modes)) + 0.1 * np.eye(modes)
    model = _maximise(samples, weight, z, covariance, importance, 1.0)
    for _ in range(iterations):
        z, covariance = posterior(model, samples, weight)
        model = _maximise(samples, weight, z, covariance, importance, model.noise)
    return model


def complete(model: Ppca, samples: Array, weight: Array, z: Array | None = None) -> Array:
    """(N, T, C): observed entries kept by their weight, the rest from the model's posterior mean."""
    if z is None:
        z = posterior(model, samples, weight)[0]
    fitted = model.mean + np.einsum("nk,ktc->ntc", z, model.loadings, optimize=True)
    share = weight[..., None]
    filled: Array = np.where(share > 0, share * samples + (1 - share) * fitted, fitted)
    return filled.astype(samples.dtype)

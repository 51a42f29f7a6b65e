"""Probabilistic PCA with missing entries."""

from __future__ import annotations

import numpy as np

from wholeface.lab.modelling.albedo.ppca import complete, fit_ppca, posterior
from wholeface.lab.modelling.albedo.statistics import mirror_pairs, symmetric_modes

N, T, K, NOISE = 240, 90, 4, 0.02


def _truth(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = rng.normal(size=(T, 3))
    loadings = rng.normal(size=(K, T, 3)) * np.array([1.0, 0.7, 0.5, 0.3])[:, None, None]
    return mean, loadings, rng.normal(size=(N, K))


def _sampled(rng: np.random.Generator, missing: float) -> tuple[np.ndarray, ...]:
    mean, loadings, z = _truth(rng)
    clean = mean + np.einsum("nk,ktc->ntc", z, loadings)
    weight = (rng.random((N, T)) > missing).astype(float)
    noisy = clean + NOISE * rng.normal(size=clean.shape)
    return mean, loadings, clean, noisy, weight


def test_recovers_a_low_rank_model_with_forty_percent_missing() -> None:
    mean, loadings, clean, noisy, weight = _sampled(np.random.default_rng(1), 0.4)
    noisy = np.where(weight[..., None] > 0, noisy, 1e6)  # what is missing must not matter
    model = fit_ppca(noisy, weight, K, iterations=40, seed=2)
    # The subspace: every true loading lies in the span of the learned ones.
    basis = np.linalg.qr(model.loadings.reshape(K, -1).T)[0]
    true = loadings.reshape(K, -1).T
    outside = true - basis @ (basis.T @ true)
    assert np.linalg.norm(outside, axis=0).max() < 0.02 * np.linalg.norm(true, axis=0).min()
    assert np.isclose(model.noise, NOISE**2, rtol=0.15)
    filled = complete(model, noisy, weight)
    gap = weight == 0
    assert np.sqrt(((filled - clean)[gap] ** 2).mean()) < 2 * NOISE
    # The mean is known as well as the sample allows.
    assert np.abs(model.mean - clean.mean(0)).max() < 0.25
    assert mean.shape == model.mean.shape


def test_observed_entries_are_kept_and_missing_ones_never_read() -> None:
    _, _, _, noisy, weight = _sampled(np.random.default_rng(3), 0.3)
    one = fit_ppca(np.where(weight[..., None] > 0, noisy, 7.0), weight, K, iterations=5, seed=0)
    two = fit_ppca(np.where(weight[..., None] > 0, noisy, -9.0), weight, K, iterations=5, seed=0)
    np.testing.assert_allclose(one.loadings, two.loadings, atol=1e-9)
    filled = complete(one, noisy, weight)
    np.testing.assert_array_equal(filled[weight > 0], noisy[weight > 0])


def test_is_deterministic() -> None:
    _, _, _, noisy, weight = _sampled(np.random.default_rng(4), 0.3)
    one, two = (fit_ppca(noisy, weight, K, iterations=4, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.loadings, two.loadings)


def test_posterior_shrinks_to_zero_without_evidence() -> None:
    _, _, _, noisy, weight = _sampled(np.random.default_rng(6), 0.2)
    model = fit_ppca(noisy, weight, K, iterations=10, seed=0)
    z, covariance = posterior(model, noisy[:2], np.zeros((2, T)))
    np.testing.assert_allclose(z, 0, atol=1e-12)
    np.testing.assert_allclose(covariance, np.eye(K)[None].repeat(2, 0), atol=1e-12)


def test_strong_noise_neither_inflates_the_modes_nor_hides_in_them() -> None:
    rng = np.random.default_rng(8)
    mean, loadings, z = _truth(rng)
    loadings = 0.15 * loadings
    noisy = mean + np.einsum("nk,ktc->ntc", z, loadings) + 0.5 * rng.normal(size=(N, T, 3))
    weight = (rng.random((N, T)) > 0.6).astype(float)
    model = fit_ppca(noisy, weight, K, iterations=60, seed=1)
    latents, covariance = posterior(model, noisy, weight)
    # The latents are standard normal over the sample: posterior spread plus uncertainty is the identity.
    second = latents.T @ latents / N + covariance.mean(0)
    np.testing.assert_allclose(second, np.eye(K), atol=0.25)
    assert np.isclose(model.noise, 0.25, rtol=0.15)


def test_symmetric_modes_split_by_parity_and_carry_all_variance() -> None:
    rng = np.random.default_rng(7)
    zone = np.zeros((8, 8), dtype=bool)
    zone[1:7, 1:7] = True
    pairs = mirror_pairs(zone)
    np.testing.assert_array_equal(pairs[pairs], np.arange(len(pairs)))
    samples = rng.normal(size=(12, len(pairs), 3))
    area = rng.uniform(0.5, 2, len(pairs))
    area = area + area[pairs]
    modes = symmetric_modes(samples, np.ones(12), area, pairs, 23)
    for mode, parity in zip(modes.basis, modes.parity):
        np.testing.assert_allclose(mode[pairs], parity * mode, atol=1e-6)
    assert set(modes.parity) == {1, -1}
    assert np.isclose(modes.variance.sum(), modes.total, rtol=1e-4)
    assert (np.diff(modes.variance) <= 1e-12).all()
    # Each mode's area-weighted mean square is its variance: one standard deviation.
    square = ((modes.basis**2).sum(-1) * area / area.sum()).sum(1)
    np.testing.assert_allclose(square, modes.variance, rtol=1e-3)

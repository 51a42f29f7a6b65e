"""Image measures against hand-computed values and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.images import delta_e, delta_e_of_means, psnr, ssim


def _pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (60, 70, 3), np.uint8)
    found = np.clip(truth.astype(int) + rng.integers(-40, 41, truth.shape), 0, 255).astype(np.uint8)
    return found, truth


def test_psnr_counts_what_the_mask_covers() -> None:
    truth = np.full((20, 20, 3), 100, np.uint8)
    found = truth.copy()
    found[:5] = 110
    mask = np.zeros((20, 20), bool)
    mask[:10] = True  # half of it is off by 10
    assert psnr(found, truth, mask) == pytest.approx(10 * np.log10(255**2 / 50))
    assert psnr(truth, truth, mask) == 100.0


def test_ssim_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    found, truth = _pair()
    luma = np.array([0.299, 0.587, 0.114])
    _, expected = metrics.structural_similarity(
        found @ luma, truth @ luma, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    mask = np.zeros((60, 70), bool)
    mask[10:50, 12:58] = True
    assert ssim(found, truth, mask) == pytest.approx(expected[mask].mean(), abs=1e-9)
    assert ssim(truth, truth, mask) == pytest.approx(1.0)


def test_colour_differences() -> None:
    mask = np.ones((4, 4), bool)
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert delta_e(black, white, mask) == pytest.approx(100, abs=1e-3)  # L* from 0 to 100
    half = black.copy()
    half[:2] = 255
    assert delta_e(half, white, mask) == pytest.approx(50, abs=1e-3)
    # The mean of linear light of half white is 0.5: L* = 116 * 0.5^(1/3) - 16
    assert delta_e_of_means(half, white, mask) == pytest.approx(100 - (116 * 0.5 ** (1 / 3) - 16), abs=1e-3)


def test_what_cannot_be_compared_is_refused() -> None:
    found, truth = _pair()
    for measure in (psnr, ssim, delta_e, delta_e_of_means):
        with pytest.raises(UsageError, match="empty"):
            measure(found, truth, np.zeros((60, 70), bool))
        with pytest.raises(UsageError, match="one size"):
            measure(found[:-1], truth, np.ones((60, 70), bool))

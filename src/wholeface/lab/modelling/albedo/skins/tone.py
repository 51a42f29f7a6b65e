"""Skin tone: what a photograph says about it, and what it cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["TonePrior", "anchored_tones", "remove_low_asymmetry", "tone_prior"]

Array = NDArray[Any]
# Uncertainty of a portrait's tone in log units: exposure moves all channels alike, white balance each by
# itself.
_LIGHTER = 0.12
_EXPOSURE, _WHITE_BALANCE = 0.20, 0.14


@dataclass(frozen=True)
class TonePrior:
    """Gaussian of log-linear skin colours: mean (3,), covariance (3, 3)."""

    mean: Array
    covariance: Array


def tone_prior(tones: Array, groups: list[str]) -> TonePrior:
    """Prior in which every group counts the same.

    Args:
        tones: (N, 3) log linear-light skin colours with reliable levels.
        groups: N names.
    """
    share = np.array([1.0 / groups.count(g) for g in groups])
    share /= share.sum()
    mean = share @ tones
    centred: Array = tones - mean
    return TonePrior(mean, (centred * share[:, None]).T @ centred + 0.02**2 * np.eye(3))


def anchored_tones(observed: Array, prior: TonePrior, *, centre: Array | None = None) -> Array:
    r"""Most probable skin colours of subjects whose photographs have unknown exposure and white balance.

    .. math:: \hat s_i = \mu + \Sigma (\Sigma + N)^{-1} (o_i - \bar o - \delta), \quad
              N = \sigma_e^2 11^\top + \sigma_w^2 I

    Convention: a photograph's light is white with a mean irradiance of 1 over the face; the scale common to
    all photographs is fixed by ``centre``, the colour that their median is carried to.

    Args:
        observed: (N, 3) log of the face's mean colour under the fitted light of level 1.
        prior: of true skin colours.
        centre: (3,) true log colour of the median person photographed, or None for the prior's mean.

    Returns:
        (N, 3) estimated log albedo of the skin.
    """
    median = np.median(observed, axis=0)
    noise = _EXPOSURE**2 * np.ones((3, 3)) + _WHITE_BALANCE**2 * np.eye(3)
    gain = prior.covariance @ np.linalg.inv(prior.covariance + noise)
    middle = prior.mean if centre is None else centre
    estimate: Array = middle + (observed - median) @ gain.T
    # Nobody's skin is much lighter than the lightest of the prior: beyond that it was the exposure.
    excess = np.maximum(estimate.mean(1) - (middle.mean() + _LIGHTER), 0)
    return estimate - 0.75 * excess[:, None]


def remove_low_asymmetry(log_albedo: Array, weight: Array, sigma: float) -> Array:
    """Take out smooth left–right differences: faces are even-sided at large, lights are not.

    Args:
        log_albedo: (S, S, 3) in an atlas that is mirror-symmetric about its middle column.
        weight: (S, S), 0 = unknown.
        sigma: standard deviation in texels of what counts as smooth.

    Returns:
        (S, S, 3).
    """
    both = np.minimum(weight, weight[:, ::-1])
    odd = 0.5 * (log_albedo - log_albedo[:, ::-1]) * both[..., None]
    smooth = ndimage.gaussian_filter(odd, (sigma, sigma, 0))
    norm = ndimage.gaussian_filter(both, sigma)[..., None]
    # Where little is known about both sides the correction fades out.
    result: Array = log_albedo - smooth / np.maximum(norm, 0.05)
    return result

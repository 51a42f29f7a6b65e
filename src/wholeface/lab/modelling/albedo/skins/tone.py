"""Skin tone: what a photograph says about it, and what it cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .....core.luminance import LUMINANCE

__all__ = [
    "ToneAnchors",
    "TonePrior",
    "anchored_by_label",
    "anchored_tones",
    "label_of_tone",
    "remove_low_asymmetry",
    "tone_prior",
]

Array = NDArray[Any]
# Uncertainty of a portrait's tone in log units: exposure moves all channels alike, white balance each by
# itself.
_LIGHTER = 0.12
_EXPOSURE, _WHITE_BALANCE = 0.20, 0.14
# Lightness L* of skin by label: the middle of the classes very light, light, intermediate, tan, brown and dark of the
# individual typology angle, atan((L* - 50) / b*), for the b* that skin of each class has.
_LIGHTNESS = {1: 69.5, 2: 66.0, 3: 61.5, 4: 56.0, 5: 45.5, 6: 35.0}
# How people of one label differ: in pigment, and in colour besides, log units.
_PIGMENT, _COLOUR = 0.10, 0.04


@dataclass(frozen=True)
class TonePrior:
    """Gaussian of log-linear skin colours: mean (3,), covariance (3, 3)."""

    mean: Array
    covariance: Array


@dataclass(frozen=True)
class ToneAnchors:
    """Where skin tones lie.

    Args:
        prior: of the skin of people without a label.
        unlabelled: (3,) log albedo to which the median person without a label is carried.
    """

    prior: TonePrior
    unlabelled: Array


def label_of_tone(tones: Array) -> NDArray[np.int64]:
    """(N,) the label 1 to 6 whose lightness is nearest to each log albedo (N, 3)."""
    y = np.exp(tones) @ LUMINANCE
    lightness = 116 * np.cbrt(y) - 16
    labels = np.array(list(_LIGHTNESS))
    return labels[np.abs(lightness[:, None] - np.array(list(_LIGHTNESS.values()))).argmin(1)]


def anchored_by_label(observed: Array, labels: Array, anchors: ToneAnchors) -> Array:
    r"""Most probable skin colours from photographs of unknown exposure and white balance, helped by labels.

    The median colour of each label's photographs keeps its hue and takes the label's lightness; within a label,
    people differ from it by :math:`\Sigma (\Sigma + N)^{-1}` of what their photographs do, where N is the
    uncertainty of exposure and white balance and Σ how much people of one label differ. Photographs without a label
    (0) are anchored by :func:`anchored_tones`.

    Args:
        observed: (N, 3) log of the face's mean colour under the fitted light of level 1.
        labels: (N,) 1 to 6, or 0.
        anchors: of both kinds.

    Returns:
        (N, 3) estimated log albedo of the skin.

    Source: lightness by class after Chardon, Cretois & Hourseau 1991, and Del Bino & Bernerd 2013.
    """
    labels = np.asarray(labels)
    noise = _EXPOSURE**2 * np.ones((3, 3)) + _WHITE_BALANCE**2 * np.eye(3)
    middles = {int(k): np.median(observed[labels == k], axis=0) for k in np.unique(labels) if k}
    result = np.array(observed, dtype=np.float64)
    for label, middle in middles.items():
        wanted = ((_LIGHTNESS[label] + 16) / 116) ** 3
        # Few photographs of a label do not fix its hue: it is drawn to that of its neighbours.
        few = [n for n in middles if abs(n - label) <= 1]
        count = np.array([(labels == n).sum() * (1.0 if n == label else 0.1) for n in few], dtype=np.float64)
        hues = np.stack([middles[n] - middles[n].mean() for n in few])
        hue = (count / count.sum()) @ hues
        centre = hue + np.log(wanted / float(np.exp(hue) @ LUMINANCE))
        pigment = np.array([0.75, 1.0, 1.2])
        spread = _PIGMENT**2 * np.outer(pigment, pigment) + _COLOUR**2 * np.eye(3)
        mine = labels == label
        result[mine] = centre + (observed[mine] - middle) @ (spread @ np.linalg.inv(spread + noise)).T
    other = labels == 0
    if other.any():
        result[other] = anchored_tones(observed[other], anchors.prior, centre=anchors.unlabelled)
    return result


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

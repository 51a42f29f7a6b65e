r"""How well a relief is found: correlation, normals and grooves, as sums over pixels that add up over images.

A relief is a displacement in mm along the foundation's normal. What is compared is its fine part, see
:func:`finer_than`: broader shape is the foundation's business.

- correlation: Pearson's, over all pixels of all images together, each with its weight;
- normal error: mean angle between the normals of the displaced surfaces, and the same over *steep* pixels alone,
  where the true fine relief tilts the foundation's normal by at least ``STEEP`` degrees;
- grooves: pixels whose true fine displacement is at most ``-GROOVE`` mm. Recall: the share of them at which a quarter
  of their depth is found. Precision: of all pixels where at least a quarter of ``GROOVE`` is claimed, the share at
  which the truth is that deep.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = [
    "GROOVE",
    "STEEP",
    "WIDEST",
    "ReliefSums",
    "angles_between",
    "finer_than",
    "relief_sums",
    "shared_correlation",
]

Array = NDArray[np.floating[Any]]

WIDEST = 8.0
"""mm, full width at half maximum of the blur that is taken away."""
STEEP = 5.0
"""Degrees."""
GROOVE = 0.2
"""mm."""
_QUARTER = 0.25


def finer_than(
    displacement: Array, weight: Array, pixel_mm: float, width: float = WIDEST
) -> NDArray[np.float64]:
    r"""A relief without what is wider: displacement minus its mean under a Gaussian, :math:`h - (Gwh)/(Gw)`.

    Args:
        displacement: (H, W) mm.
        weight: (H, W) at least 0: where the displacement is known; elsewhere the result is 0.
        pixel_mm: mm that a pixel spans.
        width: full width of the Gaussian at half its maximum, mm.
    """
    from scipy.ndimage import gaussian_filter

    known = np.asarray(weight, np.float64)
    sigma = width / 2.3548 / pixel_mm
    of = gaussian_filter(known, sigma, mode="constant")
    mean = gaussian_filter(known * displacement, sigma, mode="constant") / np.maximum(of, 1e-6)
    return np.where(known > 0, displacement - mean, 0.0)


def angles_between(first: Array, second: Array) -> NDArray[np.float64]:
    """(…) degrees between unit vectors (…, 3)."""
    chord = np.linalg.norm(first.astype(np.float64) - second, axis=-1)
    return np.degrees(2 * np.arcsin(np.clip(chord / 2, 0, 1)))


@dataclass(frozen=True)
class ReliefSums:
    """Weighted sums over the pixels of one image or, added, of several.

    Args:
        weight: of all pixels.
        found, truth, found_found, truth_truth, found_truth: of displacements (mm) and their products.
        angle: of the normals' errors, degrees.
        steep: weight of the steep pixels; ``steep_angle``: of their normals' errors.
        grooves: weight of true grooves; ``grooves_found``: of those that were found.
        claims: weight of claimed grooves; ``claims_right``: of those that are there.
    """

    weight: float = 0.0
    found: float = 0.0
    truth: float = 0.0
    found_found: float = 0.0
    truth_truth: float = 0.0
    found_truth: float = 0.0
    angle: float = 0.0
    steep: float = 0.0
    steep_angle: float = 0.0
    grooves: float = 0.0
    grooves_found: float = 0.0
    claims: float = 0.0
    claims_right: float = 0.0

    def __add__(self, other: ReliefSums) -> ReliefSums:
        return ReliefSums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def correlation(self) -> float:
        """In [-1, 1]; 0 where nothing was found at all, NaN where there is nothing to find."""
        if self.weight <= 0:
            return float("nan")
        a = self.found_found - self.found**2 / self.weight
        b = self.truth_truth - self.truth**2 / self.weight
        ab = self.found_truth - self.found * self.truth / self.weight
        if b <= 1e-12 * self.weight:
            return float("nan")
        return 0.0 if a <= 1e-12 * self.weight else float(ab / np.sqrt(a * b))

    @property
    def rms(self) -> float:
        """Root mean square error of the displacement, mm."""
        squared = self.found_found - 2 * self.found_truth + self.truth_truth
        return float(np.sqrt(max(squared, 0.0) / self.weight)) if self.weight > 0 else float("nan")

    @property
    def normal_error(self) -> float:
        """Mean angle, degrees."""
        return _share(self.angle, self.weight)

    @property
    def steep_normal_error(self) -> float:
        """Mean angle over steep pixels, degrees."""
        return _share(self.steep_angle, self.steep)

    @property
    def recall(self) -> float:
        """Of grooves, in [0, 1]."""
        return _share(self.grooves_found, self.grooves)

    @property
    def precision(self) -> float:
        """Of grooves, in [0, 1]; NaN where none is claimed."""
        return _share(self.claims_right, self.claims)


def relief_sums(
    found: Array,
    truth: Array,
    weight: Array,
    found_normals: Array,
    true_normals: Array,
    flat_normals: Array,
) -> ReliefSums:
    """The sums of one image.

    Args:
        found: (H, W) mm, fine displacement; ``truth``: likewise.
        weight: (H, W) at least 0.
        found_normals: (H, W, 3) unit normals of the surface with the found relief; ``true_normals``: with the true
            one; ``flat_normals``: without any.

    Raises:
        UsageError: shapes that differ.
    """
    shapes = {found.shape, truth.shape, weight.shape} | {
        n.shape[:-1] for n in (found_normals, true_normals, flat_normals)
    }
    if len(shapes) != 1:
        raise UsageError(f"relief is compared between maps of one size, got {sorted(shapes)}")
    counted = weight > 0
    w = weight[counted].astype(np.float64)
    a, b = found[counted].astype(np.float64), truth[counted].astype(np.float64)
    angle = angles_between(found_normals[counted], true_normals[counted])
    steep = angles_between(flat_normals[counted], true_normals[counted]) >= STEEP
    groove, claim = b <= -GROOVE, a <= -_QUARTER * GROOVE
    sums = [float((w * v).sum()) for v in (np.ones_like(a), a, b, a * a, b * b, a * b, angle)]
    sums += [float(w[steep].sum()), float((w * angle)[steep].sum())]
    sums += [float(w[groove].sum()), float(w[groove & (a <= _QUARTER * b)].sum())]
    sums += [float(w[claim].sum()), float(w[claim & (b <= -_QUARTER * GROOVE)].sum())]
    return ReliefSums(*sums)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def shared_correlation(first: Array, second: Array, both: NDArray[np.bool_], least: int) -> float:
    """Pearson's correlation of two reliefs where both are known; NaN below ``least`` places or where one is flat."""
    if int(both.sum()) < least:
        return float("nan")
    a, b = first[both].astype(np.float64), second[both].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / length if length > 0 else float("nan")

"""Similarity transforms of the image plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import UsageError

__all__ = ["Similarity"]


@dataclass(frozen=True)
class Similarity:
    r"""Scale, rotation and translation of the image plane (no reflection).

    .. math:: p' = s\,R(\theta)\,p + t, \quad R = \begin{pmatrix}\cos&-\sin\\\sin&\cos\end{pmatrix}

    Convention: points are (u, v) with v down and pixel (0, 0) the centre of the top-left pixel. Because v
        points
    down, a positive rotation turns clockwise on the screen.

    Args:
        scale: target pixels per source pixel, positive.
        rotation: radians.
        tx: shift along u, target pixels.
        ty: shift along v, target pixels.

    Raises:
        UsageError: a value is not finite, or the scale is not positive.
    """

    scale: float = 1.0
    rotation: float = 0.0
    tx: float = 0.0
    ty: float = 0.0

    def __post_init__(self) -> None:
        values = (self.scale, self.rotation, self.tx, self.ty)
        if not all(math.isfinite(v) for v in values) or self.scale <= 0:
            raise UsageError(f"a similarity needs finite numbers and a positive scale, got {values}")

    @staticmethod
    def from_box(
        box: Sequence[float] | NDArray[Any],
        size: tuple[int, int],
        *,
        roll: float = 0.0,
        margin: float = 1.0,
    ) -> Similarity:
        """The similarity that shows a box upright in the middle of a crop.

        The centre of the box lands on the centre of the crop; the box, enlarged by ``margin``, just fits
        into the crop's full extent (from −½ to size − ½).

        Args:
            box: (4,) x0, y0, x1, y1 in source pixels, x1 > x0 and y1 > y0.
            size: (width, height) of the crop in pixels.
            roll: radians; direction in the source image that becomes horizontal in the crop, such as the
                angle ``atan2(dv, du)`` of the line between the eyes. The box's sides are measured along the
                source axes.
            margin: factor on the box, 1 = none.

        Raises:
            UsageError: empty box, size or margin.
        """
        x0, y0, x1, y1 = (float(b) for b in box)
        width, height = size
        if not (x1 > x0 and y1 > y0 and width > 0 and height > 0 and margin > 0):
            raise UsageError(f"cannot crop box {(x0, y0, x1, y1)} to size {tuple(size)} with margin {margin}")
        scale = min(width / (x1 - x0), height / (y1 - y0)) / margin
        turn = Similarity(scale, -roll)
        cu, cv = turn.apply(np.array([(x0 + x1) / 2, (y0 + y1) / 2]))
        return Similarity(scale, -roll, (width - 1) / 2 - float(cu), (height - 1) / 2 - float(cv))

    @staticmethod
    def from_points(source: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> Similarity:
        r"""Least-squares similarity between paired points.

        With points as complex numbers :math:`z, z'` about their weighted means, the optimum over scale and
        rotation is :math:`s e^{i\theta} = \sum w \bar z z' / \sum w |z|^2`, which in the plane is Umeyama's
        closed form.

        Args:
            source: (N, 2), N ≥ 2.
            target: (N, 2).
            weights: (N,) non-negative, or None for equal weights.

        Raises:
            UsageError: wrong shapes, or points that do not determine a similarity (all in one place,
                mirrored).

        Source: Umeyama 1991, "Least-squares estimation of transformation parameters between two point
            patterns".
        """
        a = np.asarray(source, dtype=np.float64)
        b = np.asarray(target, dtype=np.float64)
        if a.ndim != 2 or a.shape[1] != 2 or a.shape != b.shape or len(a) < 2:
            raise UsageError(f"point pairs must be two (N, 2) arrays with N ≥ 2, got {a.shape} and {b.shape}")
        w = np.ones(len(a)) if weights is None else np.asarray(weights, dtype=np.float64)
        if w.shape != (len(a),) or (w < 0).any() or not w.sum() > 0:
            raise UsageError(f"weights must be {len(a)} non-negative numbers with a positive sum")
        w = w / w.sum()
        mean_a, mean_b = w @ a, w @ b
        za = (a - mean_a) @ np.array([1, 1j])
        zb = (b - mean_b) @ np.array([1, 1j])
        spread_a, spread_b = float(w @ np.abs(za) ** 2), float(w @ np.abs(zb) ** 2)
        cross = complex((w * za.conj()) @ zb)
        if not (spread_a > 0 and spread_b > 0 and abs(cross) > 1e-12 * math.sqrt(spread_a * spread_b)):
            raise UsageError(
                "these point pairs do not determine a similarity: they coincide or are mirror images"
            )
        turn = Similarity(abs(cross) / spread_a, math.atan2(cross.imag, cross.real))
        tx, ty = mean_b - turn.apply(mean_a)
        return Similarity(turn.scale, turn.rotation, float(tx), float(ty))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 3) float64 matrix M with p' = M · (u, v, 1)."""
        c, s = self.scale * math.cos(self.rotation), self.scale * math.sin(self.rotation)
        return np.array([[c, -s, self.tx], [s, c, self.ty]])

    def apply(self, points: ArrayLike) -> NDArray[np.float64]:
        """Moves points (..., 2) from the source to the target image; returns (..., 2) float64."""
        m = self.matrix
        moved: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ m[:, :2].T + m[:, 2]
        return moved

    def inverse(self) -> Similarity:
        """The way back: ``s.inverse().apply(s.apply(p)) == p`` up to rounding."""
        back = Similarity(1.0 / self.scale, -self.rotation)
        tx, ty = -back.apply(np.array([self.tx, self.ty]))
        return Similarity(back.scale, back.rotation, float(tx), float(ty))

    def then(self, other: Similarity) -> Similarity:
        """This transform followed by another one: ``s.then(o).apply(p) == o.apply(s.apply(p))``."""
        tx, ty = other.apply(np.array([self.tx, self.ty]))
        rotation = math.remainder(self.rotation + other.rotation, math.tau)
        return Similarity(self.scale * other.scale, rotation, float(tx), float(ty))

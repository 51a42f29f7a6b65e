"""What a face model knows of its coefficients before a photo is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr

__all__ = ["ExpressionPrior", "GaussianPrior"]

_RATE, _PRECISION = 4.0, 4.0  # of blendshape weights of a model that brings no statistics of its own


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    r"""Independent Gaussians of mean 0: :math:`-\log p = \tfrac12 \sum_k (c_k / \sigma_k)^2`.

    Args:
        deviation: (K,) standard deviation σ of each coefficient; 1 where modes are scaled to one standard deviation.
    """

    deviation: Tensor

    __repr__ = short_repr

    @property
    def size(self) -> int:
        """Number of coefficients K."""
        return int(self.deviation.shape[0])

    @property
    def precision(self) -> Tensor:
        """(K,) 1/σ²."""
        return self.deviation**-2

    @staticmethod
    def unit(size: int) -> GaussianPrior:
        """Coefficients in standard deviations."""
        return GaussianPrior(torch.ones(size))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> GaussianPrior:
        """The same prior on another device or in another dtype."""
        return GaussianPrior(self.deviation.to(device=device, dtype=dtype))


@dataclass(frozen=True, eq=False)
class ExpressionPrior:
    r"""Prior of the expression coefficients: blendshape weights, Gaussian modes, or some of both.

    .. math:: -\log p = r^T \epsilon + \tfrac12 \epsilon^T P \epsilon
        \quad\text{for}\quad l \le \epsilon \le u, \text{ else } \infty

    Args:
        lower: (E,) smallest coefficient l: 0 of a blendshape, −∞ of a Gaussian mode.
        upper: (E,) largest coefficient u: 1 of a blendshape, ∞ of a Gaussian mode.
        rate: (E,) r: 0 of a Gaussian mode; a blendshape's weight is rather small than large.
        precision: (E, E) P.

    Raises:
        UsageError: shapes that do not fit together.
    """

    lower: Tensor
    upper: Tensor
    rate: Tensor
    precision: Tensor

    __repr__ = short_repr

    def __post_init__(self) -> None:
        size = self.lower.shape[0]
        shapes = {name: tuple(getattr(self, name).shape) for name in ("lower", "upper", "rate", "precision")}
        wanted = {"lower": (size,), "upper": (size,), "rate": (size,), "precision": (size, size)}
        for name, shape in shapes.items():
            if shape != wanted[name]:
                raise UsageError(f"expression prior: {name} has shape {shape}, expected {wanted[name]}")

    @property
    def size(self) -> int:
        """Number of coefficients E."""
        return int(self.lower.shape[0])

    @property
    def bounded(self) -> Tensor:
        """(E,) bool, coefficients that cannot take every value."""
        return self.lower.isfinite() | self.upper.isfinite()

    @staticmethod
    def blendshapes(
        size: int, rate: Tensor | float = _RATE, precision: Tensor | float = _PRECISION
    ) -> ExpressionPrior:
        """Weights in [0, 1], 0 = neutral, 1 = full.

        Args:
            size: E.
            rate: (E,) or one number for all.
            precision: (E, E), or one number for all.
        """
        return ExpressionPrior(
            torch.zeros(size),
            torch.ones(size),
            rate if isinstance(rate, Tensor) else torch.full((size,), rate),
            precision if isinstance(precision, Tensor) else precision * torch.eye(size),
        )

    @staticmethod
    def gaussian(deviation: Tensor) -> ExpressionPrior:
        """Modes of any sign with these standard deviations (E,)."""
        endless = torch.full_like(deviation, torch.inf)
        return ExpressionPrior(-endless, endless, torch.zeros_like(deviation), torch.diag(deviation**-2))

    @staticmethod
    def joined(*parts: ExpressionPrior) -> ExpressionPrior:
        """Coefficients of several kinds one after the other, independent of each other."""
        return ExpressionPrior(
            torch.cat([part.lower for part in parts]),
            torch.cat([part.upper for part in parts]),
            torch.cat([part.rate for part in parts]),
            torch.block_diag(*(part.precision for part in parts)),  # type: ignore[no-untyped-call]
        )

    def clamp(self, coefficients: Tensor) -> Tensor:
        """Coefficients (..., E') moved to the nearest ones that are allowed; E' ≤ E."""
        count = coefficients.shape[-1]
        return torch.minimum(
            torch.maximum(coefficients, self.lower[:count].to(coefficients)),
            self.upper[:count].to(coefficients),
        )

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> ExpressionPrior:
        """The same prior on another device or in another dtype."""
        return ExpressionPrior(
            *(v.to(device=device, dtype=dtype) for v in (self.lower, self.upper, self.rate, self.precision))
        )

"""Albedo statistics of a morphable model, per vertex and in UV space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.resize import resize_bilinear
from ..core.short_repr import short_repr
from ..core.srgb_torch import linear_to_srgb, srgb_to_linear

__all__ = ["AlbedoModel", "AlbedoSpace", "linear_to_srgb", "srgb_to_linear"]

AlbedoSpace = Literal["log", "srgb", "linear"]


@dataclass(frozen=True)
class AlbedoModel:
    r"""Linear albedo statistics: :math:`a = g(\mu + \sum_k c_k B_k)` with ``c`` in standard deviations.

    ``space`` names the space in which the sum is taken, and so the map ``g`` to linear light:
    ``log`` (:math:`g = \exp`, sums of pigment densities), ``srgb`` (Basel: additive in the encoded
    colours, then decoded) or ``linear`` (:math:`g` = identity).

    Args:
        space: the space of ``mean`` and ``basis``.
        mean: (V, 3) per vertex.
        basis: (A, V, 3) per vertex, one standard deviation each.
        mean_texture: (3, S, S) or None: the mean in UV space; may have a higher resolution than the basis.
        basis_texture: (A, 3, s, s) or None: the same modes in UV space.

    Convention: texture row 0 lies at v = 1, column 0 at u = 0; texel centres at (i + ½) / S.
    """

    space: AlbedoSpace
    mean: Tensor
    basis: Tensor
    mean_texture: Tensor | None = None
    basis_texture: Tensor | None = None

    __repr__ = short_repr

    @property
    def size(self) -> int:
        """Number of modes."""
        return int(self.basis.shape[0])

    def vertices(self, coefficients: Tensor) -> Tensor:
        """Albedo per vertex.

        Args:
            coefficients: (..., A') in standard deviations, A' ≤ A; missing ones count as 0.

        Returns:
            (..., V, 3) linear-light albedo, ≥ 0.
        """
        count = coefficients.shape[-1]
        if count > self.size:
            raise UsageError(f"{count} albedo coefficients for a model with {self.size} modes")
        # a_vc = mu_vc + sum_k c_k B_kvc
        offset = coefficients @ self.basis[:count].flatten(1)
        return self.to_linear(self.mean + offset.reshape(*offset.shape[:-1], *self.mean.shape))

    def texture(self, coefficients: Tensor, size: int) -> Tensor:
        """Albedo texture of one face.

        Args:
            coefficients: (A',) in standard deviations.
            size: edge of the square texture in texels.

        Returns:
            (3, size, size) linear-light albedo.

        Raises:
            UsageError: the model has no statistics in UV space.
        """
        offset = self.texture_offset(coefficients)
        assert self.mean_texture is not None
        mean, change = (resize_bilinear(t, size, size) for t in (self.mean_texture, offset))
        return self.to_linear(mean + change)

    def texture_offset(self, coefficients: Tensor) -> Tensor:
        """What the coefficients add to :attr:`mean_texture`, in the statistics' own space and size.

        Args:
            coefficients: (A',) in standard deviations.

        Returns:
            (3, h, w).

        Raises:
            UsageError: the model has no statistics in UV space.
        """
        if self.mean_texture is None or self.basis_texture is None:
            raise UsageError("this face model has no albedo in UV space; use .vertices()")
        # o_cp = sum_k c_k B_kcp
        basis = self.basis_texture[: coefficients.shape[-1]]
        return (coefficients @ basis.flatten(1)).reshape(basis.shape[1:])

    def to_linear(self, values: Tensor) -> Tensor:
        """Linear light from values in this model's ``space``."""
        if self.space == "log":
            return torch.exp(values)
        if self.space == "srgb":
            return srgb_to_linear(values)
        return values.clamp(min=0.0)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> AlbedoModel:
        """The same statistics on another device or in another dtype."""

        def move(t: Tensor | None) -> Tensor | None:
            return None if t is None else t.to(device=device, dtype=dtype)

        return AlbedoModel(
            self.space,
            self.mean.to(device=device, dtype=dtype),
            self.basis.to(device=device, dtype=dtype),
            move(self.mean_texture),
            move(self.basis_texture),
        )

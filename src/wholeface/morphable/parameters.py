"""Named parameter vectors: nobody slices by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr

__all__ = ["DECA_236", "DEEP3D_257", "LAYOUTS", "LAYOUT_175", "LAYOUT_239", "ParameterLayout", "Parameters"]


@dataclass(frozen=True)
class ParameterLayout:
    """Order and sizes of the blocks of a flat parameter vector.

    Args:
        blocks: ``(name, size)`` pairs in the order in which they lie in the vector.
    """

    blocks: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return sum(size for _, size in self.blocks)

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Named views of a flat vector.

        Args:
            vector: (..., size).

        Returns:
            name -> (..., block size), views that share memory with ``vector``.

        Raises:
            UsageError: the last dimension is not ``size``.
        """
        if vector.shape[-1] != self.size:
            raise UsageError(
                f"parameter vector has {vector.shape[-1]} entries, this layout needs {self.size}: {self}"
            )
        parts = torch.split(vector, [size for _, size in self.blocks], dim=-1)
        return {name: part for (name, _), part in zip(self.blocks, parts)}

    def join(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Flat vector (..., size) from named blocks (..., block size).

        Raises:
            UsageError: a block is missing, superfluous or of the wrong size.
        """
        names = [name for name, _ in self.blocks]
        if set(names) != set(parts):
            raise UsageError(f"layout needs the blocks {names}, got {sorted(parts)}")
        for name, size in self.blocks:
            if parts[name].shape[-1] != size:
                raise UsageError(
                    f"block {name!r} has {parts[name].shape[-1]} entries, this layout needs {size}"
                )
        return torch.cat([parts[name] for name in names], dim=-1)

    def __str__(self) -> str:
        return " + ".join(f"{size} {name}" for name, size in self.blocks) + f" = {self.size}"


DEEP3D_257 = ParameterLayout(
    (("identity", 80), ("expression", 64), ("albedo", 80), ("light", 27), ("rotation", 3), ("translation", 3))
)
"""Deng et al. 2019 (Deep3D), FOCUS: 80 + 64 + 80 + 27 + 3 + 3."""
LAYOUT_239 = ParameterLayout(
    (
        ("identity", 80),
        ("expression", 64),
        ("albedo", 80),
        ("light", 9),
        ("rotation", 3),
        ("scale", 1),
        ("shift", 2),
    )
)
"""Zhao & Qi, eyeglasses (§3): 80 + 64 + 80, one light for all channels, and the pose {pitch, yaw, roll, f, t2D}."""
LAYOUT_175 = ParameterLayout(
    (("identity", 80), ("albedo", 80), ("light", 9), ("rotation", 3), ("scale", 1), ("shift", 2))
)
"""Zhao & Qi, parsing-map guided (§3.4): two bases of 80, 9 light, 6 pose; no expression block."""
DECA_236 = ParameterLayout(
    (("identity", 100), ("albedo", 50), ("expression", 50), ("pose", 6), ("camera", 3), ("light", 27))
)
"""Feng et al. 2021 (DECA), without the detail code: FLAME coefficients, 236."""
LAYOUTS: dict[str, ParameterLayout] = {
    "257": DEEP3D_257,
    "239": LAYOUT_239,
    "175": LAYOUT_175,
    "236": DECA_236,
}


@dataclass(frozen=True)
class Parameters:
    """Everything that describes one rendered face (or a batch of them, with leading dimensions).

    Args:
        identity: (..., K) in standard deviations.
        expression: (..., E) blendshape weights, 0 = neutral, 1 = full.
        albedo: (..., A) in standard deviations.
        light: (..., 9, 3) spherical-harmonics coefficients per colour channel, camera frame, linear light.
        rotation: (..., 3) axis-angle in radians, model to camera.
        translation: (..., 3) mm, model to camera; z is negative in front of the camera.

    Convention: camera point = R(rotation) · model point + translation.
    """

    identity: Tensor
    expression: Tensor
    albedo: Tensor
    light: Tensor
    rotation: Tensor
    translation: Tensor

    __repr__ = short_repr

    @property
    def layout(self) -> ParameterLayout:
        """The flat layout of these parameters (light flattened to 27)."""
        return ParameterLayout(
            tuple(
                (f.name, 27 if f.name == "light" else int(getattr(self, f.name).shape[-1]))
                for f in fields(self)
            )
        )

    def flat(self) -> Tensor:
        """(..., layout.size) vector in the order of ``layout``."""
        return self.layout.join(
            {
                f.name: getattr(self, f.name).flatten(-2) if f.name == "light" else getattr(self, f.name)
                for f in fields(self)
            }
        )

    @staticmethod
    def from_flat(vector: Tensor, layout: ParameterLayout) -> Parameters:
        """Inverse of :meth:`flat` for a layout that :attr:`layout` returned."""
        parts = layout.split(vector)
        parts["light"] = parts["light"].reshape(*vector.shape[:-1], 9, 3)
        return Parameters(**parts)

    def with_(self, **changes: Tensor) -> Parameters:
        """A copy with some blocks replaced."""
        return replace(self, **changes)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Parameters:
        """The same parameters on another device or in another dtype."""
        return Parameters(
            **{f.name: getattr(self, f.name).to(device=device, dtype=dtype) for f in fields(self)}
        )

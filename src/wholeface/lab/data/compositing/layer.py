"""An image of something that can be laid over a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....perceive import OccluderKind, ParsingClass
from ..samples.sample import FaceSample

__all__ = ["Layer", "LayerSource", "Split"]

Split = Literal["train", "held_out"]


@dataclass(frozen=True)
class Layer:
    """Something in front of the face, in the frame of the sample that it was made for.

    Args:
        rgba: (S, S, 4) uint8, sRGB colours (straight, not premultiplied) and coverage.
        kind: what :attr:`FaceSample.occluder` says where it covers.
        parsing: what :attr:`FaceSample.parsing` says where it covers.
        name: which item of the library this is, e.g. ``mask/cloth_1``.
        shadow: strength in [0, 1] of the soft contact shadow that it casts on what lies behind.
        height: typical distance in front of the skin in pixels; sets the width of the shadow.
        parsing_map: (S, S) uint8, a class of its own for each pixel (a hat with hair below it), or None.
        softness: blur of the shadow over ``height``; small under a small, strong light.
        eyewear: (S, S) uint8, :class:`EyewearPart` of each pixel, for spectacles; None for all else. Their frames
            and dark lenses count as occluder, whatever their coverage.

    Raises:
        UsageError: ``rgba`` has another shape or dtype.
    """

    rgba: NDArray[np.uint8]
    kind: OccluderKind
    parsing: ParsingClass
    name: str
    shadow: float = 0.4
    height: float = 4.0
    parsing_map: NDArray[np.uint8] | None = None
    softness: float = 0.3
    eyewear: NDArray[np.uint8] | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.rgba.ndim != 3 or self.rgba.shape[2] != 4 or self.rgba.dtype != np.uint8:
            raise UsageError(
                f"layer {self.name}: rgba must be (S, S, 4) uint8, got {self.rgba.dtype} {self.rgba.shape}"
            )


class LayerSource(Protocol):
    """Makes layers of one sort, e.g. masks or hands."""

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One random layer for this sample, or None where none fits (e.g. glasses on a profile).

        Args:
            sample: the face; its ``parameters`` hold at least ``rotation`` (3,) axis-angle where the pose is known.
            rng: randomness.
            split: from which part of the library.
        """
        ...

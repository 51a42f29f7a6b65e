"""What fills the hole: simple baselines, the completed texture's rendering, networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError, WholeFaceError
from .....core.srgb import LINEAR_OF_BYTE, encode_srgb
from .....result.from_state import reconstruction_of
from .....stages import FaceState, Tools, run_stages
from .....stages.deocclude.by_generator import DeoccludeByGenerator
from .....stages.texture.completion import TextureCompletion

__all__ = ["NETWORK", "OCCLUDED", "RENDERING", "SKIN", "Filler", "fillers"]

Pixels = NDArray[np.uint8]
Filler = Callable[[FaceState, Tools], Pixels]
"""A face with ``fit`` and ``mask`` -> (H, W, 3) the photo without what hides it."""

OCCLUDED, SKIN, RENDERING, NETWORK = "occluded photo", "mean skin", "rendering", "network"
_TEXTURE = 512


def fillers(networks: Mapping[str, Path]) -> dict[str, Filler]:
    """Name of each system -> what it does.

    Args:
        networks: further networks by name, weights of the same architecture as the shipped one.
    """
    found: dict[str, Filler] = {
        OCCLUDED: lambda face, tools: face.photo.pixels,
        SKIN: _mean_skin,
        RENDERING: _Reconstructed(None),
        NETWORK: _Reconstructed("deocclusion"),
    }
    for name, path in networks.items():
        if name in found:
            raise UsageError(f"the network name {name!r} is taken; choose another")
        found[name] = _Reconstructed(str(path))
    return found


def _mean_skin(face: FaceState, tools: Tools) -> Pixels:
    """The hole in the mean colour of the skin that is seen."""
    assert face.mask is not None
    pixels = face.photo.pixels.copy()
    seen = face.mask.visible
    if seen.any():
        colour = encode_srgb(LINEAR_OF_BYTE[pixels[seen]].mean(axis=0))
        pixels[face.mask.hidden] = np.round(255 * colour).astype(np.uint8)
    return pixels


@dataclass(frozen=True)
class _Reconstructed:
    """The picture that a reconstruction makes, with a network or without."""

    weights: str | None

    def __call__(self, face: FaceState, tools: Tools) -> Pixels:
        network = () if self.weights is None else (DeoccludeByGenerator("all", self.weights),)
        done = run_stages((*network, TextureCompletion(size=_TEXTURE)), [face], tools)[0]
        if isinstance(done, WholeFaceError):
            raise done
        return reconstruction_of(done, "bench", tools).deoccluded

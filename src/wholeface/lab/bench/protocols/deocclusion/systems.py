"""What fills the hole: simple baselines, the completed texture's rendering, networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError, WholeFaceError
from .....core.srgb import LINEAR_OF_BYTE, encode_srgb
from .....networks.registry import has_weights
from .....result.from_state import reconstruction_of
from .....stages import FaceState, Stage, Tools, run_stages
from .....stages.deocclude.by_eyeglasses import DeoccludeByEyeglasses
from .....stages.deocclude.by_generator import DeoccludeByGenerator
from .....stages.deocclude.by_parsing_map import DeoccludeByParsingMap
from .....stages.texture import CompletedTexture
from .....stages.texture.completion import TextureCompletion

__all__ = [
    "EYEGLASSES",
    "NETWORK",
    "OCCLUDED",
    "PARSING_GUIDED",
    "RENDERING",
    "SKIN",
    "Filled",
    "Filler",
    "fillers",
    "true_texture",
]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Filled:
    """What a system made of a face.

    Args:
        pixels: (H, W, 3) uint8, the photo without what hides the face.
        texture: of the head, or None where the system makes none.
    """

    pixels: Pixels
    texture: CompletedTexture | None = None


Filler = Callable[[FaceState, Tools], Filled]
"""A face with ``fit`` and ``mask`` -> what was made of it."""

OCCLUDED, SKIN, RENDERING, NETWORK = "occluded photo", "mean skin", "rendering", "network"
PARSING_GUIDED, EYEGLASSES = "parsing-guided (compact)", "eyeglasses (compact)"
_TEXTURE = 512
_PUBLISHED: tuple[tuple[str, tuple[str, ...], Stage], ...] = (
    (PARSING_GUIDED, ("fisn",), DeoccludeByParsingMap()),
    (EYEGLASSES, ("eyeglasses", "eyeglasses_deleter"), DeoccludeByEyeglasses()),
)
"""Published generators, which find what hides the face themselves: row, weights (without them no row), stage."""


def fillers(networks: Mapping[str, Path]) -> dict[str, Filler]:
    """Name of each system -> what it does.

    Args:
        networks: further networks by name, weights of the same architecture as the shipped one.
    """
    found: dict[str, Filler] = {
        OCCLUDED: lambda face, tools: Filled(face.photo.pixels),
        SKIN: _mean_skin,
        RENDERING: _Reconstructed(),
        NETWORK: _Reconstructed((DeoccludeByGenerator("all"),)),
        **{name: _Reconstructed((stage,)) for name, weights, stage in _PUBLISHED if has_weights(*weights)},
    }
    for name, path in networks.items():
        if name in found:
            raise UsageError(f"the network name {name!r} is taken; choose another")
        found[name] = _Reconstructed((DeoccludeByGenerator("all", str(path)),))
    return found


def _mean_skin(face: FaceState, tools: Tools) -> Filled:
    """The hole in the mean colour of the skin that is seen."""
    assert face.mask is not None
    pixels = face.photo.pixels.copy()
    seen = face.mask.visible
    if seen.any():
        colour = encode_srgb(LINEAR_OF_BYTE[pixels[seen]].mean(axis=0))
        pixels[face.mask.hidden] = np.round(255 * colour).astype(np.uint8)
    return Filled(pixels)


@dataclass(frozen=True)
class _Reconstructed:
    """The picture that a reconstruction makes, after a network or without."""

    before: tuple[Stage, ...] = ()

    def __call__(self, face: FaceState, tools: Tools) -> Filled:
        done = run_stages((*self.before, TextureCompletion(size=_TEXTURE)), [face], tools)[0]
        if isinstance(done, WholeFaceError):
            raise done
        made = reconstruction_of(done, "bench", tools)
        return Filled(made.deoccluded, made.completed)


def true_texture(face: FaceState, clean: Pixels, tools: Tools) -> CompletedTexture:
    """The texture that the same fit gets of the photo with nothing in front of the face.

    Args:
        face: with ``fit`` and ``mask``.
        clean: (H, W, 3) uint8, the photo without occluders.
        tools: of the stages.
    """
    assert face.mask is not None
    free = replace(face.mask, occluder=np.zeros_like(face.mask.occluder), spectacles=None)
    bare = face.with_(photo=replace(face.photo, pixels=clean), mask=free, parsing=None)
    done = run_stages((TextureCompletion(size=_TEXTURE),), [bare], tools)[0]
    if isinstance(done, WholeFaceError):
        raise done
    assert done.texture is not None
    return done.texture

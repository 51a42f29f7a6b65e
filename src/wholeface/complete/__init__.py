"""What the photo hides: the whole UV texture with the provenance of each texel, and the de-occluded photo."""

from ._prepare import prepare
from .deocclude import DeoccludeSettings, deocclude
from .texture import MIRRORED, MODEL, NONE, OBSERVED, CompletedTexture, CompleteSettings, complete_texture

__all__ = [
    "MIRRORED",
    "MODEL",
    "NONE",
    "OBSERVED",
    "CompleteSettings",
    "CompletedTexture",
    "DeoccludeSettings",
    "complete_texture",
    "deocclude",
    "prepare",
]

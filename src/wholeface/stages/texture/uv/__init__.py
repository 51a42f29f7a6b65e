"""Completion of the UV texture: each texel observed, mirrored or from the model, and said which."""

from .complete import MIRRORED, MODEL, NONE, OBSERVED, CompletedTexture, CompleteSettings, complete_texture
from .tables import prepare

__all__ = [
    "MIRRORED",
    "MODEL",
    "NONE",
    "OBSERVED",
    "CompleteSettings",
    "CompletedTexture",
    "complete_texture",
    "prepare",
]

"""Steps that make the whole texture."""

from .uv.complete import MIRRORED, MODEL, NONE, OBSERVED, CompletedTexture, CompleteSettings, complete_texture
from .uv.tables import prepare

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

"""Colours of photographed faces at the face mesh's vertices, whole and as completed without parts of them."""

from .build import build_colours
from .hiding import HIDINGS, hidden_part
from .photos import ColourPhoto, colour_photos
from .store import ColourSample, ColourStore, held_out

__all__ = [
    "HIDINGS",
    "ColourPhoto",
    "ColourSample",
    "ColourStore",
    "build_colours",
    "colour_photos",
    "held_out",
    "hidden_part",
]

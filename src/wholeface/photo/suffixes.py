"""Which files of a folder are photos that can be read, by their names alone."""

from __future__ import annotations

import importlib.util

from PIL import Image

from ._decode import _FORMATS

__all__ = ["HEIF_SUFFIXES", "readable_suffixes"]

HEIF_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
"""Endings of HEIC photos, which need ``wholeface[heic]``."""


def readable_suffixes() -> frozenset[str]:
    """Lower-case endings, dot included, of the formats that :func:`read_photo` reads with what is installed.

    Pillow is asked, so that formats that only some of its builds or versions know (AVIF, WebP) are in it when they
    can be read; those of HEIC are when its library is installed.
    """
    Image.init()
    known = {
        suffix.lower()
        for suffix, name in Image.registered_extensions().items()
        if name in _FORMATS and (name in Image.OPEN or name == "MPO")  # which the JPEG reader opens
    }
    if importlib.util.find_spec("pillow_heif") is not None:
        known |= HEIF_SUFFIXES
    else:
        known -= HEIF_SUFFIXES
    return frozenset(known)

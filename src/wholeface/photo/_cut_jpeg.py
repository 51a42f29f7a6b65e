"""JPEG files whose end was lost: interrupted downloads, cameras that omit the end marker."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["mended", "missing_rows"]

_SCANS = {False: 8, True: 5}
"""Scans without which a progressive image is too coarse, of usually 10 (grey: 6)."""


def mended(data: bytes) -> bytes | None:
    """The file with an end marker, so that decoders give what is there; None where too little is.

    In a sequential file the rows that are missing come out grey, see :func:`missing_rows`. A progressive one
    has every row early and loses detail instead.
    """
    scans, progressive, grey = _structure(data)
    if scans < (_SCANS[grey] if progressive else 1):
        return None
    return data + b"\xff\xd9"


def missing_rows(image: Image.Image) -> int:
    """Number of rows at the bottom whose right end the decoder filled in.

    The decoder sets what it does not know to zero, which is medium grey (127 in inverted CMYK).
    """
    width, height = image.size
    corner = np.asarray(image.crop((max(0, width - 4), 0, width, height))).reshape(height, -1)
    filled = (corner == (127 if image.mode == "CMYK" else 128)).all(axis=1)
    known = np.flatnonzero(~filled)
    return height - (int(known[-1]) + 1 if known.size else 0)


def _structure(data: bytes) -> tuple[int, bool, bool]:
    """Number of scans that begin in the file, whether it is progressive, whether it is grey."""
    place, progressive, grey = 2, False, False
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            # Inside the coded image every FF is followed by 00 or a restart number, so markers can be counted.
            return data.count(b"\xff\xda", place), progressive, grey
        if marker in (0xC0, 0xC1, 0xC2):
            progressive, grey = marker == 0xC2, data[place + 9 : place + 10] == b"\x01"
        place += 2 + size
    return 0, progressive, grey

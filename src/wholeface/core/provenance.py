"""Where a texel, a pixel or a bump comes from."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Provenance"]


class Provenance(IntEnum):
    """Codes of every provenance map that WholeFace writes.

    ``NONE``: nothing of the face here (outside the UV charts, beyond the head). ``OBSERVED``: the photo shows it.
    ``MIRRORED``: the photo shows the same place of the other half. ``MODEL``: from the statistics of the face model.
    ``GENERATED``: made by a network from its surroundings. ``EXAMPLE``: taken from another face.
    """

    NONE = 0
    OBSERVED = 1
    MIRRORED = 2
    MODEL = 3
    GENERATED = 4
    EXAMPLE = 5

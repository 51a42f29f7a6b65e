"""Focal length in pixels from EXIF."""

from __future__ import annotations

import math
from typing import Any

from PIL import ExifTags, Image

__all__ = ["focal_length_px"]

_DIAGONAL_35MM = math.hypot(36.0, 24.0)  # mm
_PLAUSIBLE_35MM = (8.0, 1200.0)  # mm; fisheye to super-telephoto
_RESOLUTION_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def focal_length_px(exif: Image.Exif, width: int, height: int) -> float | None:
    r"""Focal length in pixels, or None where EXIF has none, or one that cannot be true.

    From the 35 mm equivalent, which is defined by the diagonal: :math:`f = f_{35} \sqrt{w^2 + h^2} / 43.27`;
    otherwise from the focal length in mm and the sensor's resolution. A photo whose aspect ratio differs
    from the size that the camera noted has been cropped, and nothing is known about its focal length.

    Args:
        exif: of the photo.
        width: of the decoded photo, pixels.
        height: of the decoded photo, pixels.

    Source: CIPA DCG-001 (35 mm equivalent); EXIF 2.32, tags 0x920A, 0xA002, 0xA003, 0xA20E, 0xA210, 0xA405.
    """
    try:
        tags = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # Pillow raises many types on malformed EXIF, which is no reason to refuse the photo
        return None
    diagonal = math.hypot(width, height)
    noted = sorted((_number(tags.get(0xA002)), _number(tags.get(0xA003))))
    sides = sorted((width, height))
    if noted[0] > 0 and abs(noted[1] / noted[0] / (sides[1] / sides[0]) - 1) > 0.02:
        return None
    focal = _number(tags.get(0xA405)) * diagonal / _DIAGONAL_35MM
    if focal <= 0:
        unit = _RESOLUTION_UNIT_MM.get(int(_number(tags.get(0xA210))) or 2, 25.4)
        focal = _number(tags.get(0x920A)) * _number(tags.get(0xA20E)) / unit
        if noted[1] > 0:
            focal *= sides[1] / noted[1]
        else:
            focal = 0.0  # without the size that the resolution belongs to, a resized photo would mislead
    low, high = (f * diagonal / _DIAGONAL_35MM for f in _PLAUSIBLE_35MM)
    return focal if low <= focal <= high else None


def _number(value: Any) -> float:
    """A positive finite number, or 0."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0

"""The usual soft step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["smoothstep"]


def smoothstep(low: float, high: float, value: NDArray[Any]) -> NDArray[np.float32]:
    """0 below ``low``, 1 above ``high``, the cubic 3t² − 2t³ between them; any shape, float32."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)

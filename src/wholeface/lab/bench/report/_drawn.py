"""Images where they can be drawn, a note where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["drawn"]


def drawn(
    make: Callable[[], Mapping[str, NDArray[np.uint8]]],
) -> tuple[Mapping[str, NDArray[np.uint8]], list[str]]:
    """What ``make`` draws, and no notes; or nothing, and why (matplotlib is not installed)."""
    try:
        return make(), []
    except UsageError as error:
        return {}, [f"no image: {error}"]

"""Writing miniature datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

WriteImage = Callable[..., NDArray[np.uint8]]


@pytest.fixture
def write_image() -> WriteImage:
    """``write_image(path, size=(w, h), seed=0)`` writes noise, makes the folders, and returns what was written.

    For lossy formats the image is flat, so that it comes back nearly as it was.
    """

    def write(path: Path, size: tuple[int, int] = (20, 24), seed: int = 0) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        if path.suffix == ".jpg":
            pixels[:] = pixels[0, 0]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return write

"""Endings of files that can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.photo import read_photo, readable_suffixes


def test_every_ending_is_of_a_format_that_is_read(tmp_path: Path) -> None:
    pixels = np.full((32, 32, 3), 100, np.uint8)
    writable = {s: f for s, f in Image.registered_extensions().items() if f in Image.SAVE}
    suffixes = sorted(readable_suffixes() & set(writable))
    assert {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff"} <= set(suffixes)
    for suffix in suffixes:
        path = tmp_path / f"photo{suffix}"
        Image.fromarray(pixels).save(path)
        assert read_photo(path).pixels.shape == (32, 32, 3)


@pytest.mark.parametrize("suffix", [".eps", ".pdf", ".svg", ".txt", ".JPG", ""])
def test_endings_that_are_not(suffix: str) -> None:
    assert suffix not in readable_suffixes()

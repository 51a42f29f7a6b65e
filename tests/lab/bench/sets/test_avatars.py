"""The skin of rendered avatars is that of their texture, in linear light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wholeface.lab.bench.sets.avatars import _linear_texture
from wholeface.lab.modelling.albedo.skins.avatars import Avatar


def test_textures_are_decoded_from_bytes(tmp_path: Path) -> None:
    rows = np.zeros((4, 6, 3), np.uint8)
    rows[::2, ::2] = (255, 128, 0)  # what is left at half the resolution
    Image.fromarray(rows).save(tmp_path / "skin.png")
    nothing = np.zeros((0, 3))
    avatar = Avatar("a", nothing, np.zeros((0, 2)), nothing.astype(np.int64), 0, tmp_path / "skin.png")
    texture = _linear_texture(avatar)
    assert texture.shape == (3, 2, 3)
    expected = np.array([1.0, ((128 / 255 + 0.055) / 1.055) ** 2.4, 0.0])
    np.testing.assert_allclose(
        texture.numpy(), np.broadcast_to(expected[:, None, None], (3, 2, 3)), rtol=1e-6
    )

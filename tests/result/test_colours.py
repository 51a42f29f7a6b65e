"""How much the hue differs over a face."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.result.colours import colour_spread, seen_level

_FACE = np.zeros((120, 100), bool)
_FACE[20:100, 20:80] = True


def _shaded(colour: tuple[float, float, float]) -> np.ndarray:
    """(120, 100, 3) a surface of this colour, lit from one side, with the noise of a camera."""
    shade = np.linspace(0.15, 1.0, 100)[None, :, None] * np.ones((120, 1, 1))
    linear = shade * np.array(colour)
    code = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    noise = np.random.default_rng(0).normal(0, 4, code.shape)
    return np.clip(255 * code + noise, 0, 255).astype(np.uint8)


def test_one_colour_in_light_and_shade_has_little_spread() -> None:
    for colour in ((0.5, 0.5, 0.5), (0.6, 0.35, 0.25), (0.12, 0.07, 0.05)):
        assert colour_spread(_shaded(colour), _FACE) < 0.5


def test_false_colours_have_much() -> None:
    grey = _shaded((0.5, 0.5, 0.5))[..., 0].astype(float) / 255
    false = np.stack([grey**0.5, 1.3 * grey**2.5, 0.5 * np.abs(np.sin(5 * grey))], axis=-1)
    assert colour_spread((np.clip(false, 0, 1) * 255).astype(np.uint8), _FACE) > 1.5
    painted = _shaded((0.6, 0.35, 0.25))
    painted[:, :50] = painted[:, :50, ::-1] // np.array([3, 1, 1], np.uint8)
    assert colour_spread(painted, _FACE) > 1.2


def test_only_what_is_seen_of_the_face_counts() -> None:
    pixels = _shaded((0.6, 0.35, 0.25))
    pixels[60:] = (0, 0, 255)
    seen = _FACE.copy()
    seen[60:] = False
    assert colour_spread(pixels, seen) < 0.5
    assert colour_spread(pixels, _FACE) > 1.2


def test_where_hardly_anything_is_seen_nothing_is_said() -> None:
    few = np.zeros_like(_FACE)
    few[30, 30:50] = True
    assert colour_spread(_shaded((0.6, 0.3, 0.2)), few) == 0.0
    assert colour_spread(_shaded((0.6, 0.3, 0.2)), np.zeros_like(_FACE)) == 0.0
    assert colour_spread(np.zeros((120, 100, 3), np.uint8), _FACE) == pytest.approx(0.0)


def test_the_level_is_the_median_of_what_is_seen() -> None:
    pixels = np.full((40, 50, 3), 200, np.uint8)
    pixels[:, :20] = 60
    visible = np.zeros((40, 50), bool)
    visible[:, :30] = True
    assert seen_level(pixels, visible) == pytest.approx(60)
    visible[:, :18] = False
    assert seen_level(pixels, visible) == pytest.approx(200)
    assert seen_level(pixels, np.zeros((40, 50), bool)) == 128.0

"""The colour of a second person's skin, or of a glove, beside the skin in a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...compositing.compose import SceneLight

__all__ = ["Tone", "random_tone"]


@dataclass(frozen=True)
class Tone:
    """What a hand is coloured like.

    Args:
        colour: (3,) linear, mean under the photo's light.
        contrast: of light and dark, relative to the source.
        chroma: of differences between channels, relative to the source.
        glove: cloth or rubber instead of skin.
    """

    colour: NDArray[np.float32]
    contrast: float
    chroma: float
    glove: bool


_LIGHT, _DARK = np.log([0.52, 0.33, 0.25]), np.log([0.055, 0.028, 0.019])
_GLOVES = ((0.15, 0.35, 0.6), (0.75, 0.75, 0.73), (0.02, 0.02, 0.022), (0.05, 0.25, 0.3), (0.55, 0.5, 0.35))


def random_tone(light: SceneLight, rng: np.random.Generator) -> Tone:
    """Mostly the person's own skin: exactly (46 %), nearly (30 %), another's (14 %), or a glove (10 %)."""
    choice = rng.random()
    own = np.log(np.clip(light.skin, 0.004, 1.0)).astype(np.float64)
    contrast, chroma = float(rng.uniform(0.6, 1.05)), float(rng.uniform(0.5, 1.1))
    if choice < 0.46:
        log = own + rng.normal(0.0, 0.08) + rng.normal(0.0, 0.02, 3)
    elif choice < 0.76:
        log = own + rng.normal(0.0, 0.28) + rng.normal(0.0, 0.06, 3)
    elif choice < 0.9:
        log = _LIGHT + rng.random() * (_DARK - _LIGHT) + rng.normal(0.0, 0.06, 3)
        log = log + np.log(np.clip(light.gain, 0.05, 3.0))
    else:
        base = (
            np.array(_GLOVES[int(rng.integers(len(_GLOVES)))])
            if rng.random() < 0.6
            else rng.uniform(0.02, 0.6, 3)
        )
        log = np.log(base * np.exp(rng.normal(0, 0.2)) * np.clip(light.gain, 0.05, 3.0))
        return Tone(np.exp(log).astype(np.float32), contrast * 0.9, 0.12, True)
    return Tone(np.clip(np.exp(log), 0.003, 0.95).astype(np.float32), contrast, chroma, False)

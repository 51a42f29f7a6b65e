"""Fine noise on the texture, so that texels from the model are not smoother than skin."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .atlas import Array, Atlas

__all__ = ["texel_noise"]


@lru_cache(maxsize=4)
def _noise(size: int, seed: int) -> Array:
    """(S, S) float32 of unit variance: pores of about one texel in 1024 and a weaker, coarser octave."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for width, share in ((1.0, 1.0), (2.6, 0.6)):
        octave = gaussian_filter(
            generator.standard_normal((size, size), np.float32), width * size / 1024, mode="wrap"
        )
        total += share * octave / octave.std()
    return np.asarray(np.clip(total / total.std(), -2.5, 2.5))


def texel_noise(atlas: Atlas, seed: int) -> Array:
    """(T,) float32 noise of unit variance at the atlas' texels; none at vertices, wider apart than pores."""
    if atlas.size == 0:
        return np.zeros(len(atlas.texel), np.float32)
    return np.asarray(_noise(atlas.size, seed).ravel()[atlas.texel])

"""Random skin: tone, make-up, stubble, pores, eyes, as changes of log albedo and gloss per region."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..compositing.backgrounds import value_noise
from ._render_kernels import add_modes
from .head import REGIONS, Head

__all__ = ["Skin", "plain_skin", "random_albedo", "random_skin"]

Floats = NDArray[np.float32]
_TILE = 256
_IRISES = np.array(
    [
        [0.010, 0.006, 0.004],
        [0.045, 0.022, 0.010],
        [0.11, 0.055, 0.022],
        [0.12, 0.10, 0.045],
        [0.06, 0.08, 0.07],
        [0.05, 0.08, 0.12],
        [0.12, 0.15, 0.17],
    ]
)
_HAIRS = np.array(
    [[0.008, 0.007, 0.007], [0.02, 0.012, 0.008], [0.06, 0.033, 0.018], [0.18, 0.11, 0.05], [0.25, 0.23, 0.21],
     [0.14, 0.05, 0.02]]
)  # fmt: skip


@dataclass(frozen=True)
class Skin:
    """How one person's surface differs from the albedo model's.

    Args:
        mixture: (R, 6) what each region of :data:`REGIONS` adds to the log albedo (3), to the noise of skin and of
            hair in log albedo, and to the strength of highlights.
        exponents: (3,) sharpness of the highlights of skin, of eyes and teeth, of lips.
        skin_tile: (T, T) periodic noise.
        hair_tile: (T, T) periodic noise.
        tiling: (9,) scale and shift of the skin's tile, of the hair's, and noise per colour channel.
        scalp: the scalp is covered by short hair that counts as hair.
    """

    mixture: Floats
    exponents: Floats
    skin_tile: Floats
    hair_tile: Floats
    tiling: Floats
    scalp: bool

    def tint(self, regions: Floats) -> Floats:
        """(N, 3) change of log albedo of vertices with such regions (N, R)."""
        tint: Floats = regions @ self.mixture[:, :3]
        return tint


@lru_cache(maxsize=1)
def _tiles() -> tuple[Floats, Floats]:
    """(4, T, T) noise of skin (pores, blotches, spots, lines) and (3, T, T) of hair, periodic, deviation 1."""
    rng = np.random.default_rng(20240607)
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.fftfreq(_TILE)[None]) * _TILE

    def band(low: float, high: float) -> Floats:
        spectrum = np.fft.fft2(rng.normal(size=(_TILE, _TILE)))
        spectrum *= np.exp(-((frequency / high) ** 2)) * (1 - np.exp(-((frequency / low) ** 2)))
        noise = np.fft.ifft2(spectrum).real
        return (noise / noise.std()).astype(np.float32)

    spots = np.minimum(-np.maximum(band(20, 50) - 1.8, 0) * 3, 0)
    lines = -np.exp(-((band(6, 14) / 0.12) ** 2))
    skin = np.stack([band(40, 90), band(4, 12), spots, (lines - lines.mean()) / lines.std()])
    hair = np.stack([band(60, 120), band(25, 60), band(12, 90)])
    return skin.astype(np.float32), hair.astype(np.float32)


def random_albedo(size: int, rng: np.random.Generator) -> Floats:
    """(A,) coefficients; the first, overall lightness, varies more than among the subjects it was learned from."""
    coefficients = np.clip(rng.normal(0, 0.85, size), -2.5, 2.5)
    coefficients[0] = rng.uniform(-3.0, 1.3) if rng.random() < 0.5 else np.clip(rng.normal(0, 0.9), -2.5, 1.5)
    return coefficients.astype(np.float32)


def plain_skin() -> Skin:
    """No change."""
    tile = np.zeros((2, 2), np.float32)
    return Skin(
        np.zeros((len(REGIONS), 6), np.float32),
        np.ones(3, np.float32),
        tile,
        tile,
        np.ones(9, np.float32),
        False,
    )


def random_skin(head: Head, rng: np.random.Generator, buzz: float) -> Skin:
    """A random surface.

    Args:
        head: mean colours.
        rng: randomness.
        buzz: share of heads with very short hair on the scalp (others are bald below whatever is laid over).
    """
    mixture = np.zeros((len(REGIONS), 6))
    tint = {name: mixture[k, :3] for k, name in enumerate(REGIONS)}  # views
    noise = {name: mixture[k, 4:5] for k, name in enumerate(REGIONS)}
    gloss = {name: mixture[k, 5:6] for k, name in enumerate(REGIONS)}
    hair = _HAIRS[int(rng.integers(len(_HAIRS)))] * np.exp(rng.normal(0, 0.25))
    # Melanin and blood: a little colour that the statistics lack
    tint["skin"] += rng.normal(0, [0.06, 0.06, 0.09], 3)
    if rng.random() < 0.4:
        tint["cheeks"] += rng.uniform(0.05, 0.35) * np.array([0.0, -0.8, -0.6])
    if rng.random() < 0.4:
        depth = rng.uniform(0.05, 0.9)
        where = "whiskers" if rng.random() < 0.6 else "moustache"
        if rng.random() < 0.3:
            where, depth = "beard", 0.7 * depth
        tint[where] += depth * np.clip(np.log(hair) + 1.2, -2.2, -0.4)
        noise[where] += depth * rng.uniform(0.1, 0.6)
    if rng.random() < 0.3:
        tint["lips"] += rng.normal([0.05, -0.5, -0.35], [0.25, 0.4, 0.4])
    else:
        tint["lips"] += rng.normal(0, [0.08, 0.15, 0.15])
    if rng.random() < 0.2:
        tint["shadow"] += rng.uniform(0.2, 1.0) * rng.uniform(-1.3, 0.1, 3)
    tint["brows"] += rng.normal(-0.1, 0.35)
    noise["brows"] += rng.uniform(0.05, 0.3)
    scalp = False
    if rng.random() < buzz:
        strength = rng.uniform(0.4, 2.2)
        tint["scalp"] += np.clip(np.log(hair) + 1.0, -2.5, -0.3) * min(strength, 1.2)
        noise["scalp"] += rng.uniform(0.15, 0.6)
        scalp = strength > 0.6
    # Eyes and teeth
    eye = _IRISES[int(rng.choice(len(_IRISES), p=[0.3, 0.3, 0.18, 0.08, 0.06, 0.05, 0.03]))]
    tint["iris"] += np.log(eye * np.exp(rng.normal(0, 0.25, 3))) - head.iris_mean
    tint["sclera"] += -rng.uniform(0.05, 0.6) + np.array([0.0, -1.0, -1.0]) * rng.uniform(0, 0.2)
    tint["teeth"] += rng.uniform(-0.5, 0.15) + np.array([0.0, -0.5, -1.0]) * rng.uniform(0, 0.5)
    tint["mouth"] += rng.normal(-0.1, [0.2, 0.25, 0.25])
    # Pores and blotches
    skins, hairs = _tiles()
    mix = np.abs(rng.normal(0, [1.0, 0.6, 0.6 * (rng.random() < 0.25), 0.15])).astype(np.float32)
    skin_tile = np.zeros((_TILE, _TILE), np.float32)
    add_modes(
        skins.reshape(len(skins), -1), mix / max(float(np.linalg.norm(mix)), 1e-6), skin_tile.reshape(-1)
    )
    mixture[REGIONS.index("dry_skin"), 3] += np.exp(rng.uniform(np.log(0.01), np.log(0.09)))
    # Sheen
    oily = np.exp(rng.uniform(np.log(0.01), np.log(0.16)))
    gloss["skin"] += oily
    gloss["hairy_skin"] -= 0.8 * oily * scalp
    gloss["lips"] += rng.uniform(0, 0.15)
    for name in ("teeth", "mouth"):
        gloss[name] += 0.08
    wet = rng.uniform(0.1, 0.5)
    for name in ("sclera", "iris", "pupil"):
        gloss[name] += wet
    exponents = np.array([rng.uniform(8, 40), 90.0, rng.uniform(20, 60)], np.float32)
    tiling = np.array(
        [
            _TILE * np.exp(rng.uniform(np.log(0.6), np.log(2.5))),
            *rng.uniform(0, _TILE, 2),
            _TILE * np.exp(rng.uniform(np.log(1.2), np.log(3.0))),
            *rng.uniform(0, _TILE, 2),
            rng.uniform(0.6, 1.0),
            1.0,
            rng.uniform(0.9, 1.2),
        ],
        np.float32,
    )
    return Skin(
        mixture.astype(np.float32), exponents, skin_tile, hairs[int(rng.integers(len(hairs)))], tiling, scalp
    )


def random_shade(rng: np.random.Generator, size: int, share: float) -> Floats:
    """(size, size) factor of the light, or (1, 1): now and then the soft edge of a shadow falls over the head."""
    if rng.random() >= share:
        return np.ones((1, 1), np.float32)
    noise = value_noise(rng, size, (1, int(rng.integers(2, 5))), channels=1)[..., 0]
    mask = np.clip((noise + rng.uniform(-0.4, 0.4)) * rng.uniform(1.5, 12) + 0.5, 0, 1)
    return (1 - rng.uniform(0.15, 0.65) * mask).astype(np.float32)

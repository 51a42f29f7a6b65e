"""Random skin: tone, make-up, stubble, pores, eyes, as changes of log albedo and gloss per vertex."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ._synthetic_head import Head
from .backgrounds import value_noise

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
        tint: (V, 3) added to the log albedo.
        amplitudes: (V, 2) of the noise of skin and of hair, in log albedo.
        gloss: (V,) strength of the highlight.
        exponent: (V,) its sharpness.
        skin_tile: (T, T) periodic noise.
        hair_tile: (T, T) periodic noise.
        tiling: (9,) scale and shift of the skin's tile, of the hair's, and noise per colour channel.
        hair: (V,) bool, covered by short hair that counts as hair (scalp).
    """

    tint: Floats
    amplitudes: Floats
    gloss: Floats
    exponent: Floats
    skin_tile: Floats
    hair_tile: Floats
    tiling: Floats
    hair: NDArray[np.bool_]


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
    """(A,) coefficients; the first, overall lightness, varies more than among the people it was learned from."""
    coefficients = np.clip(rng.normal(0, 0.85, size), -2.5, 2.5)
    coefficients[0] = rng.uniform(-3.0, 1.3) if rng.random() < 0.5 else np.clip(rng.normal(0, 0.9), -2.5, 1.5)
    return coefficients.astype(np.float32)


def plain_skin(head: Head) -> Skin:
    """No change."""
    nothing = np.zeros(head.count, np.float32)
    tile = np.zeros((2, 2), np.float32)
    return Skin(
        np.zeros((head.count, 3), np.float32),
        np.zeros((head.count, 2), np.float32),
        nothing,
        np.ones(head.count, np.float32),
        tile,
        tile,
        np.ones(9, np.float32),
        np.zeros(head.count, bool),
    )


def random_skin(head: Head, rng: np.random.Generator, buzz: float) -> Skin:
    """A random surface.

    Args:
        head: regions.
        rng: randomness.
        buzz: share of heads with very short hair on the scalp (others are bald below whatever is laid over).
    """
    w = head.weights
    tint = np.zeros((head.count, 3), np.float32)
    hair_noise = np.zeros(head.count, np.float32)
    hair = _HAIRS[int(rng.integers(len(_HAIRS)))] * np.exp(rng.normal(0, 0.25))
    # Melanin and blood: a little colour that the statistics lack
    tint += w["skin"][:, None] * rng.normal(0, [0.06, 0.06, 0.09], 3).astype(np.float32)
    if rng.random() < 0.4:
        tint += (w["cheeks"] * rng.uniform(0.05, 0.35))[:, None] * np.array([0.0, -0.8, -0.6], np.float32)
    if rng.random() < 0.4:
        depth = rng.uniform(0.05, 0.9)
        density = (np.maximum(w["beard"], w["moustache"]) if rng.random() < 0.6 else w["moustache"]) * depth
        if rng.random() < 0.3:
            density = w["beard"] * depth * 0.7
        towards = np.clip(np.log(hair) + 1.2, -2.2, -0.4).astype(np.float32)
        tint += density[:, None] * towards
        hair_noise += density * rng.uniform(0.1, 0.6)
    if rng.random() < 0.3:
        tint += w["lips"][:, None] * rng.normal([0.05, -0.5, -0.35], [0.25, 0.4, 0.4]).astype(np.float32)
    else:
        tint += w["lips"][:, None] * rng.normal(0, [0.08, 0.15, 0.15]).astype(np.float32)
    if rng.random() < 0.2:
        tint += (w["shadow"] * rng.uniform(0.2, 1.0))[:, None] * rng.uniform(-1.3, 0.1, 3).astype(np.float32)
    brow = rng.normal(-0.1, 0.35)
    tint += w["brows"][:, None] * np.float32(brow)
    hair_noise += w["brows"] * rng.uniform(0.05, 0.3)
    scalp = np.zeros(head.count, bool)
    if rng.random() < buzz:
        strength = rng.uniform(0.4, 2.2)
        tint += w["scalp"][:, None] * (np.clip(np.log(hair) + 1.0, -2.5, -0.3) * min(strength, 1.2)).astype(
            np.float32
        )
        hair_noise += w["scalp"] * rng.uniform(0.15, 0.6)
        scalp = w["scalp"] > 0.5 if strength > 0.6 else scalp
    # Eyes and teeth
    eye = _IRISES[int(rng.choice(len(_IRISES), p=[0.3, 0.3, 0.18, 0.08, 0.06, 0.05, 0.03]))]
    tint += w["iris"][:, None] * (np.log(eye * np.exp(rng.normal(0, 0.25, 3))) - head.iris_mean).astype(
        np.float32
    )
    tint += w["sclera"][:, None] * (
        -rng.uniform(0.05, 0.6) + np.array([0.0, -1.0, -1.0]) * rng.uniform(0, 0.2)
    ).astype(np.float32)
    tint += w["teeth"][:, None] * (
        rng.uniform(-0.5, 0.15) + np.array([0.0, -0.5, -1.0]) * rng.uniform(0, 0.5)
    ).astype(np.float32)
    tint += w["mouth"][:, None] * rng.normal(-0.1, [0.2, 0.25, 0.25]).astype(np.float32)
    # Pores and blotches
    skins, hairs = _tiles()
    mix = np.abs(rng.normal(0, [1.0, 0.6, 0.6 * (rng.random() < 0.25), 0.15])).astype(np.float32)
    skin_tile = np.tensordot(mix / max(float(np.linalg.norm(mix)), 1e-6), skins, 1).astype(np.float32)
    rough = np.exp(rng.uniform(np.log(0.01), np.log(0.09)))
    amplitudes = np.stack([w["skin"] * np.float32(rough) * (1 - 0.6 * w["lips"]), hair_noise], axis=1)
    # Sheen
    oily = np.exp(rng.uniform(np.log(0.01), np.log(0.16)))
    gloss = w["skin"] * np.float32(oily) * (1 - 0.8 * w["scalp"] * scalp)
    gloss += w["lips"] * np.float32(rng.uniform(0, 0.15)) + (w["teeth"] + w["mouth"]) * np.float32(0.08)
    gloss += (w["sclera"] + w["iris"] + w["pupil"]) * np.float32(rng.uniform(0.1, 0.5))
    exponent = np.full(head.count, rng.uniform(8, 40), np.float32)
    exponent[(w["sclera"] + w["iris"] + w["pupil"] + w["teeth"]) > 0] = 90.0
    exponent[w["lips"] > 0] = rng.uniform(20, 60)
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
        tint,
        np.ascontiguousarray(amplitudes, dtype=np.float32),
        gloss.astype(np.float32),
        exponent,
        skin_tile,
        hairs[int(rng.integers(len(hairs)))],
        tiling,
        scalp,
    )


def random_shade(rng: np.random.Generator, size: int, share: float) -> Floats:
    """(size, size) factor of the light: now and then the soft edge of a shadow falls over the head."""
    if rng.random() >= share:
        return np.ones((size, size), np.float32)
    noise = value_noise(rng, size, (1, int(rng.integers(2, 5))), channels=1)[..., 0]
    mask = np.clip((noise + rng.uniform(-0.4, 0.4)) * rng.uniform(1.5, 12) + 0.5, 0, 1)
    return (1 - rng.uniform(0.15, 0.65) * mask).astype(np.float32)

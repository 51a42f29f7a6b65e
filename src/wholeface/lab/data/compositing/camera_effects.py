"""What a camera and its file do to an image: blur, noise, tone, colour cast, few pixels, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError
from ....core.jit import njit

__all__ = ["apply_camera"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
_TILE = 512
_SHARES = {
    "blur": 0.45,
    "motion": 0.1,
    "sharpen": 0.12,
    "shrink": 0.25,
    "tone": 0.7,
    "cast": 0.5,
    "saturation": 0.4,
    "grey": 0.07,
    "noise": 0.65,
    "jpeg": 0.6,
}
"""How often each effect is met at strength 1."""


@dataclass(frozen=True)
class _Effects:
    """One draw of everything, to be applied to several images alike.

    Args:
        blur: standard deviation in pixels, 0 = none.
        motion: (dx, dy) extent of a straight movement in pixels.
        sharpen: amount of unsharp masking.
        shrink: factor in (0, 1] to the pixels that the sensor had; ``late`` noise and JPEG come before enlarging.
        filters: of shrinking and enlarging.
        table: (3, 256) float32 codes after tone and cast.
        saturation: 1 = unchanged, 0 = grey.
        noise: deviation in codes: of black, of white, share of colour in it.
        place: where in the noise tile, and its turn.
        jpeg: quality, or 0 for none; ``subsampling`` of the colours.
    """

    blur: float
    motion: tuple[float, float]
    sharpen: float
    shrink: float
    late: bool
    filters: tuple[Image.Resampling, Image.Resampling]
    table: Floats
    plain: bool
    saturation: float
    noise: tuple[float, float, float]
    place: tuple[int, int, int]
    jpeg: int
    subsampling: int


def apply_camera(
    image: Bytes, clean: Bytes, rng: np.random.Generator, strength: float = 1.0
) -> tuple[Bytes, Bytes]:
    """Both images as the same camera would have taken them, in the same moment.

    Args:
        image: (S, S, 3) uint8 sRGB.
        clean: (S, S, 3) uint8 sRGB; the same object as ``image`` spares the second half of the work.
        rng: randomness. What is drawn does not depend on the images.
        strength: scales how often effects occur and how strong they are; 0 leaves the images unchanged.

    Returns:
        Two new images of the same size; one and the same where ``image is clean``.

    Raises:
        UsageError: images of different sizes, or a negative strength.
    """
    if image.shape != clean.shape or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"two RGB images of one size are needed, got {image.shape} and {clean.shape}")
    if strength < 0:
        raise UsageError(f"the strength of camera effects must not be negative, got {strength}")
    effects = _draw(rng, strength, image.shape[0])
    first = _apply(image, effects)
    return first, first if clean is image else _apply(clean, effects)


def _draw(rng: np.random.Generator, strength: float, size: int) -> _Effects:
    hit = {name: bool(rng.random() < min(share * strength, 1.0)) for name, share in _SHARES.items()}
    unit = size / 256
    blur = float(np.exp(rng.uniform(np.log(0.4), np.log(2.2)))) * strength * unit
    angle, length = rng.uniform(0, np.pi), rng.uniform(2, 8) * strength * unit
    sharpen = rng.uniform(0.3, 1.5) * strength
    shrink = float(np.exp(-rng.uniform(0.15, 1.6) * strength))
    late = bool(rng.random() < 0.7)
    resampling = Image.Resampling
    down = (resampling.BOX, resampling.BILINEAR, resampling.LANCZOS)[int(rng.integers(3))]
    up = (resampling.BILINEAR, resampling.BICUBIC, resampling.NEAREST)[
        int(rng.choice(3, p=[0.5, 0.45, 0.05]))
    ]
    gamma = np.exp(rng.normal(0, 0.25 * strength))
    contrast = np.exp(rng.normal(0, 0.18 * strength))
    exposure = np.exp(rng.normal(0, 0.22 * strength))
    lift = rng.uniform(0, 0.08) * strength * (rng.random() < 0.3)
    warmth, tint = rng.normal(0, [0.12 * strength, 0.05 * strength])
    saturation = float(np.clip(1 + rng.normal(0, 0.3 * strength), 0, 2))
    level = float(np.exp(rng.uniform(np.log(0.8), np.log(12.0)))) * strength
    slope = float(rng.uniform(0.3, 1.6))
    colour = float(rng.uniform(0, 1))
    place = tuple(int(x) for x in rng.integers(0, [_TILE, _TILE, 4]))
    quality = int(rng.uniform(18, 96))
    subsampling = int(rng.choice([0, 2]))
    # The table: exposure and cast in about linear light, then gamma and contrast on codes
    code = np.linspace(0, 1, 256)
    channels = np.tile(code, (3, 1))
    if hit["cast"]:
        gains = np.exp(np.array([warmth, tint, -warmth]))
        channels = (channels**2.2 * gains[:, None]) ** (1 / 2.2)
    if hit["tone"]:
        channels = (channels**2.2 * exposure) ** (1 / 2.2)
        channels = np.clip(channels, 0, None) ** gamma
        channels = lift + (1 - lift) * ((channels - 0.45) * contrast + 0.45)
    return _Effects(
        blur=blur if hit["blur"] else 0.0,
        motion=(float(length * np.cos(angle)), float(length * np.sin(angle)))
        if hit["motion"]
        else (0.0, 0.0),
        sharpen=float(sharpen) if hit["sharpen"] else 0.0,
        shrink=shrink if hit["shrink"] else 1.0,
        late=late,
        filters=(down, up),
        table=(np.clip(channels, 0, 1) * 255).astype(np.float32),
        plain=not (hit["cast"] or hit["tone"]),
        saturation=0.0 if hit["grey"] else saturation if hit["saturation"] else 1.0,
        noise=(level, level * slope, colour) if hit["noise"] else (0.0, 0.0, 0.0),
        place=(place[0], place[1], place[2]),
        jpeg=quality if hit["jpeg"] else 0,
        subsampling=subsampling,
    )


def _apply(image: Bytes, effects: _Effects) -> Bytes:
    size = image.shape[0]
    shot = np.ascontiguousarray(image)
    if effects.blur > 0:
        shot = _blurred(shot, effects.blur)
    if effects.motion != (0.0, 0.0):
        out = np.empty_like(shot)
        _smear(shot, effects.motion[0], effects.motion[1], out)
        shot = out
    small = max(8, round(size * effects.shrink))
    if small < size:
        shot = np.asarray(Image.fromarray(shot).resize((small, small), effects.filters[0]))
        if not effects.late:
            shot = _enlarged(shot, size, effects)
    if effects.sharpen > 0:
        out = np.empty_like(shot)
        _unsharp(shot, _blurred(shot, 1.0), np.float32(effects.sharpen), out)
        shot = out
    if effects.noise[1] > 0 or effects.saturation != 1.0 or not effects.plain:
        out = np.empty_like(shot)
        _develop(
            np.ascontiguousarray(shot),
            effects.table,
            np.float32(effects.saturation),
            np.array(effects.noise, np.float32),
            np.array(effects.place, np.int64),
            _noise(),
            out,
        )
        shot = out
    if effects.jpeg:
        file = io.BytesIO()
        Image.fromarray(shot).save(
            file, "JPEG", quality=effects.jpeg, subsampling=effects.subsampling, optimize=False
        )
        shot = np.asarray(Image.open(file))
    if shot.shape[0] != size:
        shot = _enlarged(shot, size, effects)
    return np.array(shot) if shot is image or not shot.flags.writeable else shot


def _enlarged(shot: Bytes, size: int, effects: _Effects) -> Bytes:
    return np.asarray(Image.fromarray(shot).resize((size, size), effects.filters[1]))


@lru_cache(maxsize=1)
def _noise() -> Floats:
    """(T, T, 4) of deviation 1: brightness, then red, green, blue."""
    return np.random.default_rng(77).normal(0, 1, (_TILE, _TILE, 4)).astype(np.float32)


def _blurred(shot: Bytes, sigma: float) -> Bytes:
    radius = max(1, int(np.ceil(2.6 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    out = np.empty_like(shot)
    _separable(shot, (kernel / kernel.sum()).astype(np.float32), out)
    return out


@njit(cache=True, nogil=True)
def _separable(image: Any, kernel: Any, out: Any) -> None:
    """Convolve rows and columns, repeating the border."""
    height, width, channels = image.shape
    radius = kernel.shape[0] // 2
    line = np.empty((width + 2 * radius) * channels, np.float32)
    result = np.empty(width * channels, np.float32)
    for row in range(height):
        middle = line[radius * channels : (radius + width) * channels]
        middle[:] = np.float32(0.0)
        for d in range(2 * radius + 1):
            source = image[min(max(row + d - radius, 0), height - 1)].reshape(width * channels)
            w = kernel[d]
            for i in range(len(middle)):
                middle[i] += w * np.float32(source[i])
        for d in range(radius):
            for c in range(channels):
                line[d * channels + c] = middle[c]
                line[(radius + width + d) * channels + c] = middle[(width - 1) * channels + c]
        result[:] = np.float32(0.5)
        for d in range(2 * radius + 1):
            source_line = line[d * channels : (d + width) * channels]
            w = kernel[d]
            for i in range(len(result)):
                result[i] += w * source_line[i]
        target = out[row].reshape(width * channels)
        for i in range(len(result)):
            target[i] = np.uint8(min(max(result[i], np.float32(0.0)), np.float32(255.0)))


@njit(cache=True, nogil=True)
def _smear(image: Any, dx: Any, dy: Any, out: Any) -> None:
    """Mean along a straight line, on whole pixels, repeating the border."""
    height, width, _ = image.shape
    taps = int(max(abs(dx), abs(dy))) + 2
    for row in range(height):
        for column in range(width):
            r, g, b = 0.0, 0.0, 0.0
            for k in range(taps):
                t = k / (taps - 1) - 0.5
                y = min(max(int(np.floor(row + t * dy + 0.5)), 0), height - 1)
                x = min(max(int(np.floor(column + t * dx + 0.5)), 0), width - 1)
                r += image[y, x, 0]
                g += image[y, x, 1]
                b += image[y, x, 2]
            out[row, column, 0] = np.uint8(r / taps + 0.5)
            out[row, column, 1] = np.uint8(g / taps + 0.5)
            out[row, column, 2] = np.uint8(b / taps + 0.5)


@njit(cache=True, nogil=True)
def _unsharp(image: Any, blurred: Any, amount: Any, out: Any) -> None:
    """out = image + amount · (image − blurred)."""
    a, b, o = image.reshape(-1), blurred.reshape(-1), out.reshape(-1)
    for i in range(len(a)):
        value = np.float32(a[i]) + amount * (np.float32(a[i]) - np.float32(b[i])) + np.float32(0.5)
        o[i] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))


@njit(cache=True, nogil=True)
def _develop(image: Any, table: Any, saturation: Any, noise: Any, place: Any, tile: Any, out: Any) -> None:
    """Table, saturation, and noise whose deviation grows from black to white."""
    height, width, _ = image.shape
    mask = tile.shape[0] - 1
    step_x = 1 if place[2] & 1 else -1
    step_y = 1 if place[2] & 2 else -1
    share, rest = noise[2], np.sqrt(np.float32(1.0) - noise[2] * noise[2])
    rise = (noise[1] - noise[0]) * np.float32(1 / 255)
    for row in range(height):
        y = (place[1] + step_y * row) & mask
        for column in range(width):
            x = (place[0] + step_x * column) & mask
            r, g, b = (
                table[0, image[row, column, 0]],
                table[1, image[row, column, 1]],
                table[2, image[row, column, 2]],
            )
            grey = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
            deviation = max(noise[0] + rise * grey, np.float32(0.0))
            common = rest * tile[y, x, 0]
            coloured = share if saturation > 0 else np.float32(0.0)
            for c in range(3):
                value = r if c == 0 else g if c == 1 else b
                value = grey + saturation * (value - grey)
                value += deviation * (common + coloured * tile[y, x, 1 + c]) + np.float32(0.5)
                out[row, column, c] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))

"""Real hair as texture: the avatars' hair maps, and patches cut from portraits, turned until the hair runs down."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ...compositing.layer import Split

__all__ = ["HairTexture", "avatar_texture", "frayed", "portrait_textures"]

Array = NDArray[np.float32]
_ROWS, _COLUMNS = 128, 64
_MANY = 40
_PORTRAITS_TRIED = 200


@dataclass(frozen=True)
class HairTexture:
    """An image of hair that runs from the first row to the last.

    Args:
        name: where it comes from.
        relative: (H, W, 3) float32, colour over the mean colour.
        colour: (3,) the mean, sRGB in 0..1.
    """

    name: str
    relative: Array
    colour: Array


def _texture(name: str, pixels: Array, keep: float) -> HairTexture:
    """Colour variation is reduced to ``keep`` of itself around the luminance."""
    colour = pixels.reshape(-1, 3).mean(0)
    relative = pixels / np.maximum(colour, 0.02)
    grey = relative.mean(2, keepdims=True)
    grey = grey / grey.mean()
    contrast = float(grey.std())
    grey = 1 + (grey - 1) * min(1.0, 0.3 / max(contrast, 1e-3))
    mixed = grey * (1 + keep * (relative / np.maximum(relative.mean(2, keepdims=True), 0.05) - 1))
    return HairTexture(name, np.clip(mixed, 0.1, 2.5).astype(np.float32), colour.astype(np.float32))


@lru_cache(maxsize=16)
def avatar_texture(path: Path, size: int = 128) -> HairTexture:
    """The hair map of an avatar at (size, size); its first row is at the roots."""
    with Image.open(path) as image:
        image.draft("RGB", (512, 512))
        small = image.convert("RGB").resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32) / 255
    # the painted-in highlight band and dark ends are evened out, the strands stay
    slow = ndimage.gaussian_filter1d(pixels.mean((1, 2)), size / 20, mode="nearest")
    pixels = pixels * (0.35 + 0.65 * slow.mean() / np.maximum(slow, 0.05))[:, None, None]
    return _texture(f"avatar/{path.stem}", pixels.astype(np.float32), 0.3)


@lru_cache(maxsize=4)
def portrait_textures(folder: Path, split: Split) -> tuple[HairTexture, ...]:
    """Patches of hair from the public-domain portraits; every tenth portrait is held out.

    Args:
        folder: with ``index.json``, ``mediapipe_478.npz`` and the images.
        split: from which portraits.
    """
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with np.load(folder / "mediapipe_478.npz") as data:
        points = data["landmarks"]
    free = [i for i, item in enumerate(index) if item["source"] == "bio_guide"]
    chosen = [i for n, i in enumerate(free) if (n % 10 == 9) == (split == "held_out")]
    chosen = [i for i in chosen if not index[i]["discoloured"]]
    chosen = sorted(chosen, key=lambda i: (-float(index[i]["face_px"]), i))[:_PORTRAITS_TRIED]
    found: list[HairTexture] = []
    for i in chosen:
        if len(found) >= _MANY:
            break
        with Image.open(folder / index[i]["file"]) as image:
            pixels = np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
        patch = _patch(pixels, points[i])
        if patch is not None:
            found.append(_texture(f"portrait/{index[i]['file'].split('.')[0]}", patch, 0.7))
    return tuple(found)


def _patch(pixels: Array, points: NDArray[Any]) -> Array | None:
    """(128, 64, 3) hair from around the forehead, turned so that it runs down; None where none is sure."""
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    width, height = high - low
    cheeks = pixels[_box(pixels, low[0] + 0.2 * width, low[1] + 0.2 * height, 0.6 * width, 0.5 * height)]
    skin = np.median(cheeks.reshape(-1, 3), axis=0)
    wall = np.median(np.concatenate((pixels[:6, :8].reshape(-1, 3), pixels[:6, -8:].reshape(-1, 3))), axis=0)
    edge = max(24.0, 0.17 * height)
    best: tuple[float, Array] | None = None
    for dy in (-0.34, -0.28, -0.22, -0.16, -0.05, 0.1):
        for dx in np.arange(-0.2, 1.05, 0.1):
            if dy > -0.1 and 0.0 < dx < 0.85:  # forehead
                continue
            patch = pixels[_box(pixels, low[0] + dx * width, low[1] + dy * height, edge, edge)]
            if min(patch.shape[:2]) < 22:
                continue
            h, w = patch.shape[0] // 2, patch.shape[1] // 2
            parts = (patch[:h, :w], patch[:h, w:], patch[h:, :w], patch[h:, w:])
            quarters = np.stack([part.mean((0, 1)) for part in parts])
            colour = quarters.mean(0)
            if np.ptp(quarters, axis=0).max() > 0.12 or not 0.06 < colour.mean() < 0.85:
                continue  # more than one strand, or nothing to see
            if colour[2] > colour[0] + 0.01 or colour[0] - colour[1] > 0.6 * colour[1]:
                continue  # a blue wall, a red ear
            if min(np.abs(quarters - skin).max(1)) < 0.16 or min(np.abs(quarters - wall).max(1)) < 0.14:
                continue
            grey = patch.mean(2)
            grey = grey - ndimage.uniform_filter(grey, 9)
            gx, gy = np.gradient(grey, axis=1), np.gradient(grey, axis=0)
            xx, yy, xy = (gx * gx).mean(), (gy * gy).mean(), (gx * gy).mean()
            coherence = float(np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-6))
            strength = float(np.sqrt(xx + yy) / (0.1 + colour.mean()))
            if coherence < 0.35 or strength < 0.055:
                continue
            if best is None or coherence * strength > best[0]:
                angle = 0.5 * np.degrees(np.arctan2(2 * xy, xx - yy))  # of the gradient; hair runs across it
                best = (
                    coherence * strength,
                    ndimage.rotate(patch, angle, reshape=False, order=1, mode="mirror"),
                )
    if best is None:
        return None
    cut = (np.clip(best[1], 0, 1) * 255).astype(np.uint8)
    margin = cut.shape[0] // 8
    cut = cut[margin:-margin, margin:-margin]
    image = Image.fromarray(cut).resize((_COLUMNS, _ROWS // 2), Image.Resampling.BICUBIC)
    half = np.asarray(image, np.float32) / 255
    return np.concatenate((half, half[::-1]), axis=0)


def _box(pixels: Array, x: float, y: float, w: float, h: float) -> tuple[slice, slice]:
    x0, y0 = max(0, int(x)), max(0, int(y))
    return slice(y0, max(y0 + 1, int(y + h))), slice(x0, max(x0 + 1, int(x + w)))


def frayed(texture: HairTexture, rng: np.random.Generator, fray: float, closed: float = 0.0) -> Array:
    """(H, W, 4) the texture with strands that end at different places.

    Args:
        texture: of hair.
        rng: where strands end.
        fray: 0 = hardly any gaps, 1 = single strands.
        closed: down to which part of the length there are no gaps.
    """
    rows, columns = (int(edge) for edge in texture.relative.shape[:2])
    t = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    fine = rng.random(columns).astype(np.float32)
    coarse = np.interp(np.arange(columns), np.linspace(0, columns, 9), rng.random(9)).astype(np.float32)
    ends = 1.0 - fray * (0.25 * fine + 0.45 * coarse) - 0.04
    alpha = np.clip((ends[None] - t) * 14, 0, 1)
    bright = texture.relative.mean(2)
    local = bright - ndimage.uniform_filter1d(bright, 9, axis=1, mode="wrap")
    gaps = np.clip(0.55 - 0.9 * fray * (0.3 + t) + 4.0 * local + 0.6 * (fine[None] - 0.5), 0, 1)
    gaps = np.maximum(gaps, np.clip((closed - t) * 8 + 0.5, 0, 1) if closed > 0 else 0)
    alpha = alpha * np.clip(gaps * 2.2, 0, 1) * np.clip(t * 30 + 0.2, 0, 1)
    result: Array = np.concatenate((texture.relative, alpha[..., None]), axis=2).astype(np.float32)
    return result

"""Blobs, polygons and rectangles of arbitrary content: what no library of objects holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit
from ....perceive import OccluderKind, ParsingClass
from ..compositing.layer import Layer, Split
from ..samples.sample import FaceSample
from .drawing.noise import field, grain
from .drawing.paint import polygon_alpha
from .placing.frame import FaceFrame, face_frame

__all__ = ["PatchSource"]

_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("blob", "polygon", "rectangle", "streaks"),
    "held_out": ("ring", "star", "bar"),
}
_CONTENTS: dict[Split, tuple[str, ...]] = {
    "train": ("noise", "pixels", "picture", "flat"),
    "held_out": ("stripes", "checks"),
}
_Colours = Callable[[FaceSample, np.random.Generator], NDArray[np.uint8]]


class PatchSource:
    """Textured blobs, polygons and rectangles: noise of several scales, pieces of the image, random pixels.

    Random pixel values in rectangles are what the field's distillation protocols hide faces with.
    """

    def __init__(self, root: Path | None = None) -> None:
        del root  # everything is procedural

    def names(self, split: Split) -> tuple[str, ...]:
        """All items of a split."""
        return tuple(f"patch/{shape}_{fill}" for shape in _NAMES[split] for fill in _CONTENTS[split])

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One random patch; see :class:`LayerSource`."""
        shape = _NAMES[split][int(rng.integers(len(_NAMES[split])))]
        fills = _CONTENTS[split]
        fill = fills[int(rng.integers(len(fills)))]
        frame = face_frame(sample)
        alpha = _SHAPES[shape](sample.size, frame, rng)
        rgba = np.empty((sample.size, sample.size, 4), np.uint8)
        rgba[..., :3] = _FILLS[fill](sample, rng)
        rgba[..., 3] = alpha
        return Layer(
            rgba,
            OccluderKind.PATCH,
            ParsingClass.OBJECT,
            f"patch/{shape}_{fill}",
            shadow=float(rng.choice([0.0, 0.3, 0.6])),
            height=float(rng.uniform(1.0, 6.0)) * sample.size / 256.0,
        )


def _place(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float32], float]:
    """Centre in pixels and half extent in pixels; anywhere on the face, sizes log-uniform."""
    centre = frame.point(float(rng.uniform(-0.55, 0.55)), float(rng.uniform(-0.45, 0.95)))
    return centre, frame.unit * float(np.exp(rng.uniform(np.log(0.12), np.log(0.55))))


def _blob(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    noise = field(rng, size, 0.8 * size / max(extent, 4.0), 3)
    return _blob_alpha(
        noise,
        float(centre[0]),
        float(centre[1]),
        extent,
        float(rng.uniform(0.5, 1.0)),
        float(rng.uniform(0, np.pi)),
        float(rng.uniform(0.1, 0.45)),
    )


def _polygon(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    corners = int(rng.integers(3, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radius = extent * rng.uniform(0.5, 1.3, corners)
    return polygon_alpha(
        size,
        size,
        centre + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32),
    )


def _rectangle(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    ratio = float(np.exp(rng.uniform(-0.7, 0.7)))
    turn = float(rng.choice([0.0, rng.uniform(-0.8, 0.8)]))
    return _box(size, centre, extent * ratio, extent / ratio, turn)


def _streaks(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = field(rng, size, float(rng.uniform(6, 16)), 2, stretch=float(rng.uniform(2, 6)))
    if rng.random() < 0.5:
        noise = np.ascontiguousarray(noise.T)
    centre, extent = _place(frame, rng)
    return _streak_alpha(
        noise, float(centre[0]), float(centre[1]), 1.6 * extent, float(rng.uniform(0.2, 0.8))
    )


def _ring(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    radius = np.hypot(x - centre[0], y - centre[1])
    wide = max(2.0, extent * float(rng.uniform(0.2, 0.5)))
    return (255 * np.clip(wide - np.abs(radius - extent) + 0.5, 0, 1)).astype(np.uint8)


def _star(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    points = 2 * int(rng.integers(4, 9))
    angle = np.arange(points) * 2 * np.pi / points + rng.uniform(0, 2)
    radius = extent * np.where(np.arange(points) % 2 == 0, 1.2, rng.uniform(0.4, 0.7))
    return polygon_alpha(
        size,
        size,
        centre + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32),
    )


def _bar(size: int, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.uint8]:
    centre, extent = _place(frame, rng)
    return _box(size, centre, float(size), max(2.0, 0.4 * extent), float(rng.uniform(-1.5, 1.5)))


def _box(size: int, centre: NDArray[np.float32], wide: float, high: float, turn: float) -> NDArray[np.uint8]:
    cos, sin = np.cos(turn), np.sin(turn)
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) @ np.array(
        [[cos, sin], [-sin, cos]]
    )
    return polygon_alpha(size, size, (centre + corners).astype(np.float32))


_SHAPES = {
    "blob": _blob,
    "polygon": _polygon,
    "rectangle": _rectangle,
    "streaks": _streaks,
    "ring": _ring,
    "star": _star,
    "bar": _bar,
}


def _noise(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    size = sample.size
    base = rng.integers(0, 256, 3).astype(np.float32)
    other = rng.integers(0, 256, 3).astype(np.float32)
    coarse = field(rng, size, float(np.exp(rng.uniform(1.0, 3.5))), 3, float(rng.uniform(0.4, 0.9)))
    return _mix(coarse, grain(rng, size), base, other, float(rng.choice([0.0, rng.uniform(0, 25)])))


def _pixels(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Arbitrary pixel values, in blocks of 1 to 16 pixels."""
    block = int(rng.choice([1, 1, 2, 4, 8, 16]))
    count = -(-sample.size // block)
    raw = np.frombuffer(rng.bytes(3 * count * count), np.uint8).reshape(count, count, 3)
    return raw.repeat(block, 0).repeat(block, 1)[: sample.size, : sample.size]


def _image(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another part of the same image: right colours, right sharpness, wrong place."""
    shift = rng.integers(sample.size // 6, sample.size - sample.size // 6, 2)
    moved = np.roll(sample.image, (int(shift[0]), int(shift[1])), (0, 1))
    return moved[:, ::-1] if rng.random() < 0.5 else moved


def _flat(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One colour with a slow ramp; often a grey, often one of the image's own."""
    colour = rng.integers(0, 256, 3).astype(np.float32)
    choice = rng.random()
    if choice < 0.35:
        colour[:] = rng.uniform(0, 255)
    elif choice < 0.6:
        at = rng.integers(0, sample.size, 2)
        colour = sample.image[at[0], at[1]].astype(np.float32)
    slow = field(rng, sample.size, 1.5, 1)
    return _mix(
        0.3 * slow, grain(rng, sample.size), colour, np.clip(colour * 0.7, 0, 255), float(rng.uniform(0, 6))
    )


def _stripes(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _waves(sample, rng, False)


def _checks(sample: FaceSample, rng: np.random.Generator) -> NDArray[np.uint8]:
    return _waves(sample, rng, True)


def _waves(sample: FaceSample, rng: np.random.Generator, crossed: bool) -> NDArray[np.uint8]:
    y, x = np.mgrid[: sample.size, : sample.size].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(5, 30) * sample.size / 256.0
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    wave = np.sin((x * cos + y * sin) * (2 * np.pi / period))
    if crossed:
        wave = wave * np.sin((y * cos - x * sin) * (2 * np.pi / period))
    colours = rng.integers(0, 256, (2, 3)).astype(np.float32)
    return _mix(
        3.0 * np.sign(wave).astype(np.float32),
        grain(rng, sample.size),
        colours[0],
        colours[1],
        float(rng.uniform(0, 8)),
    )


_FILLS: dict[str, _Colours] = {
    "noise": _noise,
    "pixels": _pixels,
    "picture": _image,
    "flat": _flat,
    "stripes": _stripes,
    "checks": _checks,
}


@njit(cache=True, nogil=True)
def _blob_alpha(noise, cx, cy, extent, ratio, turn, wobble):  # type: ignore[no-untyped-def]
    size = noise.shape[0]
    out = np.zeros((size, size), np.uint8)
    cos = np.cos(turn)
    sin = np.sin(turn)
    for y in range(size):
        for x in range(size):
            u = ((x - cx) * cos + (y - cy) * sin) / extent
            v = ((y - cy) * cos - (x - cx) * sin) / (extent * ratio)
            inside = (1.0 + wobble * noise[y, x] - np.sqrt(u * u + v * v)) * extent * 0.6
            out[y, x] = np.uint8(255.0 * min(max(inside + 0.5, 0.0), 1.0))
    return out


@njit(cache=True, nogil=True)
def _streak_alpha(noise, cx, cy, extent, level):  # type: ignore[no-untyped-def]
    size = noise.shape[0]
    out = np.zeros((size, size), np.uint8)
    for y in range(size):
        for x in range(size):
            far = ((x - cx) ** 2 + (y - cy) ** 2) / (extent * extent)
            inside = (noise[y, x] - level - far * 1.5) * 6.0
            out[y, x] = np.uint8(255.0 * min(max(inside, 0.0), 1.0))
    return out


@njit(cache=True, nogil=True)
def _mix(noise, grains, base, other, strength):  # type: ignore[no-untyped-def]
    size = noise.shape[0]
    out = np.empty((size, size, 3), np.uint8)
    for y in range(size):
        for x in range(size):
            t = min(max(0.5 + 0.4 * noise[y, x], 0.0), 1.0)
            g = strength * grains[y, x]
            for c in range(3):
                out[y, x, c] = np.uint8(min(max(base[c] + t * (other[c] - base[c]) + g, 0.0), 255.0))
    return out

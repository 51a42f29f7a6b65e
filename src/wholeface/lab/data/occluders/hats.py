"""Hats, caps, hoods and headscarves, draped over the head as meshes."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perceive import OccluderKind, ParsingClass
from ..compositing.layer import Layer, Split
from ..samples.sample import FaceSample
from .placing._splat_mesh import draw_mesh
from .placing.head import HeadShape, head_frame
from .placing.scene import scene_light, to_rgba

__all__ = ["HatSource"]

Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]
_AROUND = 56


@dataclass(frozen=True)
class _Cloth:
    """A mesh in head space, mm; ``part`` chooses one of three colours."""

    vertices: Array
    uv: Array
    triangles: NDArray[np.int32]
    part: NDArray[np.int32]


class HatSource:
    """Occluders worn on the head as layers.

    Args:
        root: not used; all hats are procedural.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One of them on this head, or None where the head is turned too far for it to be guessed."""
        frame = head_frame(sample)
        if frame is None or abs(frame.yaw) > 75:
            return None
        names = [name for name, item in _HATS.items() if item[2] == split]
        weights = np.array([_HATS[name][1] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        # In photos there is hair of unknown thickness below.
        gap = float(rng.uniform(7, 16) if "identity" in sample.parameters else rng.uniform(13, 24))
        cloth = _joined(_HATS[name][0](frame.shape, rng, gap))
        pixels, cam = frame.project(cloth.vertices)
        normals = _normals(cam, cloth.triangles)
        light = scene_light(sample, rng)
        canvas = np.zeros((sample.size, sample.size, 4), np.float32)
        draw_mesh(
            canvas,
            pixels,
            -cam[:, 2],
            normals,
            cloth.uv,
            cloth.triangles,
            cloth.part,
            _materials(rng, name),
            np.zeros(len(cloth.part), np.int32),
            np.full(len(cloth.vertices), 5.0, np.float32),
            frame.depth_map(),
            light.direction,
            np.ones(3, np.float32),
            np.full((2, 2, 3), 0.5, np.float32),
            _weave(rng, name),
            samples=2,
        )
        rgba = to_rgba(canvas)
        if rgba is None:
            return None
        brim = name in ("cap", "brimmed")
        return Layer(
            rgba,
            OccluderKind.HAT,
            ParsingClass.HAT,
            f"hat/{name}",
            shadow=float(rng.uniform(0.3, 0.7)),
            height=float(frame.scale * (rng.uniform(10, 22) if brim else rng.uniform(3, 9))),
        )


def _grid(points: Floats, uv: Floats, part: int, ring: bool = True) -> _Cloth:
    """A cloth from rows of points (R, C, 3); the columns close to a ring."""
    rows, columns = points.shape[:2]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if ring else columns - 1), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j
    triangles = np.concatenate(
        (np.stack((a, b, c), -1).reshape(-1, 3), np.stack((a, c, d), -1).reshape(-1, 3))
    )
    return _Cloth(
        points.reshape(-1, 3).astype(np.float32),
        uv.reshape(-1, 2).astype(np.float32),
        triangles.astype(np.int32),
        np.full(len(triangles), part, np.int32),
    )


def _joined(parts: list[_Cloth]) -> _Cloth:
    starts = np.cumsum([0] + [len(p.vertices) for p in parts])
    return _Cloth(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.uv for p in parts]),
        np.concatenate([p.triangles + start for p, start in zip(parts, starts)]).astype(np.int32),
        np.concatenate([p.part for p in parts]),
    )


def _normals(points: Array, triangles: NDArray[np.int32]) -> Array:
    """(V, 3) of the vertices in camera space."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    of_faces = np.cross(b - a, c - a)
    summed = np.stack(
        [
            sum(np.bincount(triangles[:, k], of_faces[:, axis], len(points)) for k in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    return (summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def _on_head(shape: HeadShape, directions: Array, gap: Floats | float) -> Array:
    """Points (..., 3) that lie ``gap`` mm above the head along unit directions (..., 3)."""
    flat = directions.reshape(-1, 3).astype(np.float32)
    radius = shape.surface(flat).reshape(directions.shape[:-1])
    points: Array = shape.centre + directions * (radius + gap)[..., None]
    return points.astype(np.float32)


def _azimuth() -> Array:
    return (np.arange(_AROUND) * (2 * np.pi / _AROUND)).astype(np.float32)  # 0 = forward, growing to the left


def _dome(shape: HeadShape, line: Array, gap: Array | float, rows: int, rng: np.random.Generator, part: int,
          start: float = 0.02) -> tuple[_Cloth, Array]:  # fmt: skip
    """The part of the head above heights ``line`` (C,), and its lower edge (C, 3)."""
    phi = _azimuth()
    lowest = np.arccos(np.clip((line - shape.centre[1]) / 100.0, -0.95, 0.95))
    t = np.linspace(start, 1, rows, dtype=np.float32)[:, None]
    theta = t * lowest[None]
    directions = np.stack(
        (np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)), axis=-1
    ).astype(np.float32)
    points = _on_head(shape, directions, gap)
    uv = np.stack(
        (np.broadcast_to(phi / (2 * np.pi) * 8, theta.shape), np.broadcast_to(t * 3, theta.shape)), axis=-1
    )
    return _grid(points, uv, part), points[-1]


def _line(front: float, side: float, back: float) -> Array:
    """(C,) heights of an edge around the head, mm."""
    phi = _azimuth()
    c = np.cos(phi)
    line = side + np.where(c > 0, (front - side) * c * c, (back - side) * c * c)
    return np.asarray(line, np.float32)


def _cap(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    """A baseball cap, sometimes turned around."""
    front = float(rng.uniform(66, 92))
    line = _line(front, front - float(rng.uniform(12, 24)), front - float(rng.uniform(10, 35)))
    t = np.linspace(0, 1, 14)[:, None]
    crown = gap + 10 * np.sin(np.pi * np.clip(t, 0, 1)) * np.clip(np.cos(_azimuth())[None], 0, 1)
    dome, edge = _dome(shape, line, crown.astype(np.float32), 14, rng, 0)
    parts = [dome]
    if rng.random() < 0.9:
        width = float(rng.uniform(0.95, 1.2))
        phi = np.linspace(-width, width, 25, dtype=np.float32)
        index = phi / (2 * np.pi) * _AROUND
        i = np.floor(index).astype(int)
        f = (index - i)[:, None]
        inner = edge[i % _AROUND] * (1 - f) + edge[(i + 1) % _AROUND] * f
        reach = float(rng.uniform(55, 80)) * np.sqrt(np.clip(1 - (phi / width) ** 2, 0, 1))
        drop, bow = float(rng.uniform(0.05, 0.4)), float(rng.uniform(0.0, 0.3))
        s = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
        forward = s * reach[None]
        points = np.stack(
            (
                inner[None, :, 0] * (1 + 0.05 * s),
                inner[None, :, 1] - drop * forward - bow * np.abs(inner[None, :, 0]) * s**0.5 * 0.5,
                inner[None, :, 2] + forward,
            ),
            axis=-1,
        )
        uv = np.stack((np.broadcast_to(phi * 3, forward.shape), np.broadcast_to(s, forward.shape)), axis=-1)
        parts.append(_grid(points, uv, 1, ring=False))
    return parts


def _beanie(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    """A knitted cap, mostly with a turned-up edge."""
    front = float(rng.uniform(58, 98))
    side = float(rng.uniform(18, 55))
    line = _line(front, side, side - float(rng.uniform(0, 25)))
    slouch = float(rng.uniform(0, 28))
    t = np.linspace(0, 1, 16)[:, None]
    puff = gap + slouch * np.clip(1 - 1.5 * t, 0, 1) * (1 - 0.6 * np.cos(_azimuth())[None])
    dome, _ = _dome(shape, line, puff.astype(np.float32), 16, rng, 0)
    parts = [dome]
    if rng.random() < 0.7:
        phi = _azimuth()
        lowest = np.arccos(np.clip((line - 40.0) / 100.0, -0.95, 0.95))
        theta = lowest[None] - np.linspace(0.35, 0.0, 5)[:, None] * float(rng.uniform(0.6, 1.2))
        directions = np.stack(
            (np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)), axis=-1
        )
        points = _on_head(
            shape, directions.astype(np.float32), gap + np.array([0, 4, 5, 4, 1], np.float32)[:, None]
        )
        uv = np.stack(
            (
                np.broadcast_to(phi / (2 * np.pi) * 8, theta.shape),
                np.broadcast_to(np.linspace(0, 1, 5)[:, None], theta.shape),
            ),
            axis=-1,
        )
        parts.append(_grid(points, uv, int(rng.integers(2))))
    return parts


def _bandana(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    """A cloth around the head: a headband or one that covers the hair."""
    front = float(rng.uniform(62, 90))
    line = _line(front, front - float(rng.uniform(5, 25)), front - float(rng.uniform(20, 45)))
    if rng.random() < 0.5:
        return [_dome(shape, line, 0.6 * gap, 14, rng, 0)[0]]
    width = float(rng.uniform(18, 45))
    upper = line + width
    phi = _azimuth()
    low, top = (np.arccos(np.clip((h - 40.0) / 100.0, -0.95, 0.97)) for h in (line, upper))
    t = np.linspace(0, 1, 6)[:, None]
    theta = top[None] * (1 - t) + low[None] * t
    directions = np.stack((np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)), axis=-1)
    points = _on_head(shape, directions.astype(np.float32), 0.6 * gap + 3 * np.sin(np.pi * t))
    uv = np.stack(
        (np.broadcast_to(phi / (2 * np.pi) * 8, theta.shape), np.broadcast_to(t, theta.shape)), axis=-1
    )
    return [_grid(points, uv, 0)]


def _opening(shape: HeadShape, rng: np.random.Generator, gap: float, tight: float) -> list[_Cloth]:
    """Cloth all around the face: a headscarf, a hood or a balaclava."""
    alpha = _azimuth()  # 0 = up, growing to the wearer's left
    up, aside = np.cos(alpha), np.sin(alpha)
    top = float(rng.uniform(60, 92)) - 40
    low = float(rng.uniform(-95, -72)) - 40
    wide = float(rng.uniform(52, 70)) + (1 - tight) * 14
    # opening as an ellipse of unequal halves, in the plane of the cheeks
    high = np.where(up > 0, top, -low)
    edge = 1 / np.sqrt((up / high) ** 2 + (aside / wide) ** 2)
    beta0 = np.arctan2(edge, 62.0)
    t = np.linspace(0, 1, 18, dtype=np.float32)[:, None]
    beta = beta0[None] + (np.pi * 0.97 - beta0[None]) * t**1.2
    directions = np.stack((np.sin(beta) * aside, np.sin(beta) * up, np.cos(beta)), axis=-1).astype(np.float32)
    down = np.clip((-directions[..., 1] - 0.55) / 0.4, 0, 1)
    rim = np.clip(t / 0.12, 0, 1)
    folds = float(rng.uniform(0, 5)) * np.sin(5 * alpha[None] + 6 * t + rng.uniform(0, 6)) * t
    lift = (gap + (1 - tight) * 22 * np.clip(directions[..., 1] + 0.4, 0, 1) + folds) * (0.35 + 0.65 * rim)
    lift = lift + 110 * down**2 * np.clip(t * 3, 0, 1) + 14 * down * rim
    points = _on_head(shape, directions, lift)
    uv = np.stack(
        (np.broadcast_to(alpha / (2 * np.pi) * 8, beta.shape), np.broadcast_to(t * 4, beta.shape)), axis=-1
    )
    return [_grid(points, uv, 0)]


def _scarf(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    return _opening(shape, rng, gap * 0.8, 1.0)


def _hood(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    return _opening(shape, rng, gap + 6, float(rng.uniform(0.0, 0.5)))


def _brimmed(shape: HeadShape, rng: np.random.Generator, gap: float) -> list[_Cloth]:
    """A hat with a brim all around."""
    front = float(rng.uniform(72, 96))
    line = _line(front, front - 8, front - float(rng.uniform(5, 25)))
    t = np.linspace(0, 1, 14)[:, None]
    tall = float(rng.uniform(10, 35))
    crown = (gap + tall * np.clip(1.6 * (1 - t), 0, 1) * np.ones(_AROUND)).astype(np.float32)
    dome, edge = _dome(shape, line, crown, 14, rng, 0)
    phi = _azimuth()
    s = np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    width = float(rng.uniform(45, 95))
    curl = float(rng.uniform(-0.35, 0.3))
    points = np.stack(
        (
            edge[None, :, 0] + np.sin(phi) * width * s,
            edge[None, :, 1] + curl * width * s * (0.4 + 0.6 * np.abs(np.sin(phi))),
            edge[None, :, 2] + np.cos(phi) * width * s,
        ),
        axis=-1,
    )
    uv = np.stack(
        (np.broadcast_to(phi / (2 * np.pi) * 8, points.shape[:2]), np.broadcast_to(s, points.shape[:2])),
        axis=-1,
    )
    return [dome, _grid(points, uv, 1)]


_Hat = Callable[[HeadShape, np.random.Generator, float], list[_Cloth]]
_HATS: dict[str, tuple[_Hat, float, Split]] = {
    "cap": (_cap, 2.0, "train"),
    "beanie": (_beanie, 1.6, "train"),
    "bandana": (_bandana, 1.0, "train"),
    "headscarf": (_scarf, 1.2, "train"),
    "hood": (_hood, 1.2, "train"),
    "brimmed": (_brimmed, 1.0, "held_out"),
}


def _materials(rng: np.random.Generator, name: str) -> Array:
    """(2, 11) colours of cloth: body, brim or band."""
    rows = []
    base: Array | None = None
    for _ in range(2):
        if base is None or rng.random() < 0.5:
            dull = rng.random() < 0.55
            hue, saturation = rng.random(), rng.uniform(0, 0.25) if dull else rng.uniform(0.3, 0.9)
            value = rng.uniform(0.06, 0.95) if dull else rng.uniform(0.15, 0.85)
            if rng.random() < 0.15:  # colours of skin and hair
                hue, saturation, value = rng.uniform(0.02, 0.11), rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.9)
            base = np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
        rows.append([*base, 1.0, 0.0, 0.0, 1.0, 0.0, 8.0, float(rng.uniform(0.3, 1.0)), 0.0])
    return np.array(rows, np.float32)


def _weave(rng: np.random.Generator, name: str) -> Array:
    """(64, 64) brightness of a cloth's pattern that repeats."""
    row, column = np.mgrid[0:64, 0:64].astype(np.float32) * np.float32(2 * np.pi / 64)
    pattern = 1 + rng.normal(0, 0.05, (64, 64))
    kind = rng.random()
    if name == "beanie" or kind < 0.2:
        ribs = int(rng.integers(3, 9))
        pattern += 0.28 * np.sin(ribs * column) + 0.08 * np.sin(8 * row + 2 * np.sin(ribs * column))
    elif kind < 0.4:
        pattern += 0.35 * np.sign(np.sin(int(rng.integers(1, 4)) * row))
    elif kind < 0.55:
        pattern += 0.2 * np.sign(np.sin(2 * row)) + 0.2 * np.sign(np.sin(2 * column))
    elif kind < 0.7:
        dots = np.sin(3 * row) * np.sin(3 * column)
        pattern += 0.7 * (dots > 0.55)
    else:
        coarse = rng.normal(0, 0.2, (8, 8))
        pattern += np.kron(coarse, np.ones((8, 8))) * (rng.random() < 0.4)
    return np.clip(pattern, 0.2, 1.8).astype(np.float32)

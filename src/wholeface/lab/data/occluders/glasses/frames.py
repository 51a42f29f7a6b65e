"""Eyeglass frames as meshes: parametric outlines swept to rims, bridges and temples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compositing.layer import Split

__all__ = ["FRAME", "LENS", "OUTLINES", "FrameMesh", "FrameShape", "build_frame", "random_frame"]

Array = NDArray[np.float32]
FRAME, LENS, TEMPLE = 0, 1, 2
"""Parts of a frame; the index of their material."""


@dataclass(frozen=True)
class FrameMesh:
    """Eyeglasses in their own frame.

    Convention: millimetres; the origin lies on the nose, under the middle of the bridge; +x to the wearer's left,
    +y up, +z forward; the temples run towards −z.

    Args:
        vertices, normals: (V, 3).
        uv: (V, 2); on lenses v runs from 0 at the upper edge to 1 at the lower.
        triangles: (F, 3).
        part: (F,) ``FRAME``, ``LENS`` or ``TEMPLE``.
        width: mm, between the hinges.
    """

    vertices: Array
    normals: Array
    uv: Array
    triangles: NDArray[np.int32]
    part: NDArray[np.int32]
    width: float


@dataclass(frozen=True)
class FrameShape:
    """Parameters of a frame, mm.

    Args:
        width, height: of one lens.
        bridge: between the lenses.
        top, bottom: exponents of the outline's upper and lower half (2 = ellipse, larger = squarer).
        taper: how much wider the lens is above than below.
        droop: how much the outer lower part hangs (aviators).
        lift: how much the outer upper corner rises (cat's eyes).
        drop: height of the lenses' middle relative to the bridge.
        rim: half width of the rim, depth: half of its depth.
        wrap: how far the outer edges lie behind the middle.
        half: only the upper rim.
        bar: a second bar above the bridge.
        temple: half height of the temples at the hinge.
    """

    width: float
    height: float
    bridge: float
    top: float
    bottom: float
    taper: float = 0.0
    droop: float = 0.0
    lift: float = 0.0
    drop: float = -3.0
    rim: float = 0.6
    depth: float = 0.8
    wrap: float = 7.0
    half: bool = False
    bar: bool = False
    temple: float = 1.2


OUTLINES: dict[str, tuple[FrameShape, float, Split]] = {
    "round": (FrameShape(47, 45, 21, 2.0, 2.0), 1.2, "train"),
    "panto": (FrameShape(48, 43, 21, 2.6, 2.0, taper=0.06), 1.4, "train"),
    "rectangle": (FrameShape(53, 33, 18, 4.2, 3.6, taper=0.04), 2.0, "train"),
    "wayfarer": (FrameShape(51, 41, 18, 4.0, 2.6, taper=0.16, lift=2.0), 2.0, "train"),
    "aviator": (FrameShape(58, 50, 14, 2.8, 2.2, droop=7.0, bar=True, drop=-7.0), 1.4, "train"),
    "square": (FrameShape(55, 47, 17, 4.5, 3.5, taper=0.03), 1.4, "train"),
    "oversize": (FrameShape(62, 56, 15, 3.0, 2.4, wrap=10.0, drop=-6.0), 1.0, "train"),
    "oval": (FrameShape(49, 32, 19, 2.2, 2.2), 0.8, "train"),
    "half_rim": (FrameShape(53, 34, 18, 4.0, 2.6, half=True), 1.2, "train"),
    "sport": (FrameShape(66, 40, 8, 3.0, 2.5, taper=0.05, wrap=18.0, drop=-3.0, droop=2.0), 0.8, "train"),
    "cat_eye": (FrameShape(54, 41, 18, 3.0, 2.2, taper=0.12, lift=8.0), 1.0, "held_out"),
    "hexagon": (FrameShape(51, 44, 19, 1.45, 1.45), 1.0, "held_out"),
}
"""Outlines of lenses, how often each is drawn, and in which split."""


def random_frame(name: str, rng: np.random.Generator) -> FrameShape:
    """An outline with random proportions and a rim of metal, acetate or hardly any."""
    shape = OUTLINES[name][0]
    size = float(rng.normal(1.0, 0.05))
    kind = rng.random()
    if kind < 0.4:
        rim, depth, temple = rng.uniform(0.35, 0.9), rng.uniform(0.4, 1.0), rng.uniform(0.7, 1.8)
    elif kind < 0.75:
        rim, depth, temple = rng.uniform(1.0, 2.4), rng.uniform(1.2, 2.2), rng.uniform(1.8, 5.0)
    elif kind < 0.87:
        rim, depth, temple = rng.uniform(2.2, 3.8), rng.uniform(1.6, 2.8), rng.uniform(3.0, 8.0)
    else:
        rim, depth, temple = 0.15, 0.5, rng.uniform(0.7, 1.4)  # rimless
    half = shape.half or (kind < 0.75 and rng.random() < 0.1)
    return replace(
        shape,
        width=shape.width * size * float(rng.normal(1, 0.03)),
        height=shape.height * size * float(rng.normal(1, 0.06)),
        bridge=shape.bridge * float(rng.normal(1, 0.06)),
        rim=float(rim),
        depth=float(depth),
        temple=float(temple),
        lift=shape.lift + float(rng.normal(0, 0.7)),
        wrap=shape.wrap * float(rng.uniform(0.6, 1.3)),
        bar=shape.bar and rng.random() < 0.8,
        half=half,
    )


def outline(shape: FrameShape, count: int = 36) -> Array:
    """(count, 2) outline of the wearer's left lens, counter-clockwise from its outer side, bridge at the origin."""
    angle = np.arange(count) * (2 * np.pi / count)
    c, s = np.cos(angle), np.sin(angle)
    power = np.where(s >= 0, shape.top, shape.bottom)
    x = np.sign(c) * np.abs(c) ** (2 / power)
    y = np.sign(s) * np.abs(s) ** (2 / power)
    outer = np.clip((x + 1) / 2, 0, 1)
    x = x * (1 + shape.taper * y)
    out_y = shape.height / 2 * y + shape.lift * outer**2 * np.clip(y, 0, 1)
    out_y = out_y - shape.droop * np.clip(-y, 0, 1) * (outer - 0.35)
    out_x = shape.width / 2 * x + (shape.bridge + shape.width) / 2
    out_x = out_x + 0.25 * shape.droop * np.clip(-y, 0, 1) * (1 - outer)
    return np.stack((out_x, out_y + shape.drop + 4.0), axis=1).astype(np.float32)


def _wrapped(points: Array, wrap: float) -> Array:
    """(N, 3) points (N, 2) on the bent front."""
    z = 5.0 - wrap * (points[:, 0] / 65.0) ** 2
    return np.column_stack((points, z)).astype(np.float32)


def _sweep(
    path: Array, across: Array, up: Array, half_across: Array, half_up: Array, closed: bool
) -> list[Array]:
    """A box section with rounded normals along a path: vertices, normals, triangles."""
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    vertices = np.concatenate(
        [path + a * across * half_across[:, None] + b * up * half_up[:, None] for a, b in corners]
    )
    normals = np.concatenate([(a * across + b * up) / np.sqrt(2.0) for a, b in corners])
    n = len(path)
    i = np.arange(n if closed else n - 1)
    j = (i + 1) % n
    triangles = []
    for k in range(4):
        p, q = k * n, (k + 1) % 4 * n
        triangles += [np.stack((p + i, q + i, q + j), 1), np.stack((p + i, q + j, p + j), 1)]
    return [
        vertices.astype(np.float32),
        normals.astype(np.float32),
        np.concatenate(triangles).astype(np.int32),
    ]


def _unit(v: NDArray[np.floating[Any]]) -> Array:
    return (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def build_frame(shape: FrameShape, ear: tuple[float, float, float]) -> FrameMesh:
    """Mesh of a frame whose temples go to the ears.

    Args:
        shape: its parameters.
        ear: mm, where the left temple lies on the ear, relative to the origin of the frame.
    """
    parts: list[tuple[list[Array], int]] = []
    edge = outline(shape)
    lens = _wrapped(edge, shape.wrap)
    forward = np.tile(np.array([[0, 0, 1]], np.float32), (len(lens), 1))
    tangent = _unit(np.roll(lens, -1, axis=0) - np.roll(lens, 1, axis=0))
    outward = _unit(np.cross(tangent, forward))
    n = len(lens)
    keep = np.arange(-2, n // 2 + 3) % n if shape.half else np.arange(n)
    rim = np.full(n, shape.rim, np.float32)
    path = lens + outward * shape.rim
    body = _sweep(
        path[keep], outward[keep], forward[keep], rim[keep], np.full(len(keep), shape.depth), not shape.half
    )
    parts.append((body, FRAME))
    # lens: a fan around its middle, slightly domed
    middle = edge.mean(0)
    flat = np.concatenate((middle[None], (edge + middle) / 2, edge))
    glass = _wrapped(flat, shape.wrap)
    away = flat - middle
    bulge = np.column_stack((away / 95.0, np.ones(len(flat))))
    slope = np.column_stack((2 * shape.wrap * flat[:, 0] / 65.0**2, np.zeros(len(flat)), np.zeros(len(flat))))
    i = np.arange(n)
    j = (i + 1) % n
    fan = np.concatenate(
        (
            np.stack((0 * i, 1 + i, 1 + j), 1),
            np.stack((1 + i, 1 + n + i, 1 + n + j), 1),
            np.stack((1 + i, 1 + n + j, 1 + j), 1),
        )
    )
    parts.append(([glass, _unit(bulge + slope), fan.astype(np.int32)], LENS))
    # temple: from the hinge out to the side, back to the ear, and down behind it
    corner = int(np.argmax(edge[:, 0] + 0.6 * edge[:, 1]))
    hinge = lens[corner] + outward[corner] * shape.rim
    out = max(ear[0], hinge[0] + 1.5)
    steps = np.array([0.0, 0.06, 0.25, 0.5, 0.75, 1.0, 1.12, 1.28], np.float32)
    z = hinge[2] + (ear[2] - hinge[2]) * steps
    x = hinge[0] + (out - hinge[0]) * np.clip(steps * 4, 0, 1) ** 0.7
    x[0] = hinge[0] - 1.0
    y = hinge[1] + (ear[1] - hinge[1]) * np.clip(steps, 0, 1) - np.clip(steps - 1.0, 0, 1) * 130
    temple = np.stack((x, y, z), axis=1).astype(np.float32)
    sideways = np.tile(np.array([[1, 0, 0]], np.float32), (len(temple), 1))
    up = np.tile(np.array([[0, 1, 0]], np.float32), (len(temple), 1))
    up[-2:] = _unit(np.array([[0, 0.7, -0.7]] * 2, np.float32))
    high = shape.temple * np.array([1.0, 1.0, 0.9, 0.75, 0.7, 0.7, 0.8, 0.8], np.float32)
    parts.append(
        (_sweep(temple, sideways, up, np.full(len(temple), max(0.5, 0.6 * shape.depth)), high, False), TEMPLE)
    )
    mirrored = [([_flip(v), _flip(normal), t[:, ::-1].copy()], p) for (v, normal, t), p in parts]
    # bridge
    inner = edge[:, 0].argmin()
    height = float(edge[inner, 1])
    bars = (
        [(height + 0.12 * shape.height, 2.5, 1.0)]
        if not shape.half
        else [(height + 0.3 * shape.height, 2.0, 1.0)]
    )
    if shape.bar:
        bars.append((float(edge[:, 1].max()) - 2.0, 0.5, 0.8))
    for level, arch, thick in bars:
        near = max(
            edge[np.argsort(np.abs(edge[:, 1] - level) + 2 * (edge[:, 0] > middle[0]) * 100)[0], 0], 0.5
        )
        t = np.linspace(-1, 1, 9, dtype=np.float32)
        bow = np.stack((t * (near + 0.5), level + arch * (1 - t * t), 0 * t), axis=1)
        bridge = _wrapped(bow[:, :2], shape.wrap)
        bridge[:, 2] += 1.0 * (1 - t * t)
        ups = np.tile(np.array([[0, 1, 0]], np.float32), (9, 1))
        forwards = np.tile(np.array([[0, 0, 1]], np.float32), (9, 1))
        strong = max(shape.rim, 0.5) * thick * (1.3 if shape.rim > 1 else 1.0)
        section = _sweep(bridge, ups, forwards, np.full(9, strong), np.full(9, shape.depth), False)
        mirrored.append((section, FRAME))
    everything = parts + mirrored
    counts = np.cumsum([0] + [len(item[0][0]) for item in everything])
    vertices = np.concatenate([item[0][0] for item in everything])
    uv = np.zeros((len(vertices), 2), np.float32)
    top, low = float(edge[:, 1].max()), float(edge[:, 1].min())
    uv[:, 1] = (top - vertices[:, 1]) / max(top - low, 1.0)
    uv[:, 0] = vertices[:, 0] / 50.0
    return FrameMesh(
        vertices,
        np.concatenate([item[0][1] for item in everything]),
        uv,
        np.concatenate([item[0][2] + start for item, start in zip(everything, counts)]).astype(np.int32),
        np.concatenate([np.full(len(item[0][2]), item[1]) for item in everything]).astype(np.int32),
        2 * float(hinge[0]),
    )


def _flip(vectors: Array) -> Array:
    return vectors * np.array([-1, 1, 1], np.float32)

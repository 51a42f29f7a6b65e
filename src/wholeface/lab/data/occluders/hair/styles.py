"""Haircuts: from where hair starts, where it goes, and how far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compositing.layer import Split
from ..placing.head import HeadShape

__all__ = ["FALLS", "NATURALS", "Strands", "fall", "natural"]

Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Strands:
    """Guides of hair on the mean head, in millimetres, and how the strands around them look.

    Args:
        roots, directions: (N, 3).
        lengths, offsets: (N,) mm.
        pull: (N, 3) gravity or wind.
        stiffness: (N,).
        wobble: (N, 3).
        count: strands per guide.
        radius: mm, half the width of a strand.
        spread: (N,) mm, distance of the strands from their guide.
        clump: how far they join at the tip.
        curl: (N,) mm.
        turns: (N,).
        opacity: of a strand.
        under: half width in mm of the dark hair below, 0 = none.
        ground: (M, 3) mm, points of the scalp that must not shine through, and
        ground_opacity: how much they must not.
    """

    roots: Array
    directions: Array
    lengths: Array
    offsets: Array
    pull: Array
    stiffness: Array
    wobble: Array
    count: int
    radius: float
    spread: Array
    clump: float
    curl: Array
    turns: Array
    opacity: float
    under: float
    ground: Array | None = None
    ground_opacity: float = 0.9


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _tangent(directions: Array, normals: Array, lift: float | Floats) -> Array:
    """Directions laid onto the surface, then raised by ``lift`` along the normal."""
    flat = directions - (directions * normals).sum(1, keepdims=True) * normals
    raised: Array = _unit(_unit(flat) + np.asarray(lift, np.float32).reshape(-1, 1) * normals)
    return raised.astype(np.float32)


def _make(
    shape: HeadShape,
    roots: Array,
    directions: Floats,
    rng: np.random.Generator,
    *,
    length: tuple[float, float] | Floats,
    offset: tuple[float, float],
    lift: float | Floats = 0.3,
    pull: tuple[float, float, float] | Array = (0.0, -0.6, 0.0),
    stiffness: float = 0.3,
    wobble: float = 0.15,
    count: int = 14,
    radius: float = 0.45,
    spread: float = 5.0,
    clump: float = 0.4,
    curl: float = 0.0,
    turns: float = 2.0,
    opacity: float = 0.9,
    under: float = 5.0,
    ground: Array | None = None,
    ground_opacity: float = 0.9,
) -> Strands:
    n = len(roots)
    normals = _unit(roots - shape.centre)

    def f32(values: object) -> Array:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(values, np.float32), (n,)))

    lengths = rng.uniform(*length, n) if isinstance(length, tuple) else length
    return Strands(
        roots.astype(np.float32),
        _tangent(directions.astype(np.float32), normals, lift),
        f32(lengths),
        f32(rng.uniform(*offset, n)),
        np.ascontiguousarray(np.broadcast_to(np.asarray(pull, np.float32), (n, 3))),
        f32(np.clip(stiffness + rng.normal(0, 0.05, n), 0, 0.98)),
        rng.normal(0, wobble, (n, 3)).astype(np.float32),
        count,
        radius,
        f32(spread * rng.uniform(0.6, 1.2, n)),
        clump,
        f32(curl * rng.uniform(0.6, 1.3, n)),
        f32(turns * rng.uniform(0.8, 1.2, n)),
        opacity,
        under,
        None if ground is None else _open_ground(ground),
        ground_opacity,
    )


def _pick(points: Array, count: int, rng: np.random.Generator) -> Array:
    return points[rng.integers(len(points), size=min(count, len(points)))]


def _open_ground(points: Array) -> Array:
    """Points of the scalp without those behind the ears, which shine through them."""
    x, y, z = points.T
    return points[~((np.abs(x) > 64) & (y < 32) & (z > -32))]


def _hairline(scalp: Array, rng: np.random.Generator, recede: float) -> Array:
    """The part of the scalp points where hair grows: above a random line, with temples that may recede."""
    x, y, z = scalp.T
    height = np.arctan2(z, np.maximum(y - 40.0, 1.0))  # larger = lower on the forehead
    line = rng.uniform(0.84, 1.04) - recede * 0.6
    temple = (
        (0.1 + 0.5 * recede) * np.clip((np.abs(x) - 18) / 35, 0, 1) * np.clip((62 - np.abs(x)) / 20, 0, 1)
    )
    wave = 0.03 * np.sin(x / 9.0 + rng.uniform(0, 6)) + rng.normal(0, 0.02, len(x))
    front = (z > 0) & (height > line - temple + wave) & (y > 45)
    crown = recede > 0.6
    bald = crown & (np.hypot(x, z + 20) < 40 + 50 * (recede - 0.6)) & (y > 90)
    behind = (z < 25) & (y < rng.uniform(-25, 0))
    side = (np.abs(x) > 60) & (z > np.where(y < 25, 18, 34) + rng.uniform(-6, 10)) & (y < 78)
    return scalp[~front & ~bald & ~behind & ~side]


# --- whole heads of hair -------------------------------------------------------------------------------------------


def _crop(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    length = float(rng.choice([5, 9, 15, 24]))
    hairy = _hairline(shape.scalp, rng, recede)
    roots = _pick(hairy, 1300, rng)
    whorl = roots - np.array([0, 140, -45], np.float32)
    forward = whorl + np.array([rng.normal(0, 25), 0, rng.uniform(-20, 70)], np.float32)
    lift = float(rng.uniform(0.3, 1.6))
    return [
        _make(shape, roots, forward, rng, length=(0.7 * length, 1.3 * length), offset=(2, 3 + length / 3), lift=lift,
              stiffness=0.6, pull=(0, -0.3, 0), count=5, spread=3.5, clump=0.2, under=0, radius=0.4,
              wobble=0.35, opacity=0.8, ground=hairy,
              ground_opacity=float(np.clip(0.15 + length / 12 * rng.uniform(0.6, 1), 0.2, 0.95)))
    ]  # fmt: skip


def _parted(
    shape: HeadShape, rng: np.random.Generator, recede: float, length: float, volume: float
) -> list[Strands]:
    part = float(rng.choice([0.0, 25.0, -25.0, 38.0, -38.0]))
    hairy = _hairline(shape.scalp, rng, recede)
    roots = _pick(hairy, 380, rng)
    aside = np.sign(roots[:, 0] - part)
    back = float(rng.uniform(0.1, 0.9))
    # the front is combed back and to the side, so that the forehead stays free
    front = np.clip(roots[:, 2] / 60, 0, 1)
    directions = np.stack((aside, -0.4 * np.ones_like(aside), -(back + 0.5 * front)), axis=1)
    lengths = length * rng.uniform(0.8, 1.1, len(roots))
    curly = rng.random() < 0.35
    return [
        _make(shape, roots, directions, rng, length=lengths, offset=(2, volume),
              lift=0.15 + 0.35 * front, stiffness=0.3, pull=(0, -1.1, -0.1), count=15, spread=5, under=3.6,
              curl=float(rng.uniform(2, 6)) if curly else float(rng.uniform(0, 1.2)),
              turns=length / rng.uniform(22, 60), clump=float(rng.uniform(0.2, 0.7)), ground=hairy)
    ]  # fmt: skip


def _short(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    return _parted(shape, rng, recede, float(rng.uniform(35, 75)), float(rng.uniform(6, 16)))


def _medium(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    return _parted(shape, rng, 0.3 * recede, float(rng.uniform(110, 190)), float(rng.uniform(8, 22)))


def _long(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    return _parted(shape, rng, 0.2 * recede, float(rng.uniform(210, 360)), float(rng.uniform(8, 24)))


def _back(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    """Combed back; often with a bun or a pony tail."""
    hairy = _hairline(shape.scalp, rng, recede)
    roots = _pick(hairy, 380, rng)
    knot = np.array([0, rng.uniform(40, 150), -85], np.float32)
    tied = rng.random() < 0.6
    to_knot = knot - roots
    reach = np.linalg.norm(to_knot, axis=1)
    directions = to_knot if tied else np.array([0.0, 0.1, -1.0], np.float32) + 0.004 * roots * (1, 0, 0)
    cap = _make(shape, roots, directions, rng, length=np.clip(reach * 1.25, 20, 170) if tied else (60, 120),
                offset=(1.5, 5 if tied else 14), lift=0.1 if tied else 0.5, stiffness=0.6,
                pull=(0, -0.1, -0.5) if tied else (0, -0.35, -0.4), wobble=0.06, count=14, spread=4.5, under=3.4,
                ground=hairy)  # fmt: skip
    if not tied:
        return [cap]
    count = 110
    ball = _unit(rng.normal(0, 1, (count, 3)).astype(np.float32))
    size = float(rng.uniform(18, 38))
    around = np.cross(ball, _unit(rng.normal(0, 1, (1, 3)).astype(np.float32)))
    centre = knot + np.array([0, 0.3 * size, -0.4 * size], np.float32)
    bun = _make(shape, centre + ball * size, around, rng, length=(25, 60), offset=(0, 1), lift=0.0,
                pull=(0, 0, 0), stiffness=0.9, count=9, spread=4.5, under=5.5)  # fmt: skip
    bun = replace(bun, directions=_unit(around.astype(np.float32)))
    return [cap, bun]


def _curly(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    """Afro, curls and ringlets."""
    hairy = _hairline(shape.scalp, rng, 0.4 * recede)
    roots = _pick(hairy, 420, rng)
    out = _unit(roots - shape.centre)
    length = float(rng.uniform(14, 75))
    lengths = length * rng.uniform(0.6, 1.2, len(roots)) * np.clip(1.1 - roots[:, 2] / 130, 0.25, 1.2)
    directions = (out + rng.normal(0, 0.6, out.shape) + np.array([0, 0, -0.4])).astype(np.float32)
    return [
        _make(shape, roots, directions, rng, length=lengths.astype(np.float32), offset=(2, 8), lift=1.2,
              pull=(0, -0.35, 0), stiffness=0.6, wobble=0.6, count=8, spread=4, under=3, radius=0.5,
              curl=float(rng.uniform(2.0, 4.5)), turns=length / 11, clump=0.1, ground=hairy)
    ]  # fmt: skip


def _centre_long(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    """Long and wavy, parted far to one side."""
    hairy = _hairline(shape.scalp, rng, 0.2 * recede)
    roots = _pick(hairy, 380, rng)
    aside = np.sign(roots[:, 0] - float(rng.choice([-50.0, 50.0])))
    front = np.clip(roots[:, 2] / 60, 0, 1)
    directions = np.stack((aside, -0.3 * np.ones_like(aside), -0.5 - 0.3 * front), axis=1)
    return [
        _make(shape, roots, directions, rng, length=(160, 300), offset=(3, 26), lift=0.3, stiffness=0.3,
              pull=(0, -1.0, -0.1), count=15, spread=5, under=3.6, curl=float(rng.uniform(4, 8)), turns=3.0,
              clump=0.2, ground=hairy)
    ]  # fmt: skip


def _flat_top(shape: HeadShape, rng: np.random.Generator, recede: float) -> list[Strands]:
    """Short at the sides, standing up above."""
    hairy = _hairline(shape.scalp, rng, recede)
    roots = _pick(hairy, 900, rng)
    top = np.clip((roots[:, 1] - 85) / 40, 0, 1)
    lengths = (5 + float(rng.uniform(18, 45)) * top) * rng.uniform(0.8, 1.2, len(roots))
    directions = np.stack((0 * top, 0.2 + 0 * top, 0.3 * np.ones_like(top)), axis=1)
    return [
        _make(shape, roots, directions, rng, length=lengths.astype(np.float32), offset=(2, 4), lift=1.5,
              pull=(0, 0.2, 0), stiffness=0.8, count=6, spread=3.5, under=0, wobble=0.2, ground=hairy)
    ]  # fmt: skip


_Style = Callable[[HeadShape, np.random.Generator, float], list[Strands]]
NATURALS: dict[str, tuple[_Style, float, Split]] = {
    "crop": (_crop, 1.6, "train"),
    "short": (_short, 2.2, "train"),
    "medium": (_medium, 1.5, "train"),
    "long": (_long, 2.0, "train"),
    "back": (_back, 1.5, "train"),
    "curly": (_curly, 1.2, "train"),
    "centre_long": (_centre_long, 1.0, "held_out"),
    "flat_top": (_flat_top, 1.0, "held_out"),
}
"""Haircuts, how often each is drawn, and in which split."""


def natural(name: str, shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """Guides of a haircut that leaves the face free."""
    recede = float(np.clip(rng.normal(0.1, 0.35), 0, 1)) if rng.random() < 0.5 else 0.0
    return NATURALS[name][0](shape, rng, recede)


# --- hair over the face --------------------------------------------------------------------------------------------


def _front(
    shape: HeadShape, rng: np.random.Generator, x0: float, x1: float, depth: float, count: int
) -> Array:
    """Roots along the front of the scalp between x0 and x1, up to ``depth`` mm behind the hairline."""
    x, y, z = shape.scalp.T
    low = 62.0 - 0.006 * x * x - depth
    near = (x > x0) & (x < x1) & (z > low) & (y > 70)
    return _pick(shape.scalp[near], count, rng) if near.sum() > 8 else _pick(shape.scalp[z > 40], count, rng)


def _to_height(roots: Array, target: Floats, extra: float = 1.12) -> Array:
    """(N,) length that reaches from the roots down to height ``target`` over the rounding of the forehead."""
    return (np.maximum(roots[:, 1] - target, 8.0) * extra + np.maximum(90 - roots[:, 2], 0) * 0.7).astype(
        np.float32
    )


def _bangs(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """A fringe across the forehead, its ends somewhere from mid-forehead to over the eyes."""
    width = float(rng.uniform(35, 72))
    middle = float(rng.normal(0, 12))
    count = int(rng.integers(70, 170))
    roots = _front(shape, rng, middle - width, middle + width, float(rng.uniform(10, 45)), count)
    sweep = float(rng.normal(0, 0.5))
    target = float(rng.uniform(28, 78)) + rng.normal(0, rng.uniform(2, 9), len(roots))
    target += 10 * np.sin(roots[:, 0] / rng.uniform(12, 30) + rng.uniform(0, 6)) * (rng.random() < 0.4)
    directions = np.stack((sweep + roots[:, 0] / 160, -0.35 + 0 * target, 1 + 0 * target), axis=1)
    curly = rng.random() < 0.3
    return [
        _make(shape, roots, directions, rng, length=_to_height(roots, target),
              offset=(3, float(rng.uniform(5, 14))),
              lift=0.35, pull=(0.35 * sweep, -0.7, 0), stiffness=0.35, count=int(rng.integers(6, 16)),
              spread=float(rng.uniform(2, 4.5)), under=float(rng.choice([0, 2, 4])),
              clump=float(rng.uniform(0.3, 0.95)),
              curl=float(rng.uniform(1.5, 5)) if curly else float(rng.uniform(0, 0.8)),
              turns=float(rng.uniform(1, 4)), radius=float(rng.uniform(0.28, 0.5)),
              opacity=float(rng.uniform(0.6, 0.95)))
    ]  # fmt: skip


def _swept(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """From a side parting across the forehead, often over one eye."""
    side = float(rng.choice([-1, 1]))
    start = -side * float(rng.uniform(0, 45))
    roots = _front(
        shape,
        rng,
        min(start, start + side * 55),
        max(start, start + side * 55),
        40,
        int(rng.integers(70, 150)),
    )
    directions = np.stack(
        (side * (0.9 + 0 * roots[:, 0]), -0.2 + 0 * roots[:, 0], 0.7 + 0 * roots[:, 0]), axis=1
    )
    length = float(rng.uniform(85, 200))
    return [
        _make(shape, roots, directions, rng, length=(0.75 * length, 1.15 * length),
              offset=(3, float(rng.uniform(6, 18))),
              lift=0.5, pull=(side * float(rng.uniform(0.0, 0.4)), -0.55, 0), stiffness=0.5,
              count=int(rng.integers(8, 16)), spread=float(rng.uniform(2.5, 5)), under=float(rng.choice([0, 3, 5])),
              clump=float(rng.uniform(0.2, 0.8)), curl=float(rng.choice([0, 0.6, 2.5])),
              turns=float(rng.uniform(1, 3)),
              radius=float(rng.uniform(0.3, 0.5)), opacity=float(rng.uniform(0.7, 0.95)))
    ]  # fmt: skip


def _curtain(shape: HeadShape, rng: np.random.Generator, sides: tuple[float, ...] | None = None,
             over: tuple[float, float] = (6, 40), count: int = 90) -> list[Strands]:  # fmt: skip
    """Long hair that falls beside the face and over its edge, an eye or a cheek."""
    result = []
    if sides is None:
        sides = ((-1.0, 1.0), (-1.0,), (1.0,))[int(rng.integers(3))]
    for side in sides:
        part = float(rng.normal(0, 8))
        inner = float(rng.uniform(*over))
        x0, x1 = (part, part + 48) if side > 0 else (part - 48, part)
        roots = _front(shape, rng, x0, x1, 55, count)
        away = side * (0.55 + inner / 60) * np.ones(len(roots))
        directions = np.stack((away, -0.1 + 0 * away, 0.55 + 0 * away), axis=1)
        length = float(rng.uniform(120, 330))
        result.append(
            _make(shape, roots, directions, rng, length=(0.7 * length, length), offset=(4, float(rng.uniform(8, 22))),
                  lift=0.35, pull=(side * float(rng.uniform(0.0, 0.12)), -1.1, 0), stiffness=0.3,
                  count=int(rng.integers(9, 18)), spread=float(rng.uniform(3, 6)), under=float(rng.choice([0, 3, 6])),
                  clump=float(rng.uniform(0.1, 0.7)), curl=float(rng.choice([0, 0.8, 3, 6], p=[0.4, 0.3, 0.2, 0.1])),
                  turns=length / float(rng.uniform(25, 70)), radius=float(rng.uniform(0.3, 0.5)),
                  wobble=0.12, opacity=float(rng.uniform(0.75, 0.95)))
        )  # fmt: skip
    return result


def _half(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """A curtain that covers up to half of the face."""
    side = float(rng.choice([-1, 1]))
    start = -side * float(rng.uniform(0, 35))
    x0, x1 = sorted((start, start + side * 70))
    roots = _front(shape, rng, x0, x1, 50, 150)
    reach = float(rng.uniform(-0.2, 0.8))
    directions = np.stack(
        (side * (reach + 0 * roots[:, 0]), -0.2 + 0 * roots[:, 0], 0.9 + 0 * roots[:, 0]), axis=1
    )
    length = float(rng.uniform(150, 330))
    return [
        _make(shape, roots, directions, rng, length=(0.7 * length, length), offset=(4, float(rng.uniform(8, 16))),
              lift=0.4, pull=(side * float(rng.uniform(0, 0.25)), -1.0, 0), stiffness=0.3,
              count=int(rng.integers(10, 18)), spread=float(rng.uniform(3, 5.5)), under=float(rng.choice([3, 5, 7])),
              clump=float(rng.uniform(0.1, 0.6)), curl=float(rng.choice([0, 1, 4])), wobble=0.14,
              turns=length / float(rng.uniform(30, 70)), radius=float(rng.uniform(0.3, 0.5)))
    ]  # fmt: skip


def _strands(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """A few single locks or hairs across forehead and cheek."""
    count = int(rng.integers(1, 14))
    roots = _front(shape, rng, -65, 65, 40, count)
    n = len(roots)
    directions = np.stack((rng.normal(0, 0.8, n), -0.3 + 0 * roots[:, 0], 0.8 + 0 * roots[:, 0]), axis=1)
    wind = rng.normal(0, 0.35)
    return [
        _make(shape, roots, directions, rng, length=(50, float(rng.uniform(80, 260))), offset=(2, 14), lift=0.6,
              pull=(wind, -0.55, 0), stiffness=0.5, wobble=0.35, count=int(rng.integers(1, 14)),
              spread=float(rng.uniform(0.4, 2.2)), under=0, clump=float(rng.uniform(0.2, 0.9)),
              curl=float(rng.choice([0, 0.8, 3])), turns=float(rng.uniform(1, 5)),
              radius=float(rng.uniform(0.18, 0.42)), opacity=float(rng.uniform(0.55, 0.95)))
    ]  # fmt: skip


def _wind(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """Blown across the face from one side."""
    side = float(rng.choice([-1, 1]))
    x, y, z = shape.scalp.T
    near = (x * side > 35) & (z > -35) & (y > 25)
    roots = _pick(shape.scalp[near], int(rng.integers(15, 110)), rng)
    n = len(roots)
    directions = np.stack((0.3 * side + rng.normal(0, 0.3, n), rng.normal(-0.2, 0.3, n), np.ones(n)), axis=1)
    pull = (-side * float(rng.uniform(0.35, 0.8)), float(rng.uniform(-0.45, 0.1)), 0.12)
    return [
        _make(shape, roots, directions, rng, length=(90, float(rng.uniform(150, 280))), offset=(4, 26), lift=0.9,
              pull=pull, stiffness=0.5, wobble=0.35, count=int(rng.integers(5, 14)),
              spread=float(rng.uniform(2, 6)), under=float(rng.choice([0, 0, 2])),
              clump=float(rng.uniform(-0.3, 0.6)),
              curl=float(rng.choice([0, 1, 3])), turns=float(rng.uniform(1, 4)),
              radius=float(rng.uniform(0.2, 0.45)), opacity=float(rng.uniform(0.6, 0.95)))
    ]  # fmt: skip


def _ringlets(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """Corkscrew curls over forehead and temples."""
    roots = _front(shape, rng, -70, 70, 45, int(rng.integers(25, 80)))
    n = len(roots)
    directions = np.stack(
        (roots[:, 0] / 60 + rng.normal(0, 0.5, n), -0.2 + 0 * roots[:, 0], 0.8 + 0 * roots[:, 0]), axis=1
    )
    return [
        _make(shape, roots, directions, rng, length=(40, float(rng.uniform(70, 170))), offset=(4, 18), lift=0.8,
              pull=(0, -0.6, 0), stiffness=0.4, wobble=0.3, count=10, spread=1.8, under=2.0, clump=0.1,
              curl=float(rng.uniform(3.5, 7)), turns=float(rng.uniform(3, 7)), radius=0.45)
    ]  # fmt: skip


def _sides(shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """Long side hair that covers ears and cheeks on both sides."""
    return _curtain(shape, rng, (-1.0, 1.0), (35, 75), 110)


_Fall = Callable[[HeadShape, np.random.Generator], list[Strands]]
FALLS: dict[str, tuple[_Fall, float, Split]] = {
    "bangs": (_bangs, 3.0, "train"),
    "swept": (_swept, 2.0, "train"),
    "curtain": (_curtain, 1.8, "train"),
    "half": (_half, 2.0, "train"),
    "strands": (_strands, 2.5, "train"),
    "wind": (_wind, 1.3, "train"),
    "sides": (_sides, 1.0, "train"),
    "ringlets": (_ringlets, 1.0, "held_out"),
}
"""Ways of falling over the face, how often each is drawn, and in which split."""


def fall(name: str, shape: HeadShape, rng: np.random.Generator) -> list[Strands]:
    """Guides of hair that falls over the face."""
    return FALLS[name][0](shape, rng)

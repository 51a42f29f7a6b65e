"""Objects that people hold before their faces, drawn with shading."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..drawing.easel import Easel, any_colour, card, grey, metal, rounded, solid
from ..drawing.lathe import paint_lathe
from ..drawing.noise import field, grain
from ..drawing.paint import polygon_alpha, smooth_closed, smooth_open, stroke
from ..drawing.patterns import pattern
from ..drawing.relief import raise_capsule, raise_ellipsoid
from .food import FOOD

__all__ = ["DRAWINGS"]


def _microphone(e: Easel) -> None:
    radius = e.unit * e.draw(0.17, 0.25)
    dark, steel = grey(e), metal(e)
    handle = dark if e.rng.random() < 0.75 else any_colour(e)
    length = e.draw(1.3, 1.9)
    neck = e.along(1.6 * radius / e.unit)
    paint_lathe(
        e.rgba,
        neck,
        e.along(length),
        radius * np.linspace(0.72, 0.5, 6),
        handle[None],
        e.light,
        gloss=e.draw(0.05, 0.4),
        tilt=0.1,
    )
    ball = e.along(radius / e.unit)
    foam = e.rng.random() < 0.35
    size = len(e.rgba)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    pitch = max(2.2, 0.12 * radius)
    turn = e.draw(0, 1.5)
    a, b = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if foam:
        bump = field(e.rng, size, size / 4.0, 2) * np.float32(0.35)
        colour = grey(e) if e.rng.random() < 0.7 else any_colour(e)
    else:
        bump = (0.6 * np.sin(a * (2 * np.pi / pitch)) * np.sin(b * (2 * np.pi / pitch))).astype(np.float32)
        colour = steel if e.rng.random() < 0.55 else dark
    solid(
        e,
        lambda relief: raise_ellipsoid(
            relief, (ball[0], ball[1], 0.0), radius * 1.08 * e.away, 0.93, radius, 0.0
        ),
        colour,
        gloss=0.02 if foam else 0.25,
        bump=bump,
    )
    if not foam:  # the ring
        ring = e.along(1.55 * radius / e.unit)
        paint_lathe(
            e.rgba,
            ring,
            e.along(1.78 * radius / e.unit),
            radius * np.array([0.88, 0.8]),
            metal(e)[None],
            e.light,
            gloss=0.4,
            tilt=0.12,
        )


def _cup(e: Easel) -> None:
    radius = e.unit * e.draw(0.3, 0.42)
    length = e.draw(0.7, 1.1)
    taper = e.draw(0.65, 1.0)
    paper = e.rng.random() < 0.5
    start = e.along(-0.05)
    tile = pattern(e.rng) if e.rng.random() < 0.5 else None
    if not paper and e.rng.random() < 0.7:  # the mug's ear
        side = 1.0 if e.rng.random() < 0.5 else -1.0
        turn = np.linspace(-1.3, 1.3, 12)
        loop = np.stack(
            [
                e.along(0.5 * length + 0.3 * length * np.sin(t), side * (radius / e.unit + 0.22 * np.cos(t)))
                for t in turn
            ]
        ).astype(np.float32)
        colour = any_colour(e).astype(np.float32)
        stroke(e.rgba, loop, np.full(12, 0.05 * e.unit, np.float32), colour, e.light, 0.3)
    paint_lathe(
        e.rgba,
        start,
        e.along(length),
        radius * np.linspace(1.0, taper, 6),
        np.stack([any_colour(e)] * 2),
        e.light,
        gloss=e.draw(0.02, 0.3),
        tilt=e.draw(0.15, 0.4),
        tile=tile,
        tile_range=(0.15, 0.85),
    )
    if paper and e.rng.random() < 0.6:  # lid
        paint_lathe(
            e.rgba,
            start,
            e.along(0.08),
            radius * np.array([1.06, 1.06]),
            grey(e, 20, 240)[None],
            e.light,
            tilt=0.3,
        )


def _bottle(e: Easel) -> None:
    radius = e.unit * e.draw(0.2, 0.32)
    radii = radius * np.array([0.3, 0.3, 0.32, 0.5, 0.85, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    colours = [any_colour(e)] + [any_colour(e)] * 9
    paint_lathe(
        e.rgba,
        e.along(0.0),
        e.along(e.draw(1.5, 2.2)),
        radii,
        np.stack(colours),
        e.light,
        gloss=0.5,
        tilt=0.2,
        tile=pattern(e.rng),
        tile_range=(0.5, 0.8),
        opacity=e.draw(0.75, 1.0),
    )


def _cigarette(e: Easel) -> None:
    thick = e.unit * e.draw(0.03, 0.042)
    length = e.draw(0.45, 0.75)
    paper = np.array([235.0, 233.0, 228.0])
    filter_ = np.array([196.0, 140.0, 78.0]) if e.rng.random() < 0.7 else paper
    ash = np.array([120.0, 115.0, 112.0])
    bands = np.stack([filter_] * 3 + [paper] * 6 + [ash])
    paint_lathe(
        e.rgba, e.along(-0.02), e.along(length), thick * np.ones(3), bands, e.light, gloss=0.0, tilt=0.2
    )
    _smoke(e, e.along(length))


def _cigar(e: Easel) -> None:
    thick = e.unit * e.draw(0.06, 0.11)
    length = e.draw(0.5, 1.0)
    leaf = np.array([92.0, 58.0, 36.0]) * e.draw(0.6, 1.8)
    ash = np.array([105.0, 102.0, 100.0])
    bands = [leaf] * 9 + [ash * 0.5 if e.rng.random() < 0.5 else ash]
    if e.rng.random() < 0.5:
        bands[2] = any_colour(e)
    radii = thick * np.array([0.7, 0.95, 1.0, 1.0, 1.0, 0.95])
    paint_lathe(
        e.rgba,
        e.along(-0.03),
        e.along(length),
        radii,
        np.stack(bands),
        e.light,
        gloss=0.03,
        tilt=0.3,
        roughness=e.roughness(0.12, 60),
    )
    if e.rng.random() < 0.5:
        _smoke(e, e.along(length))


def _smoke(e: Easel, source: NDArray[np.float64]) -> None:
    """A thin plume, never thick enough to hide what lies behind."""
    if e.rng.random() < 0.4:
        return
    size = len(e.rgba)
    noise = field(e.rng, size, 10.0, 3, 0.6)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    rise = (source[1] - y) / e.unit
    aside = (x - source[0] - 0.2 * e.unit * rise * np.sin(2.5 * rise) - 0.08 * e.unit * noise) / e.unit
    wide = 0.03 + 0.16 * np.clip(rise, 0, 3)
    plume = np.exp(-((aside / wide) ** 2)) * np.clip(rise * 4, 0, 1) * np.clip(1.5 - 0.6 * rise, 0, 1)
    alpha = np.clip(100 * plume * (0.6 + 0.4 * noise), 0, 110).astype(np.uint8)
    free = e.rgba[..., 3] == 0
    e.rgba[free] = np.dstack([np.full((size, size, 3), 215, np.uint8), alpha])[free]


def _stick(e: Easel) -> None:
    """Poles, bars, pens, chopsticks, straws: across the face or towards it."""
    thick = e.unit * float(np.exp(e.rng.uniform(np.log(0.015), np.log(0.14))))
    bands = (
        np.stack([any_colour(e), any_colour(e)] * int(e.rng.integers(1, 5)))
        if e.rng.random() < 0.4
        else any_colour(e)[None]
    )
    if e.rng.random() < 0.5:
        bands = metal(e)[None]
    back = e.draw(0.0, 4.0) if e.rng.random() < 0.6 else 0.0
    paint_lathe(
        e.rgba,
        e.along(-back),
        e.along(e.draw(0.8, 4.0)),
        thick * np.ones(2),
        bands,
        e.light,
        gloss=e.draw(0.0, 0.5),
        tilt=0.2,
    )


def _phone(e: Easel) -> None:
    high, wide = 112, 56
    colour = grey(e, 8, 60) if e.rng.random() < 0.6 else any_colour(e)
    y, x = np.mgrid[:high, :wide].astype(np.float32)
    rgb = colour * (0.9 + 0.2 * (x / wide))[..., None]
    if e.rng.random() < 0.5:  # its back: cameras
        for k in range(int(e.rng.integers(1, 4))):
            far = np.hypot(x - 12, y - 12 - 11 * k)
            rgb = np.where((far < 5)[..., None], [25.0, 25.0, 30.0], rgb)
            rgb = np.where((np.abs(far - 5) < 0.8)[..., None], [120.0, 120.0, 125.0], rgb)
    else:  # its screen
        inside = (x > 3) & (x < wide - 4) & (y > 6) & (y < high - 7)
        image = pattern(e.rng).repeat(2, 0)[:high, :wide].astype(np.float64) * e.draw(0.1, 1.0)
        rgb = np.where(inside[..., None], image, rgb)
    glare = 40 * (np.abs(x + 0.6 * y - e.draw(10, 100)) < e.draw(3, 14))
    corner = rounded(high, wide, 8.0)
    card(e, np.dstack([np.clip(rgb + glare[..., None], 0, 255), corner]).astype(np.uint8), 0.62, 1.28)


def _book(e: Easel) -> None:
    high, wide = 110, 84
    cover = e.rng.random() < 0.5
    rgb = (any_colour(e) if cover else np.full(3, e.draw(215, 245)))[None, None] * np.ones((high, wide, 1))
    if cover and e.rng.random() < 0.6:
        rgb[15:70, 10:-10] = pattern(e.rng)[:55, : wide - 20]
    ink = any_colour(e) if cover else np.full(3, 40.0)
    step = int(e.rng.integers(5, 10)) if not cover else 14
    for row in range(12, high - 10, step):
        start = 8
        while start < wide - 14:
            end = min(start + int(e.rng.integers(4, 14)), wide - 8)
            rgb[row : row + max(1, step // 3), start:end] = (
                0.35 * rgb[row : row + max(1, step // 3), start:end] + 0.65 * ink
            )
            start = end + 3
    fold = 1.0 - 0.25 * np.exp(-((np.arange(wide) - wide * e.draw(0, 1)) ** 2) / 30.0)
    rgb = rgb * fold[None, :, None] + grain(e.rng, high)[:, :wide, None] * 2
    card(
        e,
        np.dstack([np.clip(rgb, 0, 255), np.full((high, wide), 255)]).astype(np.uint8),
        e.draw(0.9, 1.6),
        1.3,
    )


def _tissue(e: Easel) -> None:
    """Crumpled paper or cloth."""
    points = int(e.rng.integers(7, 12))
    turn = np.sort(e.rng.uniform(0, 2 * np.pi, points))
    far = e.unit * e.rng.uniform(0.15, 0.42, points)
    centre = e.along(0.15)
    outline = smooth_closed(centre + np.stack([far * np.cos(turn), far * np.sin(turn)], axis=1), 4)
    size = len(e.rgba)
    alpha = polygon_alpha(size, size, outline)
    noise = np.abs(field(e.rng, size, 14.0, 3, 0.6))
    slope = np.gradient(noise)
    tone = 0.9 - 0.9 * (slope[1] * e.light[0] + slope[0] * e.light[1]) + 0.06 * noise
    white = grey(e, 200, 248) if e.rng.random() < 0.75 else any_colour(e)
    inside = alpha > 0
    e.rgba[inside] = np.dstack([np.clip(white * tone[..., None], 0, 255), alpha])[inside].astype(np.uint8)


def _brush(e: Easel) -> None:
    """Toothbrush, make-up brush, razor: a handle with a head at the mouth or cheek."""
    colour = any_colour(e)
    paint_lathe(
        e.rgba,
        e.along(0.1),
        e.along(e.draw(1.2, 1.8)),
        e.unit * np.array([0.03, 0.03, 0.05, 0.05]),
        np.stack([colour, colour, any_colour(e), colour]),
        e.light,
        gloss=0.3,
    )
    wide = e.draw(0.05, 0.12)
    paint_lathe(
        e.rgba,
        e.along(-0.08),
        e.along(0.14),
        e.unit * wide * np.array([1.0, 1.0, 0.6]),
        np.stack([any_colour(e)]),
        e.light,
        gloss=0.0,
        roughness=e.roughness(0.2, 100),
    )


def _spoon(e: Easel) -> None:
    steel = metal(e)
    paint_lathe(
        e.rgba,
        e.along(0.2),
        e.along(1.5),
        e.unit * np.array([0.025, 0.035, 0.05]),
        steel[None],
        e.light,
        gloss=0.6,
    )
    x, y = e.along(0.12)
    solid(
        e,
        lambda relief: raise_ellipsoid(relief, (x, y, 0.0), 0.22 * e.unit * e.away, 0.62, 0.1 * e.unit, 0.0),
        steel,
        gloss=0.6,
        blotch=0.02,
    )


def _tool(e: Easel) -> None:
    """Hammer, spanner, screwdriver: a metal head on a handle."""
    x, y = e.along(0.15)
    side = np.array([-e.away[1], e.away[0]])
    paint_lathe(
        e.rgba,
        e.along(0.1),
        e.along(e.draw(1.3, 2.0)),
        e.unit * np.array([0.06, 0.06, 0.09, 0.1]),
        np.stack([metal(e), any_colour(e)]),
        e.light,
        gloss=0.2,
    )
    long, wide = e.unit * e.draw(0.2, 0.4), e.unit * e.draw(0.08, 0.14)
    solid(
        e,
        lambda relief: raise_capsule(
            relief,
            (*(np.array([x, y]) - long * side), 0.0, wide),
            (*(np.array([x, y]) + long * side), 0.0, 0.8 * wide),
            0.0,
        ),
        metal(e) * 0.7,
        gloss=0.5,
    )


def _ball(e: Easel) -> None:
    """Balls, balloons, fruit: one round object of any colour."""
    radius = e.unit * e.draw(0.2, 0.6)
    x, y = e.along(0.7 * radius / e.unit)
    second = any_colour(e) if e.rng.random() < 0.5 else None
    solid(
        e,
        lambda relief: raise_ellipsoid(
            relief, (x, y, 0.0), radius * np.asarray(e.away), e.draw(0.75, 1.0), radius, 0.0
        ),
        any_colour(e),
        gloss=e.draw(0.0, 0.5),
        second=second,
        cells=e.draw(4, 20),
    )


def _cable(e: Easel) -> None:
    """Headset boom, cable, branch: a bent rod along the cheek to the mouth."""
    nodes = np.stack(
        [
            e.along(0.0),
            e.along(e.draw(0.2, 0.4), e.draw(-0.2, 0.2)),
            e.along(e.draw(0.7, 1.2), e.draw(-0.6, 0.6)),
        ]
    )
    curve = smooth_open(nodes, 8)
    thick = e.unit * e.draw(0.012, 0.05)
    stroke(e.rgba, curve, np.full(len(curve), thick, np.float32), grey(e).astype(np.float32), e.light, 0.2)
    if e.rng.random() < 0.6:
        radius = e.unit * e.draw(0.05, 0.1)
        x, y = curve[0]
        solid(
            e,
            lambda relief: raise_ellipsoid(relief, (x, y, 0.0), radius * e.away, 0.8, radius, 0.0),
            grey(e),
            bump=e.roughness(0.4, 100),
        )


DRAWINGS: dict[str, Callable[[Easel], None]] = {
    **FOOD,
    "microphone": _microphone,
    "cup": _cup,
    "bottle": _bottle,
    "cigarette": _cigarette,
    "cigar": _cigar,
    "stick": _stick,
    "phone": _phone,
    "book": _book,
    "tissue": _tissue,
    "brush": _brush,
    "spoon": _spoon,
    "tool": _tool,
    "ball": _ball,
    "cable": _cable,
}
"""Drawings by name."""

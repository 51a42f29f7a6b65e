"""Food and plants, drawn with shading."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..drawing.easel import Easel, any_colour, flat_sheet, solid
from ..drawing.lathe import paint_lathe
from ..drawing.paint import stroke
from ..drawing.patterns import pattern
from ..drawing.relief import raise_capsule, raise_ellipsoid

__all__ = ["FOOD"]


def _lollipop(e: Easel) -> None:
    radius = e.unit * e.draw(0.12, 0.35)
    first, second = any_colour(e), any_colour(e)
    paint_lathe(
        e.rgba,
        e.along(radius / e.unit),
        e.along(e.draw(0.8, 1.3)),
        np.full(2, 0.025 * e.unit),
        np.full((1, 3), 235.0),
        e.light,
        gloss=0.0,
    )
    centre = e.along(radius / e.unit)
    low = np.clip(centre - radius - 1, 0, len(e.rgba)).astype(int)
    high = np.clip(centre + radius + 2, 0, len(e.rgba)).astype(int)
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    part = e.rgba[low[1] : high[1], low[0] : high[0]]
    dx, dy = x - centre[0], y - centre[1]
    far = np.hypot(dx, dy)
    swirl = np.sin(2 * np.arctan2(dy, dx) + far / radius * e.draw(2, 9)) > 0
    alpha = 255 * np.clip(radius - far + 0.5, 0, 1)
    tone = (
        0.75
        + 0.3 * np.clip(1 - (far / radius) ** 2, 0, 1)
        + 0.15 * (dx * e.light[0] + dy * e.light[1]) / radius
    )
    glint = 120 * np.exp(-(((dx + 0.35 * radius) ** 2 + (dy + 0.4 * radius) ** 2) / (0.12 * radius) ** 2))
    colour = np.where(swirl[..., None], first, second) * tone[..., None] + glint[..., None]
    inside = alpha > 0
    part[inside] = np.dstack([np.clip(colour, 0, 255), alpha])[inside].astype(np.uint8)


def _ice_cream(e: Easel) -> None:
    radius = e.unit * e.draw(0.22, 0.34)
    waffle = pattern(e.rng) if e.rng.random() < 0.2 else _waffle()
    paint_lathe(
        e.rgba,
        e.along(1.1 * radius / e.unit),
        e.along(1.1 * radius / e.unit + e.draw(0.7, 1.0)),
        radius * np.array([0.92, 0.5, 0.08]),
        np.array([[200.0, 150.0, 90.0]]),
        e.light,
        gloss=0.0,
        tilt=0.1,
        tile=waffle,
    )
    flavour = any_colour(e) * 0.5 + 110
    places = [(0.9, 0.0, 1.0)] + ([(0.1, 0.3, 0.8)] if e.rng.random() < 0.5 else [])

    def scoops(relief: NDArray[np.float32]) -> None:
        for far, aside, share in places:
            x, y = e.along(far * radius / e.unit, aside * radius / e.unit)
            r = share * radius
            raise_ellipsoid(relief, (x, y, 0.0), r * e.away, 0.97, r, 0.3 * r)

    solid(e, scoops, flavour, gloss=0.08, bump=e.roughness(0.5, 70), second=flavour * 0.85)


def _waffle() -> NDArray[np.uint8]:
    y, x = np.mgrid[:96, :96]
    lines = ((x + y) % 16 < 4) | ((x - y) % 16 < 4)
    tile = np.where(lines[..., None], [165, 112, 58], [212, 164, 98])
    return tile.astype(np.uint8)


def _burger(e: Easel) -> None:
    half = e.unit * e.draw(0.38, 0.6)
    side = np.array([-e.away[1], e.away[0]])
    layers = [
        (0.95, np.array([196.0, 138.0, 72.0]), 0.42),
        (0.7, np.array([90.0, 140.0, 50.0]), 0.2),
        (0.55, np.array([78.0, 46.0, 30.0]), 0.24),
        (0.4, np.array([235.0, 180.0, 60.0]), 0.14),
        (0.15, np.array([205.0, 150.0, 84.0]), 0.42),
    ]
    crumbs = e.roughness(0.5, 60)
    for far, colour, ratio in layers:
        x, y = e.along(far * half / e.unit)
        solid(
            e,
            lambda relief, x=x, y=y, ratio=ratio: raise_ellipsoid(  # type: ignore[misc]
                relief, (x, y, 0.0), half * side, ratio, 0.5 * half, 0.0
            ),
            colour + e.rng.normal(0, 8, 3),
            gloss=0.06,
            bump=crumbs,
            noise=crumbs * 2,
            second=colour * 0.8,
        )


def _apple(e: Easel) -> None:
    radius = e.unit * e.draw(0.26, 0.4)
    red, green = np.array([170.0, 30.0, 30.0]), np.array([150.0, 175.0, 60.0])
    first = red if e.rng.random() < 0.5 else (green if e.rng.random() < 0.6 else any_colour(e))
    second = green if e.rng.random() < 0.5 else first * 0.8
    x, y = e.along(0.8 * radius / e.unit)
    paint_lathe(
        e.rgba,
        np.array([x, y - 1.25 * radius]),
        np.array([x, y]),
        np.array([0.02, 0.03]) * e.unit,
        np.array([[80.0, 55.0, 30.0]]),
        e.light,
    )
    solid(
        e,
        lambda relief: raise_ellipsoid(
            relief, (x, y, 0.0), np.array([radius, 0.1 * radius]), e.draw(0.88, 1.05), radius, 0.0
        ),
        first,
        gloss=0.3,
        second=second,
        cells=9.0,
    )


def _banana(e: Easel) -> None:
    thick = e.unit * e.draw(0.1, 0.15)
    bend = e.draw(-0.35, 0.35)

    def curve(relief: NDArray[np.float32]) -> None:
        steps = np.linspace(0, 1, 8)
        centres = [e.along(f * 1.4, bend * np.sin(np.pi * f)) for f in steps]
        radii = thick * (0.45 + 0.55 * np.sin(np.pi * (0.08 + 0.84 * steps)))
        nodes = [(float(c[0]), float(c[1]), float(r)) for c, r in zip(centres, radii)]
        for a, b in pairwise(nodes):
            raise_capsule(relief, (a[0], a[1], 0.0, a[2]), (b[0], b[1], 0.0, b[2]), 0.2 * thick)

    solid(e, curve, np.array([225.0, 190.0, 60.0]), second=np.array([200.0, 160.0, 50.0]), gloss=0.05)


def _flower(e: Easel) -> None:
    petals = int(e.rng.integers(5, 14))
    long = e.unit * e.draw(0.15, 0.35)
    centre = e.along(0.3)
    end = e.along(e.draw(1.2, 2.0), e.draw(-0.3, 0.3))
    stem = np.array([60.0, 110.0, 45.0]) * e.draw(0.6, 1.3)
    rod = np.stack([centre, e.along(0.8, e.draw(-0.1, 0.1)), end]).astype(np.float32)
    stroke(e.rgba, rod, np.full(3, 0.025 * e.unit, np.float32), stem.astype(np.float32), e.light, 0.05)
    colour = any_colour(e) * 0.6 + 80
    start = e.draw(0, 6)
    for ring in range(2):
        for k in range(petals):
            turn = start + 2 * np.pi * (k + 0.5 * ring) / petals
            axis = np.array([np.cos(turn), np.sin(turn)]) * long * (0.5 - 0.14 * ring)
            _petal(e, centre + axis, axis, colour * (1.0 - 0.08 * (k % 2) - 0.1 * ring))
    solid(
        e,
        lambda relief: raise_ellipsoid(
            relief, (centre[0], centre[1], 0.0), np.array([0.22 * long, 0.0]), 1.0, 0.15 * long, 0.0
        ),
        np.array([190.0, 140.0, 40.0]) * e.draw(0.5, 1.2),
        bump=e.roughness(0.6, 90),
    )


def _petal(
    e: Easel,
    centre: NDArray[np.floating[Any]],
    axis: NDArray[np.floating[Any]],
    colour: NDArray[np.floating[Any]],
) -> None:
    side = np.array([-axis[1], axis[0]]) * e.draw(0.4, 0.6)
    turn = np.linspace(0, 2 * np.pi, 15)[:-1]
    points = (
        centre + np.cos(turn)[:, None] * axis + (np.sin(turn) * (1 + 0.25 * np.cos(turn)))[:, None] * side
    )
    flat_sheet(e, points, colour, centre, axis, 0.25)


def _leaf(e: Easel) -> None:
    long = e.unit * e.draw(0.4, 1.1)
    centre = e.along(0.45 * long / e.unit)
    axis = 0.5 * long * np.asarray(e.away, np.float64)
    side = np.array([-axis[1], axis[0]]) * e.draw(0.25, 0.7)
    f = np.linspace(0, 2 * np.pi, 21)[:-1]
    points = centre + np.cos(f)[:, None] * axis + (np.sin(f) * (0.8 - 0.3 * np.cos(f)))[:, None] * side
    colour = np.array(
        [[70.0, 120.0, 50.0], [150.0, 90.0, 40.0], [120.0, 140.0, 60.0]][int(e.rng.integers(3))]
    )
    flat_sheet(e, points, colour * e.draw(0.5, 1.2), centre, axis, 0.35)
    rib = np.stack([centre - axis, centre, centre + 1.6 * axis]).astype(np.float32)
    stroke(
        e.rgba,
        rib,
        np.full(3, max(0.6, 0.01 * e.unit), np.float32),
        (colour * 1.1).astype(np.float32),
        e.light,
        0.0,
    )


FOOD: dict[str, Callable[[Easel], None]] = {
    "lollipop": _lollipop,
    "ice_cream": _ice_cream,
    "burger": _burger,
    "apple": _apple,
    "banana": _banana,
    "flower": _flower,
    "leaf": _leaf,
}
"""Drawings by name."""

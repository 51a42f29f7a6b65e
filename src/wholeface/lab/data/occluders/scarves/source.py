"""Scarves, bandanas, veils and hoods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....perceive import OccluderKind, ParsingClass
from ...compositing.compose import scene_light
from ...compositing.layer import Layer, Split
from ...samples.sample import FaceSample
from ..drawing.paint import polygon_alpha, smooth_closed
from ..drawing.patterns import pattern
from ..placing.frame import FaceFrame, face_frame, subfolder
from ..placing.overlay import occluded_share
from .cloth import drape

__all__ = ["ScarfSource"]

_SHAPES: dict[Split, tuple[str, ...]] = {
    "train": ("scarf", "bandana", "veil", "hood", "collar", "wrap"),
    "held_out": ("tube", "shawl"),
}
_WEIGHTS = {"scarf": 0.25, "bandana": 0.15, "veil": 0.1, "hood": 0.25, "collar": 0.15, "wrap": 0.1}


class ScarfSource:
    """Cloth over mouth, chin, cheeks or forehead, in many patterns.

    Args:
        root: the folder of source material (its printed textures are used), or None.
    """

    def __init__(self, root: Path | None = None) -> None:
        masks = subfolder(root, "masks")
        self._textures = None if masks is None else masks / "textures"

    def names(self, split: Split) -> tuple[str, ...]:
        """All items of a split."""
        return tuple(f"scarf/{shape}" for shape in _SHAPES[split])

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One piece of cloth; see :class:`LayerSource`."""
        shapes = _SHAPES[split]
        weights = np.array([_WEIGHTS.get(shape, 1.0) for shape in shapes])
        shape = shapes[int(rng.choice(len(shapes), p=weights / weights.sum()))]
        frame = face_frame(sample)
        outline, bow, around = _OUTLINES[shape](frame, rng)
        alpha = polygon_alpha(sample.size, sample.size, frame.points(outline))
        tile = pattern(rng, self._textures)
        light = scene_light(sample).direction
        turn = (
            frame.angle + float(rng.normal(0.0, 0.15)) + (np.pi / 2 if shape in ("veil", "bandana") else 0.0)
        )
        centre = frame.point(0.1 * frame.yaw, 0.35)
        rgba = drape(alpha, tile, rng, centre, frame.unit, turn, light, bow=bow, around=around)
        if not 0.015 < occluded_share(rgba, sample.face) < 0.95:
            return None
        return Layer(
            rgba,
            OccluderKind.SCARF,
            ParsingClass.CLOTH,
            f"scarf/{shape}",
            shadow=float(rng.uniform(0.3, 0.9)),
            height=float(rng.uniform(0.02, 0.08)) * frame.unit,
        )


_Outline = Callable[[FaceFrame, np.random.Generator], tuple[NDArray[np.float64], float, bool]]


def _edge(
    rng: np.random.Generator, left: float, right: float, height: float, bow: float, rough: float
) -> list[tuple[float, float]]:
    """The upper edge of a cloth from left to right: (u, v) points, high at the ends for positive bow."""
    us = np.linspace(left, right, 7)
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    tilt = float(rng.normal(0.0, 0.05))
    return [
        (float(u), float(height - bow * ((u - middle) / half) ** 2 + tilt * u + rng.normal(0.0, rough)))
        for u in us
    ]


def _scarf(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    shift = 0.12 * frame.yaw
    top = float(rng.uniform(0.35, 0.9))
    wide = float(rng.uniform(0.75, 1.1))
    points = _edge(rng, -wide + shift, wide + shift, top, float(rng.uniform(-0.1, 0.3)), 0.025)
    deep = float(rng.uniform(0.5, 0.9))
    back = -0.3 * frame.yaw
    points += [(1.05 * wide + back, top + 0.45 * deep), (0.85 * wide + back, top + deep)]
    if rng.random() < 0.5:  # one end hangs down
        side = 1.0 if rng.random() < 0.5 else -1.0
        tail = [(0.75 * side + back, 2.6), (0.15 * side + back, 2.6)]
        points += [
            (0.4 + back, top + 1.2 * deep),
            *(tail if side > 0 else tail[::-1]),
            (-0.4 + back, top + 1.2 * deep),
        ]
    else:
        points += [(back, top + 1.25 * deep)]
    points += [(-0.85 * wide + back, top + deep), (-1.05 * wide + back, top + 0.45 * deep)]
    return smooth_closed(np.array(points), 5).astype(np.float64), float(rng.uniform(0.2, 0.9)), False


def _bandana(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    shift = 0.18 * frame.yaw
    wide = float(rng.uniform(0.62, 0.75))
    top = float(rng.uniform(0.25, 0.5))
    points = _edge(rng, -wide + 0.4 * shift, wide + 0.4 * shift, top, float(rng.uniform(0.0, 0.2)), 0.012)
    low = float(rng.uniform(1.15, 1.6))
    points += [(0.62 * wide + shift, 0.8), (0.3 * wide + shift, 0.5 * (1.0 + low)), (0.7 * shift, low)]
    points += [(-0.3 * wide + shift, 0.5 * (1.0 + low)), (-0.62 * wide + shift, 0.8)]
    return smooth_closed(np.array(points), 5).astype(np.float64), 0.2, False


def _tube(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    shift = 0.15 * frame.yaw
    wide = float(rng.uniform(0.62, 0.72))
    points = _edge(rng, -wide + 0.4 * shift, wide + 0.4 * shift, float(rng.uniform(0.2, 0.55)), 0.05, 0.01)
    points += [(0.6 * wide, 1.1), (0.62, 1.9), (0.0, 2.0), (-0.62, 1.9), (-0.6 * wide, 1.1)]
    return smooth_closed(np.array(points), 5).astype(np.float64), 0.5, False


def _veil(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    """All but a slit for the eyes."""
    shift = 0.15 * frame.yaw
    top, bottom = float(rng.uniform(-0.25, -0.1)), float(rng.uniform(0.12, 0.35))
    wide = float(rng.uniform(0.5, 0.68))
    slit = np.array(
        [
            (-wide + shift, 0.5 * (top + bottom)),
            (-0.6 * wide + shift, top),
            (shift, top - 0.02),
            (0.6 * wide + shift, top),
            (wide + shift, 0.5 * (top + bottom)),
            (0.6 * wide + shift, bottom),
            (shift, bottom + 0.03),
            (-0.6 * wide + shift, bottom),
        ]
    )
    slit = slit + rng.normal(0.0, 0.015, slit.shape)
    outer = _cowl(frame, rng)
    return _ring(outer, smooth_closed(slit, 5)), float(rng.uniform(0.0, 0.3)), False


def _hood(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    """An opening around the face; it bites into forehead, cheeks or chin."""
    shift = -0.05 * frame.yaw
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    wide = float(rng.uniform(0.44, 0.6))
    top, low = float(rng.uniform(-0.42, -0.12)), float(rng.uniform(0.85, 1.2))
    middle, high = 0.5 * (top + low), 0.5 * (low - top)
    lean = float(rng.normal(0.0, 0.07))
    opening = np.stack([shift + lean + wide * np.sin(turn), middle - high * np.cos(turn)], axis=1)
    opening = opening + rng.normal(0.0, 0.025, opening.shape)
    return _ring(_cowl(frame, rng), smooth_closed(opening, 5)), 0.0, True


def _wrap(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    """A headband, turban edge or blindfold: a strip across forehead or eyes."""
    middle = float(rng.choice([-0.45, -0.3, 0.02])) + float(rng.normal(0.0, 0.05))
    high = float(rng.uniform(0.12, 0.28))
    bow = float(rng.uniform(-0.15, 0.1))
    upper = _edge(rng, -0.85, 0.85, middle - high, bow, 0.015)
    lower = _edge(rng, -0.85, 0.85, middle + 0.6 * high, bow, 0.015)
    return np.array(upper + lower[::-1]), -0.3 * bow, False


def _collar(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    """A collar turned up on one side, over jaw and cheek."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    high = float(rng.uniform(0.35, 0.95))
    points = np.array(
        [
            (0.75 * side, high),
            (0.42 * side, high + 0.15),
            (0.15 * side, high + 0.4),
            (-0.1 * side, 1.3),
            (-0.3 * side, 2.4),
            (1.6 * side, 2.4),
            (1.3 * side, high + 0.3),
        ]
    )
    points = points + rng.normal(0.0, 0.04, points.shape)
    return smooth_closed(points, 4).astype(np.float64), 0.0, False


def _shawl(frame: FaceFrame, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, bool]:
    """Thrown across the face from one side."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    start, end = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(0.6, 1.1))
    points = np.array(
        [
            (1.3 * side, start),
            (0.4 * side, 0.5 * (start + end)),
            (-0.9 * side, end),
            (-1.2 * side, 2.2),
            (1.5 * side, 2.2),
        ]
    )
    return smooth_closed(points + rng.normal(0.0, 0.03, points.shape), 5).astype(np.float64), 0.3, False


def _cowl(frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.float64]:
    wide, top = float(rng.uniform(0.85, 1.15)), float(rng.uniform(-1.3, -0.95))
    points = np.array(
        [
            (0.0, top),
            (0.6 * wide, 0.8 * top),
            (wide, -0.2),
            (0.95 * wide, 0.9),
            (1.5 * wide, 1.9),
            (1.8 * wide, 3.2),
            (-1.8 * wide, 3.2),
            (-1.5 * wide, 1.9),
            (-0.95 * wide, 0.9),
            (-wide, -0.2),
            (-0.6 * wide, 0.8 * top),
        ]
    )
    # A turned head reaches far behind the nose.
    points[:, 0] = points[:, 0] * (1.0 + 0.2 * abs(frame.yaw)) - 0.5 * frame.yaw
    return smooth_closed(points + rng.normal(0.0, 0.03, points.shape), 4).astype(np.float64)


def _ring(outer: NDArray[np.floating[Any]], inner: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """One closed path, even-odd: the bridge between the two is walked both ways."""
    return np.concatenate([outer, outer[:1], inner, inner[:1], outer[:1]]).astype(np.float64)


_OUTLINES: dict[str, _Outline] = {
    "scarf": _scarf,
    "bandana": _bandana,
    "veil": _veil,
    "hood": _hood,
    "collar": _collar,
    "wrap": _wrap,
    "tube": _tube,
    "shawl": _shawl,
}

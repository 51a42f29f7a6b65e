"""Random wrinkles and folds of a face, by region, age and expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ....core.short_repr import short_repr
from ._kernels import add_strokes, add_tile
from .chart import FaceChart

__all__ = ["Folds", "random_folds", "random_strokes"]

Floats = NDArray[np.float32]
_TILE = 256
_TEXELS = 4.0  # of a tile for each millimetre
_Amount: TypeAlias = Callable[..., float]
_CURVE = 9  # points of a polyline


@dataclass(frozen=True)
class Folds:
    """A height field over the chart of a face.

    Args:
        points: (M, 4) of all polylines: p and q in mm, factors of depth and width.
        starts: (K + 1,) where each polyline begins.
        shape: (K, 6), see :func:`wholeface.lab.data.relief._kernels.add_strokes`.
        textures: fields of fine noise: middle (2,) mm, radii (2,) mm, kind of the tile, its affine place (2, 3),
            height in mm.
        warp: (W, 5) waves that bend the chart: wave vector (2), phase, amplitude (2) mm.
        field: (H, W) mm, a height field whose row i, column j lies at ``corner + step · (j, i)``; or none.
        corner: (2,) mm.
        step: mm.
    """

    points: Floats
    starts: NDArray[np.int32]
    shape: Floats
    textures: tuple[tuple[Floats, Floats, int, Floats, float], ...] = ()
    warp: Floats = made_by(default_factory=lambda: np.zeros((0, 5), np.float32))
    field: Floats | None = None
    corner: tuple[float, float] = (0.0, 0.0)
    step: float = 1.0

    __repr__ = short_repr

    def height(self, places: Floats) -> Floats:
        """(N,) float32 mm along the outer normal at places (N, 2) of the chart."""
        places = np.ascontiguousarray(places, np.float32)
        bent = places.copy()
        for wave in self.warp:
            bent += np.sin(places @ wave[:2] + wave[2])[:, None] * wave[3:]
        out = np.zeros(len(places), np.float32)
        if len(self.shape):
            reach = 4 * self.shape[:, 1] * 1.6 + np.where(
                self.shape[:, 3] != 0, np.abs(self.shape[:, 5]) + 3 * np.abs(self.shape[:, 4]), 0
            )
            low = np.minimum.reduceat(self.points[:, :2], self.starts[:-1], axis=0) - reach[:, None]
            high = np.maximum.reduceat(self.points[:, :2], self.starts[:-1], axis=0) + reach[:, None]
            box = np.concatenate([low, high], axis=1).astype(np.float32)
            add_strokes(bent, self.points, self.starts, self.shape, box, out)
        tiles = _tiles()
        for middle, radii, kind, transform, amount in self.textures:
            apart = (places - middle) / radii
            weight = np.exp(-0.5 * (apart * apart).sum(axis=1)).astype(np.float32)
            weight[weight < 0.02] = 0
            add_tile(places, weight, tiles[kind], transform, np.float32(amount), out)
        if self.field is not None:
            column, row = ((places - np.asarray(self.corner, np.float32)) / np.float32(self.step)).T
            out += map_coordinates(self.field, [row, column], order=1, mode="nearest", output=np.float32)
        return out


@lru_cache(maxsize=1)
def _tiles() -> Floats:
    """(3, T, T) periodic noise of deviation 1: fine lines along x, small bumps, lumps; 4 texels to the millimetre."""
    rng = np.random.default_rng(20261129)
    fy, fx = np.meshgrid(np.fft.fftfreq(_TILE), np.fft.fftfreq(_TILE), indexing="ij")

    def shaped(spectrum: NDArray[np.floating]) -> Floats:
        noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(_TILE, _TILE))) * spectrum).real
        return (noise / noise.std()).astype(np.float32)

    def band(long: float, short: float) -> NDArray[np.floating]:
        """Wavelengths in mm along x and y around which the noise lives."""
        f = np.hypot(fx * _TEXELS * long, fy * _TEXELS * short)
        return np.exp(-((np.log(np.maximum(f, 1e-6)) / 0.35) ** 2))

    lines = -np.abs(shaped(band(14.0, 3.0)))
    lines = (lines - lines.mean()) / lines.std()
    return np.stack([lines.astype(np.float32), shaped(band(2.2, 2.2)), shaped(band(6.0, 6.0))])


class _Drawing:
    """Collects strokes; see :class:`Folds`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.points: list[Floats] = []
        self.shape: list[tuple[float, ...]] = []

    def add(
        self,
        corners: Sequence[Sequence[float] | NDArray[np.floating]] | NDArray[np.floating],
        depth: float,
        width: float,
        *,
        rims: float = 0.25,
        bulge: float = 0.0,
        bulge_width: float = 5.0,
        wiggle: float = 0.5,
        taper: float = 1.0,
    ) -> None:
        """A line through corners (C, 2) mm, smooth, tapering at its ends, uneven in depth and width."""
        rng = self.rng
        anchor = np.asarray(corners, float)
        anchor = anchor + rng.normal(0, wiggle, anchor.shape)
        where = np.linspace(0, len(anchor) - 1, _CURVE)
        curve = _smooth(anchor, where)
        t = np.linspace(0, 1, _CURVE)
        uneven = np.exp(np.interp(t, np.linspace(0, 1, 4), rng.normal(0, 0.3, 4)))
        ends = np.clip(np.minimum(t, 1 - t) * 3.5 + (1 - taper), 0, 1) ** 0.8
        fat = np.exp(np.interp(t, np.linspace(0, 1, 3), rng.normal(0, 0.18, 3)))
        self.points.append(
            np.concatenate([curve, (uneven * ends)[:, None], fat[:, None]], axis=1).astype(np.float32)
        )
        away = abs(bulge_width) * 1.1
        self.shape.append((depth, width, rims * np.exp(rng.normal(0, 0.4)), bulge, bulge_width, away))

    def done(
        self, textures: Sequence[tuple[Floats, Floats, int, Floats, float]] = (), warp: Floats | None = None
    ) -> Folds:
        if not self.points:
            points, starts = np.zeros((0, 4), np.float32), np.zeros(1, np.int32)
        else:
            points = np.concatenate(self.points)
            starts = np.cumsum([0, *(len(p) for p in self.points)]).astype(np.int32)
        shape = np.asarray(self.shape, np.float32).reshape(-1, 6)
        return Folds(
            points, starts, shape, tuple(textures), np.zeros((0, 5), np.float32) if warp is None else warp
        )


def random_folds(
    chart: FaceChart, age: float, expression: Mapping[str, float], rng: np.random.Generator
) -> Folds:
    """Folds as skin has them.

    Args:
        chart: where the features are.
        age: 0 = smooth, 1 = very old.
        expression: weights of the face model's expressions by name; skin that they compress folds more.
        rng: randomness.
    """
    draw = _Drawing(rng)
    marks = chart.marks.astype(float)
    scale = float(np.exp(rng.normal(0, 0.35)))  # some skins fold more than others of their age

    def moved(*names: str) -> float:
        return float(np.mean([expression.get(name, 0.0) for name in names]))

    def amount(old: float, compressed: float = 0.0, young: float = 0.0) -> float:
        """Depth in mm, 0 for most of the young."""
        value = young + 1.25 * old * max(age - 0.12, 0.0) ** 1.2 + compressed
        return value * scale * float(np.exp(rng.normal(0, 0.4)))

    smile = moved("mouthSmile_L", "mouthSmile_R", "cheekSquint_L", "cheekSquint_R")
    squint = moved("eyeSquint_L", "eyeSquint_R", "cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R")
    raised = moved("browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R")
    frown = moved("browDown_L", "browDown_R")
    sneer = moved("noseSneer_L", "noseSneer_R")
    _forehead(draw, marks, amount, age, raised)
    _between_brows(draw, marks, amount, age, frown, sneer)
    for side in (-1.0, 1.0):
        face = marks * [side, 1.0]  # the other half is drawn as if it were this one
        half = face if side > 0 else face[_MIRROR]
        start = len(draw.points)
        _around_eye(draw, half, amount, age, squint, smile)
        _around_mouth(draw, half, amount, age, smile)
        for line in draw.points[start:]:
            line[:, 0] *= side
        if side < 0:  # left of a mirrored line is its right
            for i in range(start, len(draw.shape)):
                s = draw.shape[i]
                draw.shape[i] = (*s[:4], -s[4], s[5])
    _chin(draw, marks, amount, age)
    _marks_of_life(draw, rng)
    waves = int(rng.integers(3, 6))
    direction = rng.uniform(0, 2 * np.pi, waves)
    length = 2 * np.pi / np.exp(rng.uniform(np.log(18), np.log(60), waves))
    warp = np.stack(
        [length * np.cos(direction), length * np.sin(direction), rng.uniform(0, 2 * np.pi, waves),
         *rng.normal(0, 0.45, (2, waves))], axis=1,
    )  # fmt: skip
    return draw.done(_textures(marks, age * scale, rng), warp.astype(np.float32))


def random_strokes(count: int, rng: np.random.Generator, width: float = 0.8) -> Folds:
    """Lines anywhere on the face, of depth 1 at most: hairs, scratches, pencil; nothing that skin does."""
    draw = _Drawing(rng)
    for _ in range(count):
        start = np.array([rng.uniform(-75, 75), rng.uniform(-90, 85)])
        angle, long = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(6), np.log(70)))
        turn = rng.normal(0, 0.35, 3).cumsum()
        steps = np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=1) * long / 3
        line = np.concatenate([start[None], start + steps.cumsum(axis=0)])
        draw.add(line, float(rng.uniform(0.4, 1)), width * float(np.exp(rng.normal(0, 0.3))), rims=0.0)
    return draw.done()


_MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37,
     36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip


def _forehead(draw: _Drawing, marks: Floats, amount: _Amount, age: float, raised: float) -> None:
    rng = draw.rng
    brow = float(marks[[19, 21, 22, 24], 1].mean())
    depth = amount(0.55, 0.5 * raised)
    if depth < 0.05:
        return
    count = int(rng.integers(2, 7))
    level = brow + rng.uniform(7, 12)
    for _ in range(count):
        low, high = -rng.uniform(22, 52), rng.uniform(22, 52)
        sag, tilt = rng.normal(-2.0, 2.5), rng.normal(0, 0.03)
        pieces = 1 if rng.random() < 0.55 else 2
        for piece in range(pieces):
            a = low + (high - low) * piece / pieces + (rng.uniform(0, 4) if piece else 0)
            b = low + (high - low) * (piece + 1) / pieces - (rng.uniform(0, 4) if piece + 1 < pieces else 0)
            x = np.linspace(a, b, 5)
            y = level + sag * (1 - (x / 45) ** 2) + tilt * x + rng.normal(0, 0.4, 5)
            draw.add(
                np.stack([x, y], 1), depth * rng.uniform(0.35, 1.2), rng.uniform(0.8, 1.9),
                rims=rng.uniform(0.1, 0.5),
            )  # fmt: skip
        level += rng.uniform(4.5, 9.5)
        if level > brow + 42:
            break


def _between_brows(
    draw: _Drawing, marks: Floats, amount: _Amount, age: float, frown: float, sneer: float
) -> None:
    rng = draw.rng
    root, brow = marks[27], float(marks[[21, 22], 1].mean())
    depth = amount(0.6, 0.8 * frown)
    if depth > 0.06:
        for place in rng.permutation([-7.5, 7.5, 0.0])[: int(rng.integers(1, 4))]:
            x = place + rng.normal(0, 1.5)
            tall = rng.uniform(8, 24)
            lean = x * rng.uniform(0.0, 0.5)
            draw.add(
                [[x, brow - 5], [x + 0.4 * lean, brow - 5 + 0.5 * tall], [x + lean, brow - 5 + tall]],
                depth * rng.uniform(0.4, 1.2), rng.uniform(0.9, 2.0), rims=rng.uniform(0.2, 0.6),
            )  # fmt: skip
    depth = amount(0.45, 0.4 * max(frown, sneer))
    if depth > 0.06 and rng.random() < 0.7:
        for k in range(int(rng.integers(1, 3))):
            y, half = root[1] + 3 - 4.5 * k + rng.normal(0, 1), rng.uniform(6, 12)
            draw.add(
                [[-half, y + 1], [0, y], [half, y + 1]], depth * rng.uniform(0.4, 1), rng.uniform(0.8, 1.6)
            )
    depth = amount(0.1, 0.5 * sneer)
    if depth > 0.05:
        for side in (-1, 1):
            for k in range(int(rng.integers(1, 4))):
                x, y = side * (8.0 + k * 0.5), root[1] - 8 - 4 * k
                draw.add(
                    [[x, y], [x + side * 4, y + 3], [x + side * 9, y + 4]], depth * rng.uniform(0.3, 1),
                    rng.uniform(0.6, 1.1),
                )  # fmt: skip


def _around_eye(
    draw: _Drawing, half: Floats, amount: _Amount, age: float, squint: float, smile: float
) -> None:
    """The face's own left eye; p grows outwards."""
    rng = draw.rng
    inner, outer = half[42], half[45]
    middle = (inner + outer) / 2
    low = float(half[[46, 47], 1].mean())
    depth = amount(0.45, 0.45 * squint + 0.3 * smile)
    if depth > 0.04:  # crow's feet
        for _ in range(int(rng.integers(2, 7))):
            angle = np.deg2rad(rng.uniform(-48, 48))
            begin, long = rng.uniform(3, 9), rng.uniform(6, 24)
            bend = rng.normal(0, 0.25) - 0.35 * np.sin(angle)
            a = outer + begin * np.array([np.cos(angle), np.sin(angle)])
            b = a + 0.5 * long * np.array([np.cos(angle), np.sin(angle)])
            c = b + 0.5 * long * np.array([np.cos(angle + bend), np.sin(angle + bend)])
            draw.add([a, b, c], depth * rng.uniform(0.3, 1.1), rng.uniform(0.55, 1.3))
    depth = amount(0.5, 0.3 * squint + 0.2 * smile, young=0.05)
    if depth > 0.05:  # below the lower lid
        wide = float(outer[0] - inner[0])
        for k in range(int(rng.integers(1, 4))):
            drop = 3.5 + 3.2 * k + rng.normal(0, 0.8)
            a, b = inner[0] + rng.uniform(-2, 0.3 * wide), outer[0] + rng.uniform(-8, 4)
            x = np.linspace(a, b, 4)
            y = low - drop - (2.0 + 0.5 * k) * (1 - ((x - middle[0]) / (0.6 * wide)) ** 2)
            draw.add(np.stack([x, y], 1), depth * rng.uniform(0.25, 0.9), rng.uniform(0.7, 1.5))
    bag = amount(1.1, 0.2 * smile, young=0.08)
    if bag > 0.12:  # a bag with the groove below it, and the trough from the inner corner
        drop = rng.uniform(8, 13)
        x = np.linspace(inner[0] + 1, outer[0] - 1, 5)
        y = low - drop - 3.5 * (1 - ((x - middle[0]) / 15) ** 2)
        draw.add(
            np.stack([x, y], 1), 0.45 * bag * rng.uniform(0.3, 1.2), rng.uniform(1.2, 2.4), rims=0.0,
            bulge=bag * rng.uniform(0.3, 1), bulge_width=rng.uniform(3, 4.5),
        )  # fmt: skip
    trough = amount(0.5, 0.15 * smile, young=0.12)
    if trough > 0.08:
        a = np.array([inner[0] - 1, low - 3])
        draw.add(
            [a, _from(a, 6, -7), _from(a, 14, -12), _from(a, 22, -14)], trough * rng.uniform(0.4, 1.2),
            rng.uniform(1.6, 3.2), rims=0.1,
        )  # fmt: skip


def _around_mouth(draw: _Drawing, half: Floats, amount: _Amount, age: float, smile: float) -> None:
    """The face's own left half; p grows outwards."""
    rng = draw.rng
    wing, corner = half[35], half[54]
    depth = amount(1.5, 1.1 * smile, young=0.15)
    if depth > 0.08:  # nasolabial fold: the cheek overhangs it
        out = rng.uniform(7, 13) + 3 * smile
        reach = rng.uniform(0.35, 1.35)
        path = np.array(
            [_from(wing, 2.5, 5), _from(wing, 7, -2), _from((wing + corner) / 2, 6 + 0.45 * out, 1),
             _from(corner, out, 2), _from(corner, out + 1, -9)]
        )  # fmt: skip
        kept = max(2.4, 1 + reach * 3)
        where = np.linspace(0, min(kept, len(path) - 1), 5)
        line = _smooth(path, where)
        width = rng.uniform(1.1, 2.6)
        draw.add(
            line, depth * rng.uniform(0.4, 1.1), width, rims=0.05,
            bulge=depth * rng.uniform(0.2, 0.8), bulge_width=rng.uniform(3.5, 6.5),
        )  # fmt: skip
        for k in range(int(rng.integers(0, 4)) if age + smile > 0.8 else 0):  # lines of the cheek beside it
            away = 6.0 + 5.5 * k
            draw.add(
                line[1:] + np.array([away + rng.normal(0, 1), rng.normal(0, 3)]), depth * rng.uniform(0.1, 0.4),
                rng.uniform(0.8, 1.8),
            )  # fmt: skip
    depth = amount(1.0, 0.0, young=0.04)
    if depth > 0.1:  # marionette line and jowl
        a = _from(corner, 2.5, -3)
        long = rng.uniform(12, 28)
        draw.add(
            [a, _from(a, 3, -0.5 * long), _from(a, rng.uniform(1, 7), -long)], depth * rng.uniform(0.3, 1),
            rng.uniform(1.0, 2.4), rims=0.1, bulge=depth * rng.uniform(0, 0.5), bulge_width=rng.uniform(4, 7),
        )  # fmt: skip
    depth = amount(0.22, 0.0)
    if depth > 0.05:  # upright lines above and below the lips
        for _ in range(int(rng.integers(2, 6))):
            x = rng.uniform(2, corner[0] - 2)
            y = float(half[51, 1]) + 2 - 0.12 * x
            if rng.random() < 0.35:
                y = float(half[57, 1]) - 7
            long = rng.uniform(3, 8)
            draw.add(
                [[x, y], [x * 1.05, y + long]], depth * rng.uniform(0.3, 1), rng.uniform(0.5, 0.9), wiggle=0.3
            )


def _chin(draw: _Drawing, marks: Floats, amount: _Amount, age: float) -> None:
    rng = draw.rng
    lip = marks[57]
    depth = amount(0.5, 0.0, young=0.18)
    y, half = lip[1] - rng.uniform(7, 11), rng.uniform(8, 20)
    draw.add(
        [[-half, y - 2.5], [0, y], [half, y - 2.5]],
        depth * rng.uniform(0.2, 1),
        rng.uniform(1.4, 2.8),
        rims=0.1,
    )
    if rng.random() < 0.12:  # cleft
        draw.add(
            [[0, y - 9], [0, y - 22]], rng.uniform(0.2, 0.9), rng.uniform(1.0, 2.2), rims=0.1, wiggle=0.4
        )


def _marks_of_life(draw: _Drawing, rng: np.random.Generator) -> None:
    """Scars, and moles and pimples that stand out."""
    if rng.random() < 0.1:
        a = np.array([rng.uniform(-60, 60), rng.uniform(-70, 75)])
        angle, long = rng.uniform(0, np.pi), rng.uniform(6, 25)
        step = long * np.array([np.cos(angle), np.sin(angle)])
        draw.add(
            [a, a + 0.5 * step, a + step],
            rng.choice([-0.3, 0.4]) * rng.uniform(0.4, 1),
            rng.uniform(0.7, 1.5),
        )
    for _ in range(int(rng.poisson(1.2))):
        a = np.array([rng.uniform(-65, 65), rng.uniform(-85, 80)])
        draw.add(
            [a, a + 0.3], -rng.uniform(0.15, 0.8), rng.uniform(0.8, 1.8), rims=0.0, wiggle=0.05, taper=0.0
        )


def _textures(
    marks: Floats, age: float, rng: np.random.Generator
) -> list[tuple[Floats, Floats, int, Floats, float]]:
    found = []

    def lay(
        middle: Sequence[float],
        radii: Sequence[float] | NDArray[np.floating],
        kind: int,
        angle: float,
        height: float,
    ) -> None:
        size = _TEXELS * np.exp(rng.normal(0, 0.2))
        c, s = size * np.cos(angle), size * np.sin(angle)
        transform = np.array([[c, s, rng.uniform(0, _TILE)], [-s, c, rng.uniform(0, _TILE)]], np.float32)
        found.append((np.asarray(middle, np.float32), np.asarray(radii, np.float32), kind, transform, height))

    eye = (marks[42] + marks[45]) / 2
    brow = float(marks[[19, 24], 1].mean())
    fine = 0.07 * max(age - 0.2, 0)
    for side in (-1, 1):
        if rng.random() < 0.8:
            lay([side * (eye[0] + 4), eye[1] - 12], [16, 7], 0, side * rng.uniform(0.0, 0.5),
                fine * rng.uniform(0.3, 1.6))  # fmt: skip
        if rng.random() < 0.6:
            lay([side * (marks[45, 0] + 9), marks[45, 1] - 3], [9, 13], 0, side * rng.uniform(-0.4, 0.2),
                fine * rng.uniform(0.3, 1.6))  # fmt: skip
        if rng.random() < 0.5:
            lay([side * 42, -25], [18, 26], 0, np.pi / 2 + side * rng.uniform(0.1, 0.6),
                fine * rng.uniform(0.2, 1.2))  # fmt: skip
    if rng.random() < 0.6:
        lay([0, brow + 22], [36, 14], 0, rng.normal(0, 0.08), fine * rng.uniform(0.2, 1.2))
    if rng.random() < 0.5:  # a dimpled chin
        lay([0, float(marks[57, 1]) - 17], [11, 8], 2, 0.0, (0.05 + 0.15 * age) * rng.uniform(0.2, 1.2))
    if rng.random() < 0.3:  # rough skin
        lay(
            [rng.uniform(-40, 40), rng.uniform(-50, 40)],
            rng.uniform(15, 60, 2),
            1,
            0.0,
            rng.uniform(0.01, 0.07),
        )
    if rng.random() < 0.5:  # uneven flesh
        lay(
            [rng.uniform(-40, 40), rng.uniform(-60, 40)],
            rng.uniform(25, 70, 2),
            2,
            0.0,
            rng.uniform(0.02, 0.12),
        )
    return found


def _from(place: NDArray[np.floating], across: float, up: float) -> NDArray[np.floating]:
    """A place so far away, mm."""
    result: NDArray[np.floating] = place + np.array([across, up])
    return result


def _smooth(values: NDArray[np.floating], where: NDArray[np.floating]) -> NDArray[np.floating]:
    """Catmull-Rom spline through values (C, D) at 0, 1, 2, …, read at ``where`` (N,)."""
    count = len(values)
    first = np.clip(where.astype(int), 0, count - 2)
    t = (where - first)[:, None]
    around = np.concatenate([2 * values[:1] - values[1:2], values, 2 * values[-1:] - values[-2:-1]])
    a, b, c, d = (around[first + k] for k in range(4))
    result: NDArray[np.floating] = 0.5 * (
        2 * b + t * (c - a) + t * t * (2 * a - 5 * b + 4 * c - d) + t**3 * (3 * b - a - 3 * c + d)
    )
    return result

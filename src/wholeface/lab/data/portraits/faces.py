"""Real faces as labelled base images: public-domain portraits without anything in front of the face."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError
from ....core.jit import njit
from ..samples.sample import FaceSample
from .prepare import PortraitTable, portraits_folder, prepare_portraits, read_portrait

__all__ = ["PortraitFaces", "PortraitSplit"]

Array = NDArray[Any]
PortraitSplit = Literal["train", "test"]

_FACE_SHARE = 0.58  # of the image's edge: longer side of the upright face box
_SCALE = (0.75, 1.35)
_SHIFT = 0.10
_ROLL_SD, _ROLL_MOST, _ROLL_WIDE = np.deg2rad(9.0), np.deg2rad(40.0), 0.15
_BLUR = 8  # the blurred surroundings are so much smaller
_CACHED = 512  # decoded portraits that stay in memory, about 0.1 MB each


class PortraitFaces:
    """Samples of real faces with labels; deterministic by seed and index.

    Each sample is a portrait turned, scaled, shifted and perhaps mirrored into the frame of the data engine. Where
    the frame reaches beyond the portrait, background is reflected and a cut body goes on straight, ever more blurred;
    of the labels only background and cloth are kept there.

    Known are ``parsing``, ``occluder`` (nothing anywhere) and ``landmarks``; ``parameters`` hold the fitted
    ``rotation``, ``translation``, ``focal``, ``cx`` and ``cy`` in the sample's frame. A mirrored sample is the
    image of the mirrored head.

    Args:
        root: folder of the portraits or one above it.
        seed: of the samples.
        size: edge S of the samples in pixels.
        split: ``train``, or ``test``: the portraits held out.
        cache: folder for what is computed once (minutes at the first time); None for the user's cache folder.
        table: what is known about the portraits, if it is at hand.
        scale: longer side of the upright face box, as a share of the samples' edge.
        scale_range: random factor of ``scale``.
        shift: largest distance of the box's centre from the sample's, as a share of the edge.

    Raises:
        UsageError: no portraits there, or a wrong split.
    """

    def __init__(
        self,
        root: Path,
        *,
        seed: int = 0,
        size: int = 256,
        split: PortraitSplit = "train",
        cache: Path | None = None,
        table: PortraitTable | None = None,
        scale: float = _FACE_SHARE,
        scale_range: tuple[float, float] = _SCALE,
        shift: float = _SHIFT,
    ) -> None:
        if split not in ("train", "test"):
            raise UsageError(f"split must be train or test, got {split!r}")
        self.folder = portraits_folder(Path(root))
        self.seed, self.size, self.split = seed, size, split
        self._framing = (scale, scale_range, shift)
        self.table = prepare_portraits(Path(root), cache) if table is None else table
        self.indices = np.flatnonzero(self.table.test == (split == "test"))
        if len(self.indices) == 0:
            raise UsageError(f"no portraits in the split {split!r} of {self.folder}")
        self._portraits: OrderedDict[int, _Portrait] = OrderedDict()

    def __len__(self) -> int:
        """Number of portraits in the split; indices of samples may exceed it."""
        return len(self.indices)

    def sample(self, index: int) -> FaceSample:
        """The sample number ``index`` (≥ 0, without an upper limit)."""
        rng = np.random.default_rng([self.seed, index])
        which = int(self.indices[rng.integers(len(self.indices))])
        portrait = self._portrait(which)
        frame = _random_frame(rng, self.table.box[which], self.size, *self._framing)
        return self._draw(which, portrait, frame, (self.seed, index))

    def portrait(self, which: int) -> FaceSample:
        """Portrait number ``which`` of the split, upright in the middle of the nominal frame."""
        which = int(self.indices[which])
        x, y, side, roll = (float(v) for v in self.table.box[which])
        frame = _Frame.of(x, y, -roll, _FACE_SHARE * self.size / side, 0.0, 0.0, False, self.size)
        return self._draw(which, self._portrait(which), frame, (self.seed, which))

    def _portrait(self, which: int) -> _Portrait:
        held = self._portraits.get(which)
        if held is not None:
            self._portraits.move_to_end(which)
            return held
        portrait = _Portrait.of(read_portrait(self.folder / str(self.table.names[which])))
        self._portraits[which] = portrait
        if len(self._portraits) > _CACHED:
            self._portraits.popitem(last=False)
        return portrait

    def _draw(self, which: int, portrait: _Portrait, frame: _Frame, seed: tuple[int, ...]) -> FaceSample:
        t, size = self.table, self.size
        back = frame.back().astype(np.float32)
        level = min(max(int(np.floor(np.log2(1 / frame.scale) + 0.4)), 0), len(portrait.levels) - 1)
        pixels = np.pad(portrait.levels[level].astype(np.float32), ((2, 2), (2, 2), (0, 0)), mode="edge")
        shrink = (np.array(portrait.levels[level].shape[1::-1]) / portrait.levels[0].shape[1::-1]).astype(
            np.float32
        )
        image = np.empty((size, size, 3), np.uint8)
        parsing = np.empty((size, size), np.uint8)
        face = np.empty((size, size), np.bool_)
        factor = t.factor[which].astype(np.float32)
        _warp(pixels, portrait.blurred, t.coded_map(which), factor, shrink, back, image, parsing, face)
        marks, dense = (frame.apply(p[which]) for p in (t.landmarks_68, t.dense))
        facing_68, facing_dense = t.facing_68[which], t.facing_dense[which]
        if frame.mirror:
            pair_68, pair_dense = _mirror_pairs()
            marks, facing_68 = marks[pair_68], facing_68[pair_68]
            dense, facing_dense = dense[pair_dense], facing_dense[pair_dense]
            parsing = _SWAP[parsing]
        return FaceSample(
            image=image,
            clean=image,
            parsing=parsing,
            occluder=np.zeros((size, size), np.uint8),
            face=face,
            landmarks_68=marks,
            facing_68=facing_68,
            dense=dense,
            facing_dense=facing_dense,
            known=frozenset({"parsing", "occluder", "landmarks"}),
            parameters=_camera_in_frame(t, which, frame),
            depth=None,
            normals=None,
            source=Path(str(t.names[which])).stem,
            seed=seed,
            eyewear=np.zeros((size, size), np.uint8),
        )


@dataclass(frozen=True)
class _Frame:
    """A similarity from portrait to sample pixels, p' = A p + b, after which the sample may be mirrored."""

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    scale: float
    turn: float
    mirror: bool

    @staticmethod
    def of(
        x: float, y: float, turn: float, scale: float, dx: float, dy: float, mirror: bool, size: int
    ) -> _Frame:
        """Put (x, y) at (dx, dy) from the middle, turned (clockwise on the screen) and scaled, then mirror."""
        cos, sin = np.cos(turn), np.sin(turn)
        matrix = scale * np.array([[cos, -sin], [sin, cos]])
        middle = (size - 1) / 2
        shift = np.array([middle + dx, middle + dy]) - matrix @ np.array([x, y])
        if mirror:
            matrix = np.diag([-1.0, 1.0]) @ matrix
            shift = np.array([size - 1 - shift[0], shift[1]])
        return _Frame(matrix, shift, scale, turn, mirror)

    def apply(self, points: Array) -> NDArray[np.float32]:
        return np.asarray(points @ self.matrix.T + self.shift, np.float32)

    def back(self) -> NDArray[np.float64]:
        """(2, 3) from sample to portrait pixels."""
        inverse = np.linalg.inv(self.matrix)
        return np.concatenate([inverse, -(inverse @ self.shift)[:, None]], axis=1)


def _random_frame(
    rng: np.random.Generator,
    box: Array,
    size: int,
    share: float = _FACE_SHARE,
    scale_range: tuple[float, float] = _SCALE,
    shift: float = _SHIFT,
) -> _Frame:
    x, y, side, roll = (float(v) for v in box)
    scale = share * size / side * float(np.exp(rng.uniform(*np.log(scale_range))))
    dx, dy = rng.uniform(-shift, shift, 2) * size
    wide = rng.random() < _ROLL_WIDE
    turn = rng.uniform(-_ROLL_MOST, _ROLL_MOST) if wide else _ROLL_SD * rng.standard_normal()
    turn = float(np.clip(turn, -_ROLL_MOST, _ROLL_MOST))
    return _Frame.of(x, y, turn - roll, scale, float(dx), float(dy), bool(rng.random() < 0.5), size)


def _camera_in_frame(t: PortraitTable, which: int, frame: _Frame) -> dict[str, NDArray[np.float32]]:
    """Pose and camera of the sample: the turn in the image becomes a roll about the photo's principal point."""
    from scipy.spatial.transform import Rotation

    # Mirrored: the head's mirror image, x → −x on both sides of the pose.
    flip = np.array([-1.0, 1.0, 1.0]) if frame.mirror else np.ones(3)
    pose = flip[:, None] * Rotation.from_rotvec(t.rotation[which]).as_matrix() * flip
    turn = -frame.turn if frame.mirror else frame.turn
    cos, sin = np.cos(-turn), np.sin(-turn)  # clockwise on the screen is negative with y up
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    centre = frame.apply(t.centre[which])
    values = {
        "rotation": Rotation.from_matrix(roll @ pose).as_rotvec(),
        "translation": roll @ (flip * t.translation[which]),
        "focal": frame.scale * t.focal[which],
        "cx": centre[0],
        "cy": centre[1],
    }
    return {name: np.asarray(v, np.float32) for name, v in values.items()}


_SWAP = np.arange(256, dtype=np.uint8)
for _a, _b in ((4, 5), (6, 7), (8, 9)):  # eyes, brows, ears change sides in a mirror
    _SWAP[[_a, _b]] = [_b, _a]

_pairs: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


def _mirror_pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the 68 and of the dense points are each other's mirror images on the shipped mesh."""
    global _pairs  # noqa: PLW0603
    if _pairs is None:
        from ....morphable import dense_embedding
        from ....morphable.loaders import load_model

        model = load_model()
        assert model.landmarks_68 is not None
        pairs = []
        for embedding in (model.landmarks_68, dense_embedding(model)):
            points = embedding.points(model.mean, model.triangles).double().numpy()
            pairs.append(_partners(points))
        _pairs = (pairs[0], pairs[1])
    return _pairs


def _partners(points: Array) -> NDArray[np.int64]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    row, column = linear_sum_assignment(cdist(points * [-1, 1, 1], points, "sqeuclidean"))
    return np.asarray(column[np.argsort(row)], np.int64)


@dataclass(frozen=True)
class _Portrait:
    """A decoded portrait: itself, half, a quarter … as large; and a small, blurred one."""

    levels: tuple[NDArray[np.uint8], ...]
    blurred: NDArray[np.uint8]

    @staticmethod
    def of(pixels: NDArray[np.uint8]) -> _Portrait:
        levels = [pixels]
        while min(levels[-1].shape[:2]) >= 160 and len(levels) < 4:
            image = Image.fromarray(levels[-1])
            half = (max(1, image.width // 2), max(1, image.height // 2))
            levels.append(np.asarray(image.resize(half, Image.Resampling.BOX)))
        image = Image.fromarray(pixels)
        small = (max(2, image.width // _BLUR), max(2, image.height // _BLUR))
        return _Portrait(tuple(levels), np.asarray(image.resize(small, Image.Resampling.BOX)))


_F = np.float32
_NOTHING, _IGNORED = 0, 63
_CLOTH = 18


@njit(cache=True, nogil=True, inline="always")
def _reflect(value, most):  # type: ignore[no-untyped-def]
    """Into [0, most] by reflections at both ends."""
    value = abs(value)
    if value > most:
        value = value % (_F(2) * most)
        if value > most:
            value = _F(2) * most - value
    return value


@njit(cache=True, nogil=True, inline="always")
def _code_at(code, x, y, fx, fy):  # type: ignore[no-untyped-def]
    """The label map's entry at a portrait pixel."""
    column = int((x + _F(0.5)) * fx)
    row = int((y + _F(0.5)) * fy)
    return code[min(max(row, 0), code.shape[0] - 1), min(max(column, 0), code.shape[1] - 1)]


@njit(cache=True, nogil=True, fastmath=True)
def _warp(pixels, blurred, code, factor, shrink, back, image, parsing, face):  # type: ignore[no-untyped-def]
    """Draw a sample: Catmull–Rom interpolation of colours, nearest labels.

    Args:
        pixels: (h + 4, w + 4, 3) float32, a level of the portrait with a border of two pixels.
        blurred: (p, q, 3) uint8.
        code: (r, s) uint8.
        factor: (2,) float32, label pixels per portrait pixel.
        shrink: (2,) float32, pixels of the level per portrait pixel.
        back: (2, 3) float32 from sample to portrait pixels.
        image: (S, S, 3) uint8, written.
        parsing: (S, S) uint8, written.
        face: (S, S) bool, written.
    """
    sx, sy = shrink
    fx, fy = factor
    height, width = pixels.shape[0] - 4, pixels.shape[1] - 4
    rows, columns = blurred.shape[:2]
    right, bottom = _F(width) / sx - _F(1), _F(height) / sy - _F(1)
    bx_factor, by_factor = _F(columns) / (right + _F(1)), _F(rows) / (bottom + _F(1))
    soft = _F(0.06) * max(right, bottom)
    half = _F(0.5)
    for i in range(image.shape[0]):
        x0 = back[0, 1] * _F(i) + back[0, 2]
        y0 = back[1, 1] * _F(i) + back[1, 2]
        for j in range(image.shape[1]):
            x = back[0, 0] * _F(j) + x0
            y = back[1, 0] * _F(j) + y0
            cx, cy = min(max(x, _F(0)), right), min(max(y, _F(0)), bottom)
            away = max(abs(x - cx), abs(y - cy))
            value = _code_at(code, cx, cy, fx, fy)
            kind = value & 63
            face[i, j] = value >= 64 and away <= half
            blend = _F(0)
            if away > half:
                # Background is reflected as far as it goes; a cut body goes on straight.
                blend = min(away / soft, _F(1))
                if kind == _NOTHING:
                    mx, my = _reflect(x, right), _reflect(y, bottom)
                    if _code_at(code, mx, my, fx, fy) == _NOTHING:
                        cx, cy = mx, my
                elif kind != _CLOTH:
                    kind = _IGNORED
            parsing[i, j] = 255 if kind == _IGNORED else kind
            if blend < 1:
                px, py = (cx + half) * sx + _F(1.5), (cy + half) * sy + _F(1.5)
                c, r = min(max(int(px), 1), width + 1), min(max(int(py), 1), height + 1)
                t = px - _F(c)
                t2 = t * t
                t3 = t2 * t
                w0, w1 = half * (_F(2) * t2 - t3 - t), half * (_F(3) * t3 - _F(5) * t2 + _F(2))
                w2, w3 = half * (_F(4) * t2 - _F(3) * t3 + t), half * (t3 - t2)
                t = py - _F(r)
                t2 = t * t
                t3 = t2 * t
                v0, v1 = half * (_F(2) * t2 - t3 - t), half * (_F(3) * t3 - _F(5) * t2 + _F(2))
                v2, v3 = half * (_F(4) * t2 - _F(3) * t3 + t), half * (t3 - t2)
                for k in range(3):
                    total = v0 * (
                        w0 * pixels[r - 1, c - 1, k]
                        + w1 * pixels[r - 1, c, k]
                        + w2 * pixels[r - 1, c + 1, k]
                        + w3 * pixels[r - 1, c + 2, k]
                    )
                    total += v1 * (
                        w0 * pixels[r, c - 1, k]
                        + w1 * pixels[r, c, k]
                        + w2 * pixels[r, c + 1, k]
                        + w3 * pixels[r, c + 2, k]
                    )
                    total += v2 * (
                        w0 * pixels[r + 1, c - 1, k]
                        + w1 * pixels[r + 1, c, k]
                        + w2 * pixels[r + 1, c + 1, k]
                        + w3 * pixels[r + 1, c + 2, k]
                    )
                    total += v3 * (
                        w0 * pixels[r + 2, c - 1, k]
                        + w1 * pixels[r + 2, c, k]
                        + w2 * pixels[r + 2, c + 1, k]
                        + w3 * pixels[r + 2, c + 2, k]
                    )
                    image[i, j, k] = np.uint8(min(max(total + half, _F(0)), _F(255)))
            if blend > 0:
                bx = min(max((cx + half) * bx_factor - half, _F(0)), _F(columns - 1))
                by = min(max((cy + half) * by_factor - half, _F(0)), _F(rows - 1))
                c, r = min(int(bx), columns - 2), min(int(by), rows - 2)
                u, v = bx - _F(c), by - _F(r)
                for k in range(3):
                    upper = _F(blurred[r, c, k]) * (_F(1) - u) + _F(blurred[r, c + 1, k]) * u
                    lower = _F(blurred[r + 1, c, k]) * (_F(1) - u) + _F(blurred[r + 1, c + 1, k]) * u
                    far = upper * (_F(1) - v) + lower * v
                    near = _F(image[i, j, k]) if blend < 1 else far
                    image[i, j, k] = np.uint8(near + blend * (far - near) + half)

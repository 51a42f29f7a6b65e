"""Parsing maps of portraits from geometry, a person mask and each image's own colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from ....core.jit import njit
from ....core.srgb import LINEAR_OF_BYTE
from ....perceive import FACE_CLASSES, IGNORE, ParsingClass

if TYPE_CHECKING:
    from ....morphable import MorphableModel
    from .landmarks import PortraitGeometry

__all__ = ["FACE_SIZE", "PortraitLabels", "label_portrait", "make_person_mask"]

Array = NDArray[Any]
F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

FACE_SIZE = 192  # pixels of the label map along the longer side of the face
_BG, _SKIN, _HAIR, _CLOTH = range(4)
_REGIONS = ("face", "scalp", "neck", "ears", "nose", "brows")
_BINS = 24  # of the colour histograms, per channel
_ROUNDS = 3  # of learning colours and labels from each other
_UNSURE = 0.6  # labels with less probability are left open

_LEFT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
_RIGHT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
_LIPS_TOP = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_LIPS_BOTTOM = (291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_INNER_TOP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_INNER_BOTTOM = (308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
_RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)


@dataclass(frozen=True)
class PortraitLabels:
    """Labels of one portrait, at ``factor`` times its resolution.

    Args:
        parsing: (h, w) uint8 :class:`ParsingClass` or ``IGNORE``.
        face: (h, w) bool, the face's outline, cut where hair grows.
        factor: (2,) pixels of the map per pixel of the portrait along x and y.
        doubts: what looks wrong, by name: share of the face's pixels.
    """

    parsing: NDArray[np.uint8]
    face: Bools
    factor: tuple[float, float]
    doubts: dict[str, float]


class _PersonMask:
    """The person's soft mask by the segmentation model in mediapipe's wheel (Apache-2.0)."""

    def __init__(self) -> None:
        import mediapipe

        from ....perceive.mediapipe._native_logs import quiet_native_logs

        with quiet_native_logs():
            self._graph = mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
            self._graph.process(np.zeros((64, 64, 3), np.uint8))

    def __call__(self, pixels: NDArray[np.uint8]) -> F32:
        mask: F32 = np.asarray(self._graph.process(pixels).segmentation_mask, np.float32)
        return mask


def make_person_mask() -> _PersonMask:
    """A function from (H, W, 3) uint8 to (H, W) float32 in [0, 1], 1 = person; starting it takes half a second."""
    return _PersonMask()


def label_portrait(
    model: MorphableModel, pixels: NDArray[np.uint8], person: F32, head: PortraitGeometry, points: Array
) -> PortraitLabels:
    r"""Label a clean portrait.

    Background, skin, hair and cloth are told apart by three cues that correct each other: where the head's
    geometry lets one expect them, the person mask, and the colours that the image has there, learned in a few
    rounds. A random walk along similar colours, :math:`(L + \gamma) x = \gamma p`, smooths the probabilities.
    Eyes, brows, lips and inner mouth are the polygons of the teacher's points; nose, ears and the outline of the
    face come from the mesh. A beard is skin.

    Args:
        model: the shipped model.
        pixels: (H, W, 3) uint8.
        person: (H, W) soft mask.
        head: from :func:`~wholeface.lab.data.portraits.landmarks.place_head`.
        points: (478, 2) the teacher's points.

    Source: random walks with priors after Grady 2005.
    """
    side = _face_side(model, head)
    size = tuple(max(16, round(n * FACE_SIZE / side)) for n in (pixels.shape[1], pixels.shape[0]))
    half = (max(16, (size[0] + 1) // 2), max(16, (size[1] + 1) // 2))
    factor = (size[0] / pixels.shape[1], size[1] / pixels.shape[0])
    small = np.asarray(Image.fromarray(pixels).resize(half, Image.Resampling.BICUBIC))
    mask = _resize(person, half)
    geometry = _draw(model, head, half)
    share = _segment(small, mask, geometry)
    fine = _draw(model, head, (size[0], size[1]))
    return _compose(np.stack([_resize(p, (size[0], size[1])) for p in share]), fine, points, factor)


def _face_side(model: MorphableModel, head: PortraitGeometry) -> float:
    seen = head.camera.project(torch.from_numpy(head.vertices[model.region("face").numpy()])).numpy()
    return float((seen.max(0) - seen.min(0)).max())


def _resize(values: F32, size: tuple[int, int]) -> F32:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR), np.float32)


@dataclass(frozen=True)
class _Drawn:
    """The head's geometry on one grid; coordinates of the face: x to its image right, y down, face height = 1."""

    region: dict[str, F32]  # soft, 0 outside the head
    hit: Bools
    x: F32  # 0 in the middle of the face
    y: F32  # 0 at the brows, 1 at the chin
    face: Bools  # region "face" without its holes
    unit: float  # pixels of the grid between brows and chin
    half_width: float  # of the face, in units


def _draw(model: MorphableModel, head: PortraitGeometry, size: tuple[int, int]) -> _Drawn:
    from ....render import Camera, interpolate, rasterize

    camera = head.camera
    fx, fy = size[0] / camera.width, size[1] / camera.height
    # One focal length for both axes: the grid's aspect differs from the photo's by rounding only.
    scaled = Camera(
        camera.focal * (fx + fy) / 2,
        (camera.cx + 0.5) * fx - 0.5,
        (camera.cy + 0.5) * fy - 0.5,
        size[0],
        size[1],
    )
    vertices = torch.from_numpy(head.vertices)
    fragments = rasterize(vertices, model.triangles, scaled)
    attributes = torch.stack([model.region(name).to(vertices) for name in _REGIONS], 1)
    drawn = interpolate(attributes, model.triangles, fragments)[0].numpy()
    region = {name: np.ascontiguousarray(drawn[..., k]) for k, name in enumerate(_REGIONS)}
    hit = fragments.mask[0].numpy()
    marks = (head.landmarks_68 + 0.5) * np.array([fx, fy]) - 0.5
    brows, chin = marks[17:27].mean(0), marks[8]
    eyes = marks[42:48].mean(0) - marks[36:42].mean(0)
    across = eyes / np.linalg.norm(eyes)
    down = np.array([-across[1], across[0]])
    unit = float((chin - brows) @ down)
    row, column = np.mgrid[: size[1], : size[0]].astype(np.float32)
    dx, dy = column - brows[0], row - brows[1]
    middle = float((marks[[0, 16]].mean(0) - brows) @ across) / unit
    return _Drawn(
        region=region,
        hit=hit,
        x=((dx * across[0] + dy * across[1]) / unit - middle).astype(np.float32),
        y=((dx * down[0] + dy * down[1]) / unit).astype(np.float32),
        face=ndimage.binary_fill_holes(hit & (region["face"] > 0.5)),
        unit=unit,
        half_width=float(np.linalg.norm(marks[16] - marks[0])) / 2 / unit,
    )


def _expected(g: _Drawn, person: F32) -> F32:
    """(4, h, w) probabilities of background, skin, hair and cloth from place alone."""

    def ramp(low: float, high: float, value: NDArray[np.floating[Any]]) -> F32:
        return np.clip((value - low) / (high - low), 0, 1).astype(np.float32)

    inside = ndimage.distance_transform_edt(g.face) / g.unit
    depth = ramp(0.0, 0.10, inside.astype(np.float32))
    low = ramp(-0.25, 0.0, g.y)  # below the brows nothing but face is expected in the middle of the face
    x = np.abs(g.x) / g.half_width
    outside = ndimage.distance_transform_edt(~(g.hit & (g.region["neck"] < 0.5))) / g.unit
    skin, hair, cloth = (np.zeros(g.x.shape, np.float32) for _ in range(3))
    # beyond the head: hair above the chin, cloth below, neck between
    shoulder = 0.35 * ramp(1.3, 2.0, x)
    below = ramp(0.75, 1.15, g.y + shoulder)
    neck = ramp(1.05, 0.75, x) * ramp(0.7, 1.0, g.y) * ramp(1.6, 1.15, g.y)
    far = ramp(0.12, 0.5, outside.astype(np.float32))
    ear = ramp(1.4, 1.2, x) * ramp(-0.2, 0.0, g.y) * ramp(0.75, 0.5, g.y)
    skin[:] = 0.02 + 0.13 * (1 - far) * (1 - below) + 0.55 * neck + 0.5 * ear
    hair[:] = 0.9 * (1 - below) + 0.12 * below * ramp(0.7, 1.0, x) * ramp(2.2, 1.4, g.y)
    cloth[:] = 0.01 + 0.9 * below * (1 - 0.5 * neck) * ramp(0.6, 0.9, g.y + shoulder)
    for name, values in {
        "scalp": (0.45, 0.55, 0.0),
        "ears": (0.75, 0.25, 0.0),
        "neck": (0.7, 0.05, 0.25),
    }.items():
        here = g.hit & (g.region[name] > 0.5) & ~g.face
        if name == "neck":
            here &= x < 1.05
        for target, value in zip((skin, hair, cloth), values):
            target[here] = value
    sure = depth * low + (1 - low) * depth**2 * 0.8
    skin = np.where(g.face, 0.62 + 0.375 * sure, skin)
    hair = np.where(g.face, (1 - skin) * np.where(g.y > 0.75, 0.3, 0.97), hair)
    cloth = np.where(g.face, 1 - skin - hair, cloth)
    total = np.maximum(skin + hair + cloth, 1e-6)
    seen = np.clip(person, 0.02, 0.98)
    seen = np.where(g.face, np.maximum(seen, 0.5 + 0.495 * depth), seen)
    return np.stack([1 - seen, seen * skin / total, seen * hair / total, seen * cloth / total]).astype(
        np.float32
    )


def _segment(pixels: NDArray[np.uint8], person: F32, g: _Drawn) -> F32:
    """(4, h, w) probabilities of background, skin, hair and cloth."""
    lab = _lab(pixels)
    prior = _expected(g, person)
    cell = _cells(lab)
    hole = g.face & (
        (g.region["brows"] > 0.3) | (g.region["face"] < 0.5)
    )  # brows, eyes, mouth teach no colour
    learn = np.where(hole, 0, 1).astype(np.float32)
    weight_x, weight_y = _similarity(lab)
    # A bald head looks like a face: at first only what does not look like one teaches the colour of hair.
    skin = _histogram(cell, prior[_SKIN] * (g.face & (prior[_SKIN] > 0.97)) * learn)[cell]
    usual = float(np.median(skin[g.face])) if g.face.any() else 1.0
    strange = np.clip(1 - skin / max(usual, 1e-9), 0.02, 1)
    share = prior
    for turn in range(_ROUNDS):
        reliable = share**2 if turn == 0 else share * (share > 0.5)
        if turn == 0:
            reliable[_HAIR] *= strange
        if turn == 1:
            prior = _with_long_hair(prior, share, g)
        likelihood = np.stack([_histogram(cell, reliable[k] * learn) for k in range(4)])
        posterior = prior * likelihood[:, cell] ** 0.8
        posterior /= posterior.sum(0) + 1e-12
        surely = g.face & (prior[_SKIN] > 0.97)
        posterior[:, surely] = prior[:, surely]
        share = _walk(posterior.astype(np.float32), weight_x, weight_y, np.float32(0.12), 80)
    return share


def _with_long_hair(prior: F32, share: F32, g: _Drawn) -> F32:
    """Hair that hangs down beside the jaw is expected to go on over the shoulders."""
    result = prior.copy()
    x = g.x / g.half_width
    for side in (-1, 1):
        beside = (side * x > 1.05) & (side * x < 1.5) & (g.y > 0.6) & (g.y < 0.95)
        if beside.sum() < 20:
            continue
        long = float(np.clip((share[_HAIR][beside].mean() - 0.45) / 0.35, 0, 1))
        reach = (side * x > 0.55) & (side * x < 2.2) & (g.y > 0.75) & (g.y < 1.9) & ~g.face
        taken = np.where(reach, 0.55 * long, 0).astype(np.float32) * prior[_CLOTH]
        result[_HAIR] += taken
        result[_CLOTH] -= taken
    return result


def _lab(pixels: NDArray[np.uint8]) -> F32:
    """CIE L*a*b* of sRGB bytes."""
    linear = LINEAR_OF_BYTE[pixels]
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089], np.float32)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def _cells(lab: F32) -> NDArray[np.int64]:
    """Which histogram cell each pixel's colour falls into."""
    low, step = np.array([0, -30, -45]), np.array([100 / _BINS, 3.5, 4.5])
    index = np.clip((lab - low) / step, 0, _BINS - 1).astype(np.int64)
    return np.asarray((index[..., 0] * _BINS + index[..., 1]) * _BINS + index[..., 2])


def _histogram(cell: NDArray[np.int64], weight: F32) -> F32:
    """(bins,) smoothed density of the weighted pixels' colours."""
    counts = np.bincount(cell.ravel(), weight.ravel(), _BINS**3).reshape(_BINS, _BINS, _BINS)
    smooth = ndimage.gaussian_filter(counts.astype(np.float32), 1.0, mode="nearest").ravel()
    return (smooth / max(float(smooth.sum()), 1e-6) + 2e-5).astype(np.float32)


def _similarity(lab: F32) -> tuple[F32, F32]:
    def weight(difference: F32) -> F32:
        squared = (difference**2).sum(-1)
        return np.exp(-squared / (2 * max(float(np.mean(squared)), 1.0))).astype(np.float32) + np.float32(
            0.01
        )

    x, y = (np.zeros(lab.shape[:2], np.float32) for _ in range(2))
    x[:, :-1] = weight(np.diff(lab, axis=1))
    y[:-1] = weight(np.diff(lab, axis=0))
    return x, y


@njit(cache=True, nogil=True, fastmath=True)
def _walk(prior, weight_x, weight_y, hold, sweeps):  # type: ignore[no-untyped-def]
    """Probabilities that are smooth along similar colours, by successive over-relaxation."""
    labels, height, width = prior.shape
    share = prior.copy()
    for _ in range(sweeps):
        for i in range(height):
            for j in range(width):
                left = weight_x[i, j - 1] if j > 0 else np.float32(0)
                right = weight_x[i, j] if j < width - 1 else np.float32(0)
                up = weight_y[i - 1, j] if i > 0 else np.float32(0)
                down = weight_y[i, j] if i < height - 1 else np.float32(0)
                inverse = np.float32(1) / (hold + left + right + up + down)
                for k in range(labels):
                    total = hold * prior[k, i, j]
                    if j > 0:
                        total += left * share[k, i, j - 1]
                    if j < width - 1:
                        total += right * share[k, i, j + 1]
                    if i > 0:
                        total += up * share[k, i - 1, j]
                    if i < height - 1:
                        total += down * share[k, i + 1, j]
                    share[k, i, j] += np.float32(1.5) * (total * inverse - share[k, i, j])
    return share


def _polygon(
    points: Array, index: tuple[int, ...], shape: tuple[int, int], factor: tuple[float, float]
) -> Bools:
    """Pixels whose centre lies in a polygon; drawn four times as fine, since PIL rounds corners."""
    fine = 4
    corners = ((points[list(index)] + 0.5) * np.asarray(factor) * fine - 0.5).round()
    low = np.maximum(corners.min(0) // fine - 1, 0).astype(int)
    high = np.minimum(corners.max(0) // fine + 2, [shape[1], shape[0]]).astype(int)
    result = np.zeros(shape, bool)
    if (high <= low).any():
        return result
    part = Image.new("L", (int(high[0] - low[0]) * fine, int(high[1] - low[1]) * fine))
    ImageDraw.Draw(part).polygon([tuple(c) for c in (corners - low * fine).tolist()], fill=1)
    inside = np.asarray(part).reshape(int(high[1] - low[1]), fine, int(high[0] - low[0]), fine)
    result[low[1] : high[1], low[0] : high[0]] = inside.sum((1, 3)) * 2 >= fine * fine
    return result


def _compose(share: F32, g: _Drawn, points: Array, factor: tuple[float, float]) -> PortraitLabels:
    best = share.argmax(0)
    sure = share.max(0) > _UNSURE
    skin = _largest(best == _SKIN, g.face)
    hair = (best == _HAIR) & (g.y < 0.5) if (best == _HAIR).sum() < 50 else best == _HAIR
    hair = _largest(hair, hair & (g.y < 0.2))
    parsing = np.full(best.shape, IGNORE, np.uint8)
    parsing[best == _BG] = ParsingClass.BACKGROUND
    parsing[hair] = ParsingClass.HAIR
    parsing[best == _CLOTH] = ParsingClass.CLOTH
    parsing[best == _SKIN] = IGNORE  # skin-coloured, but nowhere near
    parsing[skin] = _skin_classes(g)[skin]
    parsing[~sure] = IGNORE
    occluded = g.face & ~(best == _SKIN)
    face = ndimage.binary_opening(g.face & ~occluded, iterations=2) & g.face
    face = _largest(
        ndimage.binary_fill_holes(face | (g.face & (g.y > 0.05) & (np.abs(g.x) < 0.6 * g.half_width))), face
    )
    parsing[face & ~np.isin(parsing, np.array(FACE_CLASSES))] = ParsingClass.SKIN
    shape = best.shape
    upper = _polygon(points, _LIPS_TOP + _INNER_TOP[::-1], shape, factor)
    lower = _polygon(points, _LIPS_BOTTOM + _INNER_BOTTOM[::-1], shape, factor)
    inner = _polygon(points, _INNER_TOP + _INNER_BOTTOM, shape, factor)
    for area, name in (
        (_polygon(points, _LEFT_BROW, shape, factor), ParsingClass.LEFT_BROW),
        (_polygon(points, _RIGHT_BROW, shape, factor), ParsingClass.RIGHT_BROW),
        (_polygon(points, _LEFT_EYE, shape, factor), ParsingClass.LEFT_EYE),
        (_polygon(points, _RIGHT_EYE, shape, factor), ParsingClass.RIGHT_EYE),
        (inner, ParsingClass.INNER_MOUTH),
        (upper, ParsingClass.UPPER_LIP),
        (lower, ParsingClass.LOWER_LIP),
    ):
        parsing[area & face] = name
    middle = g.face & (g.y > 0) & (np.abs(g.x) < 0.8 * g.half_width)
    total = float(max(g.face.sum(), 1))
    doubts = {
        "cut": float((g.face & ~face).sum()) / total,
        "middle": float((middle & occluded).sum()) / total,
        "open": float((parsing[g.face] == IGNORE).sum()) / total,
        "background": float((g.face & (best == _BG)).sum()) / total,
        "low_cut": float((g.face & ~face & (g.y > -0.05)).sum()) / total,
    }
    return PortraitLabels(parsing, face, factor, doubts)


def _skin_classes(g: _Drawn) -> NDArray[np.uint8]:
    """What skin is called at each place."""
    classes = np.full(g.x.shape, ParsingClass.SKIN, np.uint8)
    beside = ~g.face & (np.abs(g.x) > 0.8 * g.half_width) & (g.y > -0.1) & (g.y < 0.72)
    ear = (g.hit & (g.region["ears"] > 0.5) & ~g.face) | beside
    classes[~g.face & ~ear & (g.y > 0.55)] = ParsingClass.NECK
    classes[ear & (g.x < 0)] = ParsingClass.LEFT_EAR
    classes[ear & (g.x >= 0)] = ParsingClass.RIGHT_EAR
    classes[g.hit & (g.region["nose"] > 0.5)] = ParsingClass.NOSE
    return classes


def _largest(mask: Bools, seed: Bools) -> Bools:
    """The part of a mask that hangs together with the seed."""
    labels, _ = ndimage.label(mask)
    own = np.bincount(labels[seed & mask].ravel(), minlength=1)
    own[0] = 0
    keep = own > 0.02 * max(own.sum(), 1)
    return np.asarray(keep[np.minimum(labels, len(keep) - 1)] & mask & (labels < len(keep)))

"""Medical and cloth masks, pulled over nose and chin by landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....perceive import OccluderKind, ParsingClass
from ...compositing.compose import scene_light
from ...compositing.layer import Layer, Split
from ...compositing.warp import Pyramid, pyramid, thin_plate, warp_grid
from ...samples.sample import FaceSample
from ..drawing.paint import stroke
from ..drawing.patterns import cloth_colour, pattern
from ..placing.frame import FaceFrame, face_frame, subfolder
from ..placing.overlay import over
from .designs import draw_design, is_held_out

__all__ = ["MaskSource"]

# Where a photographed mask touches the face, in tenths of its image's width: the ends of the upper edge (a, c), the
# top over the nose (b), the ends of the lower edge (d, f), the chin (e). Measured on the images.
_KEYS = {
    "KN95": ((0.5, 1.3), (5.35, 0.05), (9.6, 1.1), (1.6, 5.2), (5.2, 8.3), (8.9, 5.4)),
    "KN95_left": ((0.7, 2.6), (2.3, 1.0), (7.2, 1.5), (1.3, 5.4), (4.6, 8.7), (7.0, 6.0)),
    "N95": ((1.15, 2.6), (4.95, 0.1), (8.65, 2.6), (1.2, 5.0), (4.95, 7.35), (8.6, 5.0)),
    "N95_left": ((1.7, 3.2), (2.6, 1.5), (6.6, 2.6), (2.0, 5.8), (4.9, 8.3), (7.4, 5.0)),
    "cloth": ((1.55, 1.05), (5.05, 0.15), (8.55, 1.05), (2.2, 4.3), (5.05, 6.25), (7.9, 4.3)),
    "cloth_left": ((0.85, 1.1), (2.1, 0.2), (6.45, 1.35), (1.1, 4.3), (3.2, 6.05), (6.6, 3.6)),
    "surgical": ((0.7, 1.6), (5.0, 0.3), (9.4, 1.6), (0.9, 5.2), (5.0, 8.1), (9.2, 5.2)),
    "surgical_left": ((0.35, 1.1), (1.2, 0.15), (6.6, 0.6), (0.6, 4.3), (2.9, 6.1), (7.2, 4.2)),
}
_STRAP_FROM = {"surgical_left": 7.25, "cloth_left": 6.8}  # straps of these are cut off and drawn anew
_COLOURS = {"surgical": ("surgical", "surgical_blue", "surgical_green")}
_EDGE = 320  # images are reduced to this width
_VARIANTS = 96  # of each drawn cut; a third of that of each recoloured photo

# PRNet's UV layout, in which the UV masks are drawn: points of the 68 and where they lie in 256ths; the right half
# by mirroring.
_UV_ANCHORS = (
    (0, 15, 96), (1, 22, 118), (2, 26, 141), (3, 32, 165), (4, 45, 183), (5, 67, 190), (6, 91, 188), (7, 112, 189),
    (8, 128, 192), (27, 128, 59), (28, 128, 73), (29, 128, 86), (30, 128, 96), (31, 117, 111), (33, 128, 115),
    (36, 78, 67), (39, 102, 65), (48, 109, 142), (51, 128, 128), (57, 128, 150),
)  # fmt: skip
_MIRROR_68 = {**{k: 16 - k for k in range(17)}, 31: 35, 36: 45, 39: 42, 48: 54}


@dataclass(frozen=True)
class _Image:
    cutout: Pyramid
    keys: NDArray[np.float32]  # (6, 2) pixels


class MaskSource:
    """Photographed masks (from the front and from the side), masks in a face's UV layout, and drawn ones.

    Args:
        root: the folder of source material (``occluders/masks``, ``occluders/masks_uv``), or None: drawn masks only.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._photos = subfolder(root, "masks")
        self._uv = subfolder(root, "masks_uv")

    def names(self, split: Split) -> tuple[str, ...]:
        """All items of a split."""
        names = [f"mask/drawn_{shape}" for shape in ("surgical", "cloth", "duckbill", "cup", "fishmouth")]
        if self._photos is not None:
            names += ["mask/KN95", "mask/N95", "mask/cloth", "mask/surgical"]
        if self._uv is not None:
            names += [f"mask/uv_{path.stem}" for path in sorted(self._uv.glob("*.png"))]
        return tuple(name for name in names if is_held_out(name) == (split == "held_out"))

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One random mask; see :class:`LayerSource`."""
        names = self.names(split)
        groups = (
            [n for n in names if "drawn_" in n],
            [n for n in names if "drawn_" not in n and "uv_" not in n],
            [n for n in names if "uv_" in n],
        )
        chances = np.array([0.4, 0.4, 0.2]) * [len(g) > 0 for g in groups]
        group = groups[int(rng.choice(3, p=chances / chances.sum()))]
        name = group[int(rng.integers(len(group)))]
        frame = face_frame(sample)
        item = name.removeprefix("mask/")
        if item.startswith("uv_"):
            assert self._uv is not None
            rgba = self._lay_uv(sample, rng, self._uv / f"{item[3:]}.png")
        elif item.startswith("drawn_"):
            image, straps = _drawn(item[6:], int(rng.integers(_VARIANTS)), self._textures())
            rgba = _lay(sample, frame, rng, image, straps)
        else:
            rgba = self._lay_photo(sample, frame, rng, item)
        if not (rgba[..., 3] > 127).any():
            return None
        return Layer(
            rgba,
            OccluderKind.MASK,
            ParsingClass.OBJECT,
            name,
            shadow=float(rng.uniform(0.3, 0.8)),
            height=float(rng.uniform(0.015, 0.05)) * frame.unit,
        )

    def _textures(self) -> Path | None:
        return None if self._photos is None else self._photos / "textures"

    def _lay_photo(
        self, sample: FaceSample, frame: FaceFrame, rng: np.random.Generator, item: str
    ) -> NDArray[np.uint8]:
        assert self._photos is not None
        turned = abs(frame.yaw) > float(rng.uniform(0.22, 0.5))
        key = item + ("_left" if turned else "")
        options = _COLOURS.get(item, (item,))
        file = options[int(rng.integers(len(options)))] + ("_left" if turned else "")
        mirror = frame.yaw > 0 if turned else rng.random() < 0.5
        if rng.random() < 0.55:
            image = _recoloured(self._photos, file, key, int(rng.integers(_VARIANTS // 3)))
        else:
            image = _load(self._photos / f"{file}.png", key)
        if mirror:
            image = _mirrored(image)
        straps = 0 if turned and item in ("KN95", "N95") else (2 if item in ("KN95", "N95") else 1)
        return _lay(sample, frame, rng, image, straps)

    def _lay_uv(self, sample: FaceSample, rng: np.random.Generator, path: Path) -> NDArray[np.uint8]:
        cutout = (
            _load_uv(path)
            if rng.random() < 0.6
            else _recoloured_uv(path, int(rng.integers(24)), self._textures())
        )
        source = []
        target = []
        points = sample.landmarks_68
        for index, u, v in _UV_ANCHORS:
            source.append((u, v))
            target.append(points[index])
            if index in _MIRROR_68 and _MIRROR_68[index] != index:
                source.append((256 - u, v))
                target.append(points[_MIRROR_68[index]])
        nodes = np.stack(np.meshgrid(np.linspace(8, 248, 15), np.linspace(50, 206, 13)), axis=-1)
        moved = thin_plate(np.array(source, np.float64), np.array(target, np.float64), nodes, 0.002)
        return warp_grid(cutout, nodes * (cutout.shape[1] / 256.0), moved, sample.size)


def _anchors(sample: FaceSample, frame: FaceFrame, rng: np.random.Generator) -> NDArray[np.float32]:
    """(6, 2) where the six keys of a mask go: a, b, c, d, e, f as in ``_KEYS``."""
    p = sample.landmarks_68
    unit = frame.unit
    choice = rng.random()
    top = p[27] + (p[30] - p[27]) * np.float32(rng.uniform(0.12, 0.55))
    low = np.float32(0.0)
    if choice < 0.05:  # below the nose
        top = p[33] + (p[51] - p[33]) * np.float32(rng.uniform(0.0, 0.8))
        low = np.float32(0.25)
    elif choice < 0.09:  # pulled down to the chin
        top = p[57] + (p[8] - p[57]) * np.float32(rng.uniform(0.0, 0.4))
        low = np.float32(0.75)
    inward = np.float32(rng.uniform(0.02, 0.22))
    ends = []
    for ear, jaw, side in ((1, 4, 31), (15, 12, 35)):
        upper = p[ear] + (p[ear + (1 if ear == 1 else -1)] - p[ear]) * np.float32(rng.uniform(0.0, 0.8))
        upper = upper + inward * (p[side] - upper) + low * (p[jaw] - upper)
        lower = p[jaw] + np.float32(0.5) * inward * (p[57] - p[jaw])
        ends.append((upper, lower))
    out = np.stack([ends[0][0], top, ends[1][0], ends[0][1], p[8], ends[1][1]])
    # Stiff material stands off the jaw.
    middle = out.mean(axis=0)
    grow = np.array([1.02, 1.0, 1.02, 1.04, 1.0, 1.04], np.float32) + np.float32(rng.uniform(0.0, 0.06))
    out = middle + (out - middle) * grow[:, None]
    out[4] = p[8] + np.float32(unit * rng.uniform(0.02, 0.14)) * frame.down
    return out + rng.normal(0.0, 0.012 * unit, (6, 2)).astype(np.float32)


def _lay(
    sample: FaceSample, frame: FaceFrame, rng: np.random.Generator, image: _Image, straps: int
) -> NDArray[np.uint8]:
    """Warp an image by its six keys and tie it to the ears."""
    target = _anchors(sample, frame, rng)
    height, width = image.cutout.shape
    keys = image.keys.astype(np.float64)
    middle = 0.5 * (keys[1] + keys[4])
    bulge = (
        0.5 * (target[1] + target[4])
        + np.float32(0.05 * frame.unit * np.clip(frame.yaw, -1, 1)) * frame.right
    )
    nodes = np.stack(np.meshgrid(np.linspace(-1, width, 9), np.linspace(-1, height, 9)), axis=-1)
    moved = thin_plate(np.vstack([keys, middle]), np.vstack([target, bulge]), nodes, 0.003)
    rgba = np.zeros((sample.size, sample.size, 4), np.uint8)
    if straps:
        _tie(rgba, sample, frame, rng, target, straps)
    return over(rgba, warp_grid(image.cutout, nodes, moved, sample.size))


def _tie(
    rgba: NDArray[np.uint8],
    sample: FaceSample,
    frame: FaceFrame,
    rng: np.random.Generator,
    target: NDArray[np.float32],
    straps: int,
) -> None:
    p = sample.landmarks_68
    light = scene_light(sample).direction
    colour = cloth_colour(rng) if rng.random() < 0.3 else np.full(3, rng.uniform(190, 245), np.float32)
    radius = np.full(2, max(0.5, frame.unit * float(rng.uniform(0.004, 0.011))), np.float32)
    for upper, lower, ear, away in ((0, 3, 0, -1.0), (2, 5, 16, 1.0)):
        if away * frame.yaw > 0.45:  # that ear is behind the face
            continue
        out = np.float32(away * 0.06 * frame.unit) * frame.right
        rise = np.float32(0.1 * frame.unit) * frame.down
        if straps == 1:  # a loop around the ear
            stroke(rgba, np.stack([target[upper], p[ear] + out - rise]), radius, colour, light, 0.1)
            stroke(rgba, np.stack([target[lower], p[ear] + out + rise]), radius, colour, light, 0.1)
        else:  # bands around the head
            stroke(
                rgba, np.stack([target[upper], p[ear] + 1.5 * out - 2.5 * rise]), radius, colour, light, 0.1
            )
            stroke(
                rgba, np.stack([target[lower], p[ear] + 1.5 * out + 2.5 * rise]), radius, colour, light, 0.1
            )


def _recolour(image: _Image, rng: np.random.Generator, textures: Path | None) -> _Image:
    """Keep folds and seams, change cloth and colour."""
    base = image.cutout.levels[min(1, len(image.cutout.levels) - 1)]
    factor = base.shape[1] / image.cutout.shape[1]
    cover = base[..., 3] > 127
    grey = base[..., :3].astype(np.float32).mean(axis=-1)
    mean = float(grey[cover].mean()) if cover.any() else 128.0
    relief = 1.0 + (grey - mean) / max(mean, 60.0)
    tile = pattern(rng, textures)
    repeat = int(rng.integers(1, 4))
    rows = (np.arange(base.shape[0]) * repeat * 96 // base.shape[1]) % 96
    columns = (np.arange(base.shape[1]) * repeat * 96 // base.shape[1]) % 96
    out = base.copy()
    out[..., :3] = np.clip(tile[rows][:, columns] * relief[..., None], 0, 255).astype(np.uint8)
    return _Image(pyramid(out), image.keys * np.float32(factor))


def _mirrored(image: _Image) -> _Image:
    levels = tuple(np.ascontiguousarray(level[:, ::-1]) for level in image.cutout.levels)
    keys = image.keys[[2, 1, 0, 5, 4, 3]].copy()
    keys[:, 0] = image.cutout.shape[1] - 1 - keys[:, 0]
    return _Image(Pyramid(levels), keys)


@lru_cache(maxsize=5 * _VARIANTS)
def _drawn(shape: str, variant: int, textures: Path | None) -> tuple[_Image, int]:
    """One of the drawn masks: kept, because drawing costs more than laying."""
    drawn = draw_design(shape, np.random.default_rng([variant, len(shape)]), textures)
    return _Image(pyramid(drawn.rgba), drawn.keys), drawn.straps


@lru_cache(maxsize=6 * _VARIANTS)
def _recoloured(photos: Path, file: str, key: str, variant: int) -> _Image:
    rng = np.random.default_rng([variant, len(file)])
    return _recolour(_load(photos / f"{file}.png", key), rng, photos / "textures")


@lru_cache(maxsize=256)
def _recoloured_uv(path: Path, variant: int, textures: Path | None) -> Pyramid:
    plain = _Image(_load_uv(path), np.zeros((6, 2), np.float32))
    return _recolour(plain, np.random.default_rng([variant, 7]), textures).cutout


@lru_cache(maxsize=24)
def _load(path: Path, key: str) -> _Image:
    from PIL import Image

    with Image.open(path) as opened:
        image = opened.convert("RGBA")
        size = (_EDGE, max(1, round(_EDGE * image.height / image.width)))
        rgba = np.array(image.resize(size, Image.Resampling.BOX))
    if key in _STRAP_FROM:
        rgba[:, int(_STRAP_FROM[key] * _EDGE / 10) :, 3] = 0
    # Cut-outs have a fringe of their old background: pull the edge in.
    alpha = rgba[..., 3].astype(np.int32)
    rgba[..., 3] = np.clip((alpha - 90) * 255 // 165, 0, 255).astype(np.uint8)
    return _Image(pyramid(rgba), np.array(_KEYS[key], np.float32) * np.float32(_EDGE / 10))


@lru_cache(maxsize=24)
def _load_uv(path: Path) -> Pyramid:
    from PIL import Image

    with Image.open(path) as opened:
        return pyramid(np.array(opened.convert("RGBA")))

"""Hair: whole heads of it for bald renderings, and hair that falls over faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....perceive import OccluderKind, ParsingClass
from ...compositing.layer import Layer, Split
from ...samples.sample import FaceSample
from ..placing.head import OUTSIDE, HeadFrame, head_frame
from ..placing.scene import SceneLight, face_colour, hair_colour, scene_light, to_rgba
from ._splat import draw_dots, draw_strands, grow_guides, place_guides
from .cards import WIGS, paint_ribbons, paint_wig, read_wig
from .colours import HairColour, random_hair_colour
from .styles import FALLS, NATURALS, Strands, fall, natural
from .textures import HairTexture, avatar_texture, portrait_textures

__all__ = ["HairSource"]

Array = NDArray[np.float32]
_POINTS = 14
_RIBBON_COUNT = 75
_MOST_HIDDEN = 0.85  # of the face; there is nothing to learn from a face that is all hair
_STRAND_PIXELS = 70_000  # length of all strands together in an image of 256²
_RIBBONS, _WIGS = 0.4, 0.3  # shares of hair made from real images and from the avatars' meshes


class HairSource:
    """Hair as layers.

    Convention: hair is lit from where the scene's light comes, at its natural brightness; exposure and tint of the
    photo are added where the layer is laid over it.

    Args:
        root: the folder of source material (with ``avatars/`` and ``portraits/``), or its ``occluders`` folder;
            without it all hair is procedural.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.avatars = _found(root, "avatars", f"{min(WIGS)}.npz")
        self.portraits = _found(root, "portraits", "index.json")

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """Hair over the face: a fringe, a curtain, single strands, blown hair; None where it would leave no face."""
        frame = head_frame(sample)
        if frame is None or abs(frame.yaw) > 80:
            return None
        names = [name for name, item in FALLS.items() if item[2] == split]
        weights = np.array([FALLS[name][1] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        colour = random_hair_colour(rng, hair_colour(sample), face_colour(sample), 0.3, keep=0.75)
        texture = self._texture(rng, split) if rng.random() < _RIBBONS else None
        canvas = np.zeros((sample.size, sample.size, 4), np.float32)
        light = scene_light(sample, rng)
        depth = frame.depth_map()
        for strands in fall(name, frame.shape, rng):
            if texture is None or len(strands.roots) < 12:
                paint_strands(canvas, strands, colour, frame, light, depth, rng)
            else:
                _paint_cards(canvas, strands, colour, texture, frame, light, depth, rng)
        suffix = "" if texture is None else f"_{texture.name.split('/')[0]}"
        hidden = canvas[..., 3][sample.face]
        if len(hidden) and float((hidden > 0.5).mean()) > _MOST_HIDDEN:
            return None
        return _layer(canvas, f"hair/{name}{suffix}", frame, rng)

    def natural(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """A whole head of hair that leaves the face free."""
        frame = head_frame(sample)
        if frame is None:
            return None
        colour = random_hair_colour(rng, hair_colour(sample), face_colour(sample), 0.05, keep=0.95)
        canvas = np.zeros((sample.size, sample.size, 4), np.float32)
        light = scene_light(sample, rng)
        depth = frame.depth_map()
        if self.avatars is not None and rng.random() < _WIGS:
            name = str(rng.choice([n for n, where in WIGS.items() if where == split]))
            wig = read_wig(self.avatars, name)
            texture = avatar_texture(wig.image)
            base = colour.root if rng.random() < 0.7 else texture.colour * np.float32(1.4)
            _paint_ground(canvas, frame.shape.scalp, 0.9, colour, frame, light, depth, rng)
            paint_wig(canvas, wig, texture, base.astype(np.float32), frame, light, depth, rng)
            return _layer(canvas, f"hair/natural_wig_{name}", frame, rng)
        names = [name for name, item in NATURALS.items() if item[2] == split]
        weights = np.array([NATURALS[name][1] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        for strands in natural(name, frame.shape, rng):
            paint_strands(canvas, strands, colour, frame, light, depth, rng)
        return _layer(canvas, f"hair/natural_{name}", frame, rng)

    def _texture(self, rng: np.random.Generator, split: Split) -> HairTexture | None:
        """An image of hair of this split, from a portrait or an avatar."""
        patches = portrait_textures(self.portraits, split) if self.portraits is not None else ()
        if patches and (self.avatars is None or rng.random() < 0.7):
            return patches[int(rng.integers(len(patches)))]
        if self.avatars is None:
            return None
        name = str(rng.choice([n for n, where in WIGS.items() if where == split]))
        return avatar_texture(read_wig(self.avatars, name).image)


def _found(root: Path | None, folder: str, witness: str) -> Path | None:
    """The folder in the root or beside it, where it holds a certain file."""
    if root is None:
        return None
    for place in (Path(root) / folder, Path(root).parent / folder):
        if (place / witness).is_file():
            return place
    return None


def _layer(canvas: Array, name: str, frame: HeadFrame, rng: np.random.Generator) -> Layer | None:
    rgba = to_rgba(canvas)
    if rgba is None:
        return None
    return Layer(
        rgba,
        OccluderKind.HAIR,
        ParsingClass.HAIR,
        name,
        shadow=float(rng.uniform(0.1, 0.5)),
        height=float(frame.scale * rng.uniform(3, 9)),
    )


def _grown(strands: Strands, frame: HeadFrame) -> Array:
    """(N, K, 3) mm, guides of a bundle on this head."""
    longest = float(strands.lengths.max())
    points = 5 if longest < 35 else 8 if longest < 90 else _POINTS
    curves = np.empty((len(strands.roots), points, 3), np.float32)
    grow_guides(
        strands.roots,
        strands.directions,
        strands.lengths,
        strands.offsets,
        strands.pull,
        strands.stiffness,
        strands.wobble,
        frame.shape.radius,
        frame.shape.centre,
        curves,
    )
    return curves


def _paint_cards(
    canvas: Array,
    strands: Strands,
    colour: HairColour,
    texture: HairTexture,
    frame: HeadFrame,
    light: SceneLight,
    depth: Array,
    rng: np.random.Generator,
) -> None:
    """A bundle as ribbons of pictured hair."""
    curves = _grown(strands, frame)
    key = frame.camera(strands.roots)[:, 2] + 0.6 * strands.roots[:, 1] + rng.normal(0, 6, len(curves))
    thinned = 1 + len(curves) // _RIBBON_COUNT
    curves = curves[np.argsort(key)][::thinned]
    if rng.random() < 0.35:  # the hair's own colour
        level = np.float32(rng.uniform(0.9, 1.3))
        colour = HairColour(texture.colour * level, texture.colour * level, colour.spread, colour.gloss)
    roots, tips = colour.of_locks(len(curves), rng)
    width = (strands.spread[::thinned] * 2.2 * float(rng.uniform(0.8, 1.4)) * thinned**0.5 + 1.5).astype(
        np.float32
    )
    paint_ribbons(
        canvas,
        curves,
        width,
        texture,
        (roots + tips) / 2,
        frame,
        light,
        depth,
        rng,
        float(rng.uniform(0.2, 1.0)),
    )


def paint_strands(
    canvas: Array,
    strands: Strands,
    colour: HairColour,
    frame: HeadFrame,
    light: SceneLight,
    depth: Array,
    rng: np.random.Generator,
) -> None:
    """Grow and paint a bundle over a premultiplied canvas (S, S, 4)."""
    shape = frame.shape
    n = len(strands.roots)
    if strands.ground is not None:
        _paint_ground(canvas, strands.ground, strands.ground_opacity, colour, frame, light, depth, rng)
    curves = _grown(strands, frame)
    points = curves.shape[1]
    half = light.direction + np.array([0, 0, 1], np.float32)
    half /= max(float(np.linalg.norm(half)), 1e-6)
    # hair that starts higher and nearer lies over the other
    key = strands.roots @ (frame.rotation[2] + np.array([0, 0.6, 0], np.float32)) + rng.normal(0, 6, n)
    order = np.argsort(key)
    guides = np.empty((n, points, 2), np.float32)
    distance, shine = np.empty((2, n, points), np.float32)
    brightness = np.empty((n, points, 3), np.float32)
    intrinsics = np.array([frame.focal, frame.cx, frame.cy], np.float32)
    place_guides(
        curves,
        order,
        shape.centre,
        frame.rotation,
        frame.translation,
        intrinsics,
        frame.bend,
        OUTSIDE,
        light.harmonics,
        half,
        colour.gloss,
        guides,
        distance,
        brightness,
        shine,
    )
    roots, tips = colour.of_locks(n, rng)
    scale = frame.scale
    seeds = rng.integers(1, 2**32 - 1, n, dtype=np.uint32)
    slack = np.linspace(12.0, 6.0, points, dtype=np.float32)
    none = np.zeros_like(shine)
    # More strands than this only hide each other.
    reach = float(np.abs(np.diff(guides, axis=1)).sum()) * 0.8
    count = int(np.clip(_STRAND_PIXELS * (frame.size / 256) ** 2 / max(reach, 1.0), 1, strands.count))

    def draw(many: int, radius: float, dark: float, opacity: float, spread: float) -> None:
        draw_strands(
            canvas,
            guides,
            distance,
            brightness,
            shine if dark == 1.0 else none,
            roots[order] * np.float32(dark),
            tips[order] * np.float32(dark),
            many,
            max(radius * scale, 0.18),
            strands.spread[order] * np.float32(scale * spread),
            strands.clump,
            strands.curl[order] * np.float32(scale),
            strands.turns[order],
            0.16,
            opacity,
            seeds,
            depth,
            slack,
        )

    if strands.under > 0:
        draw(1, strands.under, 0.62, 0.95, 0.0)
    draw(count, strands.radius, 1.0, strands.opacity, 1.0)


def _paint_ground(
    canvas: Array,
    points: Array,
    opacity: float,
    colour: HairColour,
    frame: HeadFrame,
    light: SceneLight,
    depth: Array,
    rng: np.random.Generator,
) -> None:
    """The scalp below the hair, in the dark of the roots."""
    out = points - frame.shape.centre
    normals = (out / np.linalg.norm(out, axis=1, keepdims=True)) @ frame.rotation.T
    facing = normals[:, 2] > -0.25
    pixels, cam = frame.project(points[facing])
    shade = light.diffuse(normals[facing]) * (colour.root * np.float32(0.75))
    seed = int(rng.integers(1, 2**32 - 1))
    draw_dots(canvas, pixels, 4.0 * frame.scale, shade, 0.8 * opacity, -cam[:, 2] - 8.0, depth, seed)

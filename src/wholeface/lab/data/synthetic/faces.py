"""Rendered faces whose truth is known: the shipped head in random shape, skin, light and pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from ..compositing.backgrounds import random_background
from ..samples.sample import FaceSample
from ._paint_kernels import paint_pixels
from ._render_kernels import (
    add_modes,
    albedo_tiles,
    ambient_occlusion,
    box_middle,
    expose,
    mark_seen,
    mark_tiles,
    place_landmarks,
    shade_vertices,
    upright_box,
    vertex_normals_into,
)
from .cloth import Cloth, no_cloth, random_cloth
from .head import Head, build_head
from .person import Lamps, random_expression, random_lamps, random_pose, rotation_of
from .skin import Skin, plain_skin, random_albedo, random_shade, random_skin

if TYPE_CHECKING:
    from ....morphable import MorphableModel
    from .origins import Heads

__all__ = ["SyntheticFaces", "SyntheticSettings"]

Floats = NDArray[np.float32]
TEST_SEED = 1_000_000
"""Seeds from here on are for testing only."""
_PERSON = 1  # stream of random numbers of subjects who are met in several images


@dataclass(frozen=True)
class SyntheticSettings:
    """How synthetic faces vary.

    Args:
        identity: standard deviation of the identity coefficients.
        effects: skin detail, make-up, stubble, highlights, self-shadows, tone curve; without them the image is
            plain Lambertian shading of the albedo model by nine spherical harmonics.
        cloth: draw shoulders below the neck.
        buzz: share of heads with very short hair; the others are bald until hair is laid over them.
        shadow: share of images with the edge of a shadow over the head.
        scale: longer side of the upright face box, as a share of the image's edge.
        scale_range: random factor of ``scale``.
        shift: largest distance of the box's centre from the image's, as a share of the edge.
        geometry: give depth and normals too.
        turned: share of heads that are turned anywhere up to profiles; the others are mostly frontal.
        origins: weight of each origin of heads (``model``, ``makehuman``, ``stretched``; see
            :mod:`wholeface.lab.data.synthetic.origins`).

    Raises:
        UsageError: an unknown origin, or weights that say nothing.
    """

    identity: float = 1.0
    effects: bool = True
    cloth: bool = True
    buzz: float = 0.35
    shadow: float = 0.2
    scale: float = 0.58
    scale_range: tuple[float, float] = (0.75, 1.35)
    shift: float = 0.1
    geometry: bool = False
    turned: float = 0.0
    origins: Mapping[str, float] = field(default_factory=lambda: {"model": 1.0})

    def __post_init__(self) -> None:
        from .origins import check_origins

        check_origins(self.origins)


class SyntheticFaces:
    """Synthetic faces by index, the same in every process and every order.

    Args:
        model: a model on the shipped head's mesh, or None for the shipped one.
        seed: names the series; see ``split``.
        size: edge of the images in pixels.
        split: ``train`` takes seeds below 1,000,000; ``test`` and ``held_out`` add 1,000,000 to smaller ones, so
            that nobody met in testing was met in training.
        settings: how the faces vary.

    Raises:
        UsageError: a training seed of 1,000,000 or more, an unknown split, a size below 32.
    """

    def __init__(
        self,
        model: MorphableModel | None = None,
        *,
        seed: int = 0,
        size: int = 256,
        split: str = "train",
        settings: SyntheticSettings | None = None,
    ) -> None:
        if split not in ("train", "test", "held_out"):
            raise UsageError(f"unknown split {split!r}: train, test or held_out")
        if seed < 0 or (split == "train" and seed >= TEST_SEED):
            raise UsageError(f"training seeds lie between 0 and {TEST_SEED - 1}, got {seed}")
        if size < 32:
            raise UsageError(f"synthetic faces need at least 32 pixels, got size={size}")
        self.seed = seed if split == "train" or seed >= TEST_SEED else seed + TEST_SEED
        self.size = size
        self.settings = settings or SyntheticSettings()
        self._model = model
        self._head: Head | None = None
        self._testing = split != "train" or seed >= TEST_SEED
        self._heads: Heads | None = None

    @property
    def head(self) -> Head:
        """Static facts about the head, made at the first use."""
        if self._head is None:
            self._head = build_head(self._model)
        return self._head

    def dress(self, log_albedo: Floats) -> None:
        """Let all further faces wear one skin.

        Args:
            log_albedo: (S, S, 3) logarithm of linear light on the atlas, instead of the albedo model's draws.
        """
        plain = np.zeros_like(self.head.albedo_scale)
        self._head = replace(self.head, albedo_mean=np.ascontiguousarray(log_albedo), albedo_scale=plain)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_head": None, "_heads": None}  # workers build their own

    def sample(self, index: int, *, person: int | None = None, depth: bool = False) -> FaceSample:
        """The face number ``index``.

        Args:
            index: names expression, pose, light and camera; and shape and skin too where ``person`` is None.
            person: names shape and skin, so that several images can show one person.
            depth: give the depth even where the settings do not ask for geometry.

        Returns:
            A sample with ``image`` = ``clean``, nothing in front of the face, everything known.
        """
        head, size, settings = self.head, self.size, self.settings
        rng = np.random.default_rng([self.seed, index])
        who = rng if person is None else np.random.default_rng([self.seed, person, _PERSON])
        identity, vertices = self._person(who)
        expression = random_expression(head.names, rng)
        add_modes(head.expression, expression, vertices)
        shape = vertices.reshape(-1, 3)
        yaw, pitch, roll = random_pose(rng, settings.turned)
        rotation = rotation_of(yaw, pitch, roll)
        points = shape @ rotation.T
        translation, focal, cx, cy = self._camera(points, roll, rng)
        points += translation
        camera = (focal, cx, cy)
        normals = np.empty_like(points)
        vertex_normals_into(points, head.triangles, normals)
        albedo = random_albedo(len(head.albedo_scale), who)
        skin = random_skin(head, who, settings.buzz) if settings.effects else plain_skin()
        canvas = _Canvas(size, settings.geometry)
        seen, drawn = canvas.rasterise(head, points, camera)
        ring, throat = _throat(head, shape)
        seen[throat] = True
        jaw = float(min(expression[head.mouth_open] / 0.5, 1.0))
        lamps, attributes = self._light(
            np.flatnonzero(seen), points, normals, rotation, jaw, skin, albedo @ head.middle_modes, rng
        )
        background = random_background(rng, size)
        cloth = no_cloth(size)
        if settings.cloth:
            colour = np.maximum(np.quantile(attributes[throat, :3], 0.7, axis=0), 0.01) * np.exp(
                head.neck_mean + albedo @ head.neck_modes
            )
            base = shape[ring].mean(0) @ rotation.T + translation
            cloth = self._cloth(rng, base, camera, colour, roll)
        shade = random_shade(rng, size, settings.shadow if settings.effects else 0.0)
        offset = _albedo_offset(head, albedo, drawn)
        canvas.paint(head, normals, attributes, skin, offset, shade, background, cloth, settings.effects)
        landmarks, self_visible = _landmarks(head, points, normals, camera, canvas.best)
        return FaceSample(
            image=canvas.image,
            clean=canvas.image,
            parsing=canvas.parsing,
            occluder=np.zeros((size, size), np.uint8),
            face=canvas.face,
            landmarks_68=landmarks[:68],
            facing_68=self_visible[:68],
            dense=landmarks[68:],
            facing_dense=self_visible[68:],
            known=frozenset({"parsing", "occluder", "landmarks", "geometry"}),
            parameters={
                "identity": identity,
                "expression": expression,
                "albedo": albedo,
                "light": lamps.harmonics().sum(0),
                "rotation": _axis_angle(rotation),
                "translation": translation,
                "focal": np.array(focal, np.float32),
                "cx": np.array(cx, np.float32),
                "cy": np.array(cy, np.float32),
            },
            depth=canvas.depth if settings.geometry or depth else None,
            normals=canvas.normals if settings.geometry else None,
            source="synthetic",
            seed=(self.seed, index) if person is None else (self.seed, index, person),
            eyewear=np.zeros((size, size), np.uint8),
        )

    def _person(self, who: np.random.Generator) -> tuple[Floats, Floats]:
        """Identity coefficients (K,) and vertices (3V,) of a head without expression."""
        head, settings = self.head, self.settings
        origin = "model"
        if set(settings.origins) != {"model"}:
            names = sorted(settings.origins)
            weights = np.array([settings.origins[name] for name in names])
            origin = names[int(who.choice(len(names), p=weights / weights.sum()))]
        if origin != "model":
            if self._heads is None:
                from ....morphable import load_model
                from .origins import Heads

                self._heads = Heads(self._model or load_model("wholeface"), self._testing)
            shape, amounts = self._heads.draw(origin, who, settings.identity)
            return amounts.astype(np.float32), shape.astype(np.float32).ravel()
        identity = np.clip(who.normal(0, settings.identity, len(head.identity)), -3, 3).astype(np.float32)
        vertices = head.mean.copy()
        add_modes(head.identity, identity, vertices)
        return identity, vertices

    def _camera(
        self, points: Floats, roll: float, rng: np.random.Generator
    ) -> tuple[Floats, float, float, float]:
        """Translation, focal length and principal point that put the face of the rotated head where it belongs."""
        settings, size = self.settings, self.size
        distance = float(np.exp(rng.normal(np.log(900.0), 0.5)).clip(350, 3500))
        aside = rng.normal(0, 0.12, 2).clip(-0.3, 0.3) * distance
        index = self.head.face_index
        middle = box_middle(points, index)
        translation = (np.array([aside[0], aside[1], -distance]) - middle).astype(np.float32)
        c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
        left, low, right, high = upright_box(points, index, translation, c, s)  # turned back by the roll
        target = settings.scale * size * np.exp(rng.uniform(*np.log(settings.scale_range)))
        focal = float(target / max(right - left, high - low))
        centre = np.array([[c, -s], [s, c]]) @ np.array([(left + right) / 2, (low + high) / 2])
        place = (size - 1) / 2 + rng.uniform(-settings.shift, settings.shift, 2) * size
        # The parameters are float32: so is the image
        focal = float(np.float32(focal))
        cx = float(np.float32(place[0] - focal * centre[0]))
        cy = float(np.float32(place[1] + focal * centre[1]))
        return translation, focal, cx, cy

    def _light(
        self,
        used: NDArray[np.int64],
        points: Floats,
        normals: Floats,
        rotation: Floats,
        jaw: float,
        skin: Skin,
        middle: Floats,
        rng: np.random.Generator,
    ) -> tuple[Lamps, Floats]:
        """Lamps, exposed for the face, and the attributes (V, 8) of the used vertices (:func:`shade_vertices`)."""
        head = self.head
        lamps = random_lamps(rng)
        factors = np.ones((1 + len(lamps.directions), head.count), np.float32)
        if self.settings.effects:
            ambient_occlusion(head.openness, jaw, float(rng.uniform(0.7, 1.3)), used, factors[0])
            for k, direction in enumerate(lamps.directions):
                # Soft shadow: the blurred view of the sky from each vertex of the mean head
                cosine = head.directions @ (rotation.T @ direction)
                weight = np.exp(lamps.softness * (cosine - cosine.max()))
                weight[weight <= 0.02] = 0
                weight /= weight.sum()
                factors[k + 1] = 0
                if jaw < 1:
                    add_modes(head.sees[0], (weight * (1 - jaw)).astype(np.float32), factors[k + 1])
                if jaw > 0:
                    add_modes(head.sees[1], (weight * jaw).astype(np.float32), factors[k + 1])
        attributes = np.zeros((head.count, 8), np.float32)
        irradiance = shade_vertices(
            used, points, normals, lamps.harmonics(), factors, lamps.directions, lamps.colours,
            head.regions, skin.mixture, head.surface, skin.exponents, head.face, attributes,
        )  # fmt: skip
        # Exposure: towards a usual brightness, not all the way
        level = irradiance * float(np.exp(head.face_mean + middle).mean())
        wanted = float(np.exp(rng.normal(np.log(0.24), 0.45)))
        exposure = float((wanted / max(level, 1e-3)) ** 0.8)
        expose(used, attributes, np.float32(exposure))
        return lamps.scaled(exposure), attributes

    def _cloth(
        self,
        rng: np.random.Generator,
        base: Floats,
        camera: tuple[float, float, float],
        skin: Floats,
        roll: float,
    ) -> Cloth:
        """Clothes for a neck that ends at ``base`` (3,) mm, camera space, of linear colour ``skin``."""
        focal, cx, cy = camera
        pixel = np.array([cx - focal * base[0] / base[2], cy + focal * base[1] / base[2]], np.float32)
        angle = np.deg2rad(roll * rng.uniform(0.0, 0.8))
        down = np.array([np.sin(angle), np.cos(angle)], np.float32)
        colour = (np.clip(skin, 0, 1) ** (1 / 2.2)).astype(np.float32)
        return random_cloth(rng, self.size, pixel, down, float(-focal / base[2]), colour)


def _throat(head: Head, shape: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The lowest quarter of the neck's vertices, and the front of it: what the chest is lit like."""
    neck = shape[head.neck_index]
    low = neck[:, 1] < np.partition(neck[:, 1], len(neck) // 4)[len(neck) // 4]
    return head.neck_index[low], head.neck_index[low & (neck[:, 2] > 0)]


def _albedo_offset(head: Head, coefficients: Floats, drawn: NDArray[np.bool_]) -> Floats:
    """(s, s, 3) what a person's log albedo adds to the mean, where triangles are drawn."""
    wanted = np.zeros(len(head.albedo_basis), np.bool_)
    mark_tiles(drawn, head.tiles_of, head.tile_start, wanted)
    offset = np.empty((head.albedo_size, head.albedo_size, 3), np.float32)
    weights = np.ascontiguousarray((coefficients[:, None] * head.albedo_scale).T)
    albedo_tiles(head.albedo_basis, weights, wanted, head.tile_edge, offset)
    return offset


def _axis_angle(rotation: Floats) -> Floats:
    """(3,) float32, for angles well below π."""
    m = rotation.astype(np.float64)
    turn = 0.5 * np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    sine = float(np.sqrt(turn @ turn))
    angle = np.arctan2(sine, (m[0, 0] + m[1, 1] + m[2, 2] - 1) / 2)
    return (turn * (angle / sine if sine > 1e-9 else 1.0)).astype(np.float32)


@lru_cache(maxsize=1)
def _exponential() -> Floats:
    return np.exp(np.arange(4097) / 409.6 - 8).astype(np.float32)


@lru_cache(maxsize=2)
def _encoding(effects: bool) -> NDArray[np.uint8]:
    """(16384,) sRGB codes of linear light in [0, 4); with effects, highlights roll off above 0.7."""
    linear = (np.arange(16384) + 0.5) / 4096
    if effects:
        over = np.maximum(linear - 0.7, 0)
        linear = np.minimum(linear, 0.7) + 0.3 * (1 - np.exp(-over / 0.3))
    return (encode_srgb(linear) * 255 + 0.5).astype(np.uint8)


class _Canvas:
    """The arrays of one image, and the calls that fill them."""

    def __init__(self, size: int, geometry: bool) -> None:
        self.size = size
        self.image = np.empty((size, size, 3), np.uint8)
        self.parsing = np.empty((size, size), np.uint8)
        self.face = np.empty((size, size), np.bool_)
        self.depth = np.empty((size, size), np.float32)
        edge = size if geometry else 0
        self.normals = np.zeros((edge, edge, 3), np.float32)
        self.best = np.empty((2 * size, 2 * size), np.float32)
        self.winner = np.empty((2 * size, 2 * size), np.int32)
        self.xy = np.empty((0, 2), np.int32)
        self.inverse = np.empty(0, np.float64)

    def rasterise(
        self, head: Head, points: Floats, camera: tuple[float, float, float]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Find which triangle each sample shows, at twice the resolution.

        Returns:
            (V,) vertices of drawn triangles, (F,) drawn triangles.
        """
        from ....render.raster._numba import _scan, _snap

        focal, cx, cy = camera
        self.xy = np.zeros((len(points), 2), np.int32)
        self.inverse = np.empty(len(points), np.float64)
        _snap(points, 2 * focal, 2 * cx + 0.5, 2 * cy + 0.5, 1.0, self.xy, self.inverse)
        _scan(0, 2 * self.size, self.xy, self.inverse, head.triangles, False, self.best, self.winner)
        seen, drawn = np.zeros(head.count, np.bool_), np.zeros(len(head.triangles), np.bool_)
        mark_seen(self.winner, head.triangles, seen, drawn)
        return seen, drawn

    def paint(
        self,
        head: Head,
        normals: Floats,
        attributes: Floats,
        skin: Skin,
        offset: Floats,
        shade: Floats,
        background: NDArray[np.uint8],
        cloth: Cloth,
        effects: bool,
    ) -> None:
        """Fill image and labels, after :meth:`rasterise`."""
        paint_pixels(
            self.winner, self.best, self.xy, self.inverse, head.triangles, head.uv_triangles, head.uv, attributes,
            head.buzzed_classes if skin.scalp else head.classes, head.parts, head.in_face,
            head.albedo_mean, offset, skin.skin_tile, skin.hair_tile, skin.tiling, _exponential(), LINEAR_OF_BYTE,
            _encoding(effects), shade, background, cloth.cover, cloth.colour, cloth.label, normals,
            self.image, self.parsing, self.face, self.depth, self.normals,
        )  # fmt: skip


def _landmarks(
    head: Head, points: Floats, normals: Floats, camera: tuple[float, float, float], best: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """(68 + D, 2) pixels, and which of them face the camera and are not hidden by the head."""
    count = len(head.landmark_triangles)
    pixels, self_visible = np.empty((count, 2), np.float32), np.empty(count, np.bool_)
    place_landmarks(
        points,
        normals,
        head.landmark_corners,
        head.landmark_weights,
        *camera,
        best,
        _TOLERANCE,
        pixels,
        self_visible,
    )
    return pixels, self_visible


_TOLERANCE = 2.0

"""Rendered faces whose truth is known: the shipped head in random shape, skin, light and pose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..perceive.labels import ParsingClass
from ._render_kernels import add_modes, paint_pixels, pick_depths, shade_vertices, vertex_normals_into
from ._synthetic_cloth import Cloth, no_cloth, random_cloth
from ._synthetic_head import Head, build_head
from ._synthetic_person import Lamps, random_expression, random_lamps, random_pose, rotation_of
from ._synthetic_skin import Skin, plain_skin, random_albedo, random_shade, random_skin
from .backgrounds import random_background
from .sample import FaceSample

if TYPE_CHECKING:
    from ..morphable import MorphableModel

__all__ = ["SyntheticFaces", "SyntheticSettings"]

Floats = NDArray[np.float32]
TEST_SEED = 1_000_000
"""Seeds from here on are for testing only."""
_PERSON = 1  # stream of random numbers of people who are met in several pictures


@dataclass(frozen=True)
class SyntheticSettings:
    """How synthetic faces vary.

    Args:
        identity: standard deviation of the identity coefficients.
        effects: skin detail, make-up, stubble, highlights, self-shadows, tone curve; without them the picture is
            plain Lambertian shading of the albedo model by nine spherical harmonics.
        cloth: draw shoulders below the neck.
        buzz: share of heads with very short hair; the others are bald until hair is laid over them.
        shadow: share of pictures with the edge of a shadow over the head.
        scale: longer side of the upright face box, as a share of the picture's edge.
        scale_range: random factor of ``scale``.
        shift: largest distance of the box's centre from the picture's, as a share of the edge.
        geometry: give depth and normals too.
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


class SyntheticFaces:
    """Synthetic faces by index, the same in every process and every order.

    Args:
        model: a model on the shipped head's mesh, or None for the shipped one.
        seed: names the series; see ``split``.
        size: edge of the pictures in pixels.
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

    @property
    def head(self) -> Head:
        """Static facts about the head, made at the first use."""
        if self._head is None:
            self._head = build_head(self._model)
        return self._head

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_head": None}  # workers build their own

    def sample(self, index: int, *, person: int | None = None) -> FaceSample:
        """The face number ``index``.

        Args:
            index: names expression, pose, light and camera; and shape and skin too where ``person`` is None.
            person: names shape and skin, so that several pictures can show one person.

        Returns:
            A sample with ``image`` = ``clean``, nothing in front of the face, everything known.
        """
        head, size, settings = self.head, self.size, self.settings
        rng = np.random.default_rng([self.seed, index])
        who = rng if person is None else np.random.default_rng([self.seed, person, _PERSON])
        identity = np.clip(who.normal(0, settings.identity, len(head.identity)), -3, 3).astype(np.float32)
        expression = random_expression(head.names, rng)
        vertices = head.mean.copy()
        add_modes(head.identity, identity, vertices)
        add_modes(head.expression, expression, vertices)
        shape = vertices.reshape(-1, 3)
        yaw, pitch, roll = random_pose(rng)
        rotation = rotation_of(yaw, pitch, roll)
        translation, focal, cx, cy = self._camera(shape[head.face] @ rotation.T, roll, rng)
        points = shape @ rotation.T + translation
        normals = np.empty_like(points)
        vertex_normals_into(points, head.triangles, normals)
        albedo = random_albedo(len(head.albedo_scale), who)
        skin = random_skin(head, who, settings.buzz) if settings.effects else plain_skin(head)
        offset = _albedo_offset(head, albedo)
        jaw = float(min(expression[head.mouth_open] / 0.5, 1.0))
        lamps, irradiance, specular = self._light(points, normals, rotation, jaw, skin, offset, rng)
        attributes = np.concatenate([irradiance, specular, skin.tint, skin.amplitudes], axis=1)
        background = random_background(rng, size)
        camera = (focal, cx, cy)
        cloth = self._cloth(head, rng, shape, rotation, translation, camera, irradiance, offset, skin, roll)
        shade = random_shade(rng, size, settings.shadow if settings.effects else 0.0)
        picture = _Picture(size, settings.geometry)
        best, xy, inverse = picture.paint(
            head,
            points,
            normals,
            camera,
            attributes,
            skin,
            offset,
            shade,
            background,
            cloth,
            settings.effects,
        )
        landmarks, facing = _landmarks(head, points, normals, camera, best)
        del xy, inverse
        return FaceSample(
            image=picture.image,
            clean=picture.image,
            parsing=picture.parsing,
            occluder=np.zeros((size, size), np.uint8),
            face=picture.face,
            landmarks_68=landmarks[:68],
            facing_68=facing[:68],
            dense=landmarks[68:],
            facing_dense=facing[68:],
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
            depth=picture.depth if settings.geometry else None,
            normals=picture.normals if settings.geometry else None,
            source="synthetic",
            seed=(self.seed, index) if person is None else (self.seed, index, person),
        )

    def _camera(
        self, face: Floats, roll: float, rng: np.random.Generator
    ) -> tuple[Floats, float, float, float]:
        """Translation, focal length and principal point that put the face (P, 3), rotated, where it belongs."""
        settings, size = self.settings, self.size
        distance = float(np.exp(rng.normal(np.log(900.0), 0.5)).clip(350, 3500))
        aside = rng.normal(0, 0.12, 2).clip(-0.3, 0.3) * distance
        middle = (face.min(0) + face.max(0)) / 2
        translation = (np.array([aside[0], aside[1], -distance]) - middle).astype(np.float32)
        points = (face + translation).astype(np.float64)
        flat = points[:, :2] / -points[:, 2:]
        c, s = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
        upright = flat @ np.array([[c, -s], [s, c]])  # turned back by the roll
        low, high = upright.min(0), upright.max(0)
        target = settings.scale * size * np.exp(rng.uniform(*np.log(settings.scale_range)))
        focal = float(target / (high - low).max())
        centre = np.array([[c, -s], [s, c]]) @ ((low + high) / 2)
        place = (size - 1) / 2 + rng.uniform(-settings.shift, settings.shift, 2) * size
        # The parameters are float32: so is the picture
        focal = float(np.float32(focal))
        cx = float(np.float32(place[0] - focal * centre[0]))
        cy = float(np.float32(place[1] + focal * centre[1]))
        return translation, focal, cx, cy

    def _light(
        self,
        points: Floats,
        normals: Floats,
        rotation: Floats,
        jaw: float,
        skin: Skin,
        offset: Floats,
        rng: np.random.Generator,
    ) -> tuple[Lamps, Floats, Floats]:
        """Lamps, exposed for the face; irradiance and highlights (V, 3) of the vertices."""
        head = self.head
        lamps = random_lamps(rng)
        factors = np.ones((1 + len(lamps.directions), head.count), np.float32)
        if self.settings.effects:
            open_ = head.openness[0] + jaw * (head.openness[1] - head.openness[0])
            factors[0] = open_ ** np.float32(rng.uniform(0.7, 1.3))
            for k, direction in enumerate(lamps.directions):
                # Soft shadow: the blurred view of the sky from each vertex of the mean head
                cosine = head.directions @ (rotation.T @ direction)
                weight = np.exp(lamps.softness * (cosine - cosine.max()))
                used = np.flatnonzero(weight > 0.02)
                weight = (weight[used] / weight[used].sum()).astype(np.float32)
                add_modes(head.sees[0][used], weight * np.float32(1 - jaw), _zeroed(factors[k + 1]))
                add_modes(head.sees[1][used], weight * np.float32(jaw), factors[k + 1])
        irradiance, specular = np.empty_like(points), np.empty_like(points)

        def evaluate(light: Lamps) -> None:
            shade_vertices(
                points, normals, light.harmonics(), factors, light.directions, light.colours,
                skin.exponent, skin.gloss, irradiance, specular,
            )  # fmt: skip

        evaluate(lamps)
        # Exposure: towards a usual brightness, not all the way
        seen = head.face & (normals[:, 2] > 0.2)
        level = float(np.maximum(irradiance[seen], 0).mean()) * float(
            np.exp(head.face_mean + _middle_of_face(offset)).mean()
        )
        wanted = float(np.exp(rng.normal(np.log(0.24), 0.45)))
        exposure = float((wanted / max(level, 1e-3)) ** 0.8)
        lamps = lamps.scaled(exposure)
        irradiance *= np.float32(exposure)
        specular *= np.float32(exposure)
        return lamps, irradiance, specular

    def _cloth(
        self,
        head: Head,
        rng: np.random.Generator,
        shape: Floats,
        rotation: Floats,
        translation: Floats,
        camera: tuple[float, float, float],
        irradiance: Floats,
        offset: Floats,
        skin: Skin,
        roll: float,
    ) -> Cloth:
        if not self.settings.cloth:
            return no_cloth(self.size)
        neck = head.classes == ParsingClass.NECK
        low = neck & (shape[:, 1] < np.quantile(shape[neck, 1], 0.25))
        base = shape[low].mean(0) @ rotation.T + translation
        focal, cx, cy = camera
        pixel = np.array([cx - focal * base[0] / base[2], cy + focal * base[1] / base[2]], np.float32)
        angle = np.deg2rad(roll * rng.uniform(0.0, 0.8))
        down = np.array([np.sin(angle), np.cos(angle)], np.float32)
        # The chest is lit like the front of the neck, and turns a little more upwards
        facing = low & (shape[:, 2] > 0)
        colour = np.maximum(np.quantile(irradiance[facing], 0.7, axis=0), 0.01) * np.exp(
            head.neck_mean + skin.tint[facing].mean(0) + offset[int(0.82 * len(offset)), 100:156].mean(0)
        )
        colour = np.clip(colour, 0, 1) ** (1 / 2.2)
        return random_cloth(rng, self.size, pixel, down, float(-focal / base[2]), colour.astype(np.float32))


def _zeroed(values: Floats) -> Floats:
    values[:] = 0
    return values


def _middle_of_face(offset: Floats) -> Floats:
    """(3,) mean of the person's albedo offset over the middle of the face."""
    size = len(offset)
    return offset[size // 4 : size * 3 // 5, size * 35 // 100 : size * 65 // 100].mean((0, 1))


def _albedo_offset(head: Head, coefficients: Floats) -> Floats:
    """(s, s, 3) what a person's log albedo adds to the mean."""
    size = head.albedo_size
    planes = np.zeros((3, size * size), np.float32)
    for c in range(3):
        add_modes(head.albedo_basis[c], coefficients * head.albedo_scale[:, c], planes[c])
    return np.ascontiguousarray(planes.reshape(3, size, size).transpose(1, 2, 0))


def _axis_angle(rotation: Floats) -> Floats:
    """(3,) float32."""
    import torch

    from ..render.rotation import axis_angle

    return axis_angle(torch.from_numpy(rotation).double()).float().numpy()


@lru_cache(maxsize=1)
def _exponential() -> Floats:
    return np.exp(np.arange(4097) / 409.6 - 8).astype(np.float32)


@lru_cache(maxsize=1)
def _decoding() -> Floats:
    code = np.arange(256) / 255
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


@lru_cache(maxsize=2)
def _encoding(effects: bool) -> NDArray[np.uint8]:
    """(16384,) sRGB codes of linear light in [0, 4); with effects, highlights roll off above 0.7."""
    linear = (np.arange(16384) + 0.5) / 4096
    if effects:
        over = np.maximum(linear - 0.7, 0)
        linear = np.minimum(linear, 0.7) + 0.3 * (1 - np.exp(-over / 0.3))
    linear = np.clip(linear, 0, 1)
    code = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (code * 255 + 0.5).astype(np.uint8)


class _Picture:
    """The arrays of one picture, and the call that fills them."""

    def __init__(self, size: int, geometry: bool) -> None:
        self.size = size
        self.image = np.empty((size, size, 3), np.uint8)
        self.parsing = np.empty((size, size), np.uint8)
        self.face = np.empty((size, size), np.bool_)
        edge = size if geometry else 0
        self.depth = np.empty((edge, edge), np.float32)
        self.normals = np.zeros((edge, edge, 3), np.float32)

    def paint(
        self,
        head: Head,
        points: Floats,
        normals: Floats,
        camera: tuple[float, float, float],
        attributes: Floats,
        skin: Skin,
        offset: Floats,
        shade: Floats,
        background: NDArray[np.uint8],
        cloth: Cloth,
        effects: bool,
    ) -> tuple[Floats, NDArray[np.int32], NDArray[np.float64]]:
        """Fill the picture; returns inverse depths at twice its resolution, grid positions, inverse depths."""
        from ..render._raster_numba import _scan, _snap

        focal, cx, cy = camera
        big = 2 * self.size
        xy = np.zeros((len(points), 2), np.int32)
        inverse = np.empty(len(points), np.float64)
        _snap(points, 2 * focal, 2 * cx + 0.5, 2 * cy + 0.5, 1.0, xy, inverse)
        best = np.empty((big, big), np.float32)
        winner = np.empty((big, big), np.int32)
        _scan(0, big, xy, inverse, head.triangles, False, best, winner)
        classes = head.classes
        if skin.hair.any():
            classes = np.where(skin.hair & ~head.face, np.uint8(ParsingClass.HAIR), classes)
        paint_pixels(
            winner, best, xy, inverse, head.triangles, head.uv_triangles, head.uv,
            np.ascontiguousarray(attributes, dtype=np.float32), classes, head.parts, head.in_face,
            head.albedo_mean, offset, skin.skin_tile, skin.hair_tile, skin.tiling, _exponential(), _decoding(),
            _encoding(effects), shade, background, cloth.cover, cloth.colour, cloth.label, normals,
            self.image, self.parsing, self.face, self.depth, self.normals,
        )  # fmt: skip
        return best, xy, inverse


def _landmarks(
    head: Head, points: Floats, normals: Floats, camera: tuple[float, float, float], best: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """(68 + D, 2) pixels, and which of them face the camera and are not hidden by the head."""
    corners = head.triangles[head.landmark_triangles]  # (L, 3)
    weight = head.landmark_weights[..., None]
    place = (points[corners] * weight).sum(1)
    normal = (normals[corners] * weight).sum(1)
    focal, cx, cy = camera
    depth = -place[:, 2]
    pixels = np.stack([cx + focal * place[:, 0] / depth, cy - focal * place[:, 1] / depth], axis=1)
    least = np.empty(len(place), np.float32)
    pick_depths(best, (2 * pixels + 0.5).astype(np.float64), least)
    # Outside the picture (−1) only the direction counts; 0 is background
    hidden = (least > 0) & (1.0 / np.maximum(least, 1e-9) + _TOLERANCE < depth)
    facing = (normal * -place).sum(1) > 0
    return pixels.astype(np.float32), facing & ~hidden


_TOLERANCE = 2.0

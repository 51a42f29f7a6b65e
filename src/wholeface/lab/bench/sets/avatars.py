"""Renderings of the avatars: heads whose shape is not of the model's statistics, with their own skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.srgb import decode_srgb
from ....morphable import MorphableModel
from ....render import (
    Camera,
    Fragments,
    interpolate,
    rasterize,
    rotation_from_degrees,
    rotation_matrix,
    sample_texture,
    to_camera,
)
from ...modelling.albedo.skins.avatars import Avatar, avatar_names, read_avatar
from ...modelling.landmarks478.views import render_head
from ..metrics.scan_error import SEVEN
from ..protocols.perception.systems import Finder, teacher_68_weights

__all__ = ["AvatarView", "avatar_views", "inside_hull"]

Array = NDArray[np.float64]
_SIZE, _SHARE = 288, 0.55  # pixels; height of the face over them
_FACE = 185.0  # mm, about the height of a face
_MIDDLE = (0.0, -30.0, 25.0)  # mm, of the face, seen from between the eyes
_POINTS = 500
_VIEWS = 2  # of each avatar


@dataclass(frozen=True)
class AvatarView:
    """One rendering of an avatar and the true shape of its face.

    Args:
        pixels: (S, S, 3) uint8 sRGB.
        points_478: (478, 2) pixels, where the mean face's points would be; good for a box.
        scan: (P, 3) mm, points of the face.
        seven: (7, 3) mm, eye corners, nose base, mouth corners.
    """

    pixels: NDArray[np.uint8]
    points_478: Array
    scan: Array
    seven: Array


def avatar_views(
    folder: Path, finders: Sequence[Finder], model: MorphableModel, count: int, seed: int
) -> list[AvatarView]:
    """Two views each of some avatars, evenly spread over the folder.

    The scan is what a frontal image shows within the outline of the points found there, without eyes; its seven
    landmarks are found there too (by mediapipe where it is at hand) and only start the alignment.

    Args:
        folder: of the avatars.
        finders: systems; the last one finds the landmarks of the frontal image.
        model: face model.
        count: avatars at most.
        seed: of poses and light.
    """
    names = avatar_names(folder)
    if len(names) > count:
        names = [names[i] for i in np.linspace(0, len(names) - 1, count).astype(int)]
    views = []
    for number, name in enumerate(names):
        avatar = read_avatar(folder, name)
        rng = np.random.default_rng([seed, 3, number])
        texture = _linear_texture(avatar)
        front = _Pose(0.0, 0.0, 0.0, 1100.0)
        pixels, surface, skin = _image(avatar, texture, front, rng)
        face = finders[-1].find(pixels, _mean_points(model, front))
        if face is None or face.points_478 is None:
            continue
        marks = face.points_68
        if marks is None:
            marks = teacher_68_weights(model) @ face.points_478
        scan = _scan(surface, skin, face.points_478, rng)
        column, row = np.clip(np.rint(marks[list(SEVEN)]), 0, _SIZE - 1).astype(np.int64).T
        seven = surface[row, column]
        if not np.isfinite(seven).all():
            continue
        for _ in range(_VIEWS):
            pose = _Pose(
                float(np.clip(rng.normal(0, 18), -40, 40)),
                float(np.clip(rng.normal(0, 8), -20, 20)),
                float(rng.normal(0, 8)),
                float(np.exp(rng.normal(np.log(900), 0.4)).clip(400, 2500)),
            )
            image, _, _ = _image(avatar, texture, pose, rng)
            views.append(AvatarView(image, _mean_points(model, pose), scan, seven))
    return views


@dataclass(frozen=True)
class _Pose:
    """Degrees, and mm from the camera to the middle of the face."""

    yaw: float
    pitch: float
    roll: float
    distance: float

    def rotation(self) -> Tensor:
        return rotation_from_degrees(self.yaw, self.pitch, self.roll)

    def translation(self) -> Tensor:
        middle = rotation_matrix(self.rotation()) @ torch.tensor(_MIDDLE)
        return torch.tensor([0.0, 0.0, -self.distance]) - middle

    def camera(self) -> Camera:
        middle = (_SIZE - 1) / 2
        return Camera(_SHARE * _SIZE * self.distance / _FACE, middle, middle, _SIZE, _SIZE)


def _linear_texture(avatar: Avatar) -> Tensor:
    """(3, H, W) linear, at half the file's resolution."""
    half = decode_srgb(avatar.texture()[::2, ::2] / 255.0)
    return torch.from_numpy(np.ascontiguousarray(half, dtype=np.float32)).permute(2, 0, 1)


def _image(
    avatar: Avatar, texture: Tensor, pose: _Pose, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Array, NDArray[np.bool_]]:
    """Rendering; (S, S, 3) mm the surface seen at each pixel, NaN where none; (S, S) bool where it is skin."""
    vertices = torch.from_numpy(avatar.vertices).float()
    triangles = torch.from_numpy(avatar.triangles)
    uv = torch.from_numpy(avatar.uv).float()

    def colour_at(fragments: Fragments) -> Tensor:
        mask = fragments.mask[0]
        albedo = torch.zeros((1, *mask.shape, 3))
        albedo[0, mask] = sample_texture(texture, interpolate(uv, triangles, fragments)[0][mask])
        return albedo

    camera = pose.camera()
    pixels, _ = render_head(
        vertices, triangles, None, pose.rotation(), pose.translation(), camera, rng, colour_at=colour_at
    )
    fragments = rasterize(to_camera(vertices, pose.rotation(), pose.translation()), triangles, camera)
    surface = interpolate(vertices, triangles, fragments)[0].double().numpy()
    surface[~fragments.mask[0].numpy()] = np.nan
    triangle = fragments.triangle[0].numpy()
    return pixels, surface, (triangle >= 0) & (triangle < avatar.skin_triangles)


def _mean_points(model: MorphableModel, pose: _Pose) -> Array:
    """(478, 2) pixels of the mean face's points, its eyes at the avatar's."""
    assert model.landmarks_478 is not None
    points = model.landmarks_478.points(model.mean, model.triangles).float()
    points = points - model.mean[model.regions["eyeballs"]].mean(dim=0)
    return np.asarray(
        pose.camera().project(to_camera(points, pose.rotation(), pose.translation())).double().numpy()
    )


def _scan(surface: Array, skin: NDArray[np.bool_], points_478: Array, rng: np.random.Generator) -> Array:
    rows, columns = np.nonzero(skin)
    within = inside_hull(np.stack([columns, rows], axis=1).astype(np.float64), points_478)
    found = surface[rows[within], columns[within]]
    return np.asarray(found[rng.choice(len(found), min(_POINTS, len(found)), replace=False)])


def inside_hull(queries: Array, points: Array) -> NDArray[np.bool_]:
    """(Q,) whether queries (Q, 2) lie within the convex hull of points (P, 2)."""
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    return np.asarray((queries @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1))

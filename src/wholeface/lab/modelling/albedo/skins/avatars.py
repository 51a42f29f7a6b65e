"""Skins of artist-made avatars carried onto the atlas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from .....core.errors import ModelFileError
from .....core.srgb import decode_srgb
from .....morphable.model import MorphableModel
from .....render import (
    Camera,
    interpolate,
    rasterize,
    rotation_from_degrees,
    sample_texture,
    to_camera,
    vertex_normals,
)
from ..atlas import Atlas, sample_rows_cols
from .closest import nearest_on_mesh
from .landmark_fit import FitBasis, fit_points_3d
from .portraits import gaussian_process

__all__ = ["Avatar", "avatar_names", "avatar_uv_map", "read_avatar", "refined_map", "sample_avatar"]

Array = NDArray[Any]
Detect = Callable[[Array], Array | None]
_SKIN, _EYES = "H_DDS_HighRes", ("h_L_eye", "h_R_eye")
_HEAD_MM = 330.0


@dataclass(frozen=True)
class Avatar:
    """Head of one avatar, in millimetres with the axes of the house.

    Args:
        name: for instance ``Asian_F_1``; the first word is the ethnic group.
        vertices: (V, 3) mm, skin of the head first, then the eyes.
        uv: (V, 2), v up.
        triangles: (F, 3).
        skin_triangles: number of triangles that belong to the skin.
        image: path of its texture.
    """

    name: str
    vertices: Array
    uv: Array
    triangles: Array
    skin_triangles: int
    image: Path

    def texture(self) -> Array:
        """(H, W, 3) uint8 sRGB."""
        with Image.open(self.image) as image:
            return np.asarray(image.convert("RGB"))


def avatar_names(folder: Path) -> list[str]:
    """Names of the avatars in a folder.

    Raises:
        ModelFileError: there are none.
    """
    names = sorted(p.stem for p in folder.glob("*.npz"))
    if not names:
        raise ModelFileError(f"{folder}: holds no avatar (*.npz); the albedo stage needs them there")
    return names


def read_avatar(folder: Path, name: str) -> Avatar:
    """Read the head of an avatar; the origin is put between the eyes."""
    vertices, uvs, triangles = [], [], []
    count = skin = 0
    with np.load(folder / f"{name}.npz") as data:
        eyes = np.concatenate([data[f"{p}/vertices"] for p in _EYES]).mean(0)
        for part in (_SKIN, *_EYES):
            points = (data[f"{part}/vertices"].astype(np.float64) - eyes) * 1000
            faces = data[f"{part}/triangles"].astype(np.int64)
            if part == _SKIN:
                faces = faces[(np.linalg.norm(points[faces], axis=2) < _HEAD_MM).all(1)]
                used, faces = np.unique(faces, return_inverse=True)
                faces = faces.reshape(-1, 3)
                points, uv = points[used], data[f"{part}/uv"][used]
                skin = len(faces)
            else:
                uv = data[f"{part}/uv"]
            vertices.append(points)
            # The library's v runs down the image.
            uvs.append(np.stack((uv[:, 0], 1 - uv[:, 1]), axis=1).astype(np.float64))
            triangles.append(faces + count)
            count += len(points)
        image = folder / str(data[f"{_SKIN}/image"])
    return Avatar(name, np.concatenate(vertices), np.concatenate(uvs), np.concatenate(triangles), skin, image)


def _landmarks(avatar: Avatar, detect: Detect, size: int = 512) -> Array | None:
    """(478, 3) mm, detected in renderings from five sides, carried back to the surface; NaN where unseen."""
    texture = (
        torch.from_numpy(np.ascontiguousarray(avatar.texture()[::2, ::2])).permute(2, 0, 1).float() / 255
    )
    points, faces = torch.from_numpy(avatar.vertices).float(), torch.from_numpy(avatar.triangles)
    uv = torch.from_numpy(avatar.uv).float()
    found = []
    for yaw, pitch in ((0, 0), (-14, 0), (14, 0), (0, 10), (0, -10)):
        camera = Camera(size * 3.2, (size - 1) / 2, (size - 1) / 2, size, size)
        cam = to_camera(
            points + torch.tensor([0.0, 20.0, 0.0]),
            rotation_from_degrees(yaw, pitch),
            torch.tensor([0.0, 0.0, -1000.0]),
        )
        fragments = rasterize(cam, faces, camera)
        image = torch.full((size, size, 3), 0.6)
        mask = fragments.mask[0]
        normals = interpolate(vertex_normals(cam, faces)[None], faces, fragments)[0]
        shading = 0.75 + 0.25 * (normals @ torch.tensor([-0.3, 0.5, 0.8])).clamp(0, 1)
        image[mask] = sample_texture(texture, interpolate(uv[None], faces, fragments)[0][mask])
        image = image * torch.where(mask, shading, torch.ones(()))[..., None]
        detected = detect((image.clamp(0, 1) * 255).to(torch.uint8).numpy())
        if detected is None:
            continue
        surface = interpolate(points[None], faces, fragments)[0].double().numpy()
        surface[~mask.numpy()] = np.nan
        column, row = np.clip(np.rint(detected.T).astype(np.int64), 0, size - 1)
        found.append(surface[row, column])
    if not found:
        return None
    stack = np.stack(found)
    with np.errstate(all="ignore"):
        middle: Array = np.nanmedian(stack, axis=0) if len(stack) > 1 else stack[0]
    return middle


def _laplacian(triangles: Array, count: int) -> sparse.csr_matrix:
    i, j = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
    links = sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(count, count)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links


def _normals(vertices: Array, triangles: Array) -> Array:
    normals = vertex_normals(
        torch.from_numpy(np.ascontiguousarray(vertices)), torch.from_numpy(triangles)
    ).numpy()
    return np.asarray(normals)


def register(model: MorphableModel, basis: FitBasis, avatar: Avatar, landmarks: Array) -> tuple[Array, Array]:
    """Model vertices (V, 3) on the avatar's surface, and the avatar's vertices in the same frame.

    First the model's modes, then the landmarks' residuals spread smoothly, then four rounds of nearest points
    under a membrane that softens from round to round.
    """
    fitted, carried = fit_points_3d(basis, landmarks, noise_mm=3.0)
    target = landmarks[basis.valid]
    seen = np.isfinite(target).all(1)
    a, b = target[seen], carried[seen]
    design = np.concatenate((a, np.ones((len(a), 1))), axis=1)
    affine = np.linalg.lstsq(design, b, rcond=None)[0]
    points = np.concatenate((avatar.vertices, np.ones((len(avatar.vertices), 1))), axis=1) @ affine
    faces = model.triangles.numpy()
    corners = model.landmarks_478
    assert corners is not None
    on_mesh = corners.points(torch.from_numpy(fitted), model.triangles).double().numpy()[basis.valid][seen]
    moved = fitted + gaussian_process(basis.mean[seen], model.mean.double().numpy(), 18.0, 0.2) @ (
        b - on_mesh
    )
    skin = (
        model.regions["skin"].numpy() if "skin" in model.regions else np.ones(model.vertex_count, dtype=bool)
    )
    membrane = _laplacian(faces, model.vertex_count)
    head = avatar.triangles[: avatar.skin_triangles]
    for stiffness in (30.0, 10.0, 4.0, 2.0):
        normals = _normals(moved, faces)
        index, weights, distance = nearest_on_mesh(
            moved[skin], points, head, normals=normals[skin], reluctance=8.0, candidates=24
        )
        goal = np.einsum("pk,pkc->pc", weights, points[head[index]])
        confidence = np.zeros(model.vertex_count)
        confidence[skin] = 1 / (1 + (distance / 5.0) ** 2) ** 2
        pull = np.zeros_like(moved)
        pull[skin] = goal - moved[skin]
        system = sparse.diags(confidence + 1e-3) + stiffness * membrane
        moved = moved + splu(system.tocsc()).solve(pull * confidence[:, None])
    return moved, points


def avatar_uv_map(
    model: MorphableModel,
    basis: FitBasis,
    atlas: Atlas,
    zone: NDArray[np.bool_],
    avatars: Sequence[Avatar],
    detect: Detect,
) -> Array:
    """Where each texel of the zone lies in the avatars' common UV layout.

    All avatars share one layout, so one map serves all: the median over the given avatars of maps found by
    registering the model to each.

    Args:
        model: with ``landmarks_478``.
        basis: of its fit.
        atlas: of the model.
        zone: (S, S) bool, texels wanted.
        avatars: a handful from different groups.
        detect: image (H, W, 3) uint8 -> (478, 2) landmarks in pixels, or None.

    Returns:
        (T, 2) u and v.

    Raises:
        ModelFileError: no face was found in any avatar's rendering.
    """
    rows = atlas.matrix[np.flatnonzero(zone.ravel())]
    maps = []
    for avatar in avatars:
        landmarks = _landmarks(avatar, detect)
        if landmarks is None:
            continue
        moved, points = register(model, basis, avatar, landmarks)
        at = rows @ moved
        normal = rows @ _normals(moved, model.triangles.numpy())
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        head = avatar.triangles[: avatar.skin_triangles]
        index, weights, _ = nearest_on_mesh(at, points, head, normals=normal, reluctance=8.0, candidates=10)
        maps.append(np.einsum("pk,pkc->pc", weights, avatar.uv[head[index]]))
    if not maps:
        raise ModelFileError("no face was found in the renderings of the avatars")
    stack = np.stack(maps)  # (A, T, 2)
    middle = np.median(stack, axis=0)
    distance = np.linalg.norm(stack - middle, axis=2)  # (A, T)
    near = distance < 0.02
    # Islands of the layout must not be averaged across: keep the maps near the one closest to the median.
    closest = np.take_along_axis(stack, distance.argmin(0)[None, :, None], axis=0)[0]
    near = np.linalg.norm(stack - closest, axis=2) < 0.02
    averaged: Array = (stack * near[..., None]).sum(0) / near.sum(0)[:, None]
    return averaged


def refined_map(where: Array, zone: NDArray[np.bool_], fine_zone: NDArray[np.bool_]) -> Array:
    """(T', 2) a map at twice the resolution: bilinear, but never across the borders of the layout's islands.

    Args:
        where: (T, 2) u and v on the texels of ``zone`` (S, S).
        zone: where the map is known.
        fine_zone: (2 S, 2 S) texels wanted.
    """
    size = zone.shape[0]
    grid = np.zeros((size, size, 2))
    grid[zone] = where
    nearest = ndimage.distance_transform_edt(~zone, return_distances=False, return_indices=True)
    grid = grid[nearest[0], nearest[1]]
    row, column = (np.stack(np.nonzero(fine_zone)) + 0.5) / 2 - 0.5
    near_row, near_column = (np.clip(np.rint(x), 0, size - 1).astype(int) for x in (row, column))
    anchor = grid[near_row, near_column]
    total, count = np.zeros_like(anchor), np.zeros(len(anchor))
    r0, c0 = np.floor(row).astype(int), np.floor(column).astype(int)
    for i in (0, 1):
        for j in (0, 1):
            value = grid[np.clip(r0 + i, 0, size - 1), np.clip(c0 + j, 0, size - 1)]
            share = np.abs(1 - i - (row - r0)) * np.abs(1 - j - (column - c0))
            share = share * (np.linalg.norm(value - anchor, axis=1) < 0.01)
            total += share[:, None] * value
            count += share
    result: Array = total / np.maximum(count, 1e-9)[:, None]
    return result


def sample_avatar(avatar: Avatar, where: Array, reduce: int = 1) -> Array:
    """(T, 3) linear-light colours of an avatar's texture at UV positions (T, 2).

    Args:
        avatar: whose texture.
        where: u and v.
        reduce: average over blocks of this many texels first, against aliasing.
    """
    decode = decode_srgb(np.arange(256) / 255).astype(np.float32)
    linear = decode[avatar.texture()]
    height, width = linear.shape[0] // reduce, linear.shape[1] // reduce
    if reduce > 1:
        blocks = linear[: height * reduce, : width * reduce].reshape(height, reduce, width, reduce, 3)
        linear = blocks.mean((1, 3))
    rows_cols = np.stack(((1 - where[:, 1]) * height - 0.5, where[:, 0] * width - 0.5), axis=1)
    return sample_rows_cols(linear, rows_cols)

"""Portraits unwrapped onto the atlas: colours, normals and confidence of each texel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .....core.errors import ModelFileError
from .....core.srgb import decode_srgb
from .....render import Camera, rasterize, vertex_normals
from ..atlas import Atlas, sample_rows_cols
from .landmark_fit import FitBasis, HeadFit, fit_points_2d
from .masks import BROW_TOP, OVAL, inside_polygon

__all__ = ["Unwrapped", "Unwrapper", "choose_portraits", "make_unwrapper", "unwrap_portraits"]

Array = NDArray[Any]
_FEATURE_LENGTH_MM = 14.0
_FEATURE_NOISE = 0.15


@dataclass(frozen=True)
class Unwrapped:
    """Portraits in UV space, N of them over the T texels of the zone.

    Args:
        names: N file names.
        colour: (N, T, 3) linear light, float32.
        normals: (N, T, 3) unit, camera space, float32.
        weight: (N, T) visibility times obliqueness in [0, 1], float32.
        error_px: (N,) RMS landmark error of the fit relative to the face's height.
    """

    names: tuple[str, ...]
    colour: Array
    normals: Array
    weight: Array
    error_px: Array

    def __getitem__(self, some: slice | Array) -> Unwrapped:
        """A part of the portraits: a slice, or (N,) bool."""
        names = tuple(np.array(self.names)[some].tolist())
        return Unwrapped(names, self.colour[some], self.normals[some], self.weight[some], self.error_px[some])


@dataclass(frozen=True)
class Unwrapper:
    """What one portrait's unwrapping needs; built once, shared by the workers.

    Args:
        basis: of the landmark fit.
        triangles: (F, 3) of the model.
        rows: (T, V) sparse, barycentric weights of each texel of the zone.
        warp: (T, L') carries landmark residuals to texels.
    """

    basis: FitBasis
    triangles: Array
    rows: Any
    warp: Array

    def unwrap(self, pixels: Array, points: Array) -> tuple[Array, Array, Array, HeadFit, Array]:
        """Colours (T, 3), normals (T, 3), weights (T,), the fit, and pixel positions (T, 2) of a portrait.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
            points: (478, 2) landmarks in pixels.
        """
        height, width = pixels.shape[:2]
        face = float(np.ptp(points[:468, 1]))
        fit = fit_points_2d(self.basis, points, width, height, noise_px=0.012 * face)
        cam = fit.camera_space(self.basis.vertices(fit.coefficients))
        at = self.rows @ cam
        cam_t = torch.from_numpy(np.ascontiguousarray(cam)).float()
        faces = torch.from_numpy(self.triangles)
        normal = self.rows @ vertex_normals(cam_t, faces).numpy()
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        plain = fit.project(at)
        weight = self._visible(cam_t, faces, fit, at, plain, width, height)
        facing = (normal * -at).sum(1) / np.linalg.norm(at, axis=1)
        weight *= np.clip((facing - 0.2) / 0.5, 0, 1)
        where = plain + self.warp @ fit.residual.astype(np.float32)
        inside = ((where > 0) & (where < np.array([width - 1, height - 1]))).all(1) * self._in_outline(
            where, points
        )
        linear = decode_srgb(pixels.astype(np.float32) / 255).astype(np.float32)
        colour = np.maximum(sample_rows_cols(linear, where[:, ::-1], order=3), 0)
        return colour, normal.astype(np.float32), (weight * inside).astype(np.float32), fit, where

    def _in_outline(self, where: Array, points: Array) -> Array:
        """(T,) in [0, 1]: 1 within 95 % of the outline of the face.

        The landmarks end below the hairline: the outline's upper part is raised, and hair is left to the
        skin test.
        """
        outline = points[list(OVAL)].copy()
        top = np.median(points[list(BROW_TOP), 1])
        above = outline[:, 1] < top
        outline[above, 1] = top + 1.35 * (outline[above, 1] - top)
        centre = outline.mean(0)
        result: Array = inside_polygon(centre + 0.95 * (outline - centre), where).astype(np.float64)
        return result

    def _visible(
        self, cam: Any, faces: Any, fit: HeadFit, at: Array, plain: Array, width: int, height: int
    ) -> Array:
        zoom = 320 / max(width, height)
        camera = Camera(fit.focal, float(fit.centre[0]), float(fit.centre[1]), width, height).scaled(zoom)
        depth = rasterize(cam, faces, camera).depth[0].numpy()
        pixel = np.rint((plain + 0.5) * zoom - 0.5).astype(np.int64)
        column, row = np.clip(pixel.T, 0, np.array([[camera.width - 1], [camera.height - 1]]))
        seen: Array = (-at[:, 2] < depth[row, column] + 3.0).astype(np.float64)
        return seen


def make_unwrapper(basis: FitBasis, triangles: Array, atlas: Atlas, zone: NDArray[np.bool_]) -> Unwrapper:
    r"""Prepare unwrapping onto the texels of ``zone`` (S, S).

    Features that the linear model cannot place are pulled onto their landmarks: the residuals :math:`r`
    spread over the surface by Gaussian-process regression, :math:`d = K_{tl} (K_{ll} + \lambda I)^{-1} r`,
    with a Gaussian kernel on the mean face.
    """
    rows = atlas.matrix[np.flatnonzero(zone.ravel())]
    at = rows @ basis.vertex_mean
    warp = gaussian_process(basis.mean, at, _FEATURE_LENGTH_MM, _FEATURE_NOISE)
    return Unwrapper(basis, triangles, rows, warp.astype(np.float32))


def gaussian_process(known: Array, wanted: Array, length: float, noise: float) -> Array:
    """(P, L) matrix that carries values at known points (L, 3) to wanted points (P, 3)."""

    def kernel(a: Array, b: Array) -> Array:
        squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        value: Array = np.exp(-0.5 * np.maximum(squared, 0) / length**2)
        return value

    inverse = np.linalg.inv(kernel(known, known) + noise * np.eye(len(known)))
    result: Array = kernel(wanted, known) @ inverse
    return result


def choose_portraits(folder: Path) -> tuple[list[dict[str, Any]], Array]:
    """Entries and landmarks (N, 478, 2) of the public-domain portraits without glasses, stains or occluders.

    Raises:
        ModelFileError: the folder lacks its index or its landmarks.
    """
    for name in ("index.json", "mediapipe_478.npz"):
        if not (folder / name).is_file():
            raise ModelFileError(f"{folder / name}: not found; the albedo stage needs the portraits there")
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with np.load(folder / "mediapipe_478.npz") as data:
        landmarks = data["landmarks"].astype(np.float64)
    kept = [
        i
        for i, e in enumerate(entries)
        if e["source"] == "bio_guide"
        and not (e["glasses"] or e["discoloured"] or e["other_occluder"])
        and np.isfinite(landmarks[i]).all()
    ]
    return [entries[i] for i in kept], landmarks[kept]


def unwrap_portraits(
    folder: Path,
    entries: Sequence[dict[str, Any]],
    landmarks: Array,
    unwrapper: Unwrapper,
    *,
    workers: int = 2,
) -> Unwrapped:
    """Unwrap all chosen portraits; the result does not depend on the number of workers (threads)."""

    def work(job: tuple[Path, Array]) -> tuple[Array, Array, Array, float]:
        path, points = job
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        colour, normal, weight, fit, _ = unwrapper.unwrap(pixels, points)
        error = float(np.sqrt((fit.residual**2).sum(1).mean()) / np.ptp(points[:468, 1]))
        return colour, normal, weight, error

    jobs = [(folder / e["file"], points) for e, points in zip(entries, landmarks)]
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(work, jobs))
    colour, normals, weight, error = (np.stack(part) for part in zip(*results))
    return Unwrapped(tuple(e["file"] for e in entries), colour, normals, weight, error)

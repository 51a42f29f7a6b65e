"""Eyeglasses: sunglasses and clear ones, parametric and from four models made by artists.

The models are used under CC-BY 4.0: "Sport Glasses B307" by hanchiahui, "Cartoon Glasses" by Lucas_Bartolomeo,
"Plastic Sunglasses" by Incg5764 and "Aviator sunglasses" by Kimppo (all sketchfab.com).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....perceive import OccluderKind, ParsingClass
from ...compositing.layer import Layer, Split
from ...samples.sample import FaceSample
from ..placing._splat_mesh import draw_mesh
from ..placing.head import HeadFrame, HeadShape, head_frame
from ..placing.scene import scene_light, to_rgba
from .frames import FRAME, LENS, OUTLINES, FrameMesh, build_frame, random_frame
from .gltf import read_gltf, simplified
from .materials import clear_materials, dark_materials, surroundings

__all__ = ["GlassesSource"]

Array = NDArray[np.float32]
_YAW, _PITCH = 62.0, 50.0
# Which materials of the artists' models are lenses, which are left out, the width of the front in mm, the split.
_MODELS: dict[str, tuple[tuple[int, ...], tuple[int, ...], float, Split]] = {
    "glasses-01": ((3,), (1,), 148.0, "train"),
    "glasses-03": ((1,), (), 146.0, "train"),
    "glasses-04": ((3,), (), 146.0, "train"),
    "glasses-05": ((1,), (3,), 142.0, "held_out"),
}


class GlassesSource:
    """Eyeglasses as layers.

    Args:
        root: the folder with ``glasses/`` (or the one that holds it as ``occluders``); None = parametric ones only.
        sunglasses: True = dark ones, False = clear ones, None = either.
    """

    def __init__(self, root: Path | None = None, sunglasses: bool | None = None) -> None:
        self.sunglasses = sunglasses
        self.folder: Path | None = None
        if root is not None:
            nested = Path(root) / "occluders" / "glasses"
            self.folder = nested if nested.is_dir() else Path(root) / "glasses"

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """Eyeglasses on this nose, or None where the face is turned too far or has no eyes in the image."""
        frame = head_frame(sample)
        if frame is None or abs(frame.yaw) > _YAW or abs(frame.pitch) > _PITCH:
            return None
        eyes = sample.landmarks_68[36:48].mean(0)
        if not ((eyes > 0) & (eyes < sample.size - 1)).all():
            return None
        dark = self.sunglasses if self.sunglasses is not None else bool(rng.random() < 0.5)
        name, mesh = self._mesh(frame.shape, rng, split)
        light = scene_light(sample, rng)
        canvas = np.zeros((sample.size, sample.size, 4), np.float32)
        points, turn = _seated(mesh, frame.shape, rng)
        pixels, cam = frame.project(points)
        pixels = pixels + _onto_bridge(sample, frame)
        normals = (mesh.normals @ turn.T) @ frame.rotation.T
        materials = dark_materials(rng) if dark else clear_materials(rng)
        # temples may lie close to the skull that is only guessed
        slack = np.where(mesh.vertices[:, 2] < -15, 4.0, 14.0).astype(np.float32)
        draw_mesh(
            canvas,
            pixels.astype(np.float32),
            -cam[:, 2],
            np.ascontiguousarray(normals, np.float32),
            mesh.uv,
            mesh.triangles,
            mesh.part,
            materials,
            (mesh.part == LENS).astype(np.int32),
            slack,
            frame.depth_map(),
            light.direction,
            np.ones(3, np.float32),
            surroundings(rng),
        )
        rgba = to_rgba(canvas)
        if rgba is None:
            return None
        kind = OccluderKind.SUNGLASSES if dark else OccluderKind.GLASSES
        return Layer(
            rgba,
            kind,
            ParsingClass.EYEGLASSES,
            f"{'sunglasses' if dark else 'glasses'}/{name}",
            shadow=float(rng.uniform(0.1, 0.45)),
            height=float(frame.scale * rng.uniform(3, 8)),
        )

    def _mesh(self, shape: HeadShape, rng: np.random.Generator, split: Split) -> tuple[str, FrameMesh]:
        models = [name for name, item in _MODELS.items() if item[3] == split]
        models = [
            name
            for name in models
            if self.folder is not None and (self.folder / name / "scene.gltf").is_file()
        ]
        if models and rng.random() < 0.25:
            name = str(rng.choice(models))
            assert self.folder is not None
            return name, _fitted(_model(self.folder / name / "scene.gltf", name), shape)
        names = [name for name, item in OUTLINES.items() if item[2] == split]
        weights = np.array([OUTLINES[name][1] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        return name, build_frame(random_frame(name, rng), _ear(shape))


def _origin(shape: HeadShape) -> Array:
    """Where the bridge rests: on the nose, between landmarks 27 and 28."""
    bridge: Array = 0.55 * shape.landmarks_68[27] + 0.45 * shape.landmarks_68[28]
    return bridge


def _ear(shape: HeadShape) -> tuple[float, float, float]:
    """Where the left temple meets the ear, relative to the bridge."""
    side = float(shape.landmarks_68[16, 0] - shape.landmarks_68[0, 0]) / 2
    return side + 5.5, 12.0, -104.0


def _seated(mesh: FrameMesh, shape: HeadShape, rng: np.random.Generator) -> tuple[Array, Array]:
    """Vertices in head space, and the rotation of the glasses in it."""
    tilt, roll, turn = np.radians([rng.uniform(2, 9), rng.normal(0, 1.0), rng.normal(0, 0.8)])
    cx, sx, cz, sz, cy, sy = (
        np.cos(tilt),
        np.sin(tilt),
        np.cos(roll),
        np.sin(roll),
        np.cos(turn),
        np.sin(turn),
    )
    matrix = (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ).astype(np.float32)
    slide = float(max(0.0, rng.normal(0, 2.0)))  # down the nose
    forward = shape.landmarks_68[28] - shape.landmarks_68[27]
    place = _origin(shape) + slide * forward / np.linalg.norm(forward) + np.array([0, 0, 1.5], np.float32)
    return (mesh.vertices @ matrix.T + place).astype(np.float32), matrix


def _onto_bridge(sample: FaceSample, frame: HeadFrame) -> Array:
    """(2,) pixels that bring the frame's bridge to the bridge of the landmarks."""
    there, _ = frame.project(np.stack((frame.shape.landmarks_68[27], frame.shape.landmarks_68[28])))
    away = (sample.landmarks_68[27:29] - there).mean(0)
    return np.nan_to_num(away).astype(np.float32)


@lru_cache(maxsize=8)
def _model(path: Path, name: str) -> FrameMesh:
    """An artist's model, scaled to millimetres, its bridge at the origin."""
    lenses, left_out, width, _ = _MODELS[name]
    mesh = read_gltf(path)
    scale = width / float(np.ptp(mesh.vertices[:, 0]))
    mesh = simplified(mesh, 0.7 / scale)
    kept = ~np.isin(mesh.material, left_out)
    triangles, material = mesh.triangles[kept], mesh.material[kept]
    vertices = (mesh.vertices - (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2 * (1, 0, 0)) * scale
    part = np.where(np.isin(material, lenses), LENS, FRAME).astype(np.int32)
    frames = vertices[np.unique(triangles[part == FRAME])]
    bridge = frames[(np.abs(frames[:, 0]) < 4) & (frames[:, 2] > frames[:, 2].max() - 30)]
    vertices = vertices - np.array([0, bridge[:, 1].min() + 1.0, bridge[:, 2].mean() - 3.0])
    glass = vertices[np.unique(triangles[part == LENS])]
    top, low = glass[:, 1].max(), glass[:, 1].min()
    uv = np.stack((vertices[:, 0] / 50, (top - vertices[:, 1]) / (top - low)), axis=1)
    return FrameMesh(
        vertices.astype(np.float32),
        mesh.normals,
        uv.astype(np.float32),
        np.ascontiguousarray(triangles),
        part,
        width,
    )


def _fitted(mesh: FrameMesh, shape: HeadShape) -> FrameMesh:
    """The model with temples spread or narrowed to the person's head."""
    ear = _ear(shape)
    vertices = mesh.vertices.copy()
    near = np.abs(vertices[:, 2] + 85.0) < 15.0
    if near.any():
        side = np.abs(vertices[near, 0]).mean()
        back = np.clip(-(vertices[:, 2] + 8.0) / 70.0, 0, 1)
        vertices[:, 0] += np.sign(vertices[:, 0]) * back * (ear[0] - side)
        vertices[:, 1] += back * (ear[1] - vertices[near, 1].mean())
    return FrameMesh(vertices, mesh.normals, mesh.uv, mesh.triangles, mesh.part, mesh.width)

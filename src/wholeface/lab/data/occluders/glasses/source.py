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
from .materials import clear_materials, dark_materials, surroundings, tinted_materials
from .parts import eyewear_map
from .seating import ear_of, fitted, seated

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
        points, turn = seated(mesh, frame.shape, rng)
        pixels, cam = frame.project(points)
        pixels = (pixels + _onto_bridge(sample, frame)).astype(np.float32)
        normals = np.ascontiguousarray((mesh.normals @ turn.T) @ frame.rotation.T, np.float32)
        # a few of those that are sold as sunglasses are tinted so lightly that the eyes are seen
        tinted = rng.random() < (0.2 if dark else 0.12)
        materials = (tinted_materials if tinted else dark_materials if dark else clear_materials)(rng)
        # temples may lie close to the skull that is only guessed
        slack = np.where(mesh.vertices[:, 2] < -15, 4.0, 14.0).astype(np.float32)
        head = frame.depth_map()

        def drawn(materials: Array, towards: Array, behind: Array) -> Array:
            canvas = np.zeros((sample.size, sample.size, 4), np.float32)
            draw_mesh(
                canvas,
                pixels,
                -cam[:, 2],
                normals,
                mesh.uv,
                mesh.triangles,
                mesh.part,
                materials,
                (mesh.part == LENS).astype(np.int32),
                slack,
                head,
                towards,
                np.ones(3, np.float32),
                behind,
            )
            return canvas

        rgba = to_rgba(drawn(materials, light.direction, surroundings(rng, sample.image)))
        if rgba is None:
            return None
        kind = OccluderKind.SUNGLASSES if dark else OccluderKind.GLASSES
        sharp = rng.random() < 0.3  # a small, strong light throws a dark, sharp shadow
        return Layer(
            rgba,
            kind,
            ParsingClass.EYEGLASSES,
            f"{'sunglasses' if dark else 'glasses'}/{name}",
            shadow=float(rng.uniform(0.5, 1.0) if sharp else rng.uniform(0.1, 0.5)),
            height=float(frame.scale * rng.uniform(3, 12 if sharp else 8)),
            softness=float(rng.uniform(0.05, 0.2) if sharp else 0.3),
            eyewear=eyewear_map(drawn, rgba[..., 3]),
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
            return name, fitted(_model(self.folder / name / "scene.gltf", name), shape)
        names = [name for name, item in OUTLINES.items() if item[2] == split]
        weights = np.array([OUTLINES[name][1] for name in names])
        name = str(rng.choice(names, p=weights / weights.sum()))
        return name, build_frame(random_frame(name, rng), ear_of(shape))


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

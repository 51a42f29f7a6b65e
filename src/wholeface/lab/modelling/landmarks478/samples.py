"""Real detections on rendered faces: what the calibration and the noise statistics are measured on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable.model import MorphableModel
from ....perceive import LandmarkDetector
from ....perceive.mediapipe.mirror import MIRROR_478
from ....render import rotation_matrix
from .views import View, ViewSettings, random_view

__all__ = ["DetectionSet", "detect_views", "detections", "expression_mirror", "identity_mirror"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DetectionSet:
    """N renderings with their truth and the 478 points that the detector found.

    Args:
        points: (N, 478, 2) pixels.
        sigma: (N, 478) the detector's own sigma, pixels.
        visibility: (N, 478) the detector's own visibility.
        occluded: (N, 478) bool, the detected place lies on a drawn occluder.
        triangle: (N, 478) triangle of the surface seen at the detected place, −1 = none.
        barycentric: (N, 478, 3) on that triangle.
        identity: (N, K).
        expression: (N, E).
        rotation: (N, 3, 3).
        translation: (N, 3) mm.
        camera: (N, 3) focal, cx, cy in pixels.
        size: (N,) image edge in pixels.
        has_occluder: (N,) bool.
    """

    points: Array
    sigma: Array
    visibility: Array
    occluded: NDArray[np.bool_]
    triangle: NDArray[np.int64]
    barycentric: Array
    identity: Array
    expression: Array
    rotation: Array
    translation: Array
    camera: Array
    size: NDArray[np.int64]
    has_occluder: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: NDArray[np.generic] | slice) -> DetectionSet:
        return DetectionSet(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @staticmethod
    def concatenate(parts: Iterable[DetectionSet]) -> DetectionSet:
        """All samples of several sets, in order."""
        sets = list(parts)
        return DetectionSet(
            **{f.name: np.concatenate([getattr(s, f.name) for s in sets]) for f in fields(DetectionSet)}
        )

    def mirrored(self, model: MorphableModel) -> DetectionSet:
        """The same detections in mirrored images of the mirrored subjects (without votes for surface points).

        Raises:
            UsageError: the model's mesh or expressions are not mirror-symmetric.
        """
        flip = np.array([-1.0, 1.0, 1.0])
        camera, points = self.camera.copy(), self.points[:, MIRROR_478].copy()
        camera[:, 1] = self.size - 1 - camera[:, 1]
        points[..., 0] = self.size[:, None] - 1 - points[..., 0]
        return DetectionSet(
            points=points,
            sigma=self.sigma[:, MIRROR_478],
            visibility=self.visibility[:, MIRROR_478],
            occluded=self.occluded[:, MIRROR_478],
            triangle=np.full_like(self.triangle, -1),
            barycentric=self.barycentric[:, MIRROR_478],
            identity=self.identity @ identity_mirror(model).T,
            expression=self.expression[:, expression_mirror(model)],
            rotation=self.rotation * flip[:, None] * flip,
            translation=self.translation * flip,
            camera=camera,
            size=self.size,
            has_occluder=self.has_occluder,
        )

    def save(self, path: Path) -> None:
        """Write an .npz."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    def load(path: Path) -> DetectionSet:
        """Read an .npz that :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return DetectionSet(**{f.name: data[f.name] for f in fields(DetectionSet)})


def identity_mirror(model: MorphableModel) -> Array:
    """(K, K) map from a face's identity coefficients to those of its mirror image."""
    if model.mirror is None:
        raise UsageError(f"face model {model.name!r} has no mirror index")
    basis = model.identity.double()
    flipped = basis[:, model.mirror] * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    found = torch.linalg.lstsq(basis.flatten(1).T, flipped.flatten(1).T).solution
    return np.asarray(found.numpy())


def expression_mirror(model: MorphableModel) -> NDArray[np.int64]:
    """(E,) for each expression the one that does the same on the other side."""
    names = list(model.expression_names)
    swaps = {"_L": "_R", "_R": "_L", "Left": "Right", "Right": "Left"}
    result = []
    for name in names:
        other = next((name[: -len(a)] + b for a, b in swaps.items() if name.endswith(a)), name)
        if other not in names:
            raise UsageError(f"expression {name!r} of face model {model.name!r} has no counterpart {other!r}")
        result.append(names.index(other))
    return np.array(result, dtype=np.int64)


def detections(
    model: MorphableModel,
    detector: LandmarkDetector,
    count: int,
    seed: int,
    settings: ViewSettings | None = None,
) -> DetectionSet:
    """Render ``count`` random views and detect landmarks in each; views without a found face are left out.

    Deterministic: view ``i`` depends on (``seed``, i) alone.
    """
    settings = settings or ViewSettings()
    views = (random_view(model, np.random.default_rng([seed, i]), settings) for i in range(count))
    return detect_views(views, detector)


def detect_views(views: Iterable[View], detector: LandmarkDetector) -> DetectionSet:
    """Detections on given views; see :class:`DetectionSet`."""
    rows = []
    for view in views:
        truth = view.translation
        expected = view.camera.project(torch.zeros(1, 3).to(truth) + truth)[0].numpy()  # the head's origin
        faces = [
            f
            for f in detector.detect(view.pixels)
            if np.abs(_middle(f.box) - expected).max() < 0.4 * view.camera.width
        ]
        if faces:
            rows.append(_row(view, faces[0].points, faces[0].sigma, faces[0].visibility))
    columns: dict[str, NDArray[Any]] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return DetectionSet(**columns)


def _middle(box: Array) -> Array:
    return np.asarray((box[:2] + box[2:]) / 2)


def _row(view: View, points: Array, sigma: Array, visibility: Array) -> dict[str, NDArray[np.generic]]:
    height, width = view.pixels.shape[:2]
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(int)
    occluded = (
        np.zeros(len(points), dtype=bool) if view.occlusion is None else view.occlusion.mask[row, column]
    )
    camera = view.camera
    return {
        "points": points,
        "sigma": sigma,
        "visibility": visibility,
        "occluded": occluded,
        "triangle": view.fragments.triangle[0].numpy()[row, column].astype(np.int64),
        "barycentric": view.fragments.barycentric[0].double().numpy()[row, column],
        "identity": view.identity.double().numpy(),
        "expression": view.expression.double().numpy(),
        "rotation": rotation_matrix(view.rotation.double()).numpy(),
        "translation": view.translation.double().numpy(),
        "camera": np.array([float(camera.focal), float(camera.cx), float(camera.cy)]),
        "size": np.array(width),
        "has_occluder": np.array(view.occlusion is not None),
    }

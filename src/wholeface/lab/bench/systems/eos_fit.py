"""eos: Huber's landmark fit, with the model that its user supplies."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from .system import HeadPrediction

if TYPE_CHECKING:
    from .own import Shared

__all__ = ["EosFit"]

Array = NDArray[np.float64]

_MODEL, _BLENDSHAPES, _MAPPING = "sfm_shape_3448.bin", "expression_blendshapes_3448.bin", "ibug_to_sfm.txt"
_TOPOLOGY, _CONTOUR = "sfm_3448_edge_topology.json", "sfm_model_contours.json"


class EosFit:
    """Pose, shape and blendshapes of the Surrey face model from 68 landmarks, as the demo of eos fits them.

    The landmarks are those of our detector, so that what is compared is the fit. iBUG points that the model's mapping
    leaves out (jaw line, inner mouth corners) are NaN. Jaw points slide along the model's contour where the folder
    has ``sfm_3448_edge_topology.json`` and ``sfm_model_contours.json``.

    Args:
        shared: the detector, and the model that turns 478 points into 68.
        folder: ``share`` of eos, with ``sfm_shape_3448.bin``, ``expression_blendshapes_3448.bin`` and
            ``ibug_to_sfm.txt``.

    Raises:
        UsageError: eos-py is not installed, no folder is given, or files are missing from it.
        DataError: eos cannot read a file.

    Source: Huber et al. 2016, "A multiresolution 3D morphable face model and fitting framework".
    """

    name = "eos"

    def __init__(self, shared: Shared, folder: Path | None) -> None:
        if folder is None:
            raise UsageError(
                "eos needs its model: write eos=FOLDER, the folder 'share' of github.com/patrikhuber/eos"
            )
        if importlib.util.find_spec("eos") is None:
            raise UsageError("the system eos needs its package: pip install eos-py")
        missing = [name for name in (_MODEL, _BLENDSHAPES, _MAPPING) if not (folder / name).is_file()]
        if missing:
            raise UsageError(
                f"{folder}: no {', '.join(missing)}; expected the folder 'share' of github.com/patrikhuber/eos"
            )
        eos: Any = importlib.import_module("eos")
        self._eos = eos
        self._shared = shared
        try:
            plain = eos.morphablemodel.load_model(str(folder / _MODEL))
            shapes = eos.morphablemodel.load_blendshapes(str(folder / _BLENDSHAPES))
            self._model = eos.morphablemodel.MorphableModel(
                plain.get_shape_model(), shapes, color_model=eos.morphablemodel.PcaModel()
            )
            self._mapper = eos.core.LandmarkMapper(str(folder / _MAPPING))
            self._contour: tuple[Any, ...] = ()
            if all((folder / name).is_file() for name in (_TOPOLOGY, _CONTOUR)):
                self._contour = (
                    eos.morphablemodel.load_edge_topology(str(folder / _TOPOLOGY)),
                    eos.fitting.ContourLandmarks.load(str(folder / _MAPPING)),
                    eos.fitting.ModelContour.load(str(folder / _CONTOUR)),
                )
        except (RuntimeError, ValueError, IndexError) as error:
            raise DataError(f"{folder}: eos cannot read its model there ({error})") from error
        self._vertices = _vertex_of_landmark(self._mapper.get_mappings())

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """See :class:`HeadSystem`."""
        points = self._shared.points_68(self._shared.largest_face(pixels))
        eos, (height, width) = self._eos, pixels.shape[:2]
        landmarks = [eos.core.Landmark(str(i + 1), [float(x), float(y)]) for i, (x, y) in enumerate(points)]
        try:
            mesh, pose, shape, _ = eos.fitting.fit_shape_and_pose(
                self._model, landmarks, self._mapper, width, height, *self._contour
            )
        except (RuntimeError, ValueError) as error:
            raise DataError(f"eos: the fit failed ({error})") from error
        vertices = np.array(mesh.vertices, dtype=np.float64)[:, :3]
        if not np.isfinite(vertices).all():
            raise DataError("eos: the fit gave vertices that are not finite")
        found = np.full((68, 3), np.nan)
        known = self._vertices >= 0
        found[known] = vertices[self._vertices[known]]
        neutral = np.asarray(self._model.get_shape_model().draw_sample(shape), dtype=np.float64).reshape(
            -1, 3
        )
        return HeadPrediction(
            vertices=vertices,
            triangles=np.array(mesh.tvi, dtype=np.int64),
            landmarks=found,
            neutral=neutral,
            identity=np.array(shape, dtype=np.float64),
            landmarks_2d=_project(found, pose, width, height),
        )


def _vertex_of_landmark(mapping: dict[str, str]) -> NDArray[np.int64]:
    """(68,) vertex of each iBUG point, -1 where the mapping has none."""
    vertices = np.full(68, -1, dtype=np.int64)
    for point, vertex in mapping.items():
        if point.isdigit() and 1 <= int(point) <= 68 and vertex.isdigit():
            vertices[int(point) - 1] = int(vertex)
    return vertices


def _project(points: Array, pose: Any, width: int, height: int) -> Array:
    """(P, 2) photo pixels by the matrices of OpenGL that eos hands out; NaN stays NaN."""
    matrix = np.asarray(pose.get_projection(), dtype=np.float64) @ np.asarray(
        pose.get_modelview(), dtype=np.float64
    )
    clip = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    device = clip[:, :2] / clip[:, 3:]
    return np.column_stack([(device[:, 0] + 1) / 2 * width, (1 - device[:, 1]) / 2 * height])

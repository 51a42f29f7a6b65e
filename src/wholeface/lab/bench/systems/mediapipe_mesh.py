"""MediaPipe's face mesh as a head system: the 468 points that its networks find are its shape."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....core.errors import NoFaceError, UsageError
from ....core.umeyama import umeyama
from .system import HeadPrediction

if TYPE_CHECKING:
    from ....perceive import LandmarkDetector
    from .own import Shared

__all__ = ["MediapipeMesh", "closed_triangles"]

Array = NDArray[np.float64]

_SURFACE = 468  # the points after these are the irises


class MediapipeMesh:
    """MediaPipe's points as a mesh: what its users have when they want a shape.

    x and y are the photo's, z is the network's own relative depth. The mesh is turned, moved and scaled onto the
    mean face, which fixes the frame; its scale is therefore the mean face's and says nothing (``metric`` is False).
    Eyes and mouth are holes. The 68 iBUG landmarks are affine combinations of the points
    (:func:`wholeface.lab.bench.protocols.perception.systems.teacher_68_weights`).

    Args:
        shared: the face model, which knows where the points lie on a head.
        detector: that finds the 478 points, or None for mediapipe's.

    Raises:
        UsageError: mediapipe is not installed.

    Source: Kartynnik et al. 2019, "Real-time facial surface geometry from monocular video on mobile GPUs".
    """

    name = "mediapipe"

    def __init__(self, shared: Shared, detector: LandmarkDetector | None = None) -> None:
        from ....perceive import MediapipeDetector
        from ....perceive.mediapipe.detector import require_mediapipe

        require_mediapipe()
        self._shared = shared
        self._detector = MediapipeDetector() if detector is None else detector

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """See :class:`HeadSystem`."""
        found = self._detector.detect(pixels)
        if not found:
            raise NoFaceError("no face found")
        face = found[0]
        if face.depth is None or face.scheme != "mediapipe478":
            raise UsageError(f"{face.scheme} landmarks without depth are no mesh; mediapipe's are needed")
        points = np.column_stack([face.points[:, 0], -face.points[:, 1], face.depth])  # y up, z to the viewer
        scale, rotation, translation = umeyama(points[:_SURFACE], self._mean)
        turned = scale * points @ rotation.T + translation
        return HeadPrediction(
            vertices=turned[:_SURFACE],
            triangles=self._triangles,
            landmarks=self._shared.weights_68 @ turned,
            metric=False,
            landmarks_2d=self._shared.weights_68 @ face.points,
        )

    @cached_property
    def _mean(self) -> Array:
        model = self._shared.model
        if model.landmarks_478 is None:
            raise UsageError(f"face model {model.name!r} does not say where mediapipe's points lie")
        points = model.landmarks_478.points(model.mean.double(), model.triangles).numpy()[:_SURFACE]
        if not np.isfinite(points).all():
            raise UsageError(f"face model {model.name!r} has no place for some of mediapipe's points")
        return points

    @cached_property
    def _triangles(self) -> NDArray[np.int64]:
        from ....perceive.mediapipe.detector import _mediapipe
        from ....perceive.mediapipe.normals import oriented_triangles

        edges = _mediapipe().solutions.face_mesh.FACEMESH_TESSELATION
        triangles = closed_triangles(oriented_triangles(edges))
        return _outward(triangles, self._mean)


def closed_triangles(triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without the three-cycles that merely surround three other triangles: those whose edges all belong to three.

    Args:
        triangles: (F, 3) all three-cycles of an edge graph.
    """
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]], axis=2)  # (F, 3, 2)
    _, index, counts = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True, return_counts=True)
    return triangles[~(counts[index.reshape(-1, 3)] > 2).all(axis=1)]


def _outward(triangles: NDArray[np.int64], points: Array) -> NDArray[np.int64]:
    """Turned so that most of them face +z."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)[:, 2]
    return triangles if area.sum() > 0 else np.ascontiguousarray(triangles[:, ::-1])

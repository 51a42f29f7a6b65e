"""Faces and their 478 landmarks from the models inside the ``mediapipe`` wheel."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import UsageError
from ..landmarks import FaceLandmarks
from ._native_logs import quiet_native_logs
from .mirror import MIRROR_478
from .normals import oriented_triangles, self_visibility

__all__ = ["MediapipeDetector", "require_mediapipe"]

_REMEDY = (
    "this detector needs the package mediapipe 0.10.21, which has wheels for Python 3.10 to 3.12: use such a Python "
    "and run `pip install 'wholeface[mediapipe]'`, or take the default detector"
)
_WORK_SIZE = 1280  # longer side of the image in which faces are searched
_CROP_SIZE = 384  # edge of the upright crop in which landmarks are measured
_CROP_MARGIN = 1.9  # crop edge over the face's size
_BASE_SIGMA = 0.008  # sigma of a point on which photo and mirrored photo agree, over the face's size


@dataclass(frozen=True)
class _Candidate:
    """A face before its landmarks are measured in an upright crop."""

    centre: NDArray[np.float64]  # (2,) photo pixels
    size: float  # longer side of the face, photo pixels
    angle: float  # radians by which the face's own x axis is turned in the photo
    score: float


@dataclass(frozen=True)
class _Window:
    """A square part of the photo, turned by ``angle``: photo = centre + scale · R(angle) · (crop − middle)."""

    centre: NDArray[np.float64]
    edge: float
    angle: float
    size: int

    @property
    def scale(self) -> float:
        return self.edge / self.size

    def to_photo(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, 2) crop pixels to photo pixels (pixel-centre convention on both sides)."""
        offset = (points - (self.size - 1) / 2) * self.scale
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return self.centre + np.stack(
            [cos * offset[..., 0] - sin * offset[..., 1], sin * offset[..., 0] + cos * offset[..., 1]],
            axis=-1,
        )

    def cut(self, photo: Image.Image) -> NDArray[np.uint8]:
        """(size, size, 3) uint8; black outside the photo."""
        factor = max(1, int(self.scale))
        source, centre = photo, self.centre + 0.5  # continuous coordinates: 0 is the photo's edge
        if factor > 1:  # averaging first: PIL's affine transform samples points
            reach = self.edge * 0.75
            x0, y0 = (max(0, int((c - reach) // factor) * factor) for c in centre)
            x1, y1 = (min(s, int(c + reach) + 1) for s, c in zip(photo.size, centre))
            if x1 - x0 < 1 or y1 - y0 < 1:
                return np.zeros((self.size, self.size, 3), dtype=np.uint8)
            source = photo.reduce(factor, box=(x0, y0, x1, y1))
            centre = (centre - (x0, y0)) / factor
        scale = self.scale / factor
        cos, sin = scale * np.cos(self.angle), scale * np.sin(self.angle)
        middle = self.size / 2
        matrix = (
            cos, -sin, centre[0] - middle * (cos - sin),
            sin, cos, centre[1] - middle * (sin + cos),
        )  # fmt: skip
        cropped = source.transform(
            (self.size, self.size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
        )
        return np.asarray(cropped, dtype=np.uint8)


class MediapipeDetector:
    """:class:`LandmarkDetector` on MediaPipe's face detection and attention-mesh networks (CPU).

    Faces are searched with the short-range and the full-range detector in the whole photo; when nothing is found,
    with a border (faces that fill the photo), in enlarged tiles (small faces) and in the photo turned by
    quarter and half turns. Landmarks are then measured in an upright crop of the face and in its mirror image and
    averaged, which makes them exactly mirror-consistent; how far the two disagree enters ``sigma``.

    Args:
        max_faces: at most this many faces, the largest ones.
        min_confidence: threshold of detection and of the mesh's own face score, in (0, 1).
        thorough: search further when the whole photo shows no face.

    Raises:
        UsageError: an argument is out of range.

    Source: Kartynnik et al. 2019, "Real-time facial surface geometry from monocular video on mobile GPUs";
    Grishchenko et al. 2020, "Attention Mesh"; Bazarevsky et al. 2019, "BlazeFace".
    """

    def __init__(self, *, max_faces: int = 16, min_confidence: float = 0.5, thorough: bool = True) -> None:
        if max_faces < 1:
            raise UsageError(f"max_faces must be at least 1, got {max_faces}")
        if not 0.0 < min_confidence < 1.0:
            raise UsageError(f"min_confidence must lie between 0 and 1, got {min_confidence}")
        self.max_faces = max_faces
        self.min_confidence = min_confidence
        self.thorough = thorough
        self._lock = threading.Lock()
        self._graphs: dict[str, Any] = {}
        self._quiet_calls = 6  # the networks start, and talk, during the first calls

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        """All faces of a photo, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image, or mediapipe is not installed.
        """
        pixels = np.asarray(pixels)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
            raise UsageError(f"detect() needs an (H, W, 3) uint8 image, got {pixels.dtype} {pixels.shape}")
        photo = Image.fromarray(np.ascontiguousarray(pixels))
        with self._lock:
            faces: list[FaceLandmarks] = []
            for candidates in self._search(photo):
                for candidate in candidates:
                    face = self._measure(photo, candidate)
                    if face is not None and not any(_same_face(face.box, other.box) for other in faces):
                        faces.append(face)
                if faces:
                    break
        faces.sort(key=lambda face: -_area(face.box))
        return tuple(faces[: self.max_faces])

    # Searching

    def _search(self, photo: Image.Image) -> Iterator[list[_Candidate]]:
        """Ever more laborious searches; the caller stops at the first that yields a face."""
        width, height = photo.size
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        longer = float(max(width, height))
        size = int(min(_WORK_SIZE, max(256, longer)))
        yield self._search_window(photo, _Window(middle, longer, 0.0, size))
        if not self.thorough:
            return
        yield self._search_window(photo, _Window(middle, 2.0 * longer, 0.0, min(size, 768)))
        for parts in (2, 3):
            edge = longer / parts * 1.3
            found: list[_Candidate] = []
            for y in _tile_centres(height, edge):
                for x in _tile_centres(width, edge):
                    found += self._search_window(photo, _Window(np.array([x, y]), edge, 0.0, 640))
            yield found
        for angle in (np.pi / 2, -np.pi / 2, np.pi):
            yield self._search_window(photo, _Window(middle, 1.2 * longer, float(angle), min(size, 768)))

    def _search_window(self, photo: Image.Image, window: _Window) -> list[_Candidate]:
        """Candidates in one window, by both detectors, without doubles."""
        image = window.cut(photo)
        found: list[_Candidate] = []
        for points in self._mesh(image, "many"):
            found.append(_candidate_of_points(window.to_photo(points[:, :2]), 1.0))
        for box, angle, score in self._boxes(image):
            centre = window.to_photo(np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]))
            size = 1.25 * float(max(box[2] - box[0], box[3] - box[1])) * window.scale
            found.append(_Candidate(centre, size, angle + window.angle, score))
        kept: list[_Candidate] = []
        for candidate in found:
            if candidate.size >= 12 and not any(_near(candidate, other) for other in kept):
                kept.append(candidate)
        kept.sort(key=lambda c: -c.size)
        return kept[: 2 * self.max_faces]

    def _measure(self, photo: Image.Image, candidate: _Candidate) -> FaceLandmarks | None:
        """Landmarks in an upright crop, and in its mirror image; None when neither shows the face."""
        for _ in range(2):  # the second crop is centred on what the first one found
            window = _Window(candidate.centre, _CROP_MARGIN * candidate.size, candidate.angle, _CROP_SIZE)
            image = window.cut(photo)
            found = [_central(self._mesh(image, "one")), _central(self._mesh(image[:, ::-1], "one"))]
            if found[1] is not None:
                mirrored = found[1][MIRROR_478].copy()
                mirrored[:, 0] = _CROP_SIZE - 1 - mirrored[:, 0]
                found[1] = mirrored
            views = [f for f in found if f is not None]
            if not views:
                return None
            better = _candidate_of_points(window.to_photo(np.mean(views, axis=0)[:, :2]), candidate.score)
            settled = (
                abs(better.size / candidate.size - 1) < 0.15 and abs(better.angle - candidate.angle) < 0.15
            )
            candidate = better
            if settled:
                break
        crop_points = np.mean(views, axis=0)
        points = window.to_photo(crop_points[:, :2])
        low, high = points.min(axis=0), points.max(axis=0)
        face_size = float(np.sqrt(np.prod(high - low)))
        if len(views) == 2:
            spread = 0.5 * np.linalg.norm(views[0][:, :2] - views[1][:, :2], axis=1) * window.scale
        else:  # only one of the two shows a face: doubtful
            spread = np.full(len(points), 0.03 * face_size)
        sigma = np.sqrt((_BASE_SIGMA * face_size) ** 2 + spread**2 + 0.3**2)
        visibility = self_visibility(crop_points, self._triangles)
        return FaceLandmarks(
            points=points,
            scheme="mediapipe478",
            box=np.concatenate([low, high]),
            score=float(min(1.0, candidate.score)) * (1.0 if len(views) == 2 else 0.6),
            visibility=visibility,
            sigma=sigma,
            depth=(crop_points[:, 2] - crop_points[:, 2].mean()) * window.scale,
        )

    # The networks

    @cached_property
    def _triangles(self) -> NDArray[np.int64]:
        return oriented_triangles(_mediapipe().solutions.face_mesh.FACEMESH_TESSELATION)

    def _graph(self, name: str) -> Any:
        if name not in self._graphs:
            solutions = _mediapipe().solutions
            if name == "boxes":
                self._graphs[name] = solutions.face_detection.FaceDetection(
                    model_selection=1, min_detection_confidence=self.min_confidence
                )
            else:
                self._graphs[name] = solutions.face_mesh.FaceMesh(
                    static_image_mode=True,
                    max_num_faces=self.max_faces if name == "many" else 2,
                    refine_landmarks=True,
                    min_detection_confidence=self.min_confidence,
                )
        return self._graphs[name]

    def _process(self, name: str, image: NDArray[np.uint8]) -> Any:
        image = np.ascontiguousarray(image)
        noisy = self._quiet_calls > 0 or name not in self._graphs
        with quiet_native_logs() if noisy else contextlib.nullcontext():
            result = self._graph(name).process(image)
        found = result.detections if name == "boxes" else result.multi_face_landmarks
        if found:
            self._quiet_calls -= 1
        return found or []

    def _mesh(self, image: NDArray[np.uint8], name: str) -> list[NDArray[np.float64]]:
        """(478, 3) per face: crop pixels (pixel centres), z towards the camera. ``image`` must be square."""
        size = image.shape[0]
        faces = []
        for face in self._process(name, image):
            points = np.array([(p.x, p.y, -p.z) for p in face.landmark], dtype=np.float64) * size
            points[:, :2] -= 0.5
            if np.isfinite(points).all():
                faces.append(points)
        return faces

    def _boxes(self, image: NDArray[np.uint8]) -> list[tuple[NDArray[np.float64], float, float]]:
        """Full-range detections: box in crop pixels, roll angle, score."""
        size = image.shape[0]
        boxes = []
        for detection in self._process("boxes", image):
            data = detection.location_data
            box = data.relative_bounding_box
            corners = np.array([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height]) * size - 0.5
            right, left = data.relative_keypoints[0], data.relative_keypoints[1]
            angle = float(np.arctan2(left.y - right.y, left.x - right.x))
            boxes.append((corners, angle, float(detection.score[0])))
        return boxes


def require_mediapipe() -> None:
    """Look for the package without importing it.

    Raises:
        UsageError: it is not installed.
    """
    try:
        found = importlib.util.find_spec("mediapipe") is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise UsageError(_REMEDY)


def _mediapipe() -> ModuleType:
    """The package, imported on first use and silently."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet_native_logs():
            import mediapipe
    except ImportError as error:
        raise UsageError(f"{_REMEDY} ({error})") from error
    module: ModuleType = mediapipe
    return module


def _candidate_of_points(points: NDArray[np.float64], score: float) -> _Candidate:
    """Centre, size and roll of a face from its 478 points."""
    across = points[[263, 473, 362]].mean(axis=0) - points[[33, 468, 133]].mean(axis=0)
    down = points[[152, 17]].mean(axis=0) - points[[10, 168]].mean(axis=0)
    # Eyes tell the roll of a frontal face, the midline that of a profile; both weighted by their length.
    angle = float(np.arctan2(across[1] - down[0], across[0] + down[1]))
    cos, sin = np.cos(angle), np.sin(angle)
    upright = points @ np.array([[cos, -sin], [sin, cos]])
    low, high = upright.min(axis=0), upright.max(axis=0)
    middle = (low + high) / 2
    centre = np.array([cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]])
    return _Candidate(centre, float((high - low).max()), angle, score)


def _central(faces: list[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """The face nearest to the middle of the crop, if it is of about the right size."""
    middle = (_CROP_SIZE - 1) / 2
    best: NDArray[np.float64] | None = None
    best_distance = 0.3 * _CROP_SIZE
    for points in faces:
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        distance = float(np.abs((low + high) / 2 - middle).max())
        if (high - low).max() > 0.25 * _CROP_SIZE and distance < best_distance:
            best, best_distance = points, distance
    return best


def _tile_centres(length: int, edge: float) -> NDArray[np.float64]:
    """Centres of overlapping tiles that cover [0, length)."""
    if length <= edge:
        return np.array([(length - 1) / 2])
    count = int(np.ceil((length - edge) / (0.65 * edge))) + 1
    return np.linspace(edge / 2, length - edge / 2, count) - 0.5


def _near(a: _Candidate, b: _Candidate) -> bool:
    """Whether two candidates are the same face."""
    return float(np.linalg.norm(a.centre - b.centre)) < 0.4 * max(a.size, b.size)


def _area(box: NDArray[np.float64]) -> float:
    return float(max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0))


def _same_face(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two boxes overlap by more than 30 % of the smaller one."""
    overlap = np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])])
    return _area(overlap) > 0.3 * min(_area(a), _area(b)) if (overlap[2:] > overlap[:2]).all() else False

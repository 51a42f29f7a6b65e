"""The default front end: our own face detector followed by our own landmark network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.boxes import box_area, box_intersection, box_iou
from ..core.errors import UsageError
from ..photo import Similarity
from .certainty import BADLY_SEEN, KEPT, CertaintyModel, RefusedFace
from .face_detector import DetectedFace, FaceDetector
from .frames import DENSE_478, LANDMARK_MARGIN, box_frame, face_box
from .landmark_network import LandmarkNetwork, NetworkLandmarks
from .landmarks import FaceLandmarks

__all__ = ["FaceSearch", "NetworkDetector"]

_SAME = 0.5  # overlap (IoU) from which two boxes are of one face
_PART = 0.7  # share of a box within another one from which it is a part of that face
_NEAR = 0.05  # certainty from which a refused face is worth a word
_CANDIDATE = 0.3  # score from which the landmark network looks at what the detector found
# Share of the least certainty below which a glance is enough; of 203 candidates no face that is kept looked worse.
_HOPELESS = 0.2
_SURE = 0.9  # score from which a candidate is looked at at once: hardly any of them is hopeless
_BEST_SIGMA = 0.01  # over the face's size; no points are surer, so no better certainty can come of a score
_CANDIDATES = 32  # of one pass, the surest; each costs a run of the landmark network


@dataclass(frozen=True)
class FaceSearch:
    """What a photo shows.

    Args:
        faces: kept, largest first.
        refused: looked like faces and were not kept, surest first.
    """

    faces: tuple[FaceLandmarks, ...]
    refused: tuple[RefusedFace, ...]


class NetworkDetector:
    """:class:`LandmarkDetector` with 668 points: 68 iBUG, 478 MediaPipe, 122 of cheeks, forehead, jaw, ears, neck.

    Args:
        faces: finds the faces.
        landmarks: finds their points.
        certainty: least certainty of a face that is kept, in [0, 1]; see :class:`CertaintyModel`. Less keeps faces
            of which hardly anything is seen, and patterns that look like faces.
        model: what tells the certainty.
        min_confidence: a face whose points do not confirm it (their box overlaps the detected one by less than this,
            as intersection over union) is dropped.
        min_self_visible: a face is dropped where the landmark network finds less than this share of its 478
            points self-visible, facing the camera; it says so where a crop shows no face, or a part of one. A
            profile shows about half of them.

    :func:`wholeface.perceive.load_detector` makes one from the shipped weights.
    """

    def __init__(
        self,
        faces: FaceDetector,
        landmarks: LandmarkNetwork,
        *,
        certainty: float = KEPT,
        model: CertaintyModel | None = None,
        min_confidence: float = 0.3,
        min_self_visible: float = 0.25,
    ) -> None:
        for name, value in (("min_confidence", min_confidence), ("min_self_visible", min_self_visible)):
            if not 0.0 <= value < 1.0:
                raise UsageError(f"{name} must lie in [0, 1), got {value}")
        if not 0.0 <= certainty <= 1.0:
            raise UsageError(f"certainty must lie in [0, 1], got {certainty}")
        self.faces = faces
        self.landmarks = landmarks
        self.certainty = certainty
        self.model = model or CertaintyModel()
        self.min_confidence = min_confidence
        self.min_self_visible = min_self_visible

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        """All faces of a photo, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image.
        """
        return self.search(pixels).faces

    def search(self, pixels: NDArray[np.uint8]) -> FaceSearch:
        """All faces of a photo, and what was nearly taken for one.

        Each pass of the detector is judged before the next one, so that a false alarm does not end the search.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image.
        """
        kept: list[FaceLandmarks] = []
        refused: list[RefusedFace] = []

        def satisfied() -> bool:
            return any(face.certainty >= BADLY_SEEN for face in kept)

        def smallest() -> float:
            return min((float(face.box[3] - face.box[1]) for face in kept), default=float("inf"))

        for candidates in self.faces.passes(pixels, satisfied, smallest, _CANDIDATE):
            rest = candidates[:_CANDIDATES]
            sure = [candidate for candidate in rest if candidate.score >= _SURE]
            for part in (sure, rest[len(sure) :]):  # the surest come first: others may be parts of them
                group = [candidate for candidate in part if self._worth_a_look(candidate, kept)]
                for candidate, hopeless in zip(group, self._hopeless(pixels, group)):
                    if hopeless is not None:
                        refused.append(hopeless)
                        continue
                    if not self._worth_a_look(candidate, kept):
                        continue
                    judged = self._judge(pixels, candidate)
                    if isinstance(judged, RefusedFace):
                        refused.append(judged)
                        continue
                    rivals = [face for face in kept if _same(judged.box, face.box)]
                    if all(judged.certainty > face.certainty for face in rivals):
                        kept[:] = [f for f in kept if not any(f is rival for rival in rivals)] + [judged]
        kept.sort(key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return FaceSearch(tuple(kept[: self.faces.max_faces]), _distinct(refused, kept))

    def _certainty(self, face: DetectedFace, points: NetworkLandmarks) -> float:
        box = face_box(points.points[DENSE_478])
        size = float(np.sqrt(np.prod(box[2:] - box[:2])))
        return self.model(face.score, float(points.total_sigma.mean()) / max(size, 1e-6))

    def _worth_a_look(self, candidate: DetectedFace, kept: Sequence[FaceLandmarks]) -> bool:
        """Whether it may become a face, and is not one that is found already."""
        return self.model(candidate.score, _BEST_SIGMA) >= self.certainty and not any(
            _same(candidate.box, face.box) and candidate.score <= face.score for face in kept
        )

    def _frame(self, face: DetectedFace) -> Similarity:
        return box_frame(face.box, face.points, self.landmarks.size, LANDMARK_MARGIN)

    def _hopeless(self, pixels: NDArray[np.uint8], faces: Sequence[DetectedFace]) -> list[RefusedFace | None]:
        """Of each candidate, why a glance at it is enough, or None where it is not."""
        unsure = [i for i, face in enumerate(faces) if face.score < _SURE]
        found: list[RefusedFace | None] = [None] * len(faces)
        if not unsure:
            return found
        for i, points in zip(unsure, self.landmarks.glance(pixels, [self._frame(faces[i]) for i in unsure])):
            certainty = self._certainty(faces[i], points)
            if certainty < _HOPELESS * self.certainty:
                found[i] = RefusedFace(faces[i].box, certainty, "certainty")
        return found

    def _judge(self, pixels: NDArray[np.uint8], face: DetectedFace) -> FaceLandmarks | RefusedFace:
        """The points of a candidate, or why it is none."""
        frame = self._frame(face)
        points = self.landmarks.locate(pixels, frame)
        box = face_box(points.points[DENSE_478])
        certainty = self._certainty(face, points)
        if (
            float(box_iou(box, face.box)) < self.min_confidence
            or points.self_visible[DENSE_478].mean() < self.min_self_visible
            or not float(box_area(box)) > 0
        ):
            return RefusedFace(face.box, certainty, "points")
        if certainty < self.certainty:
            return RefusedFace(box, certainty, "certainty")
        return points.as_face(face.score, certainty)


def _distinct(refused: list[RefusedFace], kept: list[FaceLandmarks]) -> tuple[RefusedFace, ...]:
    """The surest of those that overlap, none that overlaps a kept face."""
    found: list[RefusedFace] = []
    for face in sorted(refused, key=lambda face: -face.certainty):
        taken = [other.box for other in found] + [other.box for other in kept]
        if face.certainty >= _NEAR and not any(_same(face.box, box) for box in taken):
            found.append(face)
    return tuple(found)


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two boxes are of one face: they overlap, or one lies within the other."""
    smaller = min(float(box_area(a)), float(box_area(b)))
    return float(box_iou(a, b)) > _SAME or float(box_intersection(a, b)) > _PART * max(smaller, 1e-9)

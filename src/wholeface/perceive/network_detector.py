"""The default front end: our own face detector followed by our own landmark network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .face_detector import FaceDetector
from .frames import DENSE_478, LANDMARK_MARGIN, box_frame, face_box
from .landmark_network import LandmarkNetwork
from .landmarks import FaceLandmarks

__all__ = ["NetworkDetector"]


class NetworkDetector:
    """:class:`LandmarkDetector` with 668 points: 68 iBUG, 478 MediaPipe, 122 of cheeks, forehead, jaw, ears, neck.

    Args:
        faces: finds the faces.
        landmarks: finds their points.
        min_confidence: a face whose points do not confirm it (their box overlaps the detected one by less than this,
            as intersection over union) is dropped.
        min_facing: a face is dropped where the landmark network sees less than this share of its 478 points face the
            camera; it says so where a crop shows no face, or a part of one. A profile shows about half of them.
        max_sigma: a face is dropped where the network expects its points to be off by more than this, on average,
            over the side of their box (root of its area). A larger limit finds faces of which hardly anything is
            seen, and patterns that look like faces.

    :func:`wholeface.perceive.load_detector` makes one from the shipped weights.
    """

    def __init__(
        self,
        faces: FaceDetector,
        landmarks: LandmarkNetwork,
        *,
        min_confidence: float = 0.3,
        min_facing: float = 0.4,
        max_sigma: float = 0.045,
    ) -> None:
        for name, value in (("min_confidence", min_confidence), ("min_facing", min_facing)):
            if not 0.0 <= value < 1.0:
                raise UsageError(f"{name} must lie in [0, 1), got {value}")
        self.faces = faces
        self.landmarks = landmarks
        self.min_confidence = min_confidence
        if not max_sigma > 0.0:
            raise UsageError(f"max_sigma must be positive, got {max_sigma}")
        self.min_facing = min_facing
        self.max_sigma = max_sigma

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        """All faces of a photo, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.

        Raises:
            UsageError: ``pixels`` is not such an image.
        """
        found: list[FaceLandmarks] = []
        for face in self.faces.detect(pixels):
            frame = box_frame(face.box, face.points, self.landmarks.size, LANDMARK_MARGIN)
            points = self.landmarks.locate(pixels, frame)
            box = face_box(points.points[DENSE_478])
            if _overlap(box, face.box) < self.min_confidence:
                continue
            if points.facing[DENSE_478].mean() < self.min_facing:
                continue
            if points.total_sigma.mean() > self.max_sigma * np.sqrt(np.prod(box[2:] - box[:2])):
                continue
            if any(_overlap(box, other.box) > 0.5 for other in found):
                continue
            found.append(points.as_face(face.score))
        found.sort(key=lambda face: -float(np.prod(face.box[2:] - face.box[:2])))
        return tuple(found)


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = float(np.prod(np.maximum(high - low, 0)))
    return both / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both, 1e-9)

"""Who finds 68 points: our network, mediapipe, the mean shape in a box, and head systems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .....core.boxes import box_iou
from .....core.errors import UsageError

if TYPE_CHECKING:
    from .....morphable import MorphableModel
    from .....perceive import LandmarkDetector, NetworkDetector
    from ...systems import HeadSystem

__all__ = ["Finder68", "load_finders", "mean_in_box"]

Points = NDArray[np.float64]
_SAME_FACE = 0.2  # overlap with the annotated box from which a detection is of the face in question


@dataclass(frozen=True)
class Finder68:
    """A system that finds 68 points.

    Args:
        name: for the tables.
        find: pixels (H, W, 3) uint8 and the annotated points (68, 2), which only say which face is meant -> (68, 2)
            pixels, or None where that face was not found.
    """

    name: str
    find: Callable[[NDArray[np.uint8], Points], Points | None]


def load_finders(systems: Sequence[str]) -> tuple[list[Finder68], list[str]]:
    """The mean face, our network, mediapipe where it is installed, and further head systems by name; and notes.

    Args:
        systems: names; ``mean face`` always comes first, ``wholeface`` stands for our landmark network.

    Raises:
        UsageError: an unknown system, or there is nobody who finds faces.
    """
    from .....morphable import load_model
    from .....perceive import MediapipeDetector, has_weights, load_detector
    from .....perceive.mediapipe.detector import require_mediapipe

    model = load_model()
    notes: list[str] = []
    network = load_detector() if has_weights("detector", "landmarks") else None
    teacher: LandmarkDetector | None = None
    try:
        require_mediapipe()
        teacher = MediapipeDetector()
    except UsageError:
        notes.append("left out, because mediapipe is not installed: mediapipe.")
    if network is None:
        notes.append("left out, because their weights are not installed: our networks.")
    boxes = _boxes(network, teacher)
    if boxes is None:
        raise UsageError("nobody finds faces: install wholeface with its weights, or wholeface[mediapipe]")
    finders = [Finder68("mean face", _mean_finder(model, boxes))]
    if network is not None and "wholeface" in systems:
        finders.append(Finder68("wholeface network", _detector_finder(model, network)))
    if teacher is not None:
        finders.append(Finder68("mediapipe", _detector_finder(model, teacher)))
    others = [name for name in systems if name not in ("mean face", "wholeface", "mediapipe")]
    if others:
        from ...systems import load_systems

        finders += [
            Finder68(system.name, _head_finder(model, system)) for system in load_systems(others, placed=True)
        ]
    return finders, notes


def _boxes(
    network: NetworkDetector | None, teacher: LandmarkDetector | None
) -> Callable[[NDArray[np.uint8]], list[Points]] | None:
    """Boxes (4,) of all faces, from hairline to chin."""
    if network is not None:
        return lambda pixels: [face.box for face in network.faces.detect(pixels)]
    if teacher is not None:
        return lambda pixels: [face.box for face in teacher.detect(pixels)]
    return None


def _target(model: MorphableModel, truth: Points) -> Points:
    from ..perception.detector import box_from_68

    return np.asarray(box_from_68(truth, model), dtype=np.float64)


def _detector_finder(
    model: MorphableModel, detector: LandmarkDetector
) -> Callable[[NDArray[np.uint8], Points], Points | None]:
    from .....perceive.frames import face_box
    from ..perception.systems import teacher_68_weights

    weights = teacher_68_weights(model)

    def find(pixels: NDArray[np.uint8], truth: Points) -> Points | None:
        box = _target(model, truth)
        best, overlap = None, _SAME_FACE
        for face in detector.detect(pixels):
            dense = face.points_478
            here = float(box_iou(face.box if dense is None else face_box(dense), box))
            if here >= overlap:
                best, overlap = face, here
        if best is None:
            return None
        own, dense = best.points_68, best.points_478
        if own is not None:
            return own
        return None if dense is None else np.asarray(weights @ dense)

    return find


def mean_in_box(model: MorphableModel, box: Points) -> Points:
    """(68, 2) the mean face from the front, upright, as large as a box (4,) around its 478 points.

    Its 478-point box and the given one share centre and area; the shape is not stretched.
    """
    if model.landmarks_68 is None or model.landmarks_478 is None:
        raise UsageError(f"face model {model.name!r} does not know where the 68 and 478 points lie")
    flat = [
        embedding.points(model.mean.double(), model.triangles).numpy()[:, :2] * [1.0, -1.0]
        for embedding in (model.landmarks_68, model.landmarks_478)
    ]
    dense = flat[1][np.isfinite(flat[1]).all(axis=1)]
    low, high = dense.min(axis=0), dense.max(axis=0)
    scale = float(np.sqrt(np.prod(box[2:] - box[:2]) / np.prod(high - low)))
    return np.asarray(scale * (flat[0] - (low + high) / 2) + (box[:2] + box[2:]) / 2)


def _mean_finder(
    model: MorphableModel, boxes: Callable[[NDArray[np.uint8]], list[Points]]
) -> Callable[[NDArray[np.uint8], Points], Points | None]:
    def find(pixels: NDArray[np.uint8], truth: Points) -> Points | None:
        target = _target(model, truth)
        best = max(boxes(pixels), key=lambda box: box_iou(box, target), default=None)
        if best is None or box_iou(best, target) < _SAME_FACE:
            return None
        return mean_in_box(model, best)

    return find


def _head_finder(
    model: MorphableModel, system: HeadSystem
) -> Callable[[NDArray[np.uint8], Points], Points | None]:
    def find(pixels: NDArray[np.uint8], truth: Points) -> Points | None:
        points = system.predict(pixels).landmarks_2d
        if points is None or points.shape != (68, 2) or not np.isfinite(points).all():
            raise UsageError(f"{system.name} does not say where the 68 points lie in the photo")
        return points if box_iou(_target(model, points), _target(model, truth)) >= _SAME_FACE else None

    return find

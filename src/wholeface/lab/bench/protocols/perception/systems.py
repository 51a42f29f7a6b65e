"""The systems that are compared: our networks, from the package or from a folder, and the teacher."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.boxes import box_iou
from .....core.errors import UsageError
from .....networks.backend import Backend, TorchNetwork
from .....networks.registry import SHIPPED_WEIGHTS, read_card, weights_file
from .....perceive import (
    NETWORKS,
    FaceDetector,
    FaceLandmarks,
    FaceParser,
    LandmarkDetector,
    LandmarkNetwork,
    has_weights,
    load_detector,
    load_network,
    load_parser,
)
from .....perceive.frames import LANDMARK_MARGIN, face_box, face_frame

__all__ = ["Finder", "Systems", "Weights", "gather_weights", "load_systems", "teacher_68_weights"]

_SAME_FACE = 0.2  # overlap with the true box from which a detection is of the face in question


@dataclass
class Finder:
    """Finds the landmarks of the face that a test image is about.

    Args:
        name: for the tables.
        detector: the whole front end, or None.
        landmarks: our landmark network, used on the true crop where there is no detector.
    """

    name: str
    detector: LandmarkDetector | None = None
    landmarks: LandmarkNetwork | None = None
    seconds: list[float] = field(default_factory=list)

    def find(self, pixels: NDArray[np.uint8], points_478: NDArray[np.floating[Any]]) -> FaceLandmarks | None:
        """The found face that overlaps best with the true points' box; None when none does.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            points_478: (478, 2) about where the face is, pixels.
        """
        box = face_box(points_478)
        start = time.perf_counter()
        if self.detector is not None:
            found = self.detector.detect(pixels)
        else:
            assert self.landmarks is not None
            frame = face_frame(points_478, self.landmarks.size, LANDMARK_MARGIN)
            found = (self.landmarks.locate(pixels, frame).as_face(1.0),)
        self.seconds.append(time.perf_counter() - start)
        best = max(found, key=lambda face: box_iou(_box_478(face), box), default=None)
        return best if best is not None and box_iou(_box_478(best), box) >= _SAME_FACE else None


def _box_478(face: FaceLandmarks) -> NDArray[np.float64]:
    points = face.points_478
    return face.box if points is None else face_box(points)


@dataclass(frozen=True)
class Systems:
    """What can be measured; parts that are missing are None.

    Args:
        faces: our face detector.
        landmarks: our landmark network.
        parser: our parsing network.
        front_end: detector and landmarks together.
        teacher: mediapipe.
        weights: of our networks.
        notes: what is missing and why.
    """

    faces: FaceDetector | None
    landmarks: LandmarkNetwork | None
    parser: FaceParser | None
    front_end: LandmarkDetector | None
    teacher: LandmarkDetector | None
    weights: Weights
    notes: tuple[str, ...]

    def finders(self) -> list[Finder]:
        """Ours and the teacher's landmarks, as far as they are there."""
        found = []
        if self.front_end is not None:
            found.append(Finder("ours", detector=self.front_end))
        elif self.landmarks is not None:
            found.append(Finder("ours, true crop", landmarks=self.landmarks))
        if self.teacher is not None:
            found.append(Finder("mediapipe", detector=self.teacher))
        return found


def load_systems(folder: Path | None = None, *, teacher: bool = True, backend: Backend = "torch") -> Systems:
    """Load what there is.

    Args:
        folder: weight files or checkpoints, see :func:`gather_weights`; None takes the shipped weights.
        teacher: also load mediapipe.
        backend: what computes our networks.

    Raises:
        UsageError: neither a network of ours nor the teacher is there, or the folder holds no weights.
        ModelFileError: a damaged file.
    """
    notes: list[str] = []
    gathered = gather_weights(SHIPPED_WEIGHTS if folder is None else folder)
    absent = [name for name in NETWORKS if name not in gathered.about]
    if absent:
        where = "in the package" if folder is None else "in the folder of weights"
        notes.append(f"left out, because there are no weights {where}: {', '.join(absent)}")
    if folder is not None and not gathered.about:
        raise UsageError(f"{folder}: no weight files or checkpoints of our networks there")
    parts = _load(gathered, backend)
    found: LandmarkDetector | None = None
    if teacher:
        from .....perceive import MediapipeDetector
        from .....perceive.mediapipe.detector import require_mediapipe

        try:
            require_mediapipe()
            found = MediapipeDetector()
        except UsageError:
            notes.append("left out, because mediapipe is not installed: the comparison with it")
    if found is None and not gathered.about:
        raise UsageError(
            "nothing to measure: neither weights of ours nor mediapipe are there; use --weights DIR"
        )
    return Systems(
        faces=parts.get("faces"),
        landmarks=parts.get("landmarks"),
        parser=parts.get("parser"),
        front_end=parts.get("front_end"),
        teacher=found,
        weights=gathered,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class Weights:
    """Weight files of our networks in one folder.

    Args:
        folder: that :func:`wholeface.perceive.load_detector` and :func:`load_parser` can read.
        about: detector, landmarks, parsing -> version, hash and commit, as far as they are there.
        holder: keeps a temporary folder alive.
    """

    folder: Path
    about: dict[str, dict[str, str]]
    holder: tempfile.TemporaryDirectory[str] | None = None


def gather_weights(folder: Path) -> Weights:
    """The weights in a folder; checkpoints of training runs are exported to a temporary one.

    Args:
        folder: of ``detector.safetensors``, ``landmarks.safetensors``, ``parsing.safetensors``; or a training run's
            (``last.safetensors``), or one that holds such runs. Of several checkpoints of a network the newest
            counts.

    Raises:
        UsageError: no such folder.
        ModelFileError: a damaged file.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of weights")
    checkpoints = sorted([*folder.glob("last.safetensors"), *folder.glob("*/last.safetensors")], key=_age)
    if not checkpoints:
        return Weights(folder, _abouts(folder))
    from ....train.engine.checkpoint import load_checkpoint
    from ....train.export import export_weights

    holder = tempfile.TemporaryDirectory(prefix="wholeface-bench-")
    gathered = Path(holder.name)
    for path in checkpoints:
        architecture = load_checkpoint(path).facts["card"]["architecture"]
        name = next((n for n, a in NETWORKS.items() if a == architecture), None)
        if name is not None:
            export_weights(path, gathered / f"{name}.safetensors")
    for path in folder.glob("*.safetensors"):  # what was exported on purpose goes before checkpoints
        if path.name != "last.safetensors" and path.with_suffix(".json").is_file():
            shutil.copy(path, gathered)
            shutil.copy(path.with_suffix(".json"), gathered)
    return Weights(gathered, _abouts(gathered), holder)


def _abouts(folder: Path) -> dict[str, dict[str, str]]:
    found = {}
    for name in NETWORKS:
        if has_weights(name, weights=folder):
            card = read_card(name, weights_file(name, folder))
            found[str(name)] = {
                "version": card.version,
                "sha256": card.sha256,
                "commit": card.commit,
                "storage": card.storage,
            }
    return found


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, str(path)


def _load(weights: Weights, backend: Backend) -> dict[str, Any]:
    """The parts for which there are weights."""
    there, folder = weights.about, weights.folder
    parts: dict[str, Any] = {}
    if "parsing" in there:
        parts["parser"] = load_parser(backend=backend, weights=folder)
    if "detector" in there and "landmarks" in there:
        front = load_detector(backend=backend, weights=folder)
        return parts | {"faces": front.faces, "landmarks": front.landmarks, "front_end": front}
    if "detector" in there:
        network, card = load_network("detector", folder)
        parts["faces"] = FaceDetector(
            TorchNetwork(network), size=int(card.architecture_config.get("input_size", 320))
        )
    if "landmarks" in there:
        network, card = load_network("landmarks", folder)
        parts["landmarks"] = LandmarkNetwork(
            TorchNetwork(network),
            size=int(card.architecture_config.get("input_size", 128)),
            identity=int(card.architecture_config.get("identity", 0)),
            mirror=True,
        )
    return parts


def teacher_68_weights(model: Any) -> NDArray[np.float64]:
    """(68, 478) weights by which the 68 points follow from the 478, each row with the sum 1.

    Each of the 68 is an affine combination of the six of the 478 points that lie nearest to it on the mean face with
    its mouth half open (so that the lips stay apart), with least squares and a little ridge. On random faces the
    result is about 0.5 mm from the embedded 68 points, or 0.6 % of the outer-eye distance.

    Args:
        model: face model with both embeddings.
    """
    vertices = model.vertices(None, model.expression_vector({"jawOpen": 0.6})).double()
    known = model.landmarks_478.points(vertices, model.triangles).numpy()
    wanted = model.landmarks_68.points(vertices, model.triangles).numpy()
    weights = np.zeros((len(wanted), len(known)))
    for row, point in zip(weights, wanted):
        near = np.argsort(((known - point) ** 2).sum(axis=1), kind="stable")[:6]
        away = known[near] - point
        solved = np.linalg.solve(away @ away.T + 0.5 * np.eye(6), np.ones(6))
        row[near] = solved / solved.sum()
    return weights

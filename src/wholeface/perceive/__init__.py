"""What the photo shows: faces and their landmarks."""

from .child_process_detector import ChildProcessDetector
from .labels import FACE_CLASSES, IGNORE, OccluderKind, ParsingClass
from .landmarks import FaceLandmarks, LandmarkDetector
from .mediapipe_detector import MediapipeDetector

__all__ = [
    "FACE_CLASSES",
    "IGNORE",
    "ChildProcessDetector",
    "FaceLandmarks",
    "LandmarkDetector",
    "MediapipeDetector",
    "OccluderKind",
    "ParsingClass",
]

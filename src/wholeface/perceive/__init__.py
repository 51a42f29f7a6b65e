"""What the photo shows: faces and their landmarks."""

from .child_process_detector import ChildProcessDetector
from .labels import FACE_CLASSES, IGNORE, OccluderKind, ParsingClass
from .landmark_map import landmark_map
from .landmarks import FaceLandmarks, LandmarkDetector
from .mediapipe_detector import MediapipeDetector
from .parsing_map import FEATURE_CLASSES, SKIN_CLASSES, parsing_map_plus

__all__ = [
    "FACE_CLASSES",
    "FEATURE_CLASSES",
    "IGNORE",
    "SKIN_CLASSES",
    "ChildProcessDetector",
    "FaceLandmarks",
    "LandmarkDetector",
    "MediapipeDetector",
    "OccluderKind",
    "ParsingClass",
    "landmark_map",
    "parsing_map_plus",
]

"""What the photo shows: faces, their landmarks, and what each of their pixels is."""

from ..networks.registry import NETWORKS, has_weights, load_network
from .eyewear import Eyewear, EyewearNetwork
from .face_detector import DetectedFace, FaceDetector
from .face_parser import FaceParser, FaceParsing
from .labels import FACE_CLASSES, IGNORE, EyewearPart, OccluderKind, ParsingClass
from .landmark_map import landmark_map
from .landmark_network import LandmarkCalibration, LandmarkNetwork
from .landmarks import FaceLandmarks, LandmarkDetector
from .mediapipe.child_process import ChildProcessDetector
from .mediapipe.detector import MediapipeDetector
from .network_detector import NetworkDetector
from .parsing_map import FEATURE_CLASSES, SKIN_CLASSES, parsing_map_plus
from .shipped import load_detector, load_eyewear, load_parser

__all__ = [
    "FACE_CLASSES",
    "FEATURE_CLASSES",
    "IGNORE",
    "NETWORKS",
    "SKIN_CLASSES",
    "ChildProcessDetector",
    "DetectedFace",
    "Eyewear",
    "EyewearNetwork",
    "EyewearPart",
    "FaceDetector",
    "FaceLandmarks",
    "FaceParser",
    "FaceParsing",
    "LandmarkCalibration",
    "LandmarkDetector",
    "LandmarkNetwork",
    "MediapipeDetector",
    "NetworkDetector",
    "OccluderKind",
    "ParsingClass",
    "has_weights",
    "landmark_map",
    "load_detector",
    "load_eyewear",
    "load_network",
    "load_parser",
    "parsing_map_plus",
]

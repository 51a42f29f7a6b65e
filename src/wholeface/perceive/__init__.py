"""What the photo shows: faces and their landmarks."""

from .child_process_detector import ChildProcessDetector
from .landmarks import FaceLandmarks, LandmarkDetector
from .mediapipe_detector import MediapipeDetector

__all__ = ["ChildProcessDetector", "FaceLandmarks", "LandmarkDetector", "MediapipeDetector"]

"""What the photo shows: faces and their landmarks."""

from .landmarks import FaceLandmarks, LandmarkDetector
from .mediapipe_detector import MediapipeDetector

__all__ = ["FaceLandmarks", "LandmarkDetector", "MediapipeDetector"]

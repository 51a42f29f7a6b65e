"""MediaPipe as a landmark detector, in this process or in a child."""

from .child_process import ChildProcessDetector
from .detector import MediapipeDetector

__all__ = [
    "ChildProcessDetector",
    "MediapipeDetector",
]

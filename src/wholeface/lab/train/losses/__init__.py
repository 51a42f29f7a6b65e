"""What the networks are trained to make small."""

from .detector import DetectorTargets, assign_cells, detector_loss
from .eyewear import EyewearLoss, eyewear_loss
from .landmarks import LandmarkLoss, landmark_loss
from .parsing import ParsingLoss, parsing_loss

__all__ = [
    "DetectorTargets",
    "EyewearLoss",
    "LandmarkLoss",
    "ParsingLoss",
    "assign_cells",
    "detector_loss",
    "eyewear_loss",
    "landmark_loss",
    "parsing_loss",
]

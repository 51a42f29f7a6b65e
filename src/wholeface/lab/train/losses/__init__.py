"""What the networks are trained to make small."""

from .detector import DetectorTargets, assign_cells, detector_loss
from .landmarks import LandmarkLoss, landmark_loss
from .parsing import ParsingLoss, parsing_loss

__all__ = [
    "DetectorTargets",
    "LandmarkLoss",
    "ParsingLoss",
    "assign_cells",
    "detector_loss",
    "landmark_loss",
    "parsing_loss",
]

"""What the networks are trained to make small."""

from .adversarial import OBJECTIVES, Objective, discriminator_loss, generator_loss
from .detector import DetectorTargets, assign_cells, detector_loss
from .eyewear import EyewearLoss, eyewear_loss
from .feature_distance import feature_matching_loss, perceptual_loss
from .landmarks import LandmarkLoss, landmark_loss
from .parsing import ParsingLoss, parsing_loss
from .pixels import pixel_loss, total_variation
from .style import gram_matrix, style_loss
from .synthesis import EyeglassesWeights, FisnWeights, eyeglasses_loss, fisn_loss

__all__ = [
    "OBJECTIVES",
    "DetectorTargets",
    "EyeglassesWeights",
    "EyewearLoss",
    "FisnWeights",
    "LandmarkLoss",
    "Objective",
    "ParsingLoss",
    "assign_cells",
    "detector_loss",
    "discriminator_loss",
    "eyeglasses_loss",
    "eyewear_loss",
    "feature_matching_loss",
    "fisn_loss",
    "generator_loss",
    "gram_matrix",
    "landmark_loss",
    "parsing_loss",
    "perceptual_loss",
    "pixel_loss",
    "style_loss",
    "total_variation",
]

"""What the networks are trained to make small."""

from .adversarial import OBJECTIVES, Objective, discriminator_loss, generator_loss
from .detector import DetectorTargets, assign_cells, detector_loss
from .distillation import FaceGeometry, block_mse, coefficient_mse
from .eyewear import EyewearLoss, eyewear_loss
from .feature_distance import feature_matching_loss, perceptual_loss
from .focus import FocusWeights, focus_encoder_loss, focus_mask_loss, neighbour_distance, robust_mask
from .landmarks import LandmarkLoss, landmark_loss
from .parsing import ParsingLoss, parsing_loss
from .pixels import pixel_loss, total_variation
from .regression import (
    EYEGLASSES_REGRESSION,
    PARSING_GUIDED_REGRESSION,
    RegressionTerms,
    RegressionWeights,
    face_feature_term,
    landmark_term,
    occlusion_attention,
    pixel_term,
    regression_loss,
    regularisation_term,
)
from .style import gram_matrix, style_loss
from .synthesis import EyeglassesWeights, FisnWeights, eyeglasses_loss, fisn_loss

__all__ = [
    "EYEGLASSES_REGRESSION",
    "OBJECTIVES",
    "PARSING_GUIDED_REGRESSION",
    "DetectorTargets",
    "EyeglassesWeights",
    "EyewearLoss",
    "FaceGeometry",
    "FisnWeights",
    "FocusWeights",
    "LandmarkLoss",
    "Objective",
    "ParsingLoss",
    "RegressionTerms",
    "RegressionWeights",
    "assign_cells",
    "block_mse",
    "coefficient_mse",
    "detector_loss",
    "discriminator_loss",
    "eyeglasses_loss",
    "eyewear_loss",
    "face_feature_term",
    "feature_matching_loss",
    "fisn_loss",
    "focus_encoder_loss",
    "focus_mask_loss",
    "generator_loss",
    "gram_matrix",
    "landmark_loss",
    "landmark_term",
    "neighbour_distance",
    "occlusion_attention",
    "parsing_loss",
    "perceptual_loss",
    "pixel_loss",
    "pixel_term",
    "regression_loss",
    "regularisation_term",
    "robust_mask",
    "style_loss",
    "total_variation",
]

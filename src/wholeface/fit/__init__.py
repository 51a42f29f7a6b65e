"""From evidence to parameters: landmarks, occluder mask, photometric refinement."""

from .landmarks import LandmarkFit, LandmarkFitSettings, fit_landmarks
from .layouts import parameters_from_vector, vector_from_parameters
from .occluder import OccluderEstimate, OccluderSettings, estimate_occluder
from .photometric import PhotometricFit, PhotometricSettings, refine_photometric

__all__ = [
    "LandmarkFit",
    "LandmarkFitSettings",
    "OccluderEstimate",
    "OccluderSettings",
    "PhotometricFit",
    "PhotometricSettings",
    "estimate_occluder",
    "fit_landmarks",
    "parameters_from_vector",
    "refine_photometric",
    "vector_from_parameters",
]

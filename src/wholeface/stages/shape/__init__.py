"""Steps from a photo and its landmarks to parameters of a face model."""

from .landmark_fit.fit import LandmarkFit, LandmarkFitSettings, fit_landmarks
from .layouts import parameters_from_vector, vector_from_parameters
from .photometric.refine import PhotometricFit, PhotometricSettings, refine_photometric

__all__ = [
    "LandmarkFit",
    "LandmarkFitSettings",
    "PhotometricFit",
    "PhotometricSettings",
    "fit_landmarks",
    "parameters_from_vector",
    "refine_photometric",
    "vector_from_parameters",
]

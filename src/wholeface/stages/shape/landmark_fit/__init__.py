"""Maximum a posteriori fit of a face model to landmarks."""

from .fit import LandmarkFit, LandmarkFitSettings, fit_landmarks

__all__ = [
    "LandmarkFit",
    "LandmarkFitSettings",
    "fit_landmarks",
]

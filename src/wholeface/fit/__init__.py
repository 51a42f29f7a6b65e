"""From evidence to parameters: landmarks, occluder mask, photometric refinement."""

from .landmarks import LandmarkFit, LandmarkFitSettings, fit_landmarks
from .occluder import OccluderEstimate, OccluderSettings, estimate_occluder

__all__ = [
    "LandmarkFit",
    "LandmarkFitSettings",
    "OccluderEstimate",
    "OccluderSettings",
    "estimate_occluder",
    "fit_landmarks",
]

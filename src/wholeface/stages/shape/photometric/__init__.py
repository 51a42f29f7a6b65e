"""Refinement of a fitted face by the colours of its visible skin."""

from .refine import PhotometricFit, PhotometricSettings, refine_photometric

__all__ = [
    "PhotometricFit",
    "PhotometricSettings",
    "refine_photometric",
]

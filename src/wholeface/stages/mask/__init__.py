"""Steps that find what is in front of the face."""

from .synthesis.estimate import OccluderEstimate, OccluderSettings, estimate_occluder

__all__ = [
    "OccluderEstimate",
    "OccluderSettings",
    "estimate_occluder",
]

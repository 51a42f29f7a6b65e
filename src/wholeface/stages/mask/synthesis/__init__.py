"""What is in front of the face, by analysis by synthesis: an alternation of light and classification."""

from .estimate import OccluderEstimate, OccluderSettings, estimate_occluder

__all__ = [
    "OccluderEstimate",
    "OccluderSettings",
    "estimate_occluder",
]

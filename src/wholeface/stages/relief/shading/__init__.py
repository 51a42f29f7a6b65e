"""Shape from shading on the foundation: what slopes explain of a photo's brightness."""

from .evidence import ShadingEvidence, shading_evidence
from .geometry import Ground, ground, ground_of, slopes_to_normals
from .solve import ShadingSettings, shape_from_shading

__all__ = [
    "Ground",
    "ShadingEvidence",
    "ShadingSettings",
    "ground",
    "ground_of",
    "shading_evidence",
    "shape_from_shading",
    "slopes_to_normals",
]

"""Soft symmetry: what one half of the face shows, for the other half that turns away."""

from .atlas_relief import FaceGraph, atlas_relief, face_graph
from .mirror import mirror_of_texels, mirror_of_vertices, mirrored_points, symmetry_plane
from .sampling import BumpSampler, BumpSamples
from .sparse import Registration, recovered, register

__all__ = [
    "BumpSampler",
    "BumpSamples",
    "FaceGraph",
    "Registration",
    "atlas_relief",
    "face_graph",
    "mirror_of_texels",
    "mirror_of_vertices",
    "mirrored_points",
    "recovered",
    "register",
    "symmetry_plane",
]

"""Soft symmetry: what one half of the face shows, for the other half that turns away."""

from .atlas_relief import atlas_relief, face_graph
from .mirror import mirror_of_texels, mirror_of_vertices, mirrored_points, symmetry_plane

__all__ = [
    "atlas_relief",
    "face_graph",
    "mirror_of_texels",
    "mirror_of_vertices",
    "mirrored_points",
    "symmetry_plane",
]

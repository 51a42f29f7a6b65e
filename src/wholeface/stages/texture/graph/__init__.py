"""Machinery of the graph-convolutional refinement: a face's mesh with its levels, and colours at its vertices."""

from .face_mesh import LEVELS, FaceMesh, face_mesh
from .refine import RefineSettings, refine_colours, with_change
from .vertex_colours import FEATURES, VertexColours, network_inputs, vertex_colours

__all__ = [
    "FEATURES",
    "LEVELS",
    "FaceMesh",
    "RefineSettings",
    "VertexColours",
    "face_mesh",
    "network_inputs",
    "refine_colours",
    "vertex_colours",
    "with_change",
]

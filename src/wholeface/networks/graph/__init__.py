"""Graph convolutions on meshes, and the network that refines colours of a mesh's vertices."""

from .chebyshev import ChebyshevConv
from .mesh_graph import MeshGraph, SparseMatrix
from .rendering_critic import RenderingCritic, RenderingCriticConfig
from .texture_graph_net import TextureGraphNet, TextureGraphNetConfig

__all__ = [
    "ChebyshevConv",
    "MeshGraph",
    "RenderingCritic",
    "RenderingCriticConfig",
    "SparseMatrix",
    "TextureGraphNet",
    "TextureGraphNetConfig",
]

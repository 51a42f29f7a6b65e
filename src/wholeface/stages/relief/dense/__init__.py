"""Dense meshes: the face of the model subdivided, maps of the atlas at its vertices, the pixels of a bump map."""

from .mesh import DenseMesh
from .sampling import sample_known, sample_map
from .subdivision import Subdivision, subdivided, subdivision_of

__all__ = ["DenseMesh", "Subdivision", "sample_known", "sample_map", "subdivided", "subdivision_of"]

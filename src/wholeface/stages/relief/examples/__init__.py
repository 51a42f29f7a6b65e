"""Filling hidden relief from other faces: the set of references, search, registration, gradient-domain blending."""

from .blending import blend_into
from .embedding import DEFAULT_EMBEDDING, CoefficientEmbedding, ReliefEmbedding
from .frame import ReferenceFrame, coordinates_of, frame_of
from .reference_set import SHIPPED_REFERENCES, ReferenceSet, load_references, save_references
from .search import best_references, shortlist
from .transfer import ReferenceView, aligned, laid_on, seen_from

__all__ = [
    "DEFAULT_EMBEDDING",
    "SHIPPED_REFERENCES",
    "CoefficientEmbedding",
    "ReferenceFrame",
    "ReferenceSet",
    "ReferenceView",
    "ReliefEmbedding",
    "aligned",
    "best_references",
    "blend_into",
    "coordinates_of",
    "frame_of",
    "laid_on",
    "load_references",
    "save_references",
    "seen_from",
    "shortlist",
]

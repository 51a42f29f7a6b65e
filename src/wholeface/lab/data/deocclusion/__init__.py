"""Photos with something composited in front of the face, as the generator sees them, with the photo without it."""

from .composites import Composites, DeocclusionSample
from .samples import CompositeSamples
from .store import DeocclusionStore, build_deocclusion_store
from .subjects import SubjectSplit, clean_photos
from .target import target_of

__all__ = [
    "CompositeSamples",
    "Composites",
    "DeocclusionSample",
    "DeocclusionStore",
    "SubjectSplit",
    "build_deocclusion_store",
    "clean_photos",
    "target_of",
]

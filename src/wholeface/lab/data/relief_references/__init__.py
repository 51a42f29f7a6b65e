"""Reference relief for filling hidden places: of photos, by the method's own stages."""

from .build import build_references
from .photos import reference_photos
from .reference import Reference, reference_of

__all__ = ["Reference", "build_references", "reference_of", "reference_photos"]

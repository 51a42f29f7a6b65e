"""The front door: safe reading of photos, similarity crops and the way back."""

from .crop import similarity_crop, unwarp, warp
from .patch import Patch, footprint, patch_of_crop
from .reading import DEFAULT_MAX_PIXELS, DEFAULT_MIN_SIDE, NEUTRAL_GREY, Photo, PhotoSource, read_photo
from .similarity import Similarity
from .suffixes import HEIF_SUFFIXES, readable_suffixes
from .working import working_copy

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "DEFAULT_MIN_SIDE",
    "HEIF_SUFFIXES",
    "NEUTRAL_GREY",
    "Patch",
    "Photo",
    "PhotoSource",
    "Similarity",
    "footprint",
    "patch_of_crop",
    "read_photo",
    "readable_suffixes",
    "similarity_crop",
    "unwarp",
    "warp",
    "working_copy",
]

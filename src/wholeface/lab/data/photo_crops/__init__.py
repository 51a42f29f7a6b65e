"""Upright crops of the faces in any folder of photos, with their landmarks, made once."""

from .build import build_photo_crops, cached_photo_crops
from .photos import FolderPhoto, folder_photos
from .store import PhotoCrops, Truth

__all__ = [
    "FolderPhoto",
    "PhotoCrops",
    "Truth",
    "build_photo_crops",
    "cached_photo_crops",
    "folder_photos",
]

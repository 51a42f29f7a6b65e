"""What every method is given."""

from __future__ import annotations

from dataclasses import dataclass

from .._timing import Stopwatch
from ..morphable import MorphableModel
from ..perceive import FaceLandmarks, FaceParser
from ..photo import Photo

__all__ = ["FaceJob"]


@dataclass(frozen=True)
class FaceJob:
    """One face of one photo, and how to treat it.

    Args:
        photo: the photo.
        landmarks: points of the face in question.
        model: face model, on the CPU.
        face_number: 1 = the largest face; ``face_count``: faces in the photo.
        focal: focal length in pixels, or None to estimate it (EXIF is used when there).
        texture_size: edge of the texture in texels.
        refine: run the photometric refinement.
        device: ``cpu`` or ``cuda``.
        stopwatch: collects the time of each room.
        parser: says what each pixel of a face shows, or None where there is none; it needs the 478 points.
    """

    photo: Photo
    landmarks: FaceLandmarks
    model: MorphableModel
    face_number: int
    face_count: int
    focal: float | None
    texture_size: int
    refine: bool
    device: str
    stopwatch: Stopwatch
    parser: FaceParser | None = None

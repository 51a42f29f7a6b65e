"""Errors that people meet: each names the thing that is wrong and what to do about it."""

from __future__ import annotations

__all__ = [
    "DataError",
    "DetectorError",
    "ModelFileError",
    "NoFaceError",
    "OutputError",
    "PhotoError",
    "StageError",
    "TrainingError",
    "UsageError",
    "WholeFaceError",
]


class WholeFaceError(Exception):
    """Base of every error that WholeFace raises on purpose.

    Attributes:
        kind: a short machine-readable word (``photo``, ``no_face``, ``model_file``, ``usage``) for reports.
    """

    kind = "error"


class PhotoError(WholeFaceError):
    """A photo cannot be read: missing, empty, truncated, not an image, or too large."""

    kind = "photo"


class NoFaceError(WholeFaceError):
    """A photo was read, but no face (or not the face that was asked for) was found in it."""

    kind = "no_face"


class DetectorError(WholeFaceError):
    """The landmark detector broke down: its process ended, or its native library raised an error."""

    kind = "detector"


class OutputError(WholeFaceError):
    """A result cannot be written: no permission, no room, or a folder in its place."""

    kind = "output"


class ModelFileError(WholeFaceError):
    """A face-model or weight file is missing, truncated, of another format, or has the wrong hash."""

    kind = "model_file"


class DataError(WholeFaceError):
    """A data set or a store of samples is missing, incomplete or laid out differently, or a sample cannot be made."""

    kind = "data"


class TrainingError(WholeFaceError):
    """A training run cannot go on: a loss that is not a number, or a checkpoint of another run."""

    kind = "training"


class UsageError(WholeFaceError, ValueError):
    """An argument is out of range or contradicts another one."""

    kind = "usage"


class StageError(UsageError):
    """A stage of a method does not do what it says: it loses a face, or changes a slot that it does not write."""

    kind = "stage"

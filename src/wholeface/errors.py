"""The errors that people meet, under the name by which they import them; they are made in ``core``."""

from .core.errors import (
    DataError,
    DetectorError,
    ModelFileError,
    NoFaceError,
    OutputError,
    PhotoError,
    StageError,
    TrainingError,
    UsageError,
    WholeFaceError,
)

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

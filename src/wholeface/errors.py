"""The errors that people meet, under the name by which they import them; they are made in ``core``."""

from .core.errors import (
    DataError,
    ModelFileError,
    NoFaceError,
    OutputError,
    PhotoError,
    TrainingError,
    UsageError,
    WholeFaceError,
)

__all__ = [
    "DataError",
    "ModelFileError",
    "NoFaceError",
    "OutputError",
    "PhotoError",
    "TrainingError",
    "UsageError",
    "WholeFaceError",
]

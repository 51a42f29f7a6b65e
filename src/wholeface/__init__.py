"""WholeFace: one photo of a partly hidden face in, a complete, textured, animatable 3D head out.

>>> import wholeface
>>> head = wholeface.reconstruct("photo.jpg")        # doctest: +SKIP
>>> head.save("out/photo")                           # doctest: +SKIP

Names are loaded when first used, so that ``import wholeface`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .core.errors import ModelFileError, NoFaceError, PhotoError, UsageError, WholeFaceError
    from .morphable import MorphableModel, Parameters, load_model
    from .photo import Photo, read_photo
    from .reconstructor import Deoccluded, Reconstructor, deocclude, reconstruct
    from .result.reconstruction import Reconstruction

__version__ = "0.1.0"

_HOMES = {
    "Deoccluded": ".reconstructor",
    "ModelFileError": ".core.errors",
    "MorphableModel": ".morphable",
    "NoFaceError": ".core.errors",
    "Parameters": ".morphable",
    "Photo": ".photo",
    "PhotoError": ".core.errors",
    "Reconstruction": ".result.reconstruction",
    "Reconstructor": ".reconstructor",
    "UsageError": ".core.errors",
    "WholeFaceError": ".core.errors",
    "deocclude": ".reconstructor",
    "load_model": ".morphable",
    "read_photo": ".photo",
    "reconstruct": ".reconstructor",
}

__all__ = [
    "Deoccluded",
    "ModelFileError",
    "MorphableModel",
    "NoFaceError",
    "Parameters",
    "Photo",
    "PhotoError",
    "Reconstruction",
    "Reconstructor",
    "UsageError",
    "WholeFaceError",
    "deocclude",
    "load_model",
    "read_photo",
    "reconstruct",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

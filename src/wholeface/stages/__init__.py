"""The steps that methods share: each reads some slots of a :class:`FaceState` and fills others."""

from .pipeline import Where, check_stages, run_stages
from .stage import FunctionStage, Stage, face_by_face, faces_side_by_side, stage
from .state import (
    SLOTS,
    BumpMap,
    DeoccludedImage,
    FaceFit,
    FaceState,
    GeneratedFace,
    MaskEstimate,
    ReliefMap,
    Spectacles,
)
from .tools import Networks, Tools

__all__ = [
    "SLOTS",
    "BumpMap",
    "DeoccludedImage",
    "FaceFit",
    "FaceState",
    "FunctionStage",
    "GeneratedFace",
    "MaskEstimate",
    "Networks",
    "ReliefMap",
    "Spectacles",
    "Stage",
    "Tools",
    "Where",
    "check_stages",
    "face_by_face",
    "faces_side_by_side",
    "run_stages",
    "stage",
]

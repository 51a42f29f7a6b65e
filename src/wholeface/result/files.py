"""Which files make up a saved result, and what tells one photo's result from another's."""

from __future__ import annotations

import hashlib
import os
import re

__all__ = ["RECORD", "RESULT_FILES", "belongs_to_a_result", "path_id"]

RECORD = "face.json"
"""Written last: a folder without it holds no complete result."""
RESULT_FILES = (
    "deoccluded.png",
    "displacement.png",
    "face.glb",
    "face.json",
    "face.mtl",
    "face.obj",
    "face.ply",
    "face_normals.png",
    "face_region.png",
    "face_texture.png",
    "lens.png",
    "occluder.png",
    "preview.png",
    "provenance.png",
    "relief_provenance.png",
    "texture.png",
)
"""The names that a save replaces or removes; every other file in the folder stays."""
_HALF_WRITTEN = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp")


def belongs_to_a_result(name: str) -> bool:
    """Whether a file of this name is one of ours, half-written ones of a killed run included."""
    match = _HALF_WRITTEN.fullmatch(name)
    return (match[1] if match else name) in RESULT_FILES


def path_id(source: str | os.PathLike[str]) -> str:
    """SHA-256 of a photo's absolute path: says whether two results are of one file without telling where it lies."""
    return hashlib.sha256(os.fsencode(os.path.abspath(source))).hexdigest()

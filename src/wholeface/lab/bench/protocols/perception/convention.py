"""Our 478 points carried to where mediapipe puts the same names: a constant offset for each point."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....perceive import FaceLandmarks
from .....perceive.mediapipe.mirror import MIRROR_478
from ....data.portraits.faces import PortraitFaces
from ....data.portraits.prepare import portraits_folder

__all__ = ["convention_offset", "in_their_convention", "shifted", "training_offset"]

Points = NDArray[np.floating[Any]]
_CORNERS = (33, 263)  # outer corners of the eyes, left one in the image first


def _axes(corners: Points) -> tuple[NDArray[np.float64], float]:
    """Rows: along the outer corners of the eyes (2, 2) and down from there; and their distance in pixels."""
    across = np.asarray(corners[1], dtype=np.float64) - corners[0]
    length = float(np.linalg.norm(across))
    x, y = across / max(length, 1e-9)
    return np.array([[x, y], [-y, x]]), length


def convention_offset(ours: Sequence[Points], theirs: Sequence[Points]) -> NDArray[np.float64]:
    """Where another system puts its points, seen from ours: the median over faces, mirror-symmetric.

    Args:
        ours: (478, 2) points of each face, pixels.
        theirs: of the same faces.

    Returns:
        (478, 2) along the line of the eyes' outer corners and down from it, over the distance of the corners.
    """
    found = []
    for own, other in zip(ours, theirs, strict=True):
        axes, scale = _axes(own[list(_CORNERS)])
        offset = (np.asarray(other, dtype=np.float64) - own) @ axes.T / scale
        found += [offset, offset[MIRROR_478] * np.array([-1.0, 1.0])]
    return np.asarray(np.median(found, axis=0))


def in_their_convention(points: Points, offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Our 478 points (478, 2), each moved by its offset of :func:`convention_offset`."""
    axes, scale = _axes(points[list(_CORNERS)])
    return np.asarray(points + scale * offset @ axes)


def training_offset(data: Path) -> NDArray[np.float64]:
    """The offset between the labels of the portraits for training and the teacher's points on them.

    The portraits that are measured on have no part in it.

    Args:
        data: folder of the source material.
    """
    faces = PortraitFaces(data / "portraits", split="train")
    folder = portraits_folder(data / "portraits")
    listed = [entry["file"] for entry in json.loads((folder / "index.json").read_text(encoding="utf-8"))]
    with np.load(folder / "mediapipe_478.npz") as file:
        teacher = file["landmarks"]
    place = {name: i for i, name in enumerate(listed)}
    ours = [faces.table.dense[i, :478] for i in faces.indices]
    theirs = [teacher[place[str(faces.table.names[i])]] for i in faces.indices]
    return convention_offset(ours, theirs)


def shifted(found: Sequence[FaceLandmarks | None], offset: NDArray[np.float64]) -> list[FaceLandmarks | None]:
    """Findings with the 478 points alone, in the other convention."""
    result: list[FaceLandmarks | None] = []
    for face in found:
        points = None if face is None else face.points_478
        moved = None if points is None else in_their_convention(points, offset)
        result.append(None if moved is None else FaceLandmarks.from_points(moved, "mediapipe478"))
    return result

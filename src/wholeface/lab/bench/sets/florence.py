"""The folders of MICC Florence as its users have them: a scan and frames of videos for each subject.

::

    subject_01/Model/frontal1/obj/110920150452.obj       neutral scan, mm (or frontal2, where there is no frontal1)
    subject_01/Model/frontal1/obj/110920150452.txt       its landmarks (.pp, .txt or .npy), see below
    subject_01/Videos/Indoor-Cooperative/frame0001.jpg   frames: ffmpeg -i Indoor-Cooperative.mjpg frame%04d.jpg

Every folder of ``subject…`` is a subject; where none is called so, every folder with a mesh is one. Images may lie
anywhere in the subject's folder except in ``Model`` (these are textures); the name of their folder is the setting.
Videos themselves are not read.

The set has no landmarks. The alignment needs the seven of NoW, or the 68 of iBUG, on each scan: once picked by hand,
for example with MeshLab (``NAME_picked_points.pp`` or ``NAME.pp``), or as text with three numbers a line; beside the
scan, or in ``landmarks/subject_01.…``.

Source: Bagdanov, Del Bimbo, Masi 2011, "The Florence 2D/3D hybrid face dataset".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....core.errors import DataError
from ...data.datasets._reading import IMAGE_SUFFIXES
from ...data.datasets._reading import folder as needed_folder
from ..heads.scan_results import Scan
from ..metrics.florence_error import nose_tip
from ..metrics.scan_distance import SEVEN
from .mesh_files import read_landmarks, read_mesh

__all__ = ["FlorencePhoto", "FlorenceSubject", "load_florence", "read_florence_scan"]

_MESHES = (".obj", ".ply")
_POINTS = (".pp", ".txt", ".npy")
_PLACES = ("Model/frontal1/obj", "Model/frontal2/obj", "Model/frontal1", "Model/frontal2", "Model", ".")
_NOSE_TIP = 30  # of the 68


@dataclass(frozen=True)
class FlorencePhoto:
    """A frame.

    Args:
        subject: whose.
        setting: name of the folder it lies in.
        path: the image.
    """

    subject: str
    setting: str
    path: Path

    @property
    def name(self) -> str:
        """Subject, setting and stem."""
        return f"{self.subject}/{self.setting}/{self.path.stem}"


@dataclass(frozen=True)
class FlorenceSubject:
    """A person.

    Args:
        name: of the folder.
        folder: where scan and frames lie.
        photos: frames, sorted by setting and name.
    """

    name: str
    folder: Path
    photos: tuple[FlorencePhoto, ...]


def load_florence(folder: Path) -> tuple[FlorenceSubject, ...]:
    """All subjects.

    Raises:
        DataError: no subjects there, or no frames at all.
    """
    needed_folder(folder, "a folder with subject_01, subject_02 …")
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    subjects = [path for path in inside if path.name.lower().startswith("subject")]
    if not subjects:
        subjects = [path for path in inside if _scans(path)]
    if not subjects:
        raise DataError(
            f"{folder}: no subjects; expected folders subject_01, subject_02 … with Model/frontal1/obj"
        )
    found = tuple(FlorenceSubject(path.name, path, _photos(path)) for path in subjects)
    if not any(subject.photos for subject in found):
        raise DataError(
            f"{subjects[0]}: no images outside Model, nor in any other subject; expected frames of the videos, for "
            "example by: ffmpeg -i Indoor-Cooperative.mjpg Indoor-Cooperative/frame%04d.jpg"
        )
    return found


def read_florence_scan(subject: FlorenceSubject, radius: float) -> Scan:
    """The scan within ``radius`` mm of the tip of the nose, and its seven landmarks.

    Raises:
        DataError: scan or landmarks are missing, ambiguous or damaged, or do not belong together.
    """
    meshes = _scans(subject.folder)
    if len(meshes) != 1:
        names = ", ".join(path.name for path in meshes) or "none"
        raise DataError(f"{subject.folder}: scans: {names}; expected one .obj in {_PLACES[0]}")
    mesh = read_mesh(meshes[0])
    stem = meshes[0].with_suffix("")
    places = [Path(f"{stem}{middle}{end}") for middle in ("", "_picked_points") for end in _POINTS]
    places += [subject.folder.parent / "landmarks" / f"{subject.name}{end}" for end in _POINTS]
    marks = next((path for path in places if path.is_file()), None)
    if marks is None:
        raise DataError(
            f"{stem}.txt: not there (nor .pp, .npy); expected 7 or 68 landmarks on {meshes[0].name}"
        )
    points = read_landmarks(marks, (7, 68))
    away = float(np.linalg.norm(mesh.vertices - points[0], axis=1).min())
    if away > 20:
        raise DataError(
            f"{marks}: the first point lies {away:.0f} mm off {meshes[0].name}; expected points on the scan"
        )
    seven = points[list(SEVEN)] if len(points) == 68 else points
    tip = points[_NOSE_TIP] if len(points) == 68 else nose_tip(mesh.vertices, seven)
    near = np.linalg.norm(mesh.vertices - tip, axis=1) <= radius
    triangles = mesh.triangles[near[mesh.triangles].all(axis=1)]
    place = np.cumsum(near) - 1
    return Scan(mesh.vertices[near], seven, place[triangles] if len(triangles) else None)


def _scans(folder: Path) -> list[Path]:
    """Meshes of the first place that has any."""
    for name in _PLACES:
        place = folder / name
        if place.is_dir():
            files = [path for path in sorted(place.iterdir()) if path.suffix.lower() in _MESHES]
            if files:
                return files
    return []


def _photos(folder: Path) -> tuple[FlorencePhoto, ...]:
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.suffix.lower() in IMAGE_SUFFIXES and inside[0].lower() != "model" and path.is_file():
            found.append(FlorencePhoto(folder.name, inside[-2] if len(inside) > 1 else "photos", path))
    return tuple(found)

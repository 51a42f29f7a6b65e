"""The folders of the NoW benchmark: what it hands out, and what it wants to get back.

Handed out, below the given folder, ``final_release_version`` or ``NoW_Dataset/final_release_version``::

    imagepathsvalidation.txt (imagepathstest.txt)        SUBJECT/CHALLENGE/IMG_0000.jpg, one a line
    iphone_images/SUBJECT/CHALLENGE/IMG_0000.jpg
    detected_face/SUBJECT/CHALLENGE/IMG_0000.npy         box of the face: top, left, bottom, right (optional)
    scans/SUBJECT/*.obj                                  one neutral scan, millimetres (validation only)
    scans_lmks_onlypp/SUBJECT/*.pp                       its seven landmarks, picked with MeshLab

Wanted back: ``SUBJECT/CHALLENGE/IMG_0000.obj`` (or ``.ply``) and beside it ``IMG_0000.npy`` or ``.txt`` with seven
landmarks in the mesh's coordinates.

Source: now.is.tue.mpg.de and github.com/soubhiksanyal/now_evaluation.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError
from ...data.datasets._reading import read_lines
from ..heads.scan_results import Scan
from .mesh_files import TriangleMesh, read_landmarks, read_mesh, write_landmarks, write_obj

__all__ = [
    "CHALLENGES",
    "NowItem",
    "NowSet",
    "load_now",
    "read_box",
    "read_prediction",
    "read_scan",
    "write_prediction",
]

Array = NDArray[np.float64]

CHALLENGES = ("multiview_neutral", "multiview_expressions", "multiview_occlusions", "selfie")
_LISTS = {"val": "imagepathsvalidation.txt", "test": "imagepathstest.txt"}
_BOX = ("top", "left", "bottom", "right")
_HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class NowItem:
    """One photo.

    Args:
        subject: whose.
        challenge: one of ``CHALLENGES``.
        image: the photo.
        box: file with the box of its face, or None.
    """

    subject: str
    challenge: str
    image: Path
    box: Path | None

    @property
    def name(self) -> str:
        """As in the list of photos, without the ending: also the name of the prediction."""
        return f"{self.subject}/{self.challenge}/{self.image.stem}"


@dataclass(frozen=True)
class NowSet:
    """The listed photos, sorted by subject.

    Args:
        root: folder with the list.
        items: photos.
    """

    root: Path
    items: tuple[NowItem, ...]


def load_now(folder: Path, split: str = "val") -> NowSet:
    """The photos of the validation or the test set.

    Raises:
        DataError: no list of photos, a line of another form, or no scans for the validation set.
        UsageError: an unknown split.
    """
    if split not in _LISTS:
        raise UsageError(f"split {split!r}: choose val or test")
    name = _LISTS[split]
    places = [folder, folder / "final_release_version", folder / "NoW_Dataset" / "final_release_version"]
    root = next((place for place in places if (place / name).is_file()), None)
    if root is None:
        raise DataError(f"{folder / name}: not there; expected the list of photos of the NoW {split} set")
    needed = ["iphone_images", *(["scans", "scans_lmks_onlypp"] if split == "val" else [])]
    for part in needed:
        if not (root / part).is_dir():
            raise DataError(f"{root / part}: no such folder; expected the {part} of the NoW {split} set")
    items = []
    for number, line in read_lines(root / name, "SUBJECT/CHALLENGE/PHOTO on each line"):
        parts = [part for part in line.replace("\\", "/").split("/") if part]
        if len(parts) < 3 or ".." in parts:
            raise DataError(f"{root / name}, line {number}: {line!r}; expected SUBJECT/CHALLENGE/PHOTO")
        subject, challenge, photo = parts[-3:]
        if challenge not in CHALLENGES:
            raise DataError(
                f"{root / name}, line {number}: challenge {challenge!r}; expected one of {', '.join(CHALLENGES)}"
            )
        box = root / "detected_face" / subject / challenge / f"{Path(photo).stem}.npy"
        image = root / "iphone_images" / subject / challenge / photo
        items.append(NowItem(subject, challenge, image, box if box.is_file() else None))
    return NowSet(
        root, tuple(sorted(items, key=lambda item: (item.subject, item.challenge, item.image.name)))
    )


def read_scan(root: Path, subject: str) -> Scan:
    """A subject's scan and its landmarks, millimetres.

    Raises:
        DataError: a file is missing, ambiguous or damaged; it is named, with what was expected.
    """
    mesh = read_mesh(_only(root / "scans" / subject, ("*.obj", "*.ply"), "one scan"))
    seven = read_landmarks(
        _only(root / "scans_lmks_onlypp" / subject, ("*.pp",), "one file of seven landmarks")
    )
    return Scan(mesh.vertices, seven, mesh.triangles)


def read_box(path: Path) -> tuple[float, float, float, float]:
    """Top, left, bottom and right of a face in pixels.

    The published files are pickled dictionaries. They are opened without unpickling anything but dictionaries, words
    and numbers.

    Raises:
        DataError: the file is missing, damaged, or holds anything else.
    """
    expected = "a box with top, left, bottom and right"
    try:
        stream = io.BytesIO(path.read_bytes())
        form: Any = np.lib.format
        old = form.read_magic(stream) == (1, 0)
        shape, _, dtype = (form.read_array_header_1_0 if old else form.read_array_header_2_0)(stream)
        held: Any = (
            _Careful(stream).load() if dtype.hasobject else np.frombuffer(stream.read(), dtype).reshape(shape)
        )
        held = held.item() if isinstance(held, np.ndarray) and held.dtype.hasobject else held
        if isinstance(held, dict):
            held = [held[side] for side in _BOX]
        top, left, bottom, right = (float(np.asarray(value).reshape(())) for value in held)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; expected {expected}") from error
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: {error}; expected {expected}") from error
    if not (np.isfinite([top, left, bottom, right]).all() and bottom > top and right > left):
        raise DataError(
            f"{path}: the box {top:g}, {left:g}, {bottom:g}, {right:g} is empty; expected {expected}"
        )
    return top, left, bottom, right


def read_prediction(folder: Path, name: str) -> tuple[TriangleMesh, Array]:
    """A mesh and its seven landmarks from a folder in the layout of submissions.

    Args:
        folder: of the submission.
        name: as :attr:`NowItem.name`.

    Raises:
        DataError: a file is missing or damaged.
    """
    mesh = next((p for end in (".obj", ".ply") if (p := folder / f"{name}{end}").is_file()), None)
    if mesh is None:
        raise DataError(f"{folder / name}.obj: not there (nor .ply); expected the predicted mesh")
    marks = next((p for end in (".npy", ".txt") if (p := folder / f"{name}{end}").is_file()), None)
    if marks is None:
        raise DataError(f"{folder / name}.npy: not there (nor .txt); expected the mesh's seven landmarks")
    return read_mesh(mesh), read_landmarks(marks)


def write_prediction(
    folder: Path, name: str, vertices: Array, triangles: NDArray[np.int64], seven: Array
) -> None:
    """One prediction in the layout of submissions, in the mesh's own unit.

    Raises:
        OutputError: a file cannot be written.
    """
    write_obj(folder / f"{name}.obj", vertices, triangles)
    write_landmarks(folder / f"{name}.txt", seven)


def _only(folder: Path, patterns: tuple[str, ...], expected: str) -> Path:
    files = [
        path for pattern in patterns for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")
    ]
    if len(files) != 1:
        problem = "no such folder" if not folder.is_dir() else f"{len(files)} files"
        raise DataError(f"{folder}: {problem}; expected {expected} ({', '.join(patterns)})")
    return files[0]


class _Careful(pickle.Unpickler):
    """Dictionaries, words, numbers and arrays of them; nothing that could run."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """The few names that a pickled array or number needs."""
        home = module.replace("numpy._core", "numpy.core")
        if (home, name) in _HARMLESS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"holds {module}.{name}, which a box does not need")

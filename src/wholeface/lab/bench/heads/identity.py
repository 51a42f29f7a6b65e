"""What systems make of many photos, reduced to what the identity protocols compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import WholeFaceError
from ..protocol import Missing
from ..sets.identity import PhotoSet
from ..systems.system import HeadPrediction, HeadSystem

if TYPE_CHECKING:
    from ...data import FaceSample

__all__ = ["MEAN_FACE", "REPRESENTATIONS", "Heads", "fast_names", "predict_heads", "shape_points"]

Array = NDArray[np.float64]
Vector = NDArray[np.floating[Any]]
MEAN_FACE = "mean face"
_POINTS = 800
Occlude = Callable[[NDArray[np.uint8], str, "FaceSample | None"], NDArray[np.uint8]]


@dataclass
class Heads:
    """What one system made of the photos.

    Args:
        vectors: photo number -> representation, of those that have one.
        kept: photo number -> whole prediction, of the photos asked for.
        metric: the system is in millimetres.
    """

    vectors: dict[int, Vector] = field(default_factory=dict)
    kept: dict[int, HeadPrediction] = field(default_factory=dict)
    metric: bool = True

    def rows(self, indices: NDArray[np.int64]) -> Array:
        """(N, K) representations, rows of NaN where there is none."""
        size = max((v.size for v in self.vectors.values()), default=1)
        out = np.full((len(indices), size), np.nan)
        for row, i in enumerate(indices.tolist()):
            if i in self.vectors:
                out[row] = self.vectors[i].ravel()
        return out


def identity_vector(head: HeadPrediction) -> Vector | None:
    """(K,) identity coefficients in standard deviations."""
    return head.identity


def shape_points(head: HeadPrediction) -> Vector | None:
    """(P, 3) float32 neutral vertices of the face, about 800 evenly taken ones."""
    if head.neutral is None:
        return None
    face = np.arange(len(head.neutral)) if head.face_vertices is None else head.face_vertices
    taken = face[np.unique(np.linspace(0, len(face) - 1, min(_POINTS, len(face))).astype(int))]
    return np.asarray(head.neutral[taken], np.float32)


REPRESENTATIONS: Mapping[str, Callable[[HeadPrediction], Vector | None]] = {"identity": identity_vector}
"""What a photo is compared by: name -> vector of a prediction, or None where a system has none."""


def fast_names(names: Sequence[str], *, whole: bool) -> list[str]:
    """The systems to run, without the mean face (which needs no photos): the shipped one by its landmark fit alone
    unless ``whole`` asks for all of it."""
    fast = [name if whole or name != "wholeface" else "wholeface landmarks" for name in names]
    return [name for name in dict.fromkeys(fast) if name != MEAN_FACE]


def predict_heads(
    photos: PhotoSet,
    indices: NDArray[np.int64],
    systems: Sequence[HeadSystem],
    represent: Callable[[HeadPrediction], Vector | None],
    *,
    occlude: Occlude | None = None,
    keep: frozenset[int] = frozenset(),
) -> tuple[dict[str, Heads], list[Missing]]:
    """Run all systems on the photos, one photo at a time.

    Args:
        photos: of known subjects.
        indices: which of them.
        systems: under test.
        represent: of a prediction.
        occlude: lays something over each photo first.
        keep: photos whose whole predictions are kept.

    Returns:
        What each system made of them, by name; photos that could not be used, and why.
    """
    heads = {system.name: Heads() for system in systems}
    missing: list[Missing] = []
    for i in indices.tolist():
        photo = photos.photos[i]
        try:
            sample = photos.sample(i)
            pixels = photos.pixels(i) if sample is None else sample.image
            if occlude is not None:
                pixels = occlude(pixels, photo.name, sample)
        except WholeFaceError as error:
            missing.append(Missing(photo.name, "", _clause(error)))
            continue
        for system in systems:
            try:
                head = system.predict(pixels, photo.path)
            except WholeFaceError as error:
                missing.append(Missing(photo.name, system.name, _clause(error)))
                continue
            vector = represent(head)
            if vector is None or not np.isfinite(vector).all():
                reason = "no such representation" if vector is None else "a representation with NaN"
                missing.append(Missing(photo.name, system.name, reason))
                continue
            mine = heads[system.name]
            first = next(iter(mine.vectors.values()), vector)
            if first.shape != vector.shape:
                reason = f"a representation of {vector.shape} values, the others have {first.shape}"
                missing.append(Missing(photo.name, system.name, reason))
                continue
            mine.vectors[i] = vector
            mine.metric = mine.metric and head.metric
            if i in keep:
                mine.kept[i] = head
    return heads, missing


def _clause(error: WholeFaceError) -> str:
    return f"{error.kind}: {error}"

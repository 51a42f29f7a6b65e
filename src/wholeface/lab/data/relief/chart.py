"""Places on the face in millimetres, flat: where folds are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable import MorphableModel

__all__ = ["RADIUS", "FaceChart", "chart_of"]

Floats = NDArray[np.float32]
RADIUS = 85.0
"""mm, of the cylinder."""
_AXIS = 20.0  # mm, z of the cylinder's axis on the mean head


@dataclass(frozen=True)
class FaceChart:
    r"""The mean head unrolled from an upright cylinder:

    .. math:: p = r \operatorname{atan2}(x, z - z_0), \quad q = y

    About true to scale on the face; towards the back of the head it is of no use.

    Args:
        vertices: (V, 2) float32 mm, (p, q) of each vertex; p grows to the face's own left, q upwards.
        marks: (68, 2) the iBUG landmarks.
    """

    vertices: Floats
    marks: Floats


def chart_of(model: MorphableModel) -> FaceChart:
    """The chart of a model, computed once and kept with it.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    return model.table("flat chart of the face", _build)


def _build(model: MorphableModel) -> FaceChart:
    if model.landmarks_68 is None:
        raise UsageError(f"folds are placed by landmarks; the model {model.name!r} has none")
    marks = model.landmarks_68.points(model.mean, model.triangles)
    return FaceChart(_unrolled(model.mean.cpu().numpy()), _unrolled(marks.cpu().numpy()))


def _unrolled(points: NDArray[np.floating]) -> Floats:
    across = RADIUS * np.arctan2(points[:, 0], points[:, 2] - _AXIS)
    return np.stack([across, points[:, 1]], axis=1).astype(np.float32)

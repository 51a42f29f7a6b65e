r"""Errors of one scanned face as the field reports them on MICC Florence.

Zhao & Qi print a "90 % error" on each heat map and speak of the "average 90 % largest error". Their text does not
define it; the habit comes from Sela et al., who list mean, standard deviation, median and 90 % error of a face.
Taken here: the 90 % error of a face is the 0.9 quantile of its absolute scan-to-mesh distances (nine tenths of the
face are at least this close), with linear interpolation; the table averages it over faces. Two other readings are
given as well: the mean over the worst tenth, and the mean without the worst tenth.

Source: Zhao, Qi 2022, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §5.2 and
fig. 4; Sela, Richardson, Kimmel 2017, "Unrestricted facial geometry reconstruction", table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....core.errors import UsageError

__all__ = ["FaceErrors", "average", "face_errors", "nose_tip"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FaceErrors:
    """Errors of one face, or averages over faces, in mm.

    Args:
        mean: of the distances.
        std: their standard deviation.
        median: of the distances.
        ninety: their 0.9 quantile, the "90 % error".
        worst_tenth: mean of the distances from the 0.9 quantile on.
        without_worst: mean of those below or at it.
    """

    mean: float
    std: float
    median: float
    ninety: float
    worst_tenth: float
    without_worst: float


def face_errors(distances: ArrayLike) -> FaceErrors:
    """Statistics of one face.

    Args:
        distances: (P,) mm, absolute.

    Raises:
        UsageError: none, or negative or infinite ones.
    """
    d = np.asarray(distances, dtype=np.float64).ravel()
    if len(d) == 0 or not (np.isfinite(d) & (d >= 0)).all():
        raise UsageError("a face needs distances that are finite and not negative")
    ninety = float(np.quantile(d, 0.9))
    return FaceErrors(
        float(d.mean()),
        float(d.std()),
        float(np.median(d)),
        ninety,
        float(d[d >= ninety].mean()),
        float(d[d <= ninety].mean()),
    )


def average(faces: Sequence[FaceErrors]) -> FaceErrors:
    """Mean of each figure over faces, every face with the same weight.

    Raises:
        UsageError: there are none.
    """
    if not faces:
        raise UsageError("no faces to average over")
    return FaceErrors(
        *(float(np.mean([getattr(f, name) for f in faces])) for name in FaceErrors.__annotations__)
    )


def nose_tip(scan: Array, seven: Array, reach: float = 35.0) -> Array:
    """(3,) the scan vertex that sticks out farthest near the base of the nose.

    Outwards is the normal of the plane through the corners of eyes and mouth.

    Args:
        scan: (P, 3) mm.
        seven: (7, 3) mm, landmarks on it, see :mod:`wholeface.lab.bench.metrics.scan_distance`.
        reach: mm, how far from the nose base to look.

    Raises:
        UsageError: no vertex of the scan is that near.
    """
    corners = seven[[0, 1, 2, 3, 5, 6]]
    centred = corners - corners.mean(axis=0)
    normal = np.linalg.svd(centred)[2][2]
    # Right × up: from the person's right eye to the left one, from the mouth to the eyes.
    right, up = seven[3] - seven[0], seven[:4].mean(axis=0) - seven[5:].mean(axis=0)
    if normal @ np.cross(right, up) < 0:
        normal = -normal
    near = scan[np.linalg.norm(scan - seven[4], axis=1) <= reach]
    if len(near) == 0:
        raise UsageError(f"no scan vertex lies within {reach:g} mm of the landmark at the nose base")
    return np.array(near[np.argmax(near @ normal)])

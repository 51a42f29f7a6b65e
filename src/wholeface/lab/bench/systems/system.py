"""What a benchmark asks of anybody who makes a head from a photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["HeadPrediction", "HeadSystem"]


@dataclass(frozen=True)
class HeadPrediction:
    """A head as a system sees it.

    Convention: right-handed, +x the face's own left, +y up, +z out of the face; any scale, millimetres where the
    system is metric.

    Args:
        vertices: (V, 3) float64, with the expression of the photo.
        triangles: (F, 3) int64.
        landmarks: (68, 3) float64 iBUG landmarks on the mesh, NaN where the system has none.
        neutral: (V, 3) the same head without expression, or None.
        identity: (K,) identity coefficients in standard deviations, or None.
        face_vertices: indices of the facial region, or None: all that are near the face.
        metric: ``vertices`` are in millimetres.
        landmarks_2d: (L, 2) landmarks in the photo's pixels, 68 where L is 68, or None.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
    landmarks: NDArray[np.float64]
    neutral: NDArray[np.float64] | None = None
    identity: NDArray[np.float64] | None = None
    face_vertices: NDArray[np.int64] | None = None
    metric: bool = True
    landmarks_2d: NDArray[np.float64] | None = None


class HeadSystem(Protocol):
    """A system under test."""

    name: str

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """The largest face of a photo.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
            path: where the photo came from, for systems whose results lie in files beside it.

        Raises:
            wholeface.errors.NoFaceError: none was found.
            wholeface.errors.WholeFaceError: another reason, one sentence.
        """
        ...

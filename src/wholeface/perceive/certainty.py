"""How sure it is that a detected face is one, from what both networks say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import NoFaceError, UsageError

__all__ = ["BADLY_SEEN", "KEPT", "CertaintyModel", "RefusedFace", "no_face_error"]

KEPT = 0.5
"""Certainty from which a face is kept, unless told otherwise: fewer than one false face in 20 photos without any."""

BADLY_SEEN = 0.9
"""Certainty below which a face is called badly seen: its reconstruction is ``poor`` and says so."""


@dataclass(frozen=True)
class CertaintyModel:
    """A logistic model of two numbers: what the detector says, and how sure the landmark network is of its points.

    Measured on rendered heads of test subjects in all poses, behind held-out occluders and in all sizes, against what
    the detector finds on images without faces: ``python -m wholeface.lab.bench.protocols.perception.certainty``.

    Args:
        score: weight of the logit of the detector's score.
        sigma: weight of the logarithm of the points' mean standard deviation over the face's size (the root of the
            area of the box around them).
        bias: constant.
    """

    score: float = 1.5259
    sigma: float = -2.2862
    bias: float = -10.2353

    def __call__(self, score: float, sigma: float) -> float:
        """In (0, 1).

        Args:
            score: of the detector, in [0, 1].
            sigma: mean standard deviation of the points over the size of the face, positive.
        """
        sure = float(np.clip(score, 1e-6, 1 - 1e-6))
        value = self.score * np.log(sure / (1 - sure)) + self.sigma * np.log(max(sigma, 1e-6)) + self.bias
        return float(1.0 / (1.0 + np.exp(-np.clip(value, -30, 30))))

    @staticmethod
    def of_notes(notes: Mapping[str, object]) -> CertaintyModel:
        """The one that a weight card's notes hold under ``certainty``; the shipped networks' where there is none.

        Raises:
            UsageError: it is not three numbers.
        """
        told = notes.get("certainty")
        if told is None:
            return CertaintyModel()
        if (
            not isinstance(told, Sequence)
            or len(told) != 3
            or not all(isinstance(v, (int, float)) for v in told)
        ):
            raise UsageError(f"certainty in the notes of a weight card must be three numbers, got {told!r}")
        return CertaintyModel(*(float(v) for v in told))


@dataclass(frozen=True)
class RefusedFace:
    """Something that looked like a face, and was not kept.

    Args:
        box: (4,) x0, y0, x1, y1, photo pixels.
        certainty: in [0, 1].
        reason: ``certainty``, or ``points`` where the landmark network finds no face, or another one, there.
    """

    box: NDArray[np.float64]
    certainty: float
    reason: str


def no_face_error(source: str, detector: object, pixels: NDArray[np.uint8]) -> NoFaceError:
    """What to tell a person whose photo shows no face: what was nearly found, and which option would keep it.

    Args:
        source: name of the photo.
        detector: what found none; where it is our own, it is asked again what it nearly found.
        pixels: (H, W, 3) uint8, the photo.
    """
    search = getattr(detector, "search", None)
    refused: Sequence[RefusedFace] = () if search is None else search(pixels).refused
    near = [face for face in refused if face.reason == "certainty"]
    if not near:
        return NoFaceError(
            f"{source}: no face found; a face should be at least 16 pixels high and partly in view "
            "(--min-face 12 looks for smaller ones in large photos)"
        )
    best = max(near, key=lambda face: face.certainty)
    x0, y0, x1, y1 = (round(float(v)) for v in best.box)
    least = int(best.certainty * 100) / 100
    others = f" (and {len(near) - 1} less sure)" if len(near) > 1 else ""
    return NoFaceError(
        f"{source}: no face found, but something like one {x1 - x0} x {y1 - y0} pixels large at ({x0}, {y0}), with a "
        f"certainty of {best.certainty:.2f}{others}; --certainty {least:.2f} keeps it"
    )

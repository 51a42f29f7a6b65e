"""Where a face is: a frame that turns with the head in the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...samples.sample import FaceSample

__all__ = ["FaceFrame", "face_frame", "subfolder"]


@dataclass(frozen=True)
class FaceFrame:
    """Axes of a face in the image.

    Convention: lengths in units of the distance from the nose bridge (point 27) to the chin (point 8); the origin
    is the nose bridge. The mouth lies near (0, 0.68), the chin at (0, 1), the hairline near (0, −0.55).

    Args:
        origin: (2,) pixels.
        right: (2,) unit vector, the image's right for an upright face.
        down: (2,) unit vector towards the chin.
        unit: pixels per unit of length.
        angle: radians, clockwise as seen, of ``right`` against the image's right.
        yaw: about −1 (nose points to the left of the image) to 1.
    """

    origin: NDArray[np.float32]
    right: NDArray[np.float32]
    down: NDArray[np.float32]
    unit: float
    angle: float
    yaw: float

    def point(self, u: float, v: float) -> NDArray[np.float32]:
        """(2,) pixels of a point of the frame."""
        return self.origin + np.float32(self.unit * u) * self.right + np.float32(self.unit * v) * self.down

    def points(self, uv: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """(P, 2) pixels of points of the frame."""
        axes = np.stack([self.right, self.down])
        return (self.origin + self.unit * (np.asarray(uv, np.float32) @ axes)).astype(np.float32)


def face_frame(sample: FaceSample) -> FaceFrame:
    """The frame of a sample's face, from its 68 points."""
    points = sample.landmarks_68
    axis = points[8] - points[27]
    eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    # A bowed head brings chin and bridge together: the face is never lower than 0.85 of its breadth.
    breadth = float(np.linalg.norm(points[16] - points[0]))
    length = float(np.linalg.norm(axis))
    unit = max(length, 0.7 * breadth, 4.0)
    down = axis / max(length, 1e-3)
    across = eyes / max(float(np.linalg.norm(eyes)), 1e-3)
    turned = np.array([-across[1], across[0]], np.float32)
    down = down + np.float32(0.7) * turned
    down = down / max(float(np.linalg.norm(down)), 1e-3)
    right = np.array([down[1], -down[0]], np.float32)
    middle = 0.5 * (points[0] + points[16])
    yaw = float((points[30] - middle) @ right) / max(0.5 * breadth, 0.3 * unit)
    return FaceFrame(
        points[27].astype(np.float32),
        right.astype(np.float32),
        down.astype(np.float32),
        unit,
        float(np.arctan2(right[1], right[0])),
        float(np.clip(yaw, -1.5, 1.5)),
    )


def subfolder(root: Path | None, name: str) -> Path | None:
    """``occluders/<name>`` under the folder of source material (or ``<name>``), or None where it is missing."""
    if root is None:
        return None
    for folder in (root / "occluders" / name, root / name):
        if folder.is_dir():
            return folder
    return None

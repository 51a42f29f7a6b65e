"""What a set of references keeps of a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ....morphable import MorphableModel
from ....render import pose_degrees
from ....stages import FaceState, ReliefMap
from ....stages.relief.examples import ReliefEmbedding, frame_of
from ....stages.relief.symmetry import atlas_relief
from ....stages.upright import upright

__all__ = ["FINER", "Reference", "reference_of"]

FINER = 2
"""The relief is read at so many times the frame's resolution, and reduced by means."""
_MOST_HIDDEN = 0.08  # share of the face
_LEAST_KNOWN = 0.55  # share of the frame's face that the photo shows as skin, itself or mirrored


@dataclass(frozen=True)
class Reference:
    """One subject of a set.

    Args:
        relief: (H, W) float32 mm in the frame, NaN where nothing is known.
        viewpoint: (2,) float32 degrees, yaw and pitch.
        embedding: (D,) float32.
    """

    relief: NDArray[np.float32]
    viewpoint: NDArray[np.float32]
    embedding: NDArray[np.float32]

    __repr__ = short_repr


def reference_of(face: FaceState, embedding: ReliefEmbedding, size: int) -> Reference | None:
    """The reference that a face makes, or None where too much of it is hidden or not seen as skin.

    Args:
        face: with ``fit``, ``mask`` and ``bump``.
        embedding: tells how similar subjects are.
        size: edge of the whole atlas of which the frame is the face, in texels.
    """
    assert face.fit is not None
    assert face.mask is not None
    assert face.bump is not None
    if face.mask.hidden_fraction > _MOST_HIDDEN:
        return None
    where = upright(face.fit, face.bump.crop, len(face.bump.displacement))
    relief = in_frame(face.fit.model, atlas_relief(where, face.bump, FINER * size), size)
    frame, _ = frame_of(face.fit.model, size)
    if np.isfinite(relief[frame.face]).mean() < _LEAST_KNOWN:
        return None
    viewpoint = pose_degrees(where.parameters.rotation)[:2].cpu().numpy()
    return Reference(relief, np.asarray(viewpoint, np.float32), np.asarray(embedding(face), np.float32))


def in_frame(model: MorphableModel, relief: ReliefMap, size: int) -> NDArray[np.float32]:
    """(H, W) the relief of an atlas FINER times as fine, as means of what is observed or mirrored; NaN elsewhere."""
    frame, part = frame_of(model, size)
    source = relief.provenance
    known = ((source == Provenance.OBSERVED) | (source == Provenance.MIRRORED)).astype(np.float32)

    def reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = values.reshape(size, FINER, size, FINER)
        return np.asarray(blocks.mean(axis=(1, 3))[part], np.float32)

    share = reduced(known)
    mean = reduced(relief.displacement * known) / np.maximum(share, 1e-6)
    found: NDArray[np.float32] = np.where((share >= 0.5) & frame.face, mean, np.float32(np.nan))
    return found.astype(np.float32)

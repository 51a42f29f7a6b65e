"""Which pieces of a raw mask can be occluders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .evidence import log_colours
from .pixels import OccluderWeights
from .view import FaceView

__all__ = ["drop_implausible"]

_F32 = NDArray[np.float32]


def drop_implausible(occluder: _F32, view: FaceView, weights: OccluderWeights) -> _F32:
    """The mask without pieces that are too small to be occluders, or that fade out as shadows and lamplight do.

    Args:
        occluder: (h, w) in [0, 1].
        view: the photo around the face.
        weights: ``contour``, ``smallest`` and ``smallest_island`` apply.
    """
    labels, count = ndimage.label((occluder > 0.5) & view.region)
    if count == 0:
        return occluder
    area = np.bincount(labels.ravel(), minlength=count + 1) / max(int(view.region.sum()), 1)
    rim = view.region & ~ndimage.binary_erosion(view.region, iterations=2)
    at_rim = np.bincount(labels[rim], minlength=count + 1) > 0
    drop = area < np.where(at_rim, weights.smallest, weights.smallest_island)
    colours = ndimage.gaussian_filter(log_colours(view.linear), (1, 1, 0), truncate=2.5)
    slopes = [np.square(np.gradient(colours, axis=axis)).sum(axis=-1) for axis in (0, 1)]
    # Per pixel of the photo where that is the coarser one: enlargement must not blur contours away.
    jump = ndimage.maximum_filter(np.sqrt(slopes[0] + slopes[1]), 3) * max(1.0, view.window.factor)
    outline = (labels > 0) & ndimage.binary_dilation(view.region & (labels == 0))
    length = np.bincount(labels[outline], minlength=count + 1)
    sharpness = np.bincount(labels[outline], weights=jump[outline], minlength=count + 1) / np.maximum(
        length, 1
    )
    drop |= (sharpness < weights.contour) & (length > 5)
    drop[0] = False
    cleaned = occluder.copy()
    cleaned[drop[labels]] = 0.0
    return cleaned

"""Boxes x0, y0, x1, y1: how large they are and how much two of them share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["box_area", "box_intersection", "box_iou"]

Array = NDArray[np.float64]


def box_area(boxes: NDArray[Any]) -> Array:
    """(…,) area of boxes (…, 4); 0 where a box is empty."""
    boxes = np.asarray(boxes, np.float64)
    return np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0).prod(axis=-1)


def box_intersection(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """(…,) area that boxes (…, 4) share; the shapes are broadcast."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    return np.maximum(high - low, 0.0).prod(axis=-1)


def box_iou(one: NDArray[Any], other: NDArray[Any]) -> Array:
    """(…,) intersection over union of boxes (…, 4), in [0, 1]; 0 where either is empty."""
    both = box_intersection(one, other)
    return np.where(both > 0, both / np.maximum(box_area(one) + box_area(other) - both, 1e-300), 0.0)

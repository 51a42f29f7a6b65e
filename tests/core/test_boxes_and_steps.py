"""Overlap of boxes, the soft step and its compiled twin."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.boxes import box_area, box_intersection, box_iou
from wholeface.core.kernels import smoothstep_at
from wholeface.core.smoothstep import smoothstep

BOX = np.array([0.0, 0.0, 4.0, 2.0])


@pytest.mark.parametrize(
    ("other", "shared", "iou"),
    [
        ([0, 0, 4, 2], 8.0, 1.0),
        ([2, 1, 6, 3], 2.0, 2 / 14),
        ([1, 0, 2, 1], 1.0, 1 / 8),
        ([4, 0, 8, 2], 0.0, 0.0),  # they only touch
        ([9, 9, 3, 3], 0.0, 0.0),  # empty
    ],
)
def test_overlap(other: list[float], shared: float, iou: float) -> None:
    assert float(box_intersection(BOX, np.array(other))) == shared
    assert float(box_iou(BOX, np.array(other))) == pytest.approx(iou)
    assert float(box_iou(np.array(other), BOX)) == pytest.approx(iou)


def test_boxes_are_broadcast() -> None:
    boxes = np.random.default_rng(0).uniform(0, 5, (3, 1, 4))
    others = np.random.default_rng(1).uniform(0, 5, (1, 7, 4))
    table = box_iou(boxes, others)
    assert table.shape == (3, 7)
    assert table[2, 4] == box_iou(boxes[2, 0], others[0, 4])
    assert float(box_area(np.zeros(4))) == float(box_iou(np.zeros(4), np.zeros(4))) == 0.0


def test_soft_step() -> None:
    values = np.array([-1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0])
    found = smoothstep(2.0, 4.0, values)
    np.testing.assert_allclose(found, [0, 0, 0.15625, 0.5, 0.84375, 1, 1], atol=1e-6)
    np.testing.assert_allclose([smoothstep_at(2.0, 4.0, v) for v in values], found, atol=1e-6)

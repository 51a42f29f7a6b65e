"""The measures of the perception bench, against values worked out by hand, and wrong variants that must be caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.core.boxes import box_iou
from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocols.perception.metrics import (
    calibration,
    class_confusion,
    class_iou,
    eye_scale,
    match_boxes,
    nme_summary,
    point_errors,
)


def box(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def check_iou(measure: Callable[[np.ndarray, np.ndarray], float]) -> None:
    assert measure(box(0, 0, 4, 4), box(2, 0, 6, 4)) == pytest.approx(8 / 24)
    assert measure(box(0, 0, 4, 4), box(1, 1, 3, 3)) == pytest.approx(4 / 16)
    assert measure(box(0, 0, 1, 1), box(0, 0, 1, 1)) == 1.0
    assert measure(box(0, 0, 1, 1), box(2, 2, 3, 3)) == 0.0
    assert measure(box(0, 0, 1, 1), box(1, 0, 2, 1)) == 0.0  # they touch
    assert measure(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 0.0


def test_iou_by_hand() -> None:
    check_iou(box_iou)


def test_overlap_over_the_smaller_box_is_caught() -> None:
    def wrong(a: np.ndarray, b: np.ndarray) -> float:
        both = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
        return float(both / max(min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])), 1e-9))

    with pytest.raises(AssertionError):
        check_iou(wrong)


def test_boxes_are_paired_one_to_one() -> None:
    truth = [box(0, 0, 10, 10), box(20, 0, 30, 10)]
    found = [box(0, 0, 10, 9), box(0, 0, 10, 10), box(20, 0, 30, 4)]
    overlaps, extra = match_boxes(truth, found)
    # The second box is the better one; the third overlaps by 0.4 only, and the first has lost its partner.
    assert overlaps == [1.0, 0.0]
    assert extra == 2
    assert match_boxes(truth, found, least=0.4)[0] == [1.0, pytest.approx(0.4)]


def test_a_second_face_is_left_to_the_second_box() -> None:
    truth = [box(0, 0, 10, 10), box(2, 0, 12, 10)]
    found = [box(1, 0, 11, 10), box(0, 0, 10, 10)]
    overlaps, extra = match_boxes(truth, found)
    assert overlaps == [1.0, pytest.approx(9 / 11)]
    assert extra == 0


def test_nothing_there_or_nothing_found() -> None:
    assert match_boxes([], [box(0, 0, 1, 1)]) == ([], 1)
    assert match_boxes([box(0, 0, 1, 1)], []) == ([0.0], 0)


def face(eyes: float, height: float) -> np.ndarray:
    points = np.full((478, 2), 1e6)  # only four points may count
    points[33], points[263] = (0, 0), (eyes, 0)
    points[10], points[152] = (0, -height / 2), (0, height / 2)
    return points


def check_scale(measure: Callable[[np.ndarray], float]) -> None:
    assert measure(face(90, 170)) == pytest.approx(90)
    assert measure(face(10, 170)) == pytest.approx(68)  # a profile
    turned = face(90, 170) @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    assert measure(turned) == pytest.approx(90)


def test_scale_of_frontal_and_profile_faces() -> None:
    check_scale(eye_scale)


def test_scale_by_the_eyes_alone_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_scale(lambda points: float(np.linalg.norm(points[33] - points[263])))


def test_point_errors_by_hand() -> None:
    truth = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 5.0]])
    found = truth + np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -1.0]])
    assert point_errors(found, truth, 50.0) == pytest.approx([10.0, 0.0, 2.0])


def test_summary_counts_missed_images_as_failed() -> None:
    total = nme_summary([1.0, 2.0, 9.0, None])
    assert (total.images, total.missed) == (4, 1)
    assert total.mean == pytest.approx(4.0)
    assert total.median == 2.0
    assert total.failed == 0.5
    assert nme_summary([8.0]).failed == 0.0  # at the limit, not above it


def test_summary_of_nothing_found_and_of_no_images() -> None:
    nothing = nme_summary([None, None])
    assert np.isnan(nothing.mean)
    assert nothing.failed == 1.0
    with pytest.raises(UsageError, match="no images"):
        nme_summary([])


def check_calibration(measure: Callable[[np.ndarray, np.ndarray], object]) -> None:
    result = measure(np.array([[0.0, -1.0], [1.5, 6.0]]), np.array([[1.0, 1.0], [1.0, 2.0]]))
    # Ratios 0, 1, 1.5, 3.
    assert result.values == 4  # type: ignore[attr-defined]
    assert result.rms == pytest.approx(np.sqrt((0 + 1 + 2.25 + 9) / 4))  # type: ignore[attr-defined]
    assert (result.within_68, result.within_95) == (0.5, 0.75)  # type: ignore[attr-defined]


def test_calibration_by_hand() -> None:
    check_calibration(calibration)


def test_calibration_by_pooled_sigma_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_calibration(lambda e, s: calibration(e, np.full_like(s, np.sqrt((s**2).mean()))))


def test_a_gaussian_is_calibrated() -> None:
    rng = np.random.default_rng(1)
    sigma = rng.uniform(0.5, 4.0, (200_000, 2))
    result = calibration(sigma * rng.normal(size=sigma.shape), sigma)
    assert result.rms == pytest.approx(1.0, abs=0.01)
    assert result.within_68 == pytest.approx(0.683, abs=0.005)
    assert result.within_95 == pytest.approx(0.95, abs=0.005)


def test_calibration_of_nothing() -> None:
    with pytest.raises(UsageError, match="same shape"):
        calibration(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(UsageError, match="same shape"):
        calibration(np.zeros((3, 2)), np.ones(3))


def check_class_iou(measure: Callable[[np.ndarray], np.ndarray]) -> None:
    truth = np.array([[0, 0, 1], [1, 1, 255]], dtype=np.uint8)
    found = np.array([[0, 1, 1], [1, 2, 2]], dtype=np.uint8)
    confusion = class_confusion(truth, found, 3)
    assert confusion.tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    result = measure(confusion)
    assert result[:2] == pytest.approx([1 / 2, 2 / 4])
    assert np.isnan(result[2])  # never there


def test_class_iou_by_hand() -> None:
    check_class_iou(class_iou)


def test_recall_instead_of_iou_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_class_iou(lambda c: np.where(c.sum(1) > 0, np.diag(c) / np.maximum(c.sum(1), 1), np.nan))

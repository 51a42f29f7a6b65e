"""Which cells answer for which face, and the detector's loss against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wholeface.lab.train.losses import assign_cells, detector_loss
from wholeface.lab.train.losses.detector import generalized_iou
from wholeface.networks.detector_net import cell_centres

SIZE = 128
CENTRES, STRIDES = cell_centres(SIZE, SIZE)


def boxes(*faces: tuple[float, float, float, float]) -> Tensor:
    """(1, M, 4) from middles and sizes."""
    return torch.tensor([[(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in faces]])


def assigned(*faces: tuple[float, float, float, float], count: int | None = None) -> Tensor:
    number = torch.tensor([len(faces) if count is None else count])
    return assign_cells(boxes(*faces), number, CENTRES, STRIDES).face[0]


@pytest.mark.parametrize(
    ("side", "scales"),
    [
        (6, {8}),
        (12, {8}),
        (20, {8}),
        (26, {8, 16}),
        (40, {8, 16}),
        (60, {16, 32}),
        (110, {16, 32}),
        (120, {32}),
    ],
)
def test_the_size_of_a_face_chooses_its_scales(side: float, scales: set[int]) -> None:
    # A scale s answers for faces of 1.6 s to 7 s; the finest also for smaller ones, the coarsest for larger ones.
    face = assigned((61.0, 67.0, side, side))
    assert set(STRIDES[face == 0].int().tolist()) == scales


def test_cells_near_the_middle_answer_and_those_beside_or_on_a_nearly_fitting_scale_may() -> None:
    x, y, w, h = 60.0, 70.0, 40.0, 30.0
    face = assigned((x, y, w, h))
    off = (CENTRES - torch.tensor([x, y])).abs()
    for stride, fits in ((8, True), (16, True), (32, False)):
        here = stride == STRIDES
        reach = torch.tensor([min(0.3 * w, 2.5 * stride), min(0.3 * h, 2.5 * stride)]).clamp_min(
            0.51 * stride
        )
        near = (off <= reach).all(-1)
        inside = (off <= 0.45 * torch.tensor([w, h])).all(-1)
        expected = torch.full_like(face, -1)
        if fits:
            expected[inside] = -2
            expected[near] = 0
        elif (
            stride == 32
        ):  # 34.6 pixels are 1.08 strides: not nearly the 1.6 / 1.4 that this scale begins with
            assert (near | inside).any()
        assert torch.equal(face[here], expected[here])


def test_a_face_holds_no_smaller_faces() -> None:
    # 110 pixels are 13.75 strides of the finest scale, far beyond its 7: its cells within must say no.
    face = assigned((61.0, 67.0, 110.0, 110.0))
    assert (face[STRIDES == 8] == -1).all()
    # 45 pixels are 1.4 strides of the coarsest scale, which nearly suit it: its middle cells may say either.
    face = assigned((61.0, 67.0, 45.0, 45.0))
    assert set(face[STRIDES == 32].tolist()) == {-1, -2}


def test_every_face_has_a_cell_wherever_it_lies() -> None:
    for side in (4.0, 9.0, 33.0, 90.0):
        for shift in torch.arange(0, 32, 1.7).tolist():
            assert (assigned((48 + shift, 50 + 0.6 * shift, side, 0.9 * side)) == 0).any()


def test_the_nearer_of_two_faces_wins() -> None:
    face = assigned((50.0, 64.0, 40.0, 40.0), (74.0, 64.0, 40.0, 40.0))
    answered = face >= 0
    nearer = ((CENTRES[:, 0] - 50).abs() > (CENTRES[:, 0] - 74).abs()).long()
    tie = (CENTRES[:, 0] - 62).abs() < 1e-4
    assert set(face[answered].tolist()) == {0, 1}
    assert torch.equal(face[answered & ~tie], nearer[answered & ~tie])


def test_padding_is_no_face() -> None:
    alone = assigned((50.0, 64.0, 40.0, 40.0))
    padded = assigned((50.0, 64.0, 40.0, 40.0), (90.0, 30.0, 30.0, 30.0), count=1)
    assert torch.equal(alone, padded)
    assert (assigned((50.0, 64.0, 40.0, 40.0), count=0) == -1).all()


def test_generalised_iou_by_hand() -> None:
    a = torch.tensor([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 4, 4]], dtype=torch.float32)
    b = torch.tensor([[0, 0, 1, 1], [1, 0, 3, 2], [2, 0, 3, 1], [1, 1, 2, 3]], dtype=torch.float32)
    # The same; half of each over the other (2 of 6, hull full); apart (hull 3, union 2); one within the other.
    expected = torch.tensor([1, 1 / 3, -1 / 3, 2 / 16])
    torch.testing.assert_close(generalized_iou(a, b), expected)
    torch.testing.assert_close(generalized_iou(b, a), expected)


def perfect(box: Tensor, points: Tensor, confidence: float) -> Tensor:
    """(1, cells, 15) what a network that is right would say of one face."""
    face = assign_cells(box[None, None], torch.tensor([1]), CENTRES, STRIDES).face[0]
    raw = torch.zeros(1, len(CENTRES), 15)
    raw[0, :, 0] = torch.where(face == 0, confidence, -confidence)
    raw[0, :, 1:3] = ((CENTRES - box[:2]) / STRIDES[:, None]).clamp_min(1e-3).log()
    raw[0, :, 3:5] = ((box[2:] - CENTRES) / STRIDES[:, None]).clamp_min(1e-3).log()
    raw[0, :, 5:] = ((points[None] - CENTRES[:, None]) / STRIDES[:, None, None]).flatten(1)
    return raw


BOX = torch.tensor([40.0, 44.0, 80.0, 92.0])
POINTS = torch.tensor([[50.0, 60.0], [70.0, 60.0], [60.0, 70.0], [52.0, 82.0], [68.0, 82.0]])


def of(raw: Tensor, count: int = 1) -> dict[str, Tensor]:
    return detector_loss(raw, BOX[None, None], POINTS[None, None], torch.tensor([count]), CENTRES, STRIDES)


def test_a_perfect_answer_costs_nothing() -> None:
    parts = of(perfect(BOX, POINTS, 20.0))
    assert set(parts) == {"total", "score", "box", "points"}
    for value in parts.values():
        assert float(value) == pytest.approx(0, abs=1e-4)


def test_points_by_hand() -> None:
    # All points off by 8 pixels in x: smooth L1 (beta 0.05) of 8 over the face's size, half of the coordinates.
    parts = of(perfect(BOX, POINTS + torch.tensor([8.0, 0.0]), 20.0))
    off = 8 / math.sqrt(40 * 48)
    assert float(parts["points"]) == pytest.approx((off - 0.025) / 2, rel=1e-4)
    assert float(parts["total"]) == pytest.approx(5 * float(parts["points"]), rel=1e-3)


def test_boxes_by_hand() -> None:
    # Ten pixels too wide: 40 · 48 over 50 · 48, which is union and hull.
    parts = of(perfect(BOX + torch.tensor([0.0, 0.0, 10.0, 0.0]), POINTS, 20.0))
    assert float(parts["box"]) == pytest.approx(1 - 40 / 50, rel=1e-3)


def test_the_score_by_hand() -> None:
    # Focal loss with all cells undecided: balance · 0.25 · log 2 over the number of cells that answer.
    raw = torch.zeros(1, len(CENTRES), 15)
    face = assigned((60.0, 68.0, 40.0, 48.0))
    counted = int((face > -2).sum())
    expected = 0.75 * 0.25 * math.log(2) * counted / int((face == 0).sum())
    assert float(of(raw)["score"]) == pytest.approx(expected, rel=1e-4)
    nobody = of(raw, count=0)
    assert float(nobody["score"]) == pytest.approx(0.75 * 0.25 * math.log(2) * len(CENTRES), rel=1e-4)
    assert float(nobody["box"]) == float(nobody["points"]) == 0.0


def test_scores_go_up_where_faces_are_and_down_elsewhere() -> None:
    raw = torch.zeros(1, len(CENTRES), 15, requires_grad=True)
    of(raw)["total"].backward()
    assert raw.grad is not None
    face = assigned((60.0, 68.0, 40.0, 48.0))
    slope = raw.grad[0, :, 0]
    assert (slope[face == 0] < 0).all()
    assert (slope[face == -1] > 0).all()
    assert (slope[face == -2] == 0).all()
    assert (face == -2).any()
    assert (raw.grad[0, face != 0, 1:] == 0).all()
    assert (raw.grad[0, face == 0, 1:].abs().sum(-1) > 0).all()

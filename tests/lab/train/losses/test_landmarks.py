"""The landmark loss against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.train.losses import LandmarkLoss, landmark_loss
from wholeface.networks import LandmarkOutput

LN2 = math.log(2)


def output(points: object, log_sigma: object = 0.0) -> LandmarkOutput:
    found = torch.tensor(points, dtype=torch.float32)
    flags = torch.zeros(found.shape[:2])
    spread = torch.as_tensor(log_sigma, dtype=torch.float32).expand(flags.shape).clone()
    nobody = found.new_zeros(len(found), 0)
    return LandmarkOutput(
        found.requires_grad_(), spread.requires_grad_(), flags.clone(), flags.clone(), nobody, nobody
    )


def flagged(self_visible: torch.Tensor, occluded: torch.Tensor) -> LandmarkOutput:
    nobody = self_visible.new_zeros(len(self_visible), 0)
    points = self_visible.new_zeros(*self_visible.shape, 2)
    return LandmarkOutput(points, torch.zeros_like(self_visible), self_visible, occluded, nobody, nobody)


def loss(found: LandmarkOutput, truth: object, **options: object) -> LandmarkLoss:
    points = torch.tensor(truth, dtype=torch.float32)
    flags = torch.zeros(points.shape[:2], dtype=torch.bool)
    return landmark_loss(found, points, flags, flags, **options)  # type: ignore[arg-type]


def test_squared_by_hand() -> None:
    # Distances 5 and 0: (25 + 0) / 2; both flags are undecided: log 2 each.
    parts = loss(output([[[0, 0], [7, 7]]]), [[[3, 4], [7, 7]]], kind="squared")
    assert float(parts.points) == pytest.approx(12.5)
    assert float(parts.self_visible) == pytest.approx(LN2)
    assert float(parts.occluded) == pytest.approx(LN2)
    assert float(parts.total) == pytest.approx(12.5 + 0.1 * 2 * LN2)
    assert float(
        loss(output([[[0, 0], [7, 7]]]), [[[3, 4], [7, 7]]], kind="squared", flag_strength=2.0).total
    ) == pytest.approx(12.5 + 4 * LN2)


def test_gaussian_by_hand() -> None:
    # log σ² + d² / 2σ²: 0 + 5/2 at σ = 1, and 2 log 2 + 4/8 at σ = 2.
    parts = loss(output([[[0, 0], [7, 7]]], [[0, LN2]]), [[[1, 2], [7, 9]]])
    assert float(parts.points) == pytest.approx((2.5 + 2 * LN2 + 0.5) / 2)


def test_blunders_count_linearly() -> None:
    # Beyond 4 σ: 4 d/σ − 8, which goes on from d² / 2σ² without a step or a bend.
    parts = loss(output([[[0, 0], [0, 0]]], [[0, LN2]]), [[[3, 4], [0, 20]]])
    assert float(parts.points) == pytest.approx((12 + 2 * LN2 + 32) / 2)
    found = output([[[0, 0], [0, 0]]])
    loss(found, [[[3.999, 0], [4.001, 0]]]).total.backward()
    assert found.points.grad is not None
    torch.testing.assert_close(found.points.grad[0, :, 0], torch.tensor([-2.0, -2.0]), atol=1e-3, rtol=0)
    far = output([[[0, 0]]])
    loss(far, [[[300, 400]]]).total.backward()
    assert far.points.grad is not None
    assert float(far.points.grad.norm()) == pytest.approx(4)
    exact = output([[[5, 5]]])
    loss(exact, [[[5, 5]]]).total.backward()
    assert exact.points.grad is not None
    assert bool((exact.points.grad == 0).all())


def test_flags_by_hand() -> None:
    found = flagged(torch.tensor([[2.0, -1.0]]), torch.tensor([[0.5, -3.0]]))
    yes, no = torch.tensor([[True, False]]), torch.tensor([[False, True]])
    parts = landmark_loss(found, torch.zeros(1, 2, 2), yes, no)
    assert float(parts.self_visible) == pytest.approx(
        (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    )
    assert float(parts.occluded) == pytest.approx((math.log1p(math.exp(0.5)) + math.log1p(math.exp(3))) / 2)


@pytest.mark.parametrize("kind", ["squared", "gaussian"])
def test_points_are_pulled_to_the_truth(kind: str) -> None:
    found = output([[[0, 0], [5, 5]]], 0.3)
    loss(found, [[[3, -4], [5, 5]]], kind=kind).total.backward()
    assert found.points.grad is not None
    weight = 1.0 if kind == "squared" else 0.5 * math.exp(-0.6)
    torch.testing.assert_close(found.points.grad, weight * torch.tensor([[[-3.0, 4.0], [0.0, 0.0]]]))


def test_sigma_grows_where_errors_are_large_and_settles_at_their_size() -> None:
    # The loss over log σ is flat where d² = 2 σ²: each coordinate's standard deviation.
    found = output([[[0, 0], [0, 0], [0, 0]]], 0.0)
    side = math.sqrt(2)
    loss(found, [[[side, 0], [5, 0], [0.1, 0]]]).total.backward()
    assert found.log_sigma.grad is not None
    settled, large, small = found.log_sigma.grad[0].tolist()
    assert settled == pytest.approx(0, abs=1e-6)
    assert large < 0 < small


def test_sigma_is_bounded() -> None:
    tiny, huge = (loss(output([[[0, 0]]], s), [[[1, 0]]]).points for s in (-50.0, 50.0))
    assert float(tiny) == pytest.approx(-12 + 4 * math.exp(6) - 8, rel=1e-5)
    assert float(huge) == pytest.approx(12 + 0.5 * math.exp(-12), rel=1e-5)


def test_weight_0_ignores() -> None:
    found, truth = [[[0, 0], [1, 1]], [[9, 9], [2, 2]]], [[[3, 4], [1, 1]], [[0, 0], [2, 5]]]
    alone = loss(output(found[:1]), truth[:1], kind="squared")
    weight = torch.tensor([1.0, 0.0])
    out = output(found)
    both = loss(out, truth, kind="squared", point_weight=weight)
    assert float(both.points) == pytest.approx(float(alone.points))
    both.total.backward()
    assert out.points.grad is not None
    assert out.points.grad[1].abs().max() == 0 < out.points.grad[0].abs().max()
    single = torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    assert float(loss(output(found), truth, kind="squared", point_weight=single).points) == pytest.approx(9)
    nothing = loss(output(found), truth, point_weight=torch.zeros(2), flag_weight=torch.zeros(2))
    assert float(nothing.total) == 0.0


def test_weights_are_relative() -> None:
    found, truth = [[[0, 0]], [[0, 0]]], [[[1, 0]], [[2, 0]]]
    weight = torch.tensor([3.0, 1.0])
    assert float(loss(output(found), truth, kind="squared", point_weight=weight).points) == pytest.approx(
        7 / 4
    )


def test_balanced_by_hand() -> None:
    # Each gaussian part times σ over the mean σ of 1.5: (2.5 · 1 + (2 log 2 + 0.5) · 2) / (2 · 1.5).
    found = output([[[0, 0], [7, 7]]], [[0, LN2]])
    parts = loss(found, [[[1, 2], [7, 9]]], kind="balanced")
    assert float(parts.points) == pytest.approx((2.5 + 2 * (2 * LN2 + 0.5)) / 3)
    parts.points.backward()
    assert found.points.grad is not None
    assert found.log_sigma.grad is not None
    # Errors of as many sigmas pull equally, whatever the sigma: (1, 2)/1² · 1 and (0, 2)/2² · 2.
    torch.testing.assert_close(found.points.grad, -torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]) / 3)
    # The weight itself has no gradient: d/dlogσ of the gaussian parts, weighted, is all there is.
    torch.testing.assert_close(found.log_sigma.grad, torch.tensor([[(2 - 5) / 3, 2 * (2 - 1) / 3]]))


def test_what_does_not_count_does_not_weigh_either() -> None:
    found = output([[[0, 0], [7, 7]]], [[0, 5.0]])
    one = loss(found, [[[1, 2], [0, 0]]], kind="balanced", point_weight=torch.tensor([[1.0, 0.0]]))
    assert float(one.points) == pytest.approx(2.5)


def test_the_person_by_hand() -> None:
    flags = torch.zeros(2, 1, dtype=torch.bool)
    found = LandmarkOutput(
        torch.zeros(2, 1, 2), torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, 1),
        torch.tensor([[1.0, 0.0], [9.0, 9.0]]), torch.tensor([[0.0, -LN2], [0.0, 0.0]]),
    )  # fmt: skip
    options = {"kind": "squared", "flag_strength": 0.0, "identity": torch.tensor([[0.0, 1.0], [0.0, 0.0]])}
    first = torch.tensor([1.0, 0.0])
    parts = landmark_loss(found, torch.zeros(2, 1, 2), flags, flags, identity_weight=first, **options)  # type: ignore[arg-type]
    # 0 + 1/2 at s = 1; −log 2 + 1 / (2 · ¼) at s = ½; the second image does not count.
    assert float(parts.person) == pytest.approx((0.5 - LN2 + 2.0) / 2)
    assert float(parts.total) == pytest.approx(0.3 * float(parts.person))
    parts = landmark_loss(
        found, torch.zeros(2, 1, 2), flags, flags, identity_weight=first, identity_strength=2.0, **options
    )  # type: ignore[arg-type]
    assert float(parts.total) == pytest.approx(2 * float(parts.person))
    without = landmark_loss(found, torch.zeros(2, 1, 2), flags, flags, kind="squared", flag_strength=0.0)
    assert float(without.total) == 0.0


def test_flag_weights_leave_the_points_alone() -> None:
    flags = torch.zeros(2, 1, dtype=torch.bool)
    found = flagged(torch.tensor([[1.0], [9.0]]), torch.zeros(2, 1))
    parts = landmark_loss(
        found, torch.ones(2, 1, 2), flags, flags, kind="squared", flag_weight=torch.tensor([1.0, 0.0])
    )
    assert float(parts.self_visible) == pytest.approx(math.log1p(math.e))
    assert float(parts.points) == pytest.approx(2.0)


def test_unknown_kind() -> None:
    with pytest.raises(
        UsageError, match="unknown landmark loss 'laplace'; choose squared, gaussian or balanced"
    ):
        loss(output([[[0, 0]]]), [[[0, 0]]], kind="laplace")

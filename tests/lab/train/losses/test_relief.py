"""Losses of the relief networks by hand, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from wholeface.lab.train.losses.relief import bump_loss, crease_weight, relief_loss
from wholeface.networks import ReliefOutput


def test_equation_5_by_hand() -> None:
    found = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]]).reshape(1, 1, 2, 3)
    target = torch.zeros_like(found)
    value = (1 + 2 + 4) / 6
    down = (1 + 2 + 4) / 3
    right = (1 + 2 + 0 + 0) / 4
    assert float(bump_loss(found, target)) == pytest.approx(value + down + right)
    # A constant error has no gradient.
    assert float(bump_loss(target + 0.5, target)) == pytest.approx(0.5)


def test_what_has_no_weight_does_not_count() -> None:
    found = torch.tensor([[1.0, 9.0, 4.0]]).reshape(1, 1, 1, 3)
    weight = torch.tensor([[1.0, 0.0, 0.5]]).reshape(1, 1, 1, 3)
    # Both differences touch the pixel without weight.
    assert float(bump_loss(found, 0 * found, weight)) == pytest.approx((1 + 0.5 * 4) / 1.5)
    weight[..., 1] = 0.25
    gradient = (0.25 * 8 + 0.25 * 5) / 0.5
    assert float(bump_loss(found, 0 * found, weight)) == pytest.approx(
        (1 + 0.25 * 9 + 0.5 * 4) / 1.75 + gradient
    )


def test_creases_weigh_more_by_hand() -> None:
    target = torch.zeros(1, 1, 3, 7)
    target[..., 3] = -0.3
    weight = crease_weight(target, 2.0)[0, 0, 1]
    beside = 1 + 2 * 0.15 / 0.08  # central difference: half of 0.3 mm
    torch.testing.assert_close(weight, torch.tensor([1, 1, beside, 1 + 2, beside, 1, 1]))
    target[..., 3] = -30
    assert float(crease_weight(target, 2.0).max()) == 11  # bounded
    assert (crease_weight(target, 0.0) == 1).all()


def _output(displacement: torch.Tensor, scale: float = 0.1) -> ReliefOutput:
    return ReliefOutput(displacement, torch.full_like(displacement, scale))


def test_terms_by_hand() -> None:
    target = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    weight = torch.ones_like(target)
    loss = relief_loss(_output(target + 0.3), target, weight, scale=0.5, gradient=3.0)
    assert float(loss.value) == pytest.approx(0.3)
    assert float(loss.gradient) == pytest.approx(0)
    assert float(loss.scale) == pytest.approx(0.3 / 0.1 + math.log(0.1))
    assert float(loss.total) == pytest.approx(0.3 + 0.5 * (3 + math.log(0.1)))
    # Rounded off at 0.1 mm: e - c / 2 beyond, e² / 2c below
    assert float(relief_loss(_output(target + 0.3), target, weight, round_off=0.1).value) == pytest.approx(
        0.25
    )
    assert float(relief_loss(_output(target + 0.05), target, weight, round_off=0.1).value) == pytest.approx(
        0.05**2 / 0.2
    )


def test_with_creases_no_relief_is_no_longer_the_best_answer() -> None:
    """A groove that is there in one of three photos that look alike: weighted alike, the best guess is none."""
    groove = -0.3 * torch.exp(-0.5 * ((torch.arange(21.0) - 10) / 2) ** 2).expand(1, 1, 21, 21)
    truths = [groove, 0 * groove, 0 * groove]
    depths = torch.linspace(0, 1, 21)

    def best(creases: float) -> float:
        losses = [
            sum(
                float(
                    relief_loss(
                        _output(depth * groove), t, torch.ones_like(t), creases=creases, scale=0.0
                    ).total
                )
                for t in truths
            )
            for depth in depths
        ]
        return float(depths[int(torch.tensor(losses).argmin())])

    assert best(0.0) == 0
    assert best(4.0) > 0.5


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    found, target, weight = (
        torch.rand(1, 1, 5, 6, dtype=torch.float64, generator=generator) for _ in range(3)
    )
    scale = weight + 0.1

    def total(displacement: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        loss = relief_loss(ReliefOutput(displacement, scale), target, weight, round_off=0.05)
        return loss.value + loss.gradient + 0 * scale.sum()

    inputs = [t.clone().requires_grad_() for t in (found, scale)]
    assert torch.autograd.gradcheck(total, inputs, atol=1e-6)
    relief_loss(ReliefOutput(inputs[0], inputs[1]), target, weight).scale.backward()
    assert inputs[0].grad is None  # the displacement learns nothing of the likelihood
    assert inputs[1].grad is not None
    # At its best the scale is the error.
    error = (found - target).abs().clamp_min(1e-3)
    best = error.clone().requires_grad_()
    relief_loss(ReliefOutput(target + error, best), target, weight).scale.backward()
    assert best.grad is not None
    assert best.grad.abs().max() < 1e-9

"""Losses of the texture graph network, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.sparse import csr_array

from wholeface.lab.train.losses.texture_graph import (
    critic_loss,
    critic_score,
    gradient_penalty,
    identity_loss,
    masked_l1,
    roughness,
)
from wholeface.networks.graph import SparseMatrix


def test_masked_l1_by_hand() -> None:
    found = torch.tensor([[[1.0, 2, 3], [0, 0, 0], [5, 5, 5]]], requires_grad=True)
    wanted = torch.tensor([[[1.0, 0, 4], [3, 0, 0], [0, 0, 0]]])
    weight = torch.tensor([[2.0, 1, 0]])
    # (2 · (0 + 2 + 1)/3 + 1 · 3/3) / 3
    loss = masked_l1(found, wanted, weight)
    assert float(loss) == pytest.approx(1.0)
    (slope,) = torch.autograd.grad(loss, found)
    assert torch.allclose(slope, torch.tensor([[[0, 2, -2], [-1, 0, 0], [0, 0, 0]]]) / 9)
    assert float(masked_l1(found, wanted, torch.zeros(1, 3))) == 0


def test_roughness_by_hand() -> None:
    """A path of three: the middle has two neighbours, the ends one."""
    mean = SparseMatrix(csr_array([[0, 1.0, 0], [0.5, 0, 0.5], [0, 1.0, 0]]), torch.float64)
    change = torch.tensor([[[1.0], [3], [0]]], dtype=torch.float64, requires_grad=True)
    # (1 − 3)², (3 − ½)², (0 − 3)²
    assert float(roughness(change, mean)) == pytest.approx((4 + 6.25 + 9) / 3)
    assert float(roughness(torch.full((2, 3, 3), 7.0, dtype=torch.float64), mean)) == 0
    assert torch.autograd.gradcheck(lambda x: roughness(x, mean), (change,))


def test_identity_loss_by_hand() -> None:
    a, b = torch.tensor([[1.0, 0], [2, 0]]), torch.tensor([[3.0, 0], [1, 1]])
    assert float(identity_loss(a, b)) == pytest.approx((0 + 1 - math.sqrt(0.5)) / 2, abs=1e-6)


def test_scores_by_hand() -> None:
    real, fake = torch.tensor([1.0, 3]), torch.tensor([0.0, 1])
    assert float(critic_loss(real, fake)) == -1.5
    assert float(critic_score(fake)) == -0.5


def test_gradient_penalty_of_a_linear_critic() -> None:
    """The slope of Σ w x is w: of length 5 for w = (3, 4), so the penalty is 16 and its gradient in w is 8 w/5."""
    weight = torch.tensor([3.0, 4]).reshape(1, 1, 1, 2).requires_grad_()
    real, fake = torch.rand(6, 1, 1, 2), torch.rand(6, 1, 1, 2, requires_grad=True)
    found = gradient_penalty(
        lambda x: (weight * x).sum(dim=(1, 2, 3)), real, fake, torch.Generator().manual_seed(0)
    )
    assert float(found.detach()) == pytest.approx(16.0, rel=1e-5)
    (slope,) = torch.autograd.grad(found, weight)
    assert torch.allclose(slope.flatten(), torch.tensor([4.8, 6.4]), rtol=1e-4)


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().sum(dim=(1, 2, 3))

    real, fake = torch.zeros(64, 1, 1, 1), torch.ones(64, 1, 1, 1)
    gradient_penalty(critic, real, fake, torch.Generator().manual_seed(1))
    share = seen[0].flatten()
    assert 0 <= float(share.min()) < 0.1
    assert 0.9 < float(share.max()) <= 1

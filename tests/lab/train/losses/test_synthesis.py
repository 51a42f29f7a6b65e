"""Losses of the generators: hand-computed values, gradients, weights of the papers."""

from __future__ import annotations

import math

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.train.losses import (
    OBJECTIVES,
    EyeglassesWeights,
    FisnWeights,
    discriminator_loss,
    eyeglasses_loss,
    feature_matching_loss,
    fisn_loss,
    generator_loss,
    gram_matrix,
    perceptual_loss,
    pixel_loss,
    style_loss,
    total_variation,
)

D = torch.float64


def test_the_game_by_hand() -> None:
    """Two discriminators; with D = sigmoid(logit): logit log 3 is D = 3/4, logit −log 4 is D = 1/5."""
    real = [torch.tensor([[math.log(3.0)]], dtype=D), torch.tensor([[0.0, 0.0]], dtype=D)]
    fake = [torch.tensor([[-math.log(4.0)]], dtype=D), torch.tensor([[math.log(3.0), 0.0]], dtype=D)]
    first = math.log(3 / 4) + math.log(1 - 1 / 5)
    second = math.log(1 / 2) + (math.log(1 - 3 / 4) + math.log(1 / 2)) / 2
    assert float(discriminator_loss(real, fake)) == pytest.approx(-(first + second))
    wanted = -math.log(1 / 5) - (math.log(3 / 4) + math.log(1 / 2)) / 2
    assert float(generator_loss(fake)) == pytest.approx(wanted)


def test_the_other_games_by_hand() -> None:
    real, fake = [torch.tensor([0.5, 2.0])], [torch.tensor([-2.0, 0.5])]
    assert float(discriminator_loss(real, fake, "least_squares")) == pytest.approx(
        0.5 * (0.25 + 1) / 2 + 0.5 * (4 + 0.25) / 2
    )
    assert float(generator_loss(fake, "least_squares")) == pytest.approx(0.5 * (9 + 0.25) / 2)
    assert float(discriminator_loss(real, fake, "hinge")) == pytest.approx((0.5 + 0) / 2 + (0 + 1.5) / 2)
    assert float(generator_loss(fake, "hinge")) == pytest.approx(0.75)
    with pytest.raises(UsageError, match="'wasserstein'; choose from logistic, least_squares, hinge"):
        generator_loss(fake, "wasserstein")  # type: ignore[arg-type]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_players_pull_in_opposite_directions(objective: str) -> None:
    fake = torch.zeros(1, 1, 3, 3, dtype=D, requires_grad=True)
    (down,) = torch.autograd.grad(discriminator_loss([fake.detach()], [fake + 0.1], objective), fake)
    (up,) = torch.autograd.grad(generator_loss([fake + 0.1], objective), fake)
    assert (down > 0).all()
    assert (up < 0).all()


def test_feature_matching_by_hand() -> None:
    """The mean over a layer, the sum over layers and discriminators; the logits, last, do not count."""
    t = torch.tensor
    real = [[t([1.0, 2.0]), t([0.0]), t([100.0])], [t([4.0]), t([0.0])]]
    fake = [[t([2.0, 5.0]), t([3.0]), t([0.0])], [t([3.5]), t([1.0])]]
    assert float(feature_matching_loss(real, fake)) == (1 + 3) / 2 + 3 + 0.5
    assert float(perceptual_loss(real[0][:2], fake[0][:2])) == (1 + 3) / 2 + 3


def test_the_gram_matrix_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert gram_matrix(features).tolist() == [[[5.0, 1.0], [1.0, 10.0]]]


def test_style_by_hand() -> None:
    """O = 2, H · W = 2: |ΔG| sums to 5 + 1 + 1 + 10, over O·H·W = 4 and O² = 4."""
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    nothing = torch.zeros_like(features)
    assert float(style_loss([nothing], [features])) == 17 / 16
    assert float(style_loss([nothing, nothing], [features, features])) == 17 / 8
    assert float(style_loss([features], [features.flip(3)])) == 0  # where something is does not matter


def test_pixels_by_hand() -> None:
    target = torch.zeros(2, 3, 2, 2)
    out = target.clone()
    out[0, :, 0, 0] = torch.tensor([0.5, -0.25, 0.25])
    out[1] = 0.125
    mask = torch.zeros(2, 1, 2, 2)
    mask[0, 0, 0] = 1  # S = 2
    mask[1, 0, 0, 0] = 1  # S = 1
    assert float(pixel_loss(out, target, mask)) == (1.0 / 2 + 12 * 0.125 / 1) / 2
    assert float(pixel_loss(out, target, 0 * mask)) == (1.0 + 1.5) / 2
    assert float(pixel_loss(out, target, mask, smallest=4)) == (1.0 / 4 + 1.5 / 4) / 2


def test_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert float(total_variation(image)) == (1 + 0 + 0.5 + 0.5) / 4
    assert float(total_variation(image.expand(2, 3, 2, 2))) == 3 * 2 / 4


def test_the_weights_are_the_papers() -> None:
    one = torch.ones(())
    assert float(fisn_loss(one, 0 * one, 0 * one)) == 1
    assert float(fisn_loss(0 * one, one, 0 * one)) == 10
    assert float(fisn_loss(0 * one, 0 * one, one)) == 10
    assert float(fisn_loss(2 * one, one, one, FisnWeights(0.5, 3, 4))) == 8
    pixel, style, variation, *others = torch.eye(5).unbind()
    named = [float(w) for w in eyeglasses_loss(pixel, style, variation, *others)]
    assert named == pytest.approx([1, 250, 0.1, 0.01, 0.1])
    other = eyeglasses_loss(pixel, style, variation, *others, EyeglassesWeights(1, 2, 3, 4, 5))
    assert other.tolist() == [1, 2, 3, 4, 5]


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=D, requires_grad=True)

    check = torch.autograd.gradcheck
    target, mask = draw(2, 3, 3, 4).detach(), (draw(2, 1, 3, 4) > 0).to(D)
    assert check(lambda x: pixel_loss(x, target, mask), draw(2, 3, 3, 4))
    assert check(total_variation, draw(2, 3, 3, 4))
    assert check(lambda x: style_loss([target], [x]), draw(2, 3, 3, 4))
    assert check(lambda x: perceptual_loss([target], [x]), draw(2, 3, 3, 4))
    assert check(lambda x: feature_matching_loss([[target, target]], [[x, 2 * x]]), draw(2, 3, 3, 4))
    for objective in OBJECTIVES:
        assert check(lambda x, o=objective: discriminator_loss([x], [0.5 * x], o), draw(1, 1, 3, 3))
        assert check(lambda x, o=objective: generator_loss([x], o), draw(1, 1, 3, 3))


def test_no_gradient_flows_into_the_truth() -> None:
    real = torch.randn(1, 2, 3, 3, requires_grad=True)
    fake = torch.randn(1, 2, 3, 3, requires_grad=True)
    whole = feature_matching_loss([[real, real]], [[fake, fake]]) + perceptual_loss([real], [fake])
    (whole + style_loss([real], [fake])).backward()
    assert real.grad is None
    assert fake.grad is not None

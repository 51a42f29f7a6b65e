"""Losses of the de-occlusion network by hand, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from wholeface.lab.train.features.parser import ParserFeatures
from wholeface.lab.train.losses.deocclusion import deocclusion_loss, hole_mean
from wholeface.networks import ParsingNet, ParsingNetConfig
from wholeface.networks.deocclusion_net import DeocclusionOutput


def test_each_image_counts_by_the_mean_of_its_own_hole() -> None:
    values = torch.zeros(2, 3, 10, 10)
    values[0, :, :2] = 0.5  # a hole of 20 pixels, all wrong by a half
    values[1, :, 0, :1] = 1.0  # one of 1 pixel
    weight = torch.zeros(2, 1, 10, 10)
    weight[0, :, :2] = 1
    weight[1, :, 0, :1] = 1
    # a hundredth of the image, 1 pixel, is added to each hole's size
    expected = 0.5 * (20 * 0.5 / 21 + 1 * 1.0 / 2)
    assert float(hole_mean(values, weight)) == pytest.approx(expected)


def _output(image: torch.Tensor, matte: float = 0.5, scale: float = 0.1) -> DeocclusionOutput:
    plane = torch.ones_like(image[:, :1])
    return DeocclusionOutput(image, image, plane * matte, plane * scale)


def test_terms_by_hand() -> None:
    target = torch.full((1, 3, 16, 16), 0.4, dtype=torch.float64)
    image = target.clone()
    hole = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    found = _output(target + 0.1)
    loss = deocclusion_loss(found, target, image, hole, torch.ones_like(hole), [found.image], [target])
    assert float(loss.pixel) == pytest.approx(0.1 * 1.05 * 256 / (1.05 * 256 + 2.56))
    assert float(loss.gradient) == pytest.approx(0, abs=1e-12)  # the error is the same everywhere
    assert float(loss.feature) == pytest.approx(0.1 / 0.4001 * 1.02 * 256 / (1.02 * 256 + 2.56))
    # Nothing has to change, and the matte says one half: the cross entropy of a coin, weighted by 1.2
    assert float(loss.matte) == pytest.approx(1.2 * math.log(2))
    # Errors as large as expected: 1 + log(0.1). At the image's edge the mean over 3 × 3 counts zeros, too.
    inner = (0.1 / 0.1 + math.log(0.1)) * 1.01 * 256 / (1.01 * 256 + 2.56)
    assert float(loss.scale) == pytest.approx(inner, abs=0.15)
    parts = loss.pixel + 0.5 * loss.gradient + 0.05 * loss.feature + 0.05 * loss.matte + 0.005 * loss.scale
    assert float(loss.total) == pytest.approx(float(parts))


def test_important_pixels_weigh_more_and_errors_outside_hardly() -> None:
    target = torch.zeros(1, 3, 16, 16)
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., :8] = 1
    plain = torch.ones_like(hole)
    inside, outside = target.clone(), target.clone()
    inside[..., 2:5] = 0.2
    outside[..., 11:14] = 0.2

    def pixel(image: torch.Tensor, important: torch.Tensor) -> float:
        return float(deocclusion_loss(_output(image), target, target, hole, important, [], []).pixel)

    assert pixel(inside, plain) == pytest.approx(21 * pixel(outside, plain), rel=1e-5)  # 1.05 against 0.05
    eyes = plain.clone()
    eyes[..., 2:5] = 3
    assert pixel(inside, eyes) > 1.5 * pixel(inside, plain)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    target, start = (torch.rand(1, 3, 8, 8, dtype=torch.float64, generator=generator) for _ in range(2))
    hole = (torch.rand(1, 1, 8, 8, generator=generator) > 0.5).double()
    plane = torch.rand(1, 1, 8, 8, dtype=torch.float64, generator=generator) * 0.8 + 0.1

    def total(image: torch.Tensor, matte: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        output = DeocclusionOutput(image, image, matte, scale)
        # The expected error learns from the found one, never the other way round.
        held = deocclusion_loss(output, target, start, hole, torch.ones_like(hole), [image], [target])
        return held.total - 0.005 * held.scale

    inputs = [t.clone().requires_grad_() for t in (start, plane, plane)]
    assert torch.autograd.gradcheck(lambda i, m, s: total(i, m, s) + 0 * s.sum(), inputs, atol=1e-6)
    output = DeocclusionOutput(inputs[0], inputs[0], inputs[1], inputs[2])
    deocclusion_loss(output, target, start, hole, torch.ones_like(hole), [], []).scale.backward()
    assert inputs[0].grad is None or inputs[0].grad.abs().max() == 0
    assert inputs[2].grad.abs().max() > 0


def test_features_are_those_of_the_parsing_networks_encoder() -> None:
    parser = ParsingNet(ParsingNetConfig(width=0.25)).eval()
    image = torch.rand(2, 3, 64, 32)
    shapes = [tuple(f.shape[2:]) for f in ParserFeatures(parser)(image)]
    assert shapes == [(32, 16), (16, 8), (8, 4), (4, 2)]

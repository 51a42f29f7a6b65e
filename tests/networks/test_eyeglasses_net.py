"""The eyeglasses generator: attention by hand, drawn landmarks, and what it must not see."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch

from wholeface.networks import (
    EyeglassesNet,
    EyeglassesNetConfig,
    LongShortAttention,
    UNet,
    UNetConfig,
    compact_eyeglasses_net,
    compact_unet,
    draw_landmarks,
)


def test_attention_is_the_literal_loop() -> None:
    torch.manual_seed(0)
    layer = LongShortAttention(4).double()
    with torch.no_grad():
        layer.gamma.fill_(0.7)
        layer.alpha.fill_(0.4)
    x, e = torch.randn(2, 1, 4, 2, 3, dtype=torch.float64)
    hole = torch.tensor([[[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]], dtype=torch.float64)
    short, long = layer.terms(x, e, hole)
    places = [(r, c) for r in range(2) for c in range(3)]
    query = {p: layer.query.weight[:, :, 0, 0] @ x[0, :, p[0], p[1]] + layer.query.bias for p in places}
    for p in places:
        scores = [math.exp(float(query[p] @ query[q])) for q in places]
        weights = [s / sum(scores) for s in scores]
        own = sum(w * x[0, :, q[0], q[1]] for w, q in zip(weights, places, strict=True))
        far = sum(w * e[0, :, q[0], q[1]] for w, q in zip(weights, places, strict=True))
        m = hole[0, 0, p[0], p[1]]
        torch.testing.assert_close(short[0, :, p[0], p[1]], 0.7 * own + x[0, :, p[0], p[1]])
        torch.testing.assert_close(long[0, :, p[0], p[1]], 0.4 * m * far + (1 - m) * e[0, :, p[0], p[1]])


def test_gradients_of_attention_and_drawing() -> None:
    torch.manual_seed(1)
    layer = LongShortAttention(4).double()
    with torch.no_grad():
        layer.gamma.fill_(0.5)
        layer.alpha.fill_(0.5)
    x, e = (torch.randn(1, 4, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    hole = torch.rand(1, 1, 2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a, b: layer(a, b, hole), (x, e))
    points = torch.tensor([[[1.3, 2.1], [3.6, 0.4]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: draw_landmarks(p, 4, 5), (points,))


def test_landmarks_are_dots() -> None:
    drawn = draw_landmarks(torch.tensor([[[3.0, 1.0], [3.0, 1.0], [-50.0, 4.0]]]), 6, 8, sigma=0.125)
    assert drawn.shape == (1, 1, 6, 8)
    assert float(drawn[0, 0, 1, 3]) == 1.0  # two on one pixel are no brighter than white
    assert float(drawn[0, 0, 1, 5]) == pytest.approx(2 * math.exp(-2.0))
    assert float(drawn[0, 0, 5, 7]) < 1e-3


@pytest.fixture(scope="module")
def tiny() -> EyeglassesNet:
    torch.manual_seed(0)
    network = EyeglassesNet(replace(compact_eyeglasses_net(32), width=4)).eval()
    with torch.no_grad():
        network.attention.gamma.fill_(0.5)
        network.attention.alpha.fill_(0.5)
    return network


@torch.no_grad()
def test_it_never_sees_what_was_deleted(tiny: EyeglassesNet) -> None:
    image, points = torch.rand(2, 3, 32, 32), 32 * torch.rand(2, 68, 2)
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., 10:18, 4:28] = 1
    out = tiny(image, mask, points)
    assert out.shape == image.shape
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    other = torch.where(mask > 0, torch.rand(2, 3, 32, 32), image)
    assert torch.equal(tiny(other, mask, points), out)
    assert not torch.equal(tiny(image, mask, points.flip(0)), out)
    assert not torch.equal(tiny(image.flip(3), mask, points), out)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["all", "residuals"])
def test_normalised_everywhere_it_is_blind_to_exposure(norm: Literal["all", "residuals"]) -> None:
    torch.manual_seed(0)
    network = EyeglassesNet(EyeglassesNetConfig(width=4, norm=norm)).eval()
    for layer in (network.stem[0], *(down[0] for down in network.downs)):
        torch.nn.init.zeros_(layer.bias)
    image = torch.rand(1, 3, 32, 32)
    mask, nowhere = torch.zeros(1, 1, 32, 32), torch.full((1, 68, 2), -1e3)
    duller = 0.5 + 0.5 * (image - 0.5)
    change = (network(image, mask, nowhere) - network(duller, mask, nowhere)).abs().max()
    assert float(change) < 1e-3 if norm == "all" else float(change) > 1e-2


def test_configurations_are_numbers() -> None:
    small = EyeglassesNet(compact_eyeglasses_net())
    assert 1.5e6 < sum(p.numel() for p in small.parameters()) < 3.0e6
    assert len(small.downs) == 3
    assert len(small.residuals) == EyeglassesNetConfig().residuals == 7
    with torch.device("meta"):
        full = UNet(UNetConfig())
    assert 30e6 < sum(p.numel() for p in full.parameters()) < 32e6  # the 31 million of the paper
    assert EyeglassesNetConfig().transposed


def test_the_deleter_names_every_pixel() -> None:
    network = UNet(replace(compact_unet(32), width=4, classes=5)).eval()
    image = torch.rand(2, 3, 32, 48)
    raw = network(image)
    assert raw.shape == (2, 5, 32, 48)
    assert float((network(image.flip(3)) - raw).abs().max()) > 0

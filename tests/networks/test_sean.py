"""SFT and SEAN against literal loops, and the gradients of what is our own in them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wholeface.networks import (
    SeanNormalisation,
    SeanResidual,
    SftLayer,
    class_shares,
    one_hot_map,
    region_styles,
    spread_styles,
)


def test_one_hot_and_shares() -> None:
    labels = torch.tensor([[[0, 2], [1, 255]]])
    found = one_hot_map(labels, 3)
    assert found.tolist() == [[[[1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 1], [0, 0]]]]
    assert class_shares(found, 1, 1).flatten().tolist() == [0.25, 0.25, 0.25]  # what is unknown is no class's
    assert class_shares(found, 2, 2) is found


def test_sft_is_a_scale_and_a_shift_from_the_condition() -> None:
    torch.manual_seed(0)
    layer = SftLayer(3, 2).double()
    features = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    condition = torch.randn(2, 2, 4, 5, dtype=torch.float64)
    found = layer(features, condition)

    def mapped(weights: torch.nn.Sequential, psi: Tensor) -> Tensor:
        first, last = weights[0], weights[2]
        inner = first.weight[:, :, 0, 0] @ psi + first.bias
        inner = torch.where(inner > 0, inner, 0.1 * inner)
        return last.weight[:, :, 0, 0] @ inner + last.bias

    for n in range(2):
        for y in range(4):
            for x in range(5):
                psi = condition[n, :, y, x]
                wanted = (1 + mapped(layer.scale, psi)) * features[n, :, y, x] + mapped(layer.shift, psi)
                torch.testing.assert_close(found[n, :, y, x], wanted)
    with torch.no_grad():
        for mapping in (layer.scale, layer.shift):
            mapping[2].weight.zero_()
            mapping[2].bias.zero_()
    assert torch.equal(layer(features, condition), features)


def test_styles_are_means_over_regions_and_lie_down_on_another_map() -> None:
    features = torch.arange(8.0).view(1, 2, 2, 2)  # channel 0: 0 1 / 2 3, channel 1: 4 5 / 6 7
    seen = one_hot_map(torch.tensor([[[0, 0], [1, 255]]]), 3)
    default = torch.tensor([[9.0, 9.0], [9.0, 9.0], [-1.0, -2.0]])
    styles = region_styles(features, seen, default)
    assert styles.tolist() == [[[0.5, 4.5], [2.0, 6.0], [-1.0, -2.0]]]  # class 2 is not seen
    whole = one_hot_map(torch.tensor([[[2, 1], [0, 0]]]), 3)
    spread = spread_styles(styles, whole)
    assert spread.tolist() == [[[[-1.0, 2.0], [0.5, 0.5]], [[-2.0, 6.0], [4.5, 4.5]]]]


def test_half_covered_pixels_count_by_half() -> None:
    features = torch.tensor([[[[1.0, 3.0]]]])
    shares = torch.tensor([[[[1.0, 0.5]]]])
    assert float(region_styles(features, shares, torch.zeros(1, 1))) == pytest.approx(2.5 / 1.5)


def _literal(norm: SeanNormalisation, z: Tensor, styles: Tensor, shares: Tensor) -> Tensor:
    """Equations 3 to 5, number by number; x and y from the layer itself."""
    x, y = norm.factors(styles, shares)
    n, c, height, width = z.shape
    out = torch.zeros_like(z)
    for channel in range(c):
        values = [
            float(z[i, channel, row, column])
            for i in range(n)
            for row in range(height)
            for column in range(width)
        ]
        mean = sum(values) / len(values)
        deviation = (sum(v**2 - mean**2 for v in values) / len(values) + 1e-5) ** 0.5
        for i in range(n):
            for row in range(height):
                for column in range(width):
                    at = (i, channel, row, column)
                    out[at] = x[at] * (z[at] - mean) / deviation + y[at]
    return out


def test_sean_is_the_literal_loop() -> None:
    torch.manual_seed(1)
    norm = SeanNormalisation(channels=3, classes=4, style=5, hidden=6).double().train()
    with torch.no_grad():
        norm.balance.copy_(torch.tensor([0.7, -1.2]))
    z = torch.randn(2, 3, 4, 3, dtype=torch.float64) * 3 + 1
    shares = one_hot_map(torch.randint(0, 4, (2, 4, 3)), 4, torch.float64)
    styles = torch.randn(2, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(norm(z, styles, shares), _literal(norm, z, styles, shares))


def test_the_factors_mix_styles_and_map() -> None:
    torch.manual_seed(2)
    norm = SeanNormalisation(channels=2, classes=3, style=4, hidden=5)
    shares = one_hot_map(torch.randint(0, 3, (1, 4, 4)), 3)
    one, other = torch.randn(2, 1, 3, 4)
    with torch.no_grad():
        norm.balance.fill_(-40.0)  # the map alone
        for a, b in zip(norm.factors(one, shares), norm.factors(other, shares), strict=True):
            assert torch.equal(a, b)
        x_map, y_map = norm.by_map(shares).chunk(2, 1)
        torch.testing.assert_close(norm.factors(one, shares), (1 + x_map, y_map))
        norm.balance.fill_(40.0)  # the styles alone
        x, y = norm.by_style(spread_styles(norm.mix(one).relu(), shares)).chunk(2, 1)
        torch.testing.assert_close(norm.factors(one, shares), (1 + x, y))


def test_a_face_does_not_depend_on_its_batch_in_evaluation() -> None:
    torch.manual_seed(3)
    norm = SeanNormalisation(2, 3, 4, 5).train()
    z, styles = torch.randn(3, 2, 4, 4), torch.randn(3, 3, 4)
    shares = one_hot_map(torch.randint(0, 3, (3, 4, 4)), 3)
    with torch.no_grad():
        norm(z, styles, shares)
        norm.eval()
        torch.testing.assert_close(norm(z, styles, shares)[:1], norm(z[:1], styles[:1], shares[:1]))


def test_gradients() -> None:
    torch.manual_seed(4)
    norm = SeanNormalisation(2, 2, 2, 2).double().train()
    norm.normalise.momentum = (
        0.0  # else each evaluation would move the running averages, which gradcheck calls
    )
    z = torch.randn(2, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    styles = torch.randn(2, 2, 2, dtype=torch.float64, requires_grad=True)
    shares = class_shares(one_hot_map(torch.randint(0, 2, (2, 4, 4)), 2, torch.float64), 2, 2)
    assert torch.autograd.gradcheck(lambda a, b: norm(a, b, shares), (z, styles))
    features = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    default = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    seen = one_hot_map(torch.tensor([[[0, 0, 1], [0, 1, 1]]]), 3, torch.float64)
    assert torch.autograd.gradcheck(lambda f, d: region_styles(f, seen, d), (features, default))
    layer = SftLayer(2, 2).double()
    condition = torch.randn(1, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (features, condition))


def test_the_residual_block_keeps_what_comes_in() -> None:
    block = SeanResidual(4, 3, 2, 2)
    with torch.no_grad():
        block.conv_2.weight.zero_()
        block.conv_2.bias.zero_()
    z = torch.randn(1, 4, 5, 6)
    assert torch.equal(block(z, torch.randn(1, 3, 2), torch.rand(1, 3, 5, 6)), z)

"""The relief networks: sizes as published or within the budget, and where they start."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from wholeface.networks import BumpNet, BumpNetConfig, ReliefNet, ReliefNetConfig, ReliefOutput

SMALL = ReliefNetConfig(input_size=32, widths=(4, 6, 8, 10), blocks=(1, 1, 1, 1), fine=6)


def test_before_training_there_is_no_relief_and_one_scale() -> None:
    network = ReliefNet(SMALL)
    raw = network(torch.rand(2, 15, 32, 48))
    found = network.read(raw)
    assert raw.shape == (2, 2, 32, 48)
    assert found.displacement.shape == found.scale.shape == (2, 1, 32, 48)
    assert found.displacement.abs().max() == 0
    torch.testing.assert_close(found.scale, torch.full_like(found.scale, 0.2))


def test_units_by_hand() -> None:
    raw = torch.tensor([-2.0, math.log(3.0)]).reshape(1, 2, 1, 1)
    found = ReliefNet(SMALL).read(raw)
    assert float(found.displacement) == pytest.approx(-0.4)
    assert float(found.scale) == pytest.approx(0.6)


def test_it_learns_everything_that_it_has() -> None:
    torch.manual_seed(0)
    network = ReliefNet(SMALL)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    found = network.read(network(torch.rand(2, 15, 32, 32)))
    (found.displacement.square().mean() + found.scale.mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_fold_moves_with_the_image() -> None:
    torch.manual_seed(0)
    network = ReliefNet(SMALL).double()
    for name, parameter in network.named_parameters():  # without biases nothing comes in from the borders
        nn.init.normal_(parameter, std=0.2 if "weight" in name else 0.0)
    given = torch.zeros(1, 15, 320, 320, dtype=torch.float64)
    given[:, :3] = 0.5
    given[..., 156:160, 160:170] = 1
    moved = torch.roll(given, (16, -16), (2, 3))
    one, other = network(given), network(moved)
    torch.testing.assert_close(
        torch.roll(one, (16, -16), (2, 3))[..., 150:190, 130:170],
        other[..., 150:190, 130:170],
        atol=1e-9,
        rtol=1e-6,
    )
    assert other[..., 150:190, 130:170].abs().max() > 1e-3


def test_the_compact_one_fits_its_budget() -> None:
    assert sum(p.numel() for p in ReliefNet(ReliefNetConfig()).parameters()) < 1_500_000


def _of_the_table(channels: int = 3) -> int:
    """Parameters of Table 2, counted row by row."""

    def conv(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + outputs

    widths = [16, 32, 64, 128, 256, 512, 1024]
    encoder = sum(conv(a, b) + 2 * conv(b, b) for a, b in zip([channels, *widths], widths))
    decoder = sum(conv(b, a) + conv(2 * a, a) + conv(a, a) for a, b in pairwise(widths))
    return encoder + decoder + conv(16, 1)


def test_the_papers_network_has_the_blocks_of_its_table() -> None:
    with torch.device("meta"):
        network = BumpNet(BumpNetConfig())
        sizes: list[tuple[int, ...]] = []
        for block in [*network.encoders, *network.joins]:
            block.register_forward_hook(lambda _m, _i, out: sizes.append(tuple(out.shape[1:])))
        out = network(torch.zeros(1, 3, 500, 500))
    assert out.shape == (1, 1, 500, 500)
    down = [(16 * 2**i, 512 // 2**i, 512 // 2**i) for i in range(7)]
    assert sizes == [*down, *down[-2::-1]]
    assert len(network.encoders) == 7
    assert len(network.joins) == 6
    assert sum(p.numel() for p in network.parameters()) == _of_the_table()


def test_the_papers_initial_weights() -> None:
    torch.manual_seed(0)
    network = BumpNet(BumpNetConfig(input_size=20, width=8, blocks=4))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is not None
            assert (module.bias == 0.1).all()
            fan = 9 * (module.in_channels + module.out_channels)
            bound = math.sqrt(6 / fan)
            assert module.weight.abs().max() <= bound
            assert float(module.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.25)
        assert not isinstance(module, nn.MaxPool2d | nn.ConvTranspose2d | nn.BatchNorm2d)


def test_a_pixel_of_the_bump_map_lies_where_the_image_has_it() -> None:
    """With kernels that only pass on the first channel, output pixel (y, x) is input pixel (y, x)."""
    network = BumpNet(BumpNetConfig(channels=1, width=2, blocks=2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        for layer in network.encoders[0]:
            layer[0].weight[0, 0, 1, 1] = 1
        network.joins[0][0][0].weight[0, 2, 1, 1] = 1  # the skip connection comes second
        network.joins[0][1][0].weight[0, 0, 1, 1] = 1
        network.last.weight[0, 0, 1, 1] = 1
    image = torch.rand(1, 1, 20, 24) / 2 + 0.5
    torch.testing.assert_close(network(image), image * 2 - 1)


def test_trust_by_hand() -> None:
    network = ReliefNet(ReliefNetConfig(input_size=32, trust=(0.8, 0.5)))
    plane = torch.ones(1, 1, 32, 32)
    found = network.trusted(ReliefOutput(0.3 * plane, 0.6 * plane))
    torch.testing.assert_close(found, plane * 0.3 * 0.8 * 0.09 / (0.09 + 0.5 * 0.36))
    # Before it is measured everything is believed; nothing stays nothing.
    unmeasured = ReliefNet(SMALL)
    relief = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(unmeasured.trusted(ReliefOutput(relief, plane)), relief)
    assert network.trusted(ReliefOutput(0 * plane, plane)).abs().max() == 0


def test_a_fold_is_trusted_more_than_noise_of_the_same_height() -> None:
    network = ReliefNet(ReliefNetConfig(trust=(1.0, 1.0)))
    relief = torch.zeros(1, 1, 256, 256)
    relief[..., 60:64, :] = -0.4  # a groove
    relief[..., 180, 100] = -0.4  # a single pixel
    found = network.trusted(ReliefOutput(relief, torch.full_like(relief, 0.1)))
    assert found[0, 0, 62, 128] < 0.85 * relief[0, 0, 62, 128]
    assert found[0, 0, 180, 100] > 0.7 * found[0, 0, 62, 128]

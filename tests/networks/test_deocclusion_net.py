"""The de-occlusion network starts from the model's rendering and stays within its budget."""

from __future__ import annotations

import pytest
import torch

from wholeface.networks import DeocclusionNet, DeocclusionNetConfig
from wholeface.networks.deocclusion_net import Modulation

SMALL = {"input_size": 48, "width": 16, "dilations": (1, 2)}
CHANNELS = 9 + 9 + 12


def _given(count: int = 2, edge: int = 48) -> torch.Tensor:
    given = torch.rand(count, CHANNELS, edge, edge, generator=torch.Generator().manual_seed(0))
    given[:, 9:] = 0
    given[:, 13, 8:24, 8:24] = 1  # the occluder
    return given


@pytest.mark.parametrize("condition", ["none", "sft", "sean"])
@pytest.mark.parametrize("attention", [True, False])
def test_before_training_it_lays_the_base_over_the_mask(condition: str, attention: bool) -> None:
    network = DeocclusionNet(DeocclusionNetConfig(**SMALL, condition=condition, attention=attention))
    given = _given()
    raw = network(given)
    found = network.read(raw, given)
    assert raw.shape == (2, 5, 48, 48)
    assert found.image.shape == found.face.shape == (2, 3, 48, 48)
    assert found.matte.shape == found.scale.shape == (2, 1, 48, 48)
    torch.testing.assert_close(found.face, given[:, 3:6])
    torch.testing.assert_close(found.image[..., 12:20, 12:20], given[:, 3:6, 12:20, 12:20], atol=0.01, rtol=0)
    torch.testing.assert_close(found.image[..., 32:, :], given[:, :3, 32:], atol=0.01, rtol=0)


def test_frames_and_dark_lenses_are_hidden_too_clear_ones_are_not() -> None:
    network = DeocclusionNet(DeocclusionNetConfig(**SMALL))
    given = torch.zeros(1, CHANNELS, 48, 48)
    for channel, column in (
        (13, 0),
        (14, 1),
        (15, 2),
        (16, 3),
        (17, 4),
    ):  # occluder, beyond, frame, clear, dark
        given[:, channel, :, column] = 1
    assert network.hidden(given)[0, 0, 0, :6].tolist() == [1, 0, 1, 0, 1, 0]


def test_it_learns_everything_that_it_has() -> None:
    torch.manual_seed(0)
    network = DeocclusionNet(DeocclusionNetConfig(**SMALL))
    for parameter in network.parameters():  # away from the zeros at which some layers start
        torch.nn.init.normal_(parameter, std=0.1)
    given = _given()
    given[:, 9:] = torch.rand(2, CHANNELS - 9, 48, 48)
    found = network.read(network(given), given)
    (found.image.mean() + found.matte.mean() + found.scale.mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        # A shift of all keys changes no weight of a softmax.
        if name != "attention.ask.bias":
            assert parameter.grad.abs().max() > 0, name


def test_the_modulation_is_the_literal_equation() -> None:
    layer = Modulation(3, 2, normalise=True)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, c = torch.randn(1, 3, 5, 4), torch.randn(1, 2, 5, 4)
    found = layer(x, c)
    for k in range(3):
        plane = x[0, k]
        plane = (plane - plane.mean()) / (plane.var(unbiased=False) + 1e-5).sqrt()
        gamma = sum(layer.scale.weight[k, j, 0, 0] * c[0, j] for j in range(2)) + layer.scale.bias[k]
        beta = sum(layer.shift.weight[k, j, 0, 0] * c[0, j] for j in range(2)) + layer.shift.bias[k]
        torch.testing.assert_close(found[0, k], (1 + gamma) * plane + beta)


def test_it_fits_its_budget() -> None:
    assert sum(p.numel() for p in DeocclusionNet(DeocclusionNetConfig()).parameters()) < 3e6

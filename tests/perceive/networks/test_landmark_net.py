"""The landmark network: bounded blocks, and a last layer that begins with how faces differ."""

from __future__ import annotations

import torch

from wholeface.perceive.networks import LandmarkNet, LandmarkNetConfig
from wholeface.perceive.networks.blocks import InvertedResidual


def test_a_chain_of_bottlenecks_cannot_grow_without_end() -> None:
    torch.manual_seed(0)
    chain = torch.nn.Sequential(*(InvertedResidual(8, 8, 24, 3) for _ in range(6))).eval()
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter *= 4
        usual, huge = torch.rand(1, 8, 6, 6) * 0.1, torch.rand(1, 8, 6, 6) * 1e6
        assert float(chain(huge).abs().max()) <= 16.0
        first = chain[0]
        body, kept = first.body(usual), first(usual)
        assert float(body.abs().max()) < 15
        torch.testing.assert_close(kept, usual + body)  # usual values pass as they are


def test_the_last_layer_begins_with_mean_and_modes() -> None:
    net = LandmarkNet(LandmarkNetConfig(points=7, width=0.25, features=300, input_size=64))
    generator = torch.Generator().manual_seed(1)
    mean = torch.rand(7, 2, generator=generator) * 64
    modes = torch.randn(3, 14, generator=generator) * torch.tensor([[4.0], [2.0], [1.0]])
    faces = mean + (torch.randn(500, 3, generator=generator) @ modes).view(-1, 7, 2)
    net.set_shapes(faces, seed=5)
    with torch.no_grad():
        out = net.read(net.head(torch.zeros(1, 300)).view(1, 7, 5))
        torch.testing.assert_close(out.points[0], faces.mean(0), atol=1e-3, rtol=0)
        assert torch.allclose(out.log_sigma, torch.tensor(1.6))
        # Random features move the points in the directions of the faces alone, and about as far as faces differ.
        random = net.head(torch.randn(4000, 300, generator=generator)).view(-1, 7, 5)
        off = (net.read(random).points - out.points).flatten(1)
    directions = torch.linalg.svd(modes, full_matrices=False).Vh
    rest = off - off @ directions.T @ directions
    assert float(rest.norm() / off.norm()) < 0.02
    spread, wanted = off.std(0), (faces - faces.mean(0)).flatten(1).std(0)
    assert 0.8 < float((spread / wanted).mean()) < 1.2
    again = LandmarkNet(LandmarkNetConfig(points=7, width=0.25, features=300, input_size=64))
    again.set_shapes(faces, seed=5)
    again_rows = again.head.weight.view(7, 5, 300)[:, :2]
    torch.testing.assert_close(again_rows, net.head.weight.view(7, 5, 300)[:, :2])

"""The eyewear network draws at the resolution of its input and says once whether there are spectacles."""

from __future__ import annotations

import torch

from wholeface.networks import EyewearNet, EyewearNetConfig, ParsingNet, ParsingNetConfig


def test_parts_at_full_resolution_and_one_presence(small_networks):
    network = small_networks["eyewear"]
    raw = network(torch.rand(2, 3, 64, 128))
    found = network.read(raw)
    assert found.parts.shape == (2, 4, 64, 128)
    assert found.presence.shape == (2,)
    assert (raw[:, -1] == found.presence[:, None, None]).all()
    assert found.presence[0] != found.presence[1]


def test_it_fits_its_budget_and_takes_over_the_parsing_network():
    network = EyewearNet(EyewearNetConfig())
    assert 2 * sum(p.numel() for p in network.parameters()) < 2 * 1024**2  # bytes in fp16
    parser = ParsingNet(ParsingNetConfig(width=0.75)).state_dict()
    shared = [n for n, t in network.state_dict().items() if n in parser and parser[n].shape == t.shape]
    assert len(shared) > 0.8 * len(network.state_dict())

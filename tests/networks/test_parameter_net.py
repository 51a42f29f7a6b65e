"""ResNet-50 and the parameter regressor: sizes as published, and where the first answer lies."""

from __future__ import annotations

import time

import pytest
import torch

from wholeface.morphable import LAYOUTS
from wholeface.networks import (
    LandmarkNet,
    ParameterNet,
    ParameterNetConfig,
    ResNet50,
    compact_parameter_net,
    load_network,
)
from wholeface.stages.shape.crop_layout import complete_layout

_COMPLETE = complete_layout(112, 55, 80).blocks


def test_resnet50_has_the_published_number_of_parameters() -> None:
    network = ResNet50()
    assert sum(p.numel() for p in network.parameters()) == 25_557_032
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == 53  # 49, and 4 shortcuts


def test_resnet50_halves_the_image_five_times() -> None:
    network = ResNet50(outputs=0).eval()
    with torch.inference_mode():
        x = network.stem(torch.zeros(1, 3, 64, 64))
        assert x.shape == (1, 64, 16, 16)
        for stage, shape in zip(network.stages, [(256, 16), (512, 8), (1024, 4), (2048, 2)]):
            x = stage(x)
            assert x.shape == (1, shape[0], shape[1], shape[1])
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 2048)


@pytest.mark.parametrize("backbone", ["compact", "mobile", "resnet50"])
@pytest.mark.parametrize("layout", [*sorted(LAYOUTS), "complete"])
def test_heads_are_as_long_as_their_layout(backbone: str, layout: str) -> None:
    blocks = _COMPLETE if layout == "complete" else LAYOUTS[layout].blocks
    network = ParameterNet(ParameterNetConfig(blocks, backbone, 64)).eval()  # type: ignore[arg-type]
    with torch.inference_mode():
        vector = network(torch.rand(1, 3, 64, 64))
    assert vector.shape == (1, sum(size for _, size in blocks))
    parts = network.read(vector)
    assert {name: part.shape[1] for name, part in parts.items()} == dict(blocks)
    assert torch.equal(torch.cat(list(parts.values()), dim=1), vector)


def test_the_first_answer_is_the_mean_whatever_the_image_shows() -> None:
    torch.manual_seed(0)
    network = ParameterNet(compact_parameter_net([("shape", 5), ("pose", 3)])).eval()
    mean, spread = torch.arange(8.0), torch.full((8,), 2.0)
    network.set_statistics(mean, spread)
    with torch.inference_mode():
        vector = network(torch.rand(4, 3, 128, 128))
    torch.testing.assert_close(vector, mean.expand(4, 8), rtol=0, atol=0.05)
    with pytest.raises(ValueError, match="positive"):
        network.set_statistics(mean, torch.zeros(8))
    with pytest.raises(ValueError, match="8 entries"):
        network.set_statistics(mean[:3], spread[:3])


def test_the_mobile_one_begins_as_the_landmark_network_does() -> None:
    """Names and shapes are those of the landmark network's trunk, and so are the features."""
    landmarks = load_network("landmarks")[0]
    assert isinstance(landmarks, LandmarkNet)
    network = ParameterNet(ParameterNetConfig(_COMPLETE, "mobile", 128, features=512)).eval()
    own = network.backbone.state_dict()
    taken = {name: tensor for name, tensor in landmarks.state_dict().items() if name in own}
    missing = network.backbone.load_state_dict(taken, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing)
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        _, x, y, z = landmarks.maps(image)
        torch.testing.assert_close(network.backbone(image), landmarks.fused(x, y, z))


@pytest.mark.parametrize(
    "config",
    [compact_parameter_net(_COMPLETE), ParameterNetConfig(_COMPLETE, "mobile", 128, features=512)],
    ids=["compact", "mobile"],
)
def test_the_small_ones_are_small_and_fast(config: ParameterNetConfig) -> None:
    network = ParameterNet(config).eval()
    assert sum(p.numel() for p in network.parameters()) < 3e6
    image = torch.rand(1, 3, 128, 128).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(image)
        start = time.thread_time()
        network(image)
        assert time.thread_time() - start < 0.25  # 6 ms on an idle core; this catches only gross mistakes


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        ParameterNet(ParameterNetConfig([("a", 1)], "compact", 100))
    with pytest.raises(ValueError, match="at least one block"):
        ParameterNet(ParameterNetConfig([]))

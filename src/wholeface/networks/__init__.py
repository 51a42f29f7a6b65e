"""Every network as a torch module, its weight files, and what computes it.

Names are loaded when first used: the registry and the cards of weights are asked without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import BACKENDS, Backend, NetworkFunction, OnnxNetwork, TorchNetwork, fold_norms
    from .blocks import channels_last
    from .detector_net import DetectorNet, DetectorNetConfig
    from .eyewear_net import EyewearNet, EyewearNetConfig, EyewearOutput
    from .landmark_net import LandmarkNet, LandmarkNetConfig, LandmarkOutput
    from .onnx_export import OPSET, export_onnx, onnx_bytes, onnx_metadata, onnx_model, traced_size
    from .parsing_net import ParsingNet, ParsingNetConfig, ParsingOutput
    from .quantise import STORAGES, Storage, pack, unpack
    from .registry import (
        HASH_KEY,
        NETWORKS,
        SHIPPED_WEIGHTS,
        NetworkName,
        build_network,
        has_weights,
        load_network,
        read_card,
        weights_file,
    )
    from .weights import WeightCard, card_path, load_card, load_weights, save_weights

_HOMES = {
    "BACKENDS": ".backend",
    "HASH_KEY": ".registry",
    "NETWORKS": ".registry",
    "OPSET": ".onnx_export",
    "SHIPPED_WEIGHTS": ".registry",
    "STORAGES": ".quantise",
    "Backend": ".backend",
    "DetectorNet": ".detector_net",
    "DetectorNetConfig": ".detector_net",
    "EyewearNet": ".eyewear_net",
    "EyewearNetConfig": ".eyewear_net",
    "EyewearOutput": ".eyewear_net",
    "LandmarkNet": ".landmark_net",
    "LandmarkNetConfig": ".landmark_net",
    "LandmarkOutput": ".landmark_net",
    "NetworkFunction": ".backend",
    "NetworkName": ".registry",
    "OnnxNetwork": ".backend",
    "ParsingNet": ".parsing_net",
    "ParsingNetConfig": ".parsing_net",
    "ParsingOutput": ".parsing_net",
    "Storage": ".quantise",
    "TorchNetwork": ".backend",
    "WeightCard": ".weights",
    "build_network": ".registry",
    "card_path": ".weights",
    "channels_last": ".blocks",
    "export_onnx": ".onnx_export",
    "fold_norms": ".backend",
    "has_weights": ".registry",
    "load_card": ".weights",
    "load_network": ".registry",
    "load_weights": ".weights",
    "onnx_bytes": ".onnx_export",
    "onnx_metadata": ".onnx_export",
    "onnx_model": ".onnx_export",
    "pack": ".quantise",
    "read_card": ".registry",
    "save_weights": ".weights",
    "traced_size": ".onnx_export",
    "unpack": ".quantise",
    "weights_file": ".registry",
}

__all__ = [
    "BACKENDS",
    "HASH_KEY",
    "NETWORKS",
    "OPSET",
    "SHIPPED_WEIGHTS",
    "STORAGES",
    "Backend",
    "DetectorNet",
    "DetectorNetConfig",
    "EyewearNet",
    "EyewearNetConfig",
    "EyewearOutput",
    "LandmarkNet",
    "LandmarkNetConfig",
    "LandmarkOutput",
    "NetworkFunction",
    "NetworkName",
    "OnnxNetwork",
    "ParsingNet",
    "ParsingNetConfig",
    "ParsingOutput",
    "Storage",
    "TorchNetwork",
    "WeightCard",
    "build_network",
    "card_path",
    "channels_last",
    "export_onnx",
    "fold_norms",
    "has_weights",
    "load_card",
    "load_network",
    "load_weights",
    "onnx_bytes",
    "onnx_metadata",
    "onnx_model",
    "pack",
    "read_card",
    "save_weights",
    "traced_size",
    "unpack",
    "weights_file",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

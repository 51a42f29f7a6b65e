"""Every network as a torch module, its weight files, and what computes it.

Names are loaded when first used: the registry and the cards of weights are asked without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backend import BACKENDS, Backend, NetworkFunction, OnnxNetwork, TorchNetwork, fold_norms
    from .blocks import channels_last
    from .bump_net import BumpNet, BumpNetConfig
    from .deocclusion_net import DeocclusionNet, DeocclusionNetConfig, DeocclusionOutput
    from .detector_net import DetectorNet, DetectorNetConfig
    from .eyeglasses_net import EyeglassesNet, EyeglassesNetConfig, compact_eyeglasses_net
    from .eyewear_net import EyewearNet, EyewearNetConfig, EyewearOutput
    from .fisn import Fisn, FisnConfig, compact_fisn
    from .graph import TextureGraphNet, TextureGraphNetConfig
    from .label_maps import class_shares, one_hot_map
    from .landmark_drawing import draw_landmarks
    from .landmark_net import LandmarkNet, LandmarkNetConfig, LandmarkOutput
    from .long_short_attention import LongShortAttention
    from .onnx_export import OPSET, export_onnx, onnx_bytes, onnx_metadata, onnx_model, traced_size
    from .parameter_net import ParameterNet, ParameterNetConfig, compact_parameter_net
    from .parsing_net import ParsingNet, ParsingNetConfig, ParsingOutput
    from .patch_discriminator import PatchDiscriminator, PatchDiscriminatorConfig, compact_patch_discriminator
    from .quantise import STORAGES, Storage, pack, unpack
    from .registry import (
        HASH_KEY,
        METHOD_NETWORKS,
        NETWORKS,
        SHIPPED_WEIGHTS,
        NetworkName,
        build_network,
        has_weights,
        load_network,
        read_card,
        weights_file,
    )
    from .relief_net import ReliefNet, ReliefNetConfig, ReliefOutput
    from .resnet import ResNet50
    from .sean import SeanNormalisation, SeanResidual, region_styles, spread_styles
    from .sft import SftLayer
    from .unet import UNet, UNetConfig, compact_unet
    from .weights import WeightCard, card_path, load_card, load_weights, save_weights

_HOMES = {
    "BACKENDS": ".backend",
    "HASH_KEY": ".registry",
    "METHOD_NETWORKS": ".registry",
    "NETWORKS": ".registry",
    "OPSET": ".onnx_export",
    "SHIPPED_WEIGHTS": ".registry",
    "STORAGES": ".quantise",
    "Backend": ".backend",
    "BumpNet": ".bump_net",
    "BumpNetConfig": ".bump_net",
    "DeocclusionNet": ".deocclusion_net",
    "DeocclusionNetConfig": ".deocclusion_net",
    "DeocclusionOutput": ".deocclusion_net",
    "DetectorNet": ".detector_net",
    "DetectorNetConfig": ".detector_net",
    "EyeglassesNet": ".eyeglasses_net",
    "EyeglassesNetConfig": ".eyeglasses_net",
    "EyewearNet": ".eyewear_net",
    "EyewearNetConfig": ".eyewear_net",
    "EyewearOutput": ".eyewear_net",
    "Fisn": ".fisn",
    "FisnConfig": ".fisn",
    "LandmarkNet": ".landmark_net",
    "LandmarkNetConfig": ".landmark_net",
    "LandmarkOutput": ".landmark_net",
    "LongShortAttention": ".long_short_attention",
    "NetworkFunction": ".backend",
    "NetworkName": ".registry",
    "OnnxNetwork": ".backend",
    "ParameterNet": ".parameter_net",
    "ParameterNetConfig": ".parameter_net",
    "ParsingNet": ".parsing_net",
    "ParsingNetConfig": ".parsing_net",
    "ParsingOutput": ".parsing_net",
    "PatchDiscriminator": ".patch_discriminator",
    "PatchDiscriminatorConfig": ".patch_discriminator",
    "ReliefNet": ".relief_net",
    "ReliefNetConfig": ".relief_net",
    "ReliefOutput": ".relief_net",
    "ResNet50": ".resnet",
    "SeanNormalisation": ".sean",
    "SeanResidual": ".sean",
    "SftLayer": ".sft",
    "Storage": ".quantise",
    "TextureGraphNet": ".graph",
    "TextureGraphNetConfig": ".graph",
    "TorchNetwork": ".backend",
    "UNet": ".unet",
    "UNetConfig": ".unet",
    "WeightCard": ".weights",
    "build_network": ".registry",
    "card_path": ".weights",
    "channels_last": ".blocks",
    "class_shares": ".label_maps",
    "compact_eyeglasses_net": ".eyeglasses_net",
    "compact_fisn": ".fisn",
    "compact_parameter_net": ".parameter_net",
    "compact_patch_discriminator": ".patch_discriminator",
    "compact_unet": ".unet",
    "draw_landmarks": ".landmark_drawing",
    "export_onnx": ".onnx_export",
    "fold_norms": ".backend",
    "has_weights": ".registry",
    "load_card": ".weights",
    "load_network": ".registry",
    "load_weights": ".weights",
    "one_hot_map": ".label_maps",
    "onnx_bytes": ".onnx_export",
    "onnx_metadata": ".onnx_export",
    "onnx_model": ".onnx_export",
    "pack": ".quantise",
    "read_card": ".registry",
    "region_styles": ".sean",
    "save_weights": ".weights",
    "spread_styles": ".sean",
    "traced_size": ".onnx_export",
    "unpack": ".quantise",
    "weights_file": ".registry",
}

__all__ = [
    "BACKENDS",
    "HASH_KEY",
    "METHOD_NETWORKS",
    "NETWORKS",
    "OPSET",
    "SHIPPED_WEIGHTS",
    "STORAGES",
    "Backend",
    "BumpNet",
    "BumpNetConfig",
    "DeocclusionNet",
    "DeocclusionNetConfig",
    "DeocclusionOutput",
    "DetectorNet",
    "DetectorNetConfig",
    "EyeglassesNet",
    "EyeglassesNetConfig",
    "EyewearNet",
    "EyewearNetConfig",
    "EyewearOutput",
    "Fisn",
    "FisnConfig",
    "LandmarkNet",
    "LandmarkNetConfig",
    "LandmarkOutput",
    "LongShortAttention",
    "NetworkFunction",
    "NetworkName",
    "OnnxNetwork",
    "ParameterNet",
    "ParameterNetConfig",
    "ParsingNet",
    "ParsingNetConfig",
    "ParsingOutput",
    "PatchDiscriminator",
    "PatchDiscriminatorConfig",
    "ReliefNet",
    "ReliefNetConfig",
    "ReliefOutput",
    "ResNet50",
    "SeanNormalisation",
    "SeanResidual",
    "SftLayer",
    "Storage",
    "TextureGraphNet",
    "TextureGraphNetConfig",
    "TorchNetwork",
    "UNet",
    "UNetConfig",
    "WeightCard",
    "build_network",
    "card_path",
    "channels_last",
    "class_shares",
    "compact_eyeglasses_net",
    "compact_fisn",
    "compact_parameter_net",
    "compact_patch_discriminator",
    "compact_unet",
    "draw_landmarks",
    "export_onnx",
    "fold_norms",
    "has_weights",
    "load_card",
    "load_network",
    "load_weights",
    "one_hot_map",
    "onnx_bytes",
    "onnx_metadata",
    "onnx_model",
    "pack",
    "read_card",
    "region_styles",
    "save_weights",
    "spread_styles",
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

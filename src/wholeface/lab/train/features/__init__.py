"""What images look like to networks that were trained to see: features for perceptual and style losses."""

from .extractor import FEATURES, FeatureExtractor, FeatureName, load_features
from .imagenet import EfficientNetLite0, imagenet_features
from .parser import ParserFeatures, parser_features
from .vgg import VggFeatures, vgg_features

__all__ = [
    "FEATURES",
    "EfficientNetLite0",
    "FeatureExtractor",
    "FeatureName",
    "ParserFeatures",
    "VggFeatures",
    "imagenet_features",
    "load_features",
    "parser_features",
    "vgg_features",
]

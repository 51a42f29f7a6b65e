"""The networks of this room as plain torch modules; training and running live elsewhere."""

from .blocks import channels_last
from .detector_net import DetectorNet, DetectorNetConfig
from .landmark_net import LandmarkNet, LandmarkNetConfig, LandmarkOutput
from .parsing_net import ParsingNet, ParsingNetConfig, ParsingOutput

__all__ = [
    "DetectorNet",
    "DetectorNetConfig",
    "LandmarkNet",
    "LandmarkNetConfig",
    "LandmarkOutput",
    "ParsingNet",
    "ParsingNetConfig",
    "ParsingOutput",
    "channels_last",
]

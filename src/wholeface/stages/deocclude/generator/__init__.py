"""What the compact generator looks at: the face in an upright crop, with the rendering of the fitted model."""

from ...upright import UprightFace, upright
from .inputs import (
    FRAME_MARGIN,
    LABEL_GROUPS,
    MAPS,
    GeneratorInput,
    generator_input,
    near_occluder,
    network_input,
)

__all__ = [
    "FRAME_MARGIN",
    "LABEL_GROUPS",
    "MAPS",
    "GeneratorInput",
    "UprightFace",
    "generator_input",
    "near_occluder",
    "network_input",
    "upright",
]

"""The fast way: all parameters of a face in one pass of a network that a teacher taught, then mask and texture.

The teacher saw clean pictures, the student occluded ones, so that an occluder changes little of what the student
says. Landmarks are found, since they place the crop, but nothing is fitted to them. The mask is what the parsing
network sees, and the texture is small, as befits video.

Source: Rana, "3D Face Reconstruction from Occluded Images".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.mask.by_parsing import MaskByParsing
from ..stages.parse import Parse
from ..stages.shape.by_student import ParametersByStudent
from ..stages.texture.completion import TextureCompletion
from .spec import MethodOptions, MethodSpec

__all__ = ["LARGEST_TEXTURE", "METHOD"]

LARGEST_TEXTURE = 256
"""Texels along the edge beyond which this method makes no texture: more would take longer than all the rest."""


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        ParametersByStudent(focal=options.focal),
        Parse(),
        MaskByParsing(),
        TextureCompletion(size=min(options.texture_size, LARGEST_TEXTURE)),
    )


METHOD = MethodSpec(
    name="distilled",
    paper="Rana, 3D Face Reconstruction from Occluded Images",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "student"),
    summary="one pass of a distilled network, for video: all parameters at once, a small texture",
)

"""The generative method guided by parsing maps: first a picture without occluders, then the head.

Landmarks and parsing map are those of our front end; Algorithm 1 completes the map, and FISN makes the face which the
completed map describes. The texture of the head takes its hidden part from that picture.

The paper regresses the coefficients of layout 175 from the picture by a ResNet-50. Shape, light and pose are those of
`analysis` here, the maximum-a-posteriori fit of the landmarks and its refinement. The refinement of the texture by
graph convolutions follows.

Source: Zhao & Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", CGI.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.deocclude.by_parsing_map import DeoccludeByParsingMap
from ..stages.texture.completion import TextureCompletion
from ..stages.texture.graph_refinement import GraphRefinement
from .analysis import fit_and_refine
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD"]


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        *fit_and_refine(options),
        DeoccludeByParsingMap(remove="all" if options.remove == "auto" else options.remove),
        TextureCompletion(size=options.texture_size),
        GraphRefinement(),
    )


METHOD = MethodSpec(
    name="parsing_guided",
    paper="Zhao & Qi 2021, Generative face parsing map guided 3D face reconstruction under occluded scenes, CGI",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "fisn"),
    summary="generator guided by the completed parsing map",
)

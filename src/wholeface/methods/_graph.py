"""The refinement of the texture by graph convolutions, for methods that have it where its weights are there."""

from __future__ import annotations

from ..networks.registry import weights_file
from ..stages import Stage, Tools
from ..stages.texture.graph_refinement import GraphRefinement

__all__ = ["graph_refinement"]


def graph_refinement(tools: Tools) -> tuple[Stage, ...]:
    """The stage, or nothing where the weights of its network are missing."""
    stage = GraphRefinement()
    return (stage,) if weights_file(stage.network, tools.networks.weights).is_file() else ()

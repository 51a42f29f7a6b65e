"""The generative method that takes eyeglasses off: first a picture without them, then the head.

A deleter finds the spectacles, a generator fills the hole with a face that fits the landmarks, and the texture of the
head takes its hidden part from that picture.

The paper regresses the coefficients of layout 239 from the picture by a ResNet-50. Shape, light and pose are those of
`analysis` here, the maximum-a-posteriori fit of the landmarks and its refinement. The refinement of the texture by
graph convolutions follows.

Source: Zhao & Qi 2022, "Generative landmarks guided eyeglasses removal 3D face reconstruction", MMM.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.deocclude.by_eyeglasses import DeoccludeByEyeglasses
from ..stages.texture.completion import TextureCompletion
from ..stages.texture.graph_refinement import GraphRefinement
from .analysis import fit_and_refine
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD"]


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        *fit_and_refine(options),
        DeoccludeByEyeglasses(remove=options.remove),
        TextureCompletion(size=options.texture_size),
        GraphRefinement(),
    )


METHOD = MethodSpec(
    name="eyeglasses",
    paper="Zhao & Qi 2022, Generative landmarks guided eyeglasses removal 3D face reconstruction, MMM",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "eyeglasses", "eyeglasses_deleter"),
    summary="generator that takes eyeglasses off, guided by landmarks",
)

"""The best composition: `analysis`, and a generator that takes away what hides the face.

The model-based steps say where the face is and what is in front of it; a compact network, guided by the rendering of
the fitted model and by the completed parsing map, puts the face in the occluder's place, keeps the subject's own eyes
behind lenses through which they are seen, and gives its colours to the hidden part of the texture.

Source: see :mod:`wholeface.methods.analysis`; Zhao & Qi 2021 and 2022 for the generator, which is compact here and
stands on the fitted model.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.deocclude.by_generator import DeoccludeByGenerator
from ..stages.texture.completion import TextureCompletion
from .analysis import fit_and_refine
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD"]


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        *fit_and_refine(options),
        DeoccludeByGenerator(remove=options.remove),
        TextureCompletion(size=options.texture_size),
    )


METHOD = MethodSpec(
    name="auto",
    paper="Egger et al. 2018 for fit and mask; Zhao & Qi 2021, 2022 for the generator",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "deocclusion"),
    summary="the best composition: analysis, and a generator that takes away what hides the face",
)

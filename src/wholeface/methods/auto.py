"""The best composition: `analysis`, a generator that takes away what hides the face, and relief.

The model-based steps say where the face is and what is in front of it; a compact network, guided by the rendering of
the fitted model and by the completed parsing map, puts the face in the occluder's place, keeps the subject's own eyes
behind lenses through which they are seen, and gives its colours to the hidden part of the texture. Wrinkles and folds
follow as in `layered`, and their shading is taken out of the texture, which would show them twice.

Source: see :mod:`wholeface.methods.analysis`; Zhao & Qi 2021 and 2022 for the generator, which is compact here and
stands on the fitted model; Tran et al. 2018 for relief, see :mod:`wholeface.methods.layered`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..morphable import has_dense
from ..stages import Stage, Tools
from ..stages.deocclude.by_generator import DeoccludeByGenerator
from ..stages.relief.without_folds import TextureWithoutFolds
from ..stages.texture.completion import TextureCompletion
from .analysis import fit_and_refine
from .layered import relief_stages
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD"]


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    fitted = fit_and_refine(options)
    coloured = (DeoccludeByGenerator(remove=options.remove), TextureCompletion(size=options.texture_size))
    if not options.relief or not has_dense(tools.model):  # examples and network know the shipped head alone
        return (*fitted, *coloured)
    return (*fitted, *relief_stages(), *coloured, TextureWithoutFolds())


METHOD = MethodSpec(
    name="auto",
    paper="Egger et al. 2018 for fit and mask; Zhao & Qi 2021, 2022 for the generator; Tran et al. 2018 for relief",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "deocclusion", "relief"),
    summary="the best composition: analysis, a generator that takes away what hides the face, wrinkles and folds",
)

"""The layered method: a foundation shape, and wrinkles and folds as a bump map on it.

Fit and mask are those of `analysis`: they stand for the paper's networks of foundation shape, expression, viewpoint
and segmentation. On the foundation a network sees wrinkles and folds where skin is visible; what an occluder hides is
filled from the most similar reference face, and what turns away from the camera by soft symmetry. The texture is
completed as in `analysis`, and the shading of wrinkles and folds taken out of it.

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.relief.by_network import ReliefByNetwork
from ..stages.relief.fill_by_examples import FillByExamples
from ..stages.relief.soft_symmetry import SoftSymmetry
from ..stages.relief.without_folds import TextureWithoutFolds
from ..stages.texture.completion import TextureCompletion
from .analysis import fit_and_refine
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD", "relief_stages"]


def relief_stages(mean_of: int = 5) -> tuple[Stage, ...]:
    """The stages that fill ``bump`` and ``relief`` of a face that was fitted.

    Args:
        mean_of: so many similar references fill what is hidden; 1 as in the paper.
    """
    return (ReliefByNetwork(), FillByExamples(mean_of=mean_of), SoftSymmetry())


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        *fit_and_refine(options),
        *relief_stages(mean_of=1),
        TextureCompletion(size=options.texture_size),
        TextureWithoutFolds(),
    )


METHOD = MethodSpec(
    name="layered",
    paper="Tran et al. 2018, Extreme 3D face reconstruction: Seeing through occlusions, CVPR",
    stages=_stages,
    weights=("detector", "landmarks", "parsing", "eyewear", "relief"),
    summary="analysis, and wrinkles and folds on top, hidden ones from similar faces and by symmetry",
)

"""An encoder and a segmentation network that learned from photos alone: FOCUS.

One pass of the encoder says where the face is and what it looks like; the segmentation network compares the photo
with the rendering of that and says what stands in front of the face. Neither a parsing network nor a mask drawn by
anybody has a part in it. The texture of the head is completed as in `analysis`.

The paper takes the encoder's parameters as they are (``refine=False``). With ``refine=True`` the photometric
refinement of `analysis` goes on from them, on the pixels that the mask leaves.

Source: Li et al., "To fit or not to fit: Model-based face reconstruction and occlusion segmentation from weak
supervision" (FOCUS).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..stages import Stage, Tools
from ..stages.mask.by_comparison import MaskByComparison
from ..stages.shape.by_encoder import FitByEncoder
from ..stages.shape.photometric_refinement import PhotometricRefinement
from ..stages.texture.completion import TextureCompletion
from .spec import MethodOptions, MethodSpec

__all__ = ["METHOD"]


def _stages(options: MethodOptions, tools: Tools) -> Sequence[Stage]:
    return (
        FitByEncoder(focal=options.focal),
        MaskByComparison(),
        *((PhotometricRefinement(),) if options.refine else ()),
        TextureCompletion(size=options.texture_size),
    )


METHOD = MethodSpec(
    name="focus",
    paper="Li et al., To fit or not to fit: Model-based face reconstruction and occlusion segmentation from weak"
    " supervision",
    stages=_stages,
    weights=("detector", "landmarks", "focus", "focus_mask"),
    summary="encoder and segmentation network that learned from photos alone, without masks (FOCUS)",
)

"""Stage: relief of the whole face, its self-occluded part by symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...core.threads import one_thread
from ..stage import faces_side_by_side
from ..state import FaceState
from ..texture.uv.atlas import atlas_of
from ..tools import Tools
from ..upright import upright
from .symmetry import atlas_relief, face_graph

__all__ = ["SoftSymmetry"]


@dataclass(frozen=True)
class SoftSymmetry:
    """Fills ``relief`` from ``bump``: seen texels, and where the face turns away those of its other half, blended by
    their gradients. What neither half shows stays as the foundation has it.

    Args:
        size: edge of the atlas in texels.
        over_examples: let what the other half shows replace what was filled in from another subject. In the paper it
            does not.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.3.
    """

    size: int = 512
    over_examples: bool = False

    name: ClassVar[str] = "soft symmetry"
    reads: ClassVar[frozenset[str]] = frozenset({"fit", "bump"})
    writes: ClassVar[frozenset[str]] = frozenset({"relief"})

    def prepare(self, tools: Tools) -> None:
        """Make the tables that belong to the face model and the atlas."""
        atlas_of(tools.model, self.size)
        face_graph(tools.model)

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.bump is not None
        where = upright(face.fit, face.bump.crop, len(face.bump.displacement))
        return face.with_(relief=atlas_relief(where, face.bump, self.size, over_examples=self.over_examples))

"""Stage: made-up parts of the texture refined by graph convolutions over the face's mesh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import ModelFileError
from ...core.threads import one_thread
from ..stage import faces_side_by_side
from ..state import FaceState
from ..tools import Tools
from .graph import RefineSettings, face_mesh, refine_colours, vertex_colours, with_change

if TYPE_CHECKING:
    from ...networks.graph import TextureGraphNet

__all__ = ["GraphRefinement"]


@dataclass(frozen=True)
class GraphRefinement:
    """Multiplies ``texture`` by what the fine colours of the mesh's vertices add over the coarse ones.

    The network looks at the whole face: what the photo shows, what completion made of the rest, and the fitted model.
    Texels that the photo shows, or that a generator made, stay, unless the settings say otherwise, and so does what
    is finer than the mesh.
    Provenance and confidence stay, too: the new colours are as much made up as the old ones.

    A network that learned on another mesh than the face model's changes nothing.

    Args:
        settings: how far to go.
        network: as :meth:`wholeface.stages.Networks.load` takes it.

    Source: Lin et al. 2020, "Towards High-Fidelity 3D Face Reconstruction from In-the-Wild Images Using Graph
    Convolutional Networks".
    """

    settings: RefineSettings = field(default_factory=RefineSettings)
    network: str = "texture_graph"

    name: ClassVar[str] = "graph refinement"
    reads: ClassVar[frozenset[str]] = frozenset({"fit", "texture"})
    writes: ClassVar[frozenset[str]] = frozenset({"texture"})

    def prepare(self, tools: Tools) -> None:
        """Load the network, and make the mesh's levels."""
        self._load(tools)
        _ = face_mesh(tools.model).graph

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`.

        Raises:
            ModelFileError: the weights are missing, or of another kind of network.
        """
        assert face.fit is not None
        assert face.texture is not None
        network = self._load(tools)
        mesh = face_mesh(face.fit.model)
        if network.config.vertices not in (0, len(mesh)):
            return face
        found = vertex_colours(face.fit.model, face.texture, face.fit.parameters, mesh)
        change = refine_colours(network, mesh, found)
        return face.with_(
            texture=with_change(face.fit.model, face.texture, change, found.kept, self.settings)
        )

    def _load(self, tools: Tools) -> TextureGraphNet:
        """The network; the shipped one where a folder of other weights holds none."""
        from ...networks.graph import TextureGraphNet

        network = tools.networks.load_or_shipped(self.network)
        if not isinstance(network, TextureGraphNet):
            raise ModelFileError(
                f"the network {self.network!r} is a {type(network).__name__}; the graph refinement needs a "
                "TextureGraphNet: take its weights, or train them (`wholeface train texture_graph`)"
            )
        return network

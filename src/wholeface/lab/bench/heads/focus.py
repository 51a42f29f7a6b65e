"""What FOCUS says of a face that was found already: its fit, and its mask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....core.errors import WholeFaceError

if TYPE_CHECKING:
    from ....result.reconstruction import Reconstruction
    from ....stages import FaceState, Tools

__all__ = ["FocusNetworks"]


class FocusNetworks:
    """Encoder and segmentation network, by themselves: nothing is refined, nobody else's mask is looked at.

    Args:
        weights: folder with ``focus.safetensors`` and ``focus_mask.safetensors``; None takes the shipped ones.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self.weights = weights
        self._tools: Tools | None = None

    @property
    def installed(self) -> bool:
        """Whether both files are there."""
        from ....networks import has_weights

        return has_weights("focus", "focus_mask", weights=self.weights)

    def __call__(self, head: Reconstruction) -> FaceState:
        """The face's state with ``fit`` and ``mask``.

        Raises:
            WholeFaceError: the networks cannot be loaded, or say something that no photo shows.
        """
        from ....stages import FaceState, Networks, Tools, run_stages
        from ....stages.mask.by_comparison import MaskByComparison
        from ....stages.shape.by_encoder import FitByEncoder

        if self._tools is None or self._tools.model is not head.model:
            self._tools = Tools(model=head.model, networks=Networks(weights=self.weights))
        state = FaceState(head.photo, head.landmarks)
        found = run_stages([FitByEncoder(), MaskByComparison()], [state], self._tools)[0]
        if isinstance(found, WholeFaceError):
            raise found
        return found

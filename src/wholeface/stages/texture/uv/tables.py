"""What the completion computes once for a model and a texture size."""

from __future__ import annotations

from ....morphable import MorphableModel
from .atlas import atlas_of, surface_of
from .complete import CompleteSettings
from .noise import skin_noise

__all__ = ["prepare"]


def prepare(model: MorphableModel, size: int = 1024, *, seed: int = CompleteSettings().seed) -> None:
    """Make the tables that :func:`complete_texture` would make for its first photo; they are kept.

    Args:
        model: face model; its tables are kept with it.
        size: edge of the texture in texels; of no effect for a model without UV.
        seed: as in :class:`CompleteSettings`.

    Raises:
        UsageError: the model has UV coordinates, but none inside [0, 1].
    """
    surface = surface_of(model)
    _ = surface.solver
    skin_noise(model, surface, atlas_of(model, size), seed)

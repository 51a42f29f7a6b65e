"""Face and ears of a model as a mesh of their own, at several levels: what the photo may show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ....core.errors import UsageError
from ....core.mesh_hierarchy import MeshHierarchy, build_hierarchy
from ....core.short_repr import short_repr
from ....morphable import MorphableModel
from ....networks.graph import MeshGraph
from ..uv.atlas import FACE, OUTER, Array, surface_of

__all__ = ["LEVELS", "FaceMesh", "face_mesh"]

LEVELS = 5
_FACTOR = 4.0


@dataclass(frozen=True, eq=False)
class FaceMesh:
    """The part of a model's mesh that the refinement colours: eyeballs, teeth, mouth, scalp and neck are left out.

    Args:
        chosen: (M,) the model's vertices that belong to it.
        hierarchy: of these vertices on the mean face, mm.
        mirror: (M,) number of the mirrored vertex, or None where the model has no mirror.
        where: (M, 3) float32 places on the mean face, about −1 to 1.
    """

    chosen: Array
    hierarchy: MeshHierarchy
    mirror: Array | None
    where: Array

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def triangles(self) -> Array:
        """(F, 3) of the finest level."""
        return self.hierarchy.levels[0].triangles

    @cached_property
    def graph(self) -> MeshGraph:
        """For networks, on the CPU."""
        return MeshGraph.of(self.hierarchy)


def face_mesh(model: MorphableModel) -> FaceMesh:
    """The face mesh of a model, made once and kept with it.

    Raises:
        UsageError: the model has no face to speak of.
    """
    return model.table("face mesh", _build)


def _build(model: MorphableModel) -> FaceMesh:
    surface = surface_of(model)
    triangles = surface.triangles[np.isin(surface.kind, (FACE, OUTER))].astype(np.int64)
    if len(triangles) == 0:
        raise UsageError(f"face model {model.name!r} has no triangles of a face to refine the colours of")
    chosen = np.unique(triangles)
    number = np.full(model.vertex_count, -1)
    number[chosen] = np.arange(len(chosen))
    places = model.mean.detach().cpu().double().numpy()[chosen]
    mirror = None
    if surface.mirror is not None:
        image = number[surface.mirror[chosen]]
        mirror = np.where(image >= 0, image, np.arange(len(chosen)))
    middle, span = 0.5 * (places.max(0) + places.min(0)), 0.5 * float(np.ptp(places[:, 1]))
    return FaceMesh(
        chosen,
        build_hierarchy(places, number[triangles], [_FACTOR] * (LEVELS - 1)),
        mirror,
        ((places - middle) / span).astype(np.float32),
    )

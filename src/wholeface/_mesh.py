"""From a reconstruction to the mesh that the writers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .export import Mesh
from .render import vertex_normals

if TYPE_CHECKING:
    from .morphable import MorphableModel
    from .reconstruction import Reconstruction


def _glossy(model: MorphableModel) -> NDArray[np.bool_] | None:
    """(F,) triangles with a wet surface, where the model names such regions."""
    wet = [name for name in ("eyeballs", "teeth", "inner_mouth") if name in model.regions]
    if not wet:
        return None
    return model.region(*wet)[model.triangles].all(dim=1).numpy()


def build_mesh(face: Reconstruction, *, expressions: bool) -> Mesh:
    """See :meth:`wholeface.Reconstruction.mesh`."""
    model = face.model
    if model.uv is None or model.uv_triangles is None:
        raise UsageError(f"face model {model.name!r} has no UV coordinates, so it cannot carry a texture")
    shown = None if expressions else face.expression
    vertices = model.vertices(face.parameters.identity, shown)
    targets = {}
    weights = None
    if expressions:
        targets = {name: model.expression[i].numpy() for i, name in enumerate(model.expression_names)}
        weights = tuple(float(w) for w in face.expression)
    return Mesh(
        vertices=vertices.numpy().astype(np.float32),
        triangles=model.triangles.numpy(),
        normals=vertex_normals(vertices, model.triangles).numpy().astype(np.float32),
        uv=model.uv.numpy(),
        uv_triangles=model.uv_triangles.numpy(),
        texture=face.completed.texture,
        provenance=face.completed.provenance,
        confidence=face.completed.confidence,
        glossy=_glossy(model),
        morph_targets=targets,
        morph_weights=weights,
        extras={"face_model": f"{model.name} {model.version}", "method": face.method},
    )

"""From a reconstruction to the mesh that the writers take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..export import Mesh
from ..morphable.expression_names import arkit_shapes, check_naming
from ..render import vertex_normals
from ..stages import FaceFit
from ..stages.relief.normal_map import frames_of, normal_map
from .dense_mesh import with_geometry
from .relief import check_detail

if TYPE_CHECKING:
    from ..morphable import MorphableModel
    from .reconstruction import Reconstruction


def _glossy(model: MorphableModel) -> NDArray[np.bool_] | None:
    """(F,) triangles with a wet surface, where the model names such regions."""
    wet = [name for name in ("eyeballs", "teeth", "inner_mouth") if name in model.regions]
    if not wet:
        return None
    return model.region(*wet)[model.triangles].all(dim=1).numpy()


def _colours(face: Reconstruction) -> dict[str, Any]:
    """The texture with its UV, or colours at the vertices where the model has none."""
    model, pixels = face.model, face.completed.texture
    if face.completed.per_vertex or model.uv is None or model.uv_triangles is None:
        return {"colours": pixels}
    return {"uv": model.uv.numpy(), "uv_triangles": model.uv_triangles.numpy(), "texture": pixels}


def _normal_map(
    face: Reconstruction, vertices: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.uint8] | None:
    """Of the face's relief on a mesh that may show another expression."""
    if face.relief is None or face.normal_map is None or vertices is face.vertices:
        return face.normal_map
    return normal_map(face.model, face.relief.displacement, frames_of(face.model, vertices, normals))


def build_mesh(
    face: Reconstruction, *, expressions: bool, expression_names: str = "arkit", detail: str = "normal"
) -> Mesh:
    """See :meth:`wholeface.Reconstruction.mesh`."""
    check_naming(expression_names)
    check_detail(detail)
    model = face.model
    vertices, normals = face.vertices, face.normals
    if expressions:
        neutral = model.vertices(face.parameters.identity)
        vertices = neutral.numpy().astype(np.float32)
        normals = vertex_normals(neutral, model.triangles).numpy()
    targets = {}
    weights = None
    if expressions:
        names = model.expression_names
        shapes = arkit_shapes(names) if expression_names == "arkit" else {name: (name,) for name in names}
        parts = [[names.index(part) for part in shape] for shape in shapes.values()]
        targets = {name: model.expression[rows].sum(dim=0).numpy() for name, rows in zip(shapes, parts)}
        # A shape of two sides has one weight: the mean of theirs.
        weights = tuple(float(face.expression[rows].mean()) for rows in parts)
    mesh = Mesh(
        vertices=vertices,
        triangles=model.triangles.numpy(),
        normals=normals,
        normal_map=None if detail == "none" else _normal_map(face, vertices, normals),
        **_colours(face),
        provenance=face.completed.provenance,
        confidence=face.completed.confidence,
        glossy=_glossy(model),
        morph_targets=targets,
        morph_weights=weights,
        extras={"face_model": f"{model.name} {model.version}", "method": face.method},
    )
    if detail != "mesh" or face.relief is None:
        return mesh
    expression = torch.zeros_like(face.expression) if expressions else face.expression
    fit = FaceFit(model, replace(face.parameters, expression=expression), face.camera)
    return with_geometry(mesh, fit, face.relief)

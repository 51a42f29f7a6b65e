"""GNM Head (Google): the ``gnm_head.npz`` file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import array, floats, indices, parsing, read_bytes, read_npz, require
from ._mesh import at_vertices, oriented, read_landmark_vertices, tensor

__all__ = ["load_gnm"]

_METRE = 1000.0  # to mm
_REQUIRED = (
    "template_vertex_positions",
    "vertex_identity_basis",
    "identity_names",
    "expression_basis",
    "expression_names",
    "triangles",
)
_OPTIONAL = (
    "triangle_uvs",
    "mirror_indices",
    "skinning_weights",
    "joint_regressor",
    "joint_parent_indices",
    "vertex_groups",
    "vertex_group_names",
    "version",
)


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_gnm(
    path: str | os.PathLike[str], *, landmarks: str | os.PathLike[str] | None = None
) -> MorphableModel:
    """GNM Head 3.0: 17,821 vertices with eyes, teeth and tongue, 253 identity and 383 expression modes.

    Modes keep their names (identity names are dropped: our identity modes are numbered) and are one
    standard
    deviation each. Joint rotations (neck, head, eyes) are dropped; their tensors come as ``extras``:
    ``skinning_weights`` (J, V), ``joint_regressor`` (J, V), ``joint_parents`` (J,). The file's vertex
    groups come as ``extras["group:<name>"]`` (V,) weights. No albedo.

    Args:
        path: ``gnm_head.npz``.
        landmarks: a list of 68 vertex indices, counted from 0, in the iBUG order.

    Raises:
        ModelFileError: the file is missing, damaged or incomplete.

    Source: *GNM Head: A Generative aNthropometric Model of the human head*, arXiv 2607.23687;
    Apache-2.0. The layout follows the published class documentation; the frame is taken as the
    documented one, metres, +y up, +z out.
    """
    file = Path(path)
    fields = read_npz(file, data=read_bytes(file), only=(*_REQUIRED, *_OPTIONAL))
    require(fields, _REQUIRED, file, "GNM Head file")
    mean = floats(
        fields["template_vertex_positions"], (None, 3), "template_vertex_positions", file, scale=_METRE
    )
    if not len(mean):
        raise ModelFileError(f"{file} has no vertices")
    count = len(mean)
    identity = floats(
        fields["vertex_identity_basis"], (None, count, 3), "vertex_identity_basis", file, scale=_METRE
    )
    expression = floats(fields["expression_basis"], (None, count, 3), "expression_basis", file, scale=_METRE)
    names = _names(fields["expression_names"], len(expression), "expression_names", file)
    triangles = indices(fields["triangles"], (None, 3), count, "triangles", file)
    uv = uv_triangles = None
    if "triangle_uvs" in fields:
        corner_uv = floats(fields["triangle_uvs"], (len(triangles), 3, 2), "triangle_uvs", file)
        uv, inverse = np.unique(corner_uv.reshape(-1, 2), axis=0, return_inverse=True)
        uv_triangles = inverse.reshape(-1, 3).astype(np.int64)
    arrays = (triangles,) if uv_triangles is None else (triangles, uv_triangles)
    turned = oriented(mean, *arrays)
    mirror = None
    if "mirror_indices" in fields:
        mirror = tensor(indices(fields["mirror_indices"], (count,), count, "mirror_indices", file))
    embedding = None
    if landmarks is not None:
        embedding = at_vertices(read_landmark_vertices(Path(landmarks), count), turned[0], file)
    model = MorphableModel(
        "gnm",
        str(fields.get("version", ""))[:100],
        tensor(mean),
        tensor(identity),
        tensor(expression),
        names,
        tensor(turned[0]),
        None if uv is None else tensor(uv),
        None if uv is None else tensor(turned[1]),
        mirror,
        landmarks_68=embedding,
        extras=_extras(fields, count, file),
        expression_prior=ExpressionPrior.gaussian(torch.ones(len(expression))),
    )
    return checked(model, file)


def _extras(fields: Any, count: int, path: Path) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    for name in ("skinning_weights", "joint_regressor"):
        if name in fields:
            extras[name] = tensor(floats(fields[name], (None, count), name, path))
    if "joint_parent_indices" in fields:
        parents = array(fields["joint_parent_indices"], "joint_parent_indices", path)
        extras["joint_parents"] = tensor(
            indices(parents, (None,), len(parents), "joint_parent_indices", path, base=-1) - 1
        )
    if "vertex_groups" in fields and "vertex_group_names" in fields:
        groups = floats(fields["vertex_groups"], (None, count), "vertex_groups", path)
        for name, weights in zip(
            _names(fields["vertex_group_names"], len(groups), "vertex_group_names", path), groups
        ):
            extras[f"group:{name}"] = tensor(weights)
    return extras


def _names(value: NDArray[Any], size: int, name: str, path: Path) -> tuple[str, ...]:
    given = array(value, name, path)
    if given.dtype.kind not in "US" or given.shape != (size,):
        raise ModelFileError(
            f"{path}: {name} should hold {size} names, it holds {given.dtype} of shape {given.shape}"
        )
    with parsing(path, f"a GNM Head file ({name} are no UTF-8 text)"):
        return tuple(item.decode() if isinstance(item, bytes) else str(item) for item in given.tolist())

"""Head models through the optional ``body-models`` package, over its public interface only."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError, UsageError
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import array, floats, indices, parsing
from ._mesh import at_vertices, oriented, read_landmark_vertices, tensor, triangulate

__all__ = ["HEADS", "load_body_model"]

HEADS = ("flame", "gnm")
"""Names of that package's catalogue which are heads; the others are bodies, hands or skeletons."""

_METRE = 1000.0  # to mm
_CHUNK = 32
"""Faces evaluated at once; keeps the skinning of GNM Head under about 100 MB."""


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_body_model(
    name: str,
    *,
    model_path: str | os.PathLike[str] | None = None,
    landmarks: str | os.PathLike[str] | None = None,
) -> MorphableModel:
    """FLAME or GNM Head as ``body-models`` has it, made linear by evaluating it.

    Identity and expression modes are the displacements of the rest pose by one unit of each
    coefficient; in the rest pose these models are linear, so nothing is approximated. Joint rotations
    (jaw, neck, eyes) are dropped; for FLAME with a jaw mode and texture read its file directly. The
    package finds the assets itself (its own configuration or download) unless ``model_path`` says
    where.

    Args:
        name: ``"flame"`` or ``"gnm"``.
        model_path: the model's file.
        landmarks: a list of 68 vertex indices, counted from 0, in the iBUG order.

    Raises:
        UsageError: a model that is not a head.
        ModelFileError: the package is not installed, or cannot load its asset.

    Source: https://github.com/abcamiletto/body-models, version 0.26 (metres, rest pose with zero
    coefficients).
    """
    if name not in HEADS:
        raise UsageError(f"{name!r} is not a head model of body-models; these are: {', '.join(HEADS)}")
    try:
        import body_models
    except ImportError as error:
        raise ModelFileError(
            f"the model 'body-models:{name}' needs the package body-models, hence NumPy 2 and Python "
            "3.13 or newer (pip install 'wholeface[body-models]'); elsewhere give the model's own file: "
            "gnm_head.npz, or FLAME's pickle"
        ) from error
    place = Path(model_path) if model_path is not None else Path(f"body-models:{name}")
    options = {} if model_path is None else {"model_path": Path(model_path)}
    with parsing(place, f"a {name} model that body-models can load"):
        model: Any = body_models.create_model(name, runtime="numpy", **options)
        faces = array(model.faces, "faces", place)
        mean = _evaluate(model, "shape", np.zeros((1, model.parameter_spec["shape"].dims[0])))[0]
        identity = _basis(model, "shape", mean)
        expression = _basis(model, "expression", mean)
        names = tuple(getattr(model, "expression_names", ()))
    count = len(mean)
    triangles = indices(faces, (None, faces.shape[-1]), count, "faces", place)
    if triangles.shape[1] == 4:
        triangles, _ = triangulate(triangles)
    (triangles,) = oriented(mean, triangles)
    embedding = None
    if landmarks is not None:
        embedding = at_vertices(read_landmark_vertices(Path(landmarks), count), triangles, place)
    if len(names) != len(expression):
        names = tuple(f"expression_{index:02d}" for index in range(len(expression)))
    linear = MorphableModel(
        name,
        _version(),
        tensor(floats(mean, (None, 3), "vertices", place)),
        tensor(floats(identity, (None, count, 3), "identity", place)),
        tensor(floats(expression, (None, count, 3), "expression", place)),
        names,
        tensor(triangles),
        landmarks_68=embedding,
        expression_prior=ExpressionPrior.gaussian(torch.ones(len(expression))),
    )
    return checked(linear, place)


def _version() -> str:
    try:
        return f"body-models {metadata.version('body-models')}"
    except metadata.PackageNotFoundError:
        return "body-models"


def _evaluate(model: Any, parameter: str, values: NDArray[np.float64]) -> NDArray[np.float32]:
    """(N, V, 3) mm, rest pose with one parameter set to the rows of ``values``."""
    forward: Callable[..., Any] = model.forward_vertices
    rest = model.get_rest_pose(batch_dims=(len(values),))
    rest[parameter] = values.astype(np.asarray(rest[parameter]).dtype)
    return np.asarray(forward(**rest), dtype=np.float32) * np.float32(_METRE)


def _basis(model: Any, parameter: str, mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, V, 3) mm per unit of each coefficient."""
    size = model.parameter_spec[parameter].dims[0]
    units = np.eye(size)
    parts = [
        _evaluate(model, parameter, units[first : first + _CHUNK]) - mean for first in range(0, size, _CHUNK)
    ]
    return np.concatenate(parts)

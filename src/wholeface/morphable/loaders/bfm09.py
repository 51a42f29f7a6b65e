"""Basel Face Model 2009: Deep3D's ``BFM_model_front.mat`` and the original ``01_MorphableModel.mat``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..albedo import AlbedoModel
from ..embedding import Embedding
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import array, floats, indices, require
from ._mat import read_mat
from ._mesh import at_vertices, oriented, read_landmark_vertices, tensor

__all__ = ["load_bfm09"]

_FRONT = ("meanshape", "idBase", "exBase", "meantex", "texBase", "tri", "keypoints")
_ORIGINAL = ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV", "tl")
_OPTIONAL = ("frontmask2_idx", "skinmask")
_DECIMETRE, _MICROMETRE = 100.0, 1e-3  # to mm


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_bfm09(
    path: str | os.PathLike[str], *, landmarks: str | os.PathLike[str] | None = None
) -> MorphableModel:
    r"""Basel Face Model 2009 from a MATLAB file (version 5 to 7, not 7.3).

    ``BFM_model_front.mat`` (Deep3D: 35,709 vertices, 80 identity, 64 expression, 80 albedo modes, each
    already scaled to one standard deviation, decimetres) is centred on the mean of its vertices, as
    Deep3D does, so that coefficients of that system mean the same here. ``01_MorphableModel.mat``
    (53,490 vertices, 199 + 199 modes, micrometres, no expressions) keeps its origin.

    Albedo is additive in sRGB-encoded colours, as the model was learned. Regions: ``skin`` (all
    vertices) and, in Deep3D's file, ``face`` (its ``frontmask2_idx``); its ``skinmask`` comes as
    ``extras["skin_mask"]`` (V,) in [0, 1].

    Args:
        path: the MATLAB file.
        landmarks: for the original file, which has no landmarks: a list of 68 vertex indices, counted from 0.

    Raises:
        ModelFileError: the file is missing, damaged, of another format or incomplete.

    Source: Paysan et al. 2009; Deng et al. 2019 (Deep3D) for the cropped model with expressions of Guo
    et al. 2018.
    """
    file = Path(path)
    fields = read_mat(file, (*_FRONT, *_ORIGINAL, *_OPTIONAL))
    extra_landmarks = None if landmarks is None else Path(landmarks)
    original = "shapeMU" in fields and "meanshape" not in fields
    return checked((_original if original else _front)(fields, file, extra_landmarks), file)


def _front(fields: Mapping[str, Any], path: Path, landmarks: Path | None) -> MorphableModel:
    require(fields, _FRONT, path, "BFM_model_front.mat")
    mean = _points(fields["meanshape"], "meanshape", path) * np.float32(_DECIMETRE)
    mean = mean - mean.mean(axis=0, dtype=np.float64).astype(np.float32)
    count = len(mean)
    (triangles,) = oriented(mean, indices(fields["tri"], (None, 3), count, "tri", path, base=1))
    keypoints = indices(
        array(fields["keypoints"], "keypoints", path).reshape(-1), (68,), count, "keypoints", path, base=1
    )
    if landmarks is not None:
        keypoints = read_landmark_vertices(landmarks, count)
    everywhere = np.ones(count, dtype=bool)
    regions, extras = {"skin": tensor(everywhere)}, {}
    if "frontmask2_idx" in fields:
        front = array(fields["frontmask2_idx"], "frontmask2_idx", path).reshape(-1)
        face = ~everywhere
        face[indices(front, (None,), count, "frontmask2_idx", path, base=1)] = True
        regions["face"] = tensor(face)
    if "skinmask" in fields:
        mask = array(fields["skinmask"], "skinmask", path).reshape(-1)
        extras["skin_mask"] = tensor(floats(mask, (count,), "skinmask", path))
    return _model(
        "deep3d",
        mean,
        _modes(fields["idBase"], count, "idBase", path) * np.float32(_DECIMETRE),
        _modes(fields["exBase"], count, "exBase", path) * np.float32(_DECIMETRE),
        triangles,
        _albedo(fields["meantex"], fields["texBase"], None, count, path),
        at_vertices(keypoints, triangles, path),
        regions=regions,
        extras=extras,
    )


def _original(fields: Mapping[str, Any], path: Path, landmarks: Path | None) -> MorphableModel:
    require(fields, _ORIGINAL, path, "01_MorphableModel.mat")
    mean = _points(fields["shapeMU"], "shapeMU", path) * np.float32(_MICROMETRE)
    count = len(mean)
    (triangles,) = oriented(mean, indices(fields["tl"], (None, 3), count, "tl", path, base=1))
    identity = _modes(fields["shapePC"], count, "shapePC", path)
    deviation = _deviations(fields["shapeEV"], len(identity), "shapeEV", path)
    embedding = None
    if landmarks is not None:
        embedding = at_vertices(read_landmark_vertices(landmarks, count), triangles, path)
    return _model(
        "original",
        mean,
        identity * (deviation * np.float32(_MICROMETRE))[:, None, None],
        np.zeros((0, count, 3), dtype=np.float32),
        triangles,
        _albedo(fields["texMU"], fields["texPC"], fields["texEV"], count, path),
        embedding,
        regions={"skin": tensor(np.ones(count, dtype=bool))},
    )


def _model(
    version: str,
    mean: NDArray[np.float32],
    identity: NDArray[np.float32],
    expression: NDArray[np.float32],
    triangles: NDArray[np.int64],
    albedo: AlbedoModel,
    landmarks: Embedding | None,
    **parts: Any,
) -> MorphableModel:
    names = tuple(f"expression_{index:02d}" for index in range(len(expression)))
    return MorphableModel(
        "bfm2009",
        version,
        tensor(mean),
        tensor(identity),
        tensor(expression),
        names,
        tensor(triangles),
        albedo=albedo,
        landmarks_68=landmarks,
        expression_prior=ExpressionPrior.gaussian(torch.ones(len(expression))),
        **parts,
    )


def _albedo(mean: Any, basis: Any, deviation: Any, count: int, path: Path) -> AlbedoModel:
    colours = _points(mean, "mean texture", path)
    if len(colours) != count:
        raise ModelFileError(f"{path}: its mean texture has {len(colours)} vertices, its shape {count}")
    modes = _modes(basis, count, "texture basis", path)
    if deviation is not None:
        modes = modes * _deviations(deviation, len(modes), "texEV", path)[:, None, None]
    return AlbedoModel("srgb", tensor(colours / np.float32(255)), tensor(modes / np.float32(255)))


def _points(value: Any, name: str, path: Path) -> NDArray[np.float32]:
    """(V, 3) from 3V numbers, x y z x y z …, stored as a row or a column."""
    flat = floats(np.asarray(value).reshape(-1), (None,), name, path)
    if flat.size == 0 or flat.size % 3:
        raise ModelFileError(f"{path}: {name} has {flat.size} numbers, which is not three for each vertex")
    return flat.reshape(-1, 3)


def _modes(value: Any, count: int, name: str, path: Path) -> NDArray[np.float32]:
    """(K, V, 3) from a (3V, K) basis."""
    return np.ascontiguousarray(floats(value, (3 * count, None), name, path).T).reshape(-1, count, 3)


def _deviations(value: Any, size: int, name: str, path: Path) -> NDArray[np.float32]:
    return floats(np.asarray(value).reshape(-1), (size,), name, path)

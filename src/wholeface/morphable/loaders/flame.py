"""FLAME 2019, 2020 and 2023: the pickled or ``.npz`` model, its landmark embedding and its texture space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..embedding import Embedding
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import array, floats, indices, read_bytes, read_npy, read_npz, require
from ._mesh import oriented, tensor
from ._pickle import read_pickle

__all__ = ["load_flame"]

_METRE = 1000.0  # to mm
_REQUIRED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_JOINTS, _JAW = 5, 2
_PARENTS = (0, 1, 1, 1)  # of neck, jaw, left eye, right eye; joint 0 is the root
_IDENTITY_MODES = 300
_JAW_ANGLE = np.deg2rad(15.0)


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_flame(
    path: str | os.PathLike[str],
    *,
    landmarks: str | os.PathLike[str] | None = None,
    texture: str | os.PathLike[str] | None = None,
    identity_modes: int = _IDENTITY_MODES,
    albedo_modes: int = 50,
) -> MorphableModel:
    r"""FLAME as a linear model, millimetres; nothing in the pickle is executed and chumpy is not needed.

    Loaded: the template, ``identity_modes`` identity and the remaining expression modes (300 + 100 in
    the published files), and one more expression, ``jawOpen``: the exact displacement of the template
    when the jaw joint turns by 15° (skinning and pose correctives included). Dropped: every other joint
    rotation, and how the jaw's hinge moves with identity. For skinning in full the tensors come as
    ``extras``: ``skinning_weights`` (V, 5), ``joint_regressor`` (5, V), ``joint_parents`` (5,),
    ``pose_correctives`` (36, V, 3) mm per entry of R − 1.

    Args:
        path: ``generic_model.pkl``, ``flame2023.pkl`` … or an ``.npz`` with the same fields.
        landmarks: ``landmark_embedding.npy`` (its 68 ``full_lmk_*`` points), a pickle of it, or an ``.npz``.
        texture: ``FLAME_texture.npz`` (``mean``, ``tex_dir``, ``vt``, ``ft``) for albedo and UV.
        identity_modes: how many of the shape directions are identity.
        albedo_modes: how many albedo modes to keep (all 200 in UV space would take 1.3 GB).

    Raises:
        ModelFileError: a file is missing, damaged, incomplete, or asks to run code.

    Source: Li et al. 2017, *Learning a model of facial shape and expression from 4D scans*.
    """
    file = Path(path)
    fields = _read(file)
    require(fields, _REQUIRED, file, "FLAME model")
    mean = floats(fields["v_template"], (None, 3), "v_template", file, scale=_METRE)
    if not len(mean):
        raise ModelFileError(f"{file} has no vertices")
    count = len(mean)
    directions = floats(fields["shapedirs"], (count, 3, None), "shapedirs", file, scale=_METRE)
    modes = np.ascontiguousarray(directions.transpose(2, 0, 1))  # (K, V, 3)
    split = min(max(identity_modes, 0), len(modes))
    triangles = indices(fields["f"], (None, 3), count, "f", file)
    rig = _rig(fields, count, file)
    jaw = _jaw_open(mean, rig)
    uv = uv_triangles = albedo = None
    if texture is not None:
        from ._flame_texture import read_texture

        uv, uv_triangles, albedo = read_texture(Path(texture), triangles, count, albedo_modes)
    embedding = None if landmarks is None else _landmarks(Path(landmarks), triangles)
    turned = oriented(mean, triangles, *([] if uv_triangles is None else [uv_triangles]))
    if embedding is not None and turned[0] is not triangles:
        embedding = Embedding(embedding.triangle, embedding.barycentric.flip(-1))
    names = tuple(f"expression_{index:02d}" for index in range(len(modes) - split))
    model = MorphableModel(
        "flame",
        file.stem,
        tensor(mean),
        tensor(modes[:split]),
        tensor(np.concatenate([modes[split:], jaw[None]])),
        (*names, "jawOpen"),
        tensor(turned[0]),
        None if uv is None else tensor(uv),
        None if uv is None else tensor(turned[1]),
        landmarks_68=embedding,
        albedo=albedo,
        extras={name: tensor(value) for name, value in rig.items()},
        expression_prior=ExpressionPrior.joined(
            ExpressionPrior.gaussian(torch.ones(len(names))), ExpressionPrior.blendshapes(1)
        ),
    )
    return checked(model, file)


def _read(path: Path) -> Mapping[str, Any]:
    data = read_bytes(path)
    if data.startswith(b"PK"):
        return read_npz(path, data=data, only=_REQUIRED, objects=True)
    content = read_pickle(data, path)
    if not isinstance(content, dict):
        raise ModelFileError(
            f"{path} is not a FLAME model: its pickle holds a {type(content).__name__}, not a mapping"
        )
    return content


def _rig(fields: Mapping[str, Any], count: int, path: Path) -> dict[str, NDArray[Any]]:
    """The skinning tensors, by the names under which they come as ``extras``."""
    tree = array(fields["kintree_table"], "kintree_table", path)
    if tree.ndim == 2 and tree.shape[1] != _JOINTS:
        raise ModelFileError(f"{path} has {tree.shape[1]} joints, FLAME has {_JOINTS}: is it a body model?")
    if tree.ndim != 2 or len(tree) < 1 or tuple(tree[0, 1:].tolist()) != _PARENTS:
        raise ModelFileError(f"{path}: kintree_table is not FLAME's skeleton")
    correctives = floats(fields["posedirs"], (count, 3, 9 * (_JOINTS - 1)), "posedirs", path, scale=_METRE)
    return {
        "skinning_weights": floats(fields["weights"], (count, _JOINTS), "weights", path),
        "joint_regressor": floats(fields["J_regressor"], (_JOINTS, count), "J_regressor", path),
        "joint_parents": np.array([-1, *_PARENTS], dtype=np.int64),
        "pose_correctives": np.ascontiguousarray(correctives.transpose(2, 0, 1)),
    }


def _jaw_open(mean: NDArray[np.float32], rig: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    r"""(V, 3) displacement of the template when only the jaw turns: :math:`p + w\,(R - 1)(v + p - j)`.

    :math:`p` are the pose correctives, :math:`w` the jaw's skinning weights, :math:`j` its hinge.
    """
    cosine, sine = np.cos(_JAW_ANGLE), np.sin(_JAW_ANGLE)
    turn = np.array([[0, 0, 0], [0, cosine - 1, -sine], [0, sine, cosine - 1]])  # R − 1 about +x: chin down
    block = rig["pose_correctives"][9 * (_JAW - 1) : 9 * _JAW]  # (9, V, 3)
    corrective = np.tensordot(turn.reshape(-1), block, axes=1)  # (V, 3)
    hinge = rig["joint_regressor"][_JAW] @ mean.astype(np.float64)
    moved = (mean + corrective - hinge) @ turn.T
    return np.asarray(corrective + rig["skinning_weights"][:, _JAW, None] * moved, dtype=np.float32)


def _landmarks(path: Path, triangles: NDArray[np.int64]) -> Embedding:
    """The 68 points of a landmark embedding file."""
    data = read_bytes(path)
    if data.startswith(b"PK"):
        content: Any = read_npz(path, data=data, objects=True)
    elif data.startswith(b"\x93NUMPY"):
        content = read_npy(data, path, "landmark embedding", objects=True)
    else:
        content = read_pickle(data, path)
    if not isinstance(content, Mapping):
        raise ModelFileError(f"{path} is not a FLAME landmark embedding: it holds no named arrays")
    names = ("full_lmk_faces_idx", "full_lmk_bary_coords")
    require(content, names, path, "FLAME landmark embedding with 68 points")
    faces = array(content[names[0]], names[0], path)
    weights = array(content[names[1]], names[1], path)
    chosen = indices(
        faces.reshape(-1) if faces.dtype.kind in "iuf" else faces, (68,), len(triangles), names[0], path
    )
    weights = floats(weights.reshape(-1, 3) if weights.size == 204 else weights, (68, 3), names[1], path)
    total = weights.sum(axis=1, keepdims=True)
    if (np.abs(total - 1) > 0.05).any():
        raise ModelFileError(f"{path}: {names[1]} does not sum to 1 for each point")
    return Embedding(tensor(chosen), tensor(weights / total))

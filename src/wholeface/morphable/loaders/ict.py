"""ICT-FaceKit's light model: the published folder of OBJ files, or the same data packed into one ``.npz``."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import array, finite, floats, indices, read_bytes, read_npz, require
from ._mesh import at_vertices, mirror_index, oriented, read_obj, read_obj_vertices, tensor, triangulate

__all__ = ["load_ict"]

_CENTIMETRE = 10.0  # to mm
_FOLDER = "FaceXModel"
_NEUTRAL = "generic_neutral_mesh.obj"
_PACKED = ("mean", "identity", "expression", "expression_names", "faces")
_VERTICES, _KEPT = 26719, 24591
_BLOCKS = {  # name -> half-open vertex ranges, as published with the mesh
    "skin": ((0, 11248),),
    "face": ((0, 6706),),
    "neck": ((9409, 11248),),
    "inner_mouth": ((11248, 13294), (14062, 17039)),
    "teeth": ((17039, 21451),),
    "eyeballs": ((21451, 24591),),
}
_LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147,
    4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695,
    2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517,
    5966,
)  # fmt: skip
"""The 68 iBUG points, ICT-FaceKit's ``vertex_indices.json``."""


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_ict(path: str | os.PathLike[str], *, all_parts: bool = False) -> MorphableModel:
    """ICT-FaceKit light, mm: identity modes of one standard deviation, its own named expressions at weight 1.

    Args:
        path: the published checkout or its folder ``FaceXModel`` (``generic_neutral_mesh.obj``,
            ``identity000.obj`` … and one OBJ per expression), or an ``.npz`` with ``mean``, ``identity``,
            ``expression``, ``expression_names``, ``faces`` (−1 pads triangles) and, if there, ``uv`` and
            ``uv_faces``, in centimetres.
        all_parts: keep the helper meshes too (lacrimal fluid, blend and occlusion meshes, lashes), which need
            transparency to look right.

    Returns:
        The model; for the published mesh of 26,719 vertices with regions, the 68 landmarks and mirror index.

    Raises:
        ModelFileError: a file is missing, damaged, or does not fit the neutral mesh.

    Source: Li et al. 2020, ICT-FaceKit, MIT licence. ``_L`` and ``_R`` are the person's own left and right.
    """
    source = Path(path)
    if (source / _FOLDER).is_dir():
        source = source / _FOLDER
    parts = _read_folder(source) if source.is_dir() else _read_packed(source)
    mean, identity, expression, names, triangles, uv, uv_triangles = parts
    count = len(mean)
    published = count == _VERTICES
    if published and not all_parts:
        kept = (triangles < _KEPT).all(axis=1)
        triangles = triangles[kept]
        uv_triangles = None if uv_triangles is None else uv_triangles[kept]
        mean, identity, expression = mean[:_KEPT], identity[:, :_KEPT], expression[:, :_KEPT]
        count = _KEPT
    scale = np.float32(_CENTIMETRE)
    mean = finite(mean * scale, "the neutral mesh", source)
    turned = oriented(mean, triangles, *([] if uv_triangles is None else [uv_triangles]))
    mirror = mirror_index(mean, turned[0], tolerance=0.5)
    regions = {}
    landmarks = None
    if published:
        for name, ranges in _BLOCKS.items():
            mask = np.zeros(count, dtype=bool)
            for first, end in ranges:
                mask[first:end] = True
            regions[name] = tensor(mask)
        landmarks = at_vertices(np.array(_LANDMARKS), turned[0], source)
    model = MorphableModel(
        "ict",
        "light",
        tensor(mean),
        tensor(identity * scale),
        tensor(expression * scale),
        names,
        tensor(turned[0]),
        None if uv is None else tensor(uv),
        None if uv is None else tensor(turned[1]),
        None if mirror is None else tensor(mirror),
        regions,
        landmarks,
        expression_prior=ExpressionPrior.blendshapes(len(names)),
    )
    return checked(model, source)


_Parts = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    tuple[str, ...],
    NDArray[np.int64],
    NDArray[np.float32] | None,
    NDArray[np.int64] | None,
]


def _read_folder(folder: Path) -> _Parts:
    neutral_file = folder / _NEUTRAL
    if not neutral_file.is_file():
        raise ModelFileError(f"{folder} is not an ICT-FaceKit folder: it lacks {_NEUTRAL}")
    files = sorted(file for file in folder.glob("*.obj") if file.name != _NEUTRAL)
    identities = [file for file in files if re.fullmatch(r"identity\d+", file.stem)]
    expressions = [file for file in files if file not in identities]
    for number, file in enumerate(identities):
        if int(file.stem.removeprefix("identity")) != number:
            raise ModelFileError(f"{folder} is incomplete: it lacks identity{number:03d}.obj")
    if not identities or not expressions:
        raise ModelFileError(
            f"{folder} is incomplete: it lacks {'expression' if identities else 'identity'} shapes"
        )
    neutral = read_obj(neutral_file)

    def offsets(sources: list[Path]) -> NDArray[np.float32]:
        result = np.empty((len(sources), *neutral.vertices.shape), dtype=np.float32)
        for row, file in zip(result, sources):
            vertices = read_obj_vertices(file)
            if vertices.shape != neutral.vertices.shape:
                raise ModelFileError(
                    f"{file} has {len(vertices)} vertices, but {_NEUTRAL} has {len(neutral.vertices)}: "
                    "it is cut short or belongs to another mesh"
                )
            row[:] = vertices - neutral.vertices
        return result

    names = tuple(file.stem for file in expressions)
    return (
        neutral.vertices,
        offsets(identities),
        offsets(expressions),
        names,
        neutral.triangles,
        neutral.uv,
        neutral.uv_triangles,
    )


def _read_packed(path: Path) -> _Parts:
    fields = read_npz(path, data=read_bytes(path), only=(*_PACKED, "uv", "uv_faces"))
    require(fields, _PACKED, path, "packed ICT-FaceKit model")
    mean = floats(fields["mean"], (None, 3), "mean", path)
    if not len(mean):
        raise ModelFileError(f"{path} has no vertices")
    identity = floats(fields["identity"], (None, *mean.shape), "identity", path)
    expression = floats(fields["expression"], (None, *mean.shape), "expression", path)
    labels = array(fields["expression_names"], "expression_names", path)
    if labels.dtype.kind != "U" or labels.shape != (len(expression),):
        raise ModelFileError(f"{path}: expression_names should hold {len(expression)} names")
    polygons = indices(fields["faces"], (None, 4), len(mean) + 1, "faces", path, base=-1) - 1
    if polygons.size and polygons[:, :3].min() < 0:
        raise ModelFileError(f"{path}: faces has corners without a vertex")
    triangles, position = triangulate(polygons)
    uv = uv_triangles = None
    if "uv" in fields and "uv_faces" in fields:
        uv = floats(fields["uv"], (None, 2), "uv", path)
        uv_polygons = (
            indices(fields["uv_faces"], (len(polygons), 4), len(uv) + 1, "uv_faces", path, base=-1) - 1
        )
        uv_triangles = indices(uv_polygons.reshape(-1)[position], (None, 3), len(uv), "uv_faces", path)
    return mean, identity, expression, tuple(labels.tolist()), triangles, uv, uv_triangles

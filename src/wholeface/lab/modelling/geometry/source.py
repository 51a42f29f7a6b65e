"""ICT-FaceKit as the geometry stage reads it: millimetres, parts, mirror index, half mesh cut at the neck."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ....core.errors import ModelFileError, UsageError
from .slim import border_loop

__all__ = ["LANDMARKS_68", "PARTS", "HalfMesh", "IctSource", "half_mesh", "mirrored_name", "read_ict"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Source vertices of the 68 iBUG points, in iBUG order.
LANDMARKS_68 = (
    *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
    *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509),
    *(978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360),
    *(1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732),
    *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841),
    *(5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966),
)

# Vertex blocks of the source that are kept; the order is that of the part numbers.
PARTS: dict[str, tuple[int, int]] = {
    "face": (0, 9409),
    "head": (9409, 11248),
    "mouth_socket": (11248, 13294),
    "eye_socket": (13294, 14062),
    "gums_tongue": (14062, 17039),
    "teeth": (17039, 21451),
    "eyeball_left": (21451, 22221),
    "eyeball_right": (23021, 23791),
}
_KEPT = 24591

# The neck ends on the plane y + 0.35 z = -107 mm: above the shoulders, square to the neck's axis.
_NECK_NORMAL = np.array([0.0, 1.0, 0.35])
_NECK_OFFSET = -107.0
# Teeth keep at most this height above their biting edge; the rest are roots inside the gums.
_CROWN_MM = 13.5
_BITE_Y = -31.0


@dataclass(frozen=True)
class IctSource:
    """The kept part of ICT-FaceKit in millimetres.

    Args:
        mean: (N, 3) mm.
        identity: (100, N, 3) mm, one standard deviation each.
        expression: (E, N, 3) mm at weight 1, without ``PupilDilate``.
        expression_names: E names; ``_L`` and ``_R`` are the person's own sides.
        faces: (F, 4), -1 pads triangles; only faces of kept parts.
        uv: (U, 2), several tiles.
        uv_faces: (F, 4).
        mirror: (N,) index of the mirror image of each vertex.
        part: (N,) number of each vertex's part in ``PARTS``, -1 = dropped.
    """

    mean: Floats
    identity: Floats
    expression: Floats
    expression_names: tuple[str, ...]
    faces: Ints
    uv: Floats
    uv_faces: Ints
    mirror: Ints
    part: Ints


def mirrored_name(name: str) -> str:
    """Name of an expression's mirror image (``eyeBlink_L`` ↔ ``eyeBlink_R``, ``jawLeft`` ↔ ``jawRight``)."""
    for a, b in (("_L", "_R"), ("Left", "Right")):
        for one, other in ((a, b), (b, a)):
            if name.endswith(one):
                return name[: -len(one)] + other
    return name


def _mirror_index(mean: Floats, expression: Floats, names: tuple[str, ...]) -> Ints:
    """Nearest mirrored vertex in the space of mean position and expression motions.

    Positions alone are ambiguous where folded skin touches itself (lips, mouth socket).
    """
    flip = np.array([-1.0, 1.0, 1.0])
    partner = [names.index(mirrored_name(n)) for n in names]
    here = np.concatenate([mean, *(0.5 * expression)], axis=1)
    there = np.concatenate([mean * flip, *(0.5 * expression[partner] * flip)], axis=1)
    index = cKDTree(there).query(here)[1].astype(np.int64)
    # The few vertices whose partner's partner is another one coincide: keep the first pairing.
    for v in np.flatnonzero(index[index] != np.arange(len(index))):
        if index[index[v]] != v:
            index[index[v]] = v
    return index


def read_ict(folder: Path) -> IctSource:
    """Read ``ict_facekit.npz``.

    Args:
        folder: the folder that holds the file.

    Raises:
        ModelFileError: the file is missing or lacks an array.
    """
    path = folder / "ict_facekit.npz"
    if not path.is_file():
        raise ModelFileError(f"{path}: not found; the geometry stage needs ICT-FaceKit's light model there")
    with np.load(path) as data:
        missing = {"mean", "identity", "expression", "expression_names", "faces", "uv", "uv_faces"} - set(
            data.files
        )
        if missing:
            raise ModelFileError(f"{path}: lacks the arrays {', '.join(sorted(missing))}")
        names = [str(n) for n in data["expression_names"]]
        kept = [i for i, n in enumerate(names) if not n.startswith("PupilDilate")]
        faces, uv_faces = data["faces"].astype(np.int64), data["uv_faces"].astype(np.int64)
        mean = data["mean"][:_KEPT].astype(np.float64) * 10.0
        identity = data["identity"][:, :_KEPT].astype(np.float64) * 10.0
        expression = data["expression"][kept, :_KEPT].astype(np.float64) * 10.0
        uv = data["uv"].astype(np.float64)
    expression_names = tuple(names[i] for i in kept)
    part = np.full(_KEPT, -1, dtype=np.int64)
    for number, (start, stop) in enumerate(PARTS.values()):
        part[start:stop] = number
    first = np.where(faces < 0, faces[:, :1], faces)
    inside = (first < _KEPT).all(axis=1)
    inside[inside] = (part[first[inside]] >= 0).all(axis=1)
    mirror = _mirror_index(mean, expression, expression_names)
    return IctSource(
        mean, identity, expression, expression_names, faces[inside], uv, uv_faces[inside], mirror, part
    )


@dataclass(frozen=True)
class HalfMesh:
    """Triangles of the half x ≥ 0, cut at the neck.

    Args:
        combine: (n, N) sparse, convex weights of the source vertices in each point.
        triangles: (F, 3) into the n points, counter-clockwise from outside.
        part: (F,) part number (``PARTS``) of each triangle.
        island: (F,) number of the source's UV island.
        corner_uv: (F, 3, 2) source UV of each corner.
        midline: (n,) bool, points that are their own mirror image.
    """

    combine: sparse.csr_matrix
    triangles: Ints
    part: Ints
    island: Ints
    corner_uv: Floats
    midline: Bools


def half_mesh(source: IctSource) -> HalfMesh:
    """The half x ≥ 0 as triangles (quads split along the shorter diagonal), cut off at the neck plane."""
    mean = source.mean
    own = source.mirror == np.arange(len(mean))
    keep = (own | (mean[:, 0] > 0))[np.where(source.faces < 0, source.faces[:, :1], source.faces)].all(axis=1)
    faces, uv_faces = source.faces[keep], source.uv_faces[keep]
    quad = faces[:, 3] >= 0
    q, uq = faces[quad], uv_faces[quad]
    along = np.linalg.norm(mean[q[:, 0]] - mean[q[:, 2]], axis=1) <= np.linalg.norm(
        mean[q[:, 1]] - mean[q[:, 3]], axis=1
    )
    # A midline edge must not become a diagonal: both ends would lie on the mirror plane.
    along = np.where(own[q[:, 0]] & own[q[:, 2]], False, np.where(own[q[:, 1]] & own[q[:, 3]], True, along))
    order = np.where(along[:, None, None], [[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]])  # (Q, 2, 3)
    rows = np.arange(len(q))[:, None, None]
    triangles = np.concatenate([faces[~quad][:, :3], q[rows, order].reshape(-1, 3)])
    uv_triangles = np.concatenate([uv_faces[~quad][:, :3], uq[rows, order].reshape(-1, 3)])
    # A face belongs to its innermost part: blocks only number the vertices, seams included.
    part = source.part[triangles].max(axis=1)
    island = _islands(uv_triangles, len(source.uv))
    crown = _crowns(source, triangles, part, island)
    return _compact(
        _cut_neck(source, triangles[crown], part[crown], island[crown], source.uv[uv_triangles[crown]])
    )


def _islands(uv_triangles: Ints, count: int) -> Ints:
    """(F,) connected component of each triangle in UV space."""
    a, b = uv_triangles[:, [0, 1]].ravel(), uv_triangles[:, [1, 2]].ravel()
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    labels = connected_components(links, directed=False)[1][uv_triangles[:, 0]]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _crowns(source: IctSource, triangles: Ints, part: Ints, island: Ints) -> Bools:
    """(F,) False for the roots of the teeth, which lie inside the gums.

    A tooth keeps what lies within ``_CROWN_MM`` of its biting edge; one with several roots is cut where
    the crown is still in one piece with one opening.
    """
    keep = np.ones(len(triangles), dtype=bool)
    teeth = part == list(PARTS).index("teeth")
    for tooth in np.unique(island[teeth]):
        mine = np.flatnonzero(island == tooth)
        height = source.mean[:, 1][triangles[mine]]  # (f, 3)
        edge = height.min() if height.mean() > _BITE_Y else height.max()
        depth = np.abs(height - edge).max(axis=1)
        for crown in np.arange(_CROWN_MM, 3.0, -0.5):
            keep[mine] = depth <= crown
            if _is_disc(triangles[mine[depth <= crown]]):
                break
    return keep


def _is_disc(triangles: Ints) -> bool:
    edges = {tuple(sorted((int(t[i]), int(t[(i + 1) % 3])))) for t in triangles for i in range(3)}
    if len(np.unique(triangles)) - len(edges) + len(triangles) != 1:
        return False
    try:
        border_loop(triangles)
    except UsageError:
        return False
    return True


def _cut_neck(source: IctSource, triangles: Ints, part: Ints, island: Ints, corner_uv: Floats) -> HalfMesh:
    """Cut along the neck plane; points on the cut are combinations of two source vertices."""
    count = len(source.mean)
    height = source.mean @ _NECK_NORMAL - _NECK_OFFSET
    above = height[triangles] >= 0
    whole = above.all(axis=1) | (part > 1)
    made: dict[tuple[int, int], int] = {}
    rows: list[tuple[int, int, float]] = []
    new_triangles, origin, new_uv = [triangles[whole]], [np.flatnonzero(whole)], [corner_uv[whole]]

    def crossing(a: int, b: int) -> tuple[int, float]:
        low, high = min(a, b), max(a, b)
        t = height[low] / (height[low] - height[high])
        if (low, high) not in made:
            made[low, high] = count + len(rows)
            rows.append((low, high, float(t)))
        return made[low, high], float(t if a == low else 1.0 - t)

    for f in np.flatnonzero(~whole & above.any(axis=1)):
        corners: list[int] = []
        uvs: list[Floats] = []
        for i in range(3):
            j = (i + 1) % 3
            a, b = int(triangles[f, i]), int(triangles[f, j])
            if above[f, i]:
                corners.append(a)
                uvs.append(corner_uv[f, i])
            if above[f, i] != above[f, j]:
                point, t = crossing(a, b)
                corners.append(point)
                uvs.append(corner_uv[f, i] * (1.0 - t) + corner_uv[f, j] * t)
        for k in range(1, len(corners) - 1):
            new_triangles.append(np.array([[corners[0], corners[k], corners[k + 1]]], dtype=np.int64))
            new_uv.append(np.stack([uvs[0], uvs[k], uvs[k + 1]])[None])
            origin.append(np.array([f]))
    ends = np.array([row[:2] for row in rows], dtype=np.int64)
    low, high, share = ends[:, 0], ends[:, 1], np.array([row[2] for row in rows])
    cut = sparse.csr_matrix(
        (
            np.concatenate([1.0 - share, share]),
            (np.tile(np.arange(len(rows)), 2), np.concatenate([low, high])),
        ),
        shape=(len(rows), count),
    )
    combine = sparse.vstack([sparse.identity(count, format="csr"), cut], format="csr")
    own = source.mirror == np.arange(count)
    midline = np.concatenate([own, own[low] & own[high]])
    of = np.concatenate(origin)
    return HalfMesh(
        combine, np.concatenate(new_triangles), part[of], island[of], np.concatenate(new_uv), midline
    )


def _compact(mesh: HalfMesh) -> HalfMesh:
    used, inverse = np.unique(mesh.triangles, return_inverse=True)
    triangles = inverse.reshape(-1, 3).astype(np.int64)
    return HalfMesh(mesh.combine[used], triangles, mesh.part, mesh.island, mesh.corner_uv, mesh.midline[used])

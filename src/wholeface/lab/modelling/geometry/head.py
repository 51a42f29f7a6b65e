"""The decimated head: which parts get how many points, mirrored to a whole mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from .decimate import CollapseProblem, collapse
from .eye import EyeballRings, eyeball_rings
from .source import LANDMARKS_68, PARTS, HalfMesh, IctSource, half_mesh

__all__ = ["HeadMesh", "decimate_head", "in_nostrils"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PART = {name: number for number, name in enumerate(PARTS)}
# Points in the whole mesh after decimation.
_TARGETS: dict[tuple[str, ...], int] = {
    ("face", "head", "mouth_socket", "eye_socket"): 7850,
    ("gums_tongue",): 640,
    ("teeth",): 1050,
}
_NARROW_FACE = 6706
# Expressions (both sides) that the decimation must keep well, besides the mean face and a few identities.
_POSES: tuple[tuple[str, ...], ...] = (
    ("jawOpen",),
    ("eyeBlink_L", "eyeBlink_R"),
    ("mouthSmile_L", "mouthSmile_R", "cheekRaiser_L", "cheekRaiser_R"),
    ("mouthPucker", "browInnerUp_L", "browInnerUp_R"),
    (
        "mouthUpperUp_L",
        "mouthUpperUp_R",
        "mouthLowerDown_L",
        "mouthLowerDown_R",
        "noseSneer_L",
        "noseSneer_R",
    ),
    ("eyeWide_L", "eyeWide_R", "browDown_L", "browDown_R", "mouthFunnel"),
    ("mouthRollLower", "mouthRollUpper", "cheekPuff_L", "cheekPuff_R"),
)


@dataclass(frozen=True)
class HeadMesh:
    """The decimated, exactly symmetric head.

    Point order: M points on the mirror plane, L points of the left half (x > 0), their L mirror images.

    Args:
        combine: (V, N) sparse, convex weights of the source vertices in each point.
        triangles: (F, 3) counter-clockwise from outside; the left half's first, then their mirror images.
        part: (F,) part number (``PARTS``).
        island: (F / 2,) source UV island of the left half's triangles.
        corner_uv: (F / 2, 3, 2) source UV of the left half's corners.
        midline_count: M.
        rings: (V,) ring of an eyeball point, 0 = cornea's pole, -1 elsewhere.
        nearest: (V,) the source vertex with the largest weight.
    """

    combine: sparse.csr_matrix
    triangles: Ints
    part: Ints
    island: Ints
    corner_uv: Floats
    midline_count: int
    rings: Ints
    nearest: Ints

    @property
    def left_count(self) -> int:
        """L, the number of points with x > 0."""
        return (int(self.combine.shape[0]) - self.midline_count) // 2

    @property
    def mirror(self) -> Ints:
        """(V,) index of each point's mirror image."""
        m, n = self.midline_count, self.left_count
        return np.concatenate([np.arange(m), np.arange(m + n, m + 2 * n), np.arange(m, m + n)])


def _samples(source: IctSource, mesh: HalfMesh) -> Floats:
    """(S, n, 3) symmetric shapes of the half mesh: mean first, identities at ±2.5σ, strong expressions."""
    faces = [source.mean]
    for mode in range(2):
        faces += [source.mean + sign * source.identity[mode] for sign in (-2.5, 2.5)]
    for names in _POSES:
        faces.append(source.mean + sum(source.expression[source.expression_names.index(n)] for n in names))
    return np.stack([mesh.combine @ face for face in faces])


def in_nostrils(points: Floats) -> NDArray[np.bool_]:
    """(n,) bool: the inside of the nostrils on the mean face."""
    x, y, z = points.T
    return np.asarray((np.abs(x) < 13.5) & (y > -8.0) & (y < 10.0) & (z < 107.0))


def _importance(source: IctSource, mesh: HalfMesh, points: Floats) -> Floats:
    """(n,) how much a point's surface matters: lids and lips most, then the face, ears, the rest."""
    nearest = np.asarray(mesh.combine.argmax(axis=1)).ravel()
    part = source.part[nearest]
    marks = source.mean[list(LANDMARKS_68)]
    blink = np.linalg.norm(source.expression[source.expression_names.index("eyeBlink_L")], axis=1)
    narrow = nearest < _NARROW_FACE
    weight = np.full(len(points), 0.06)
    weight[part == _PART["face"]] = 0.15
    ears = (
        (part == _PART["face"])
        & ~narrow
        & (np.abs(points[:, 0]) > 64)
        & (np.hypot(points[:, 1] - 6, points[:, 2]) < 36)
    )
    weight[ears] = 0.4
    features = cKDTree(marks[17:]).query(points)[0]  # brows, nose, eyes, mouth
    rims = cKDTree(marks[36:]).query(points)[0]  # eyes, mouth
    detail = 1.0 + 2.0 * np.exp(-((features / 8.0) ** 2)) + 5.0 * np.exp(-((rims / 5.0) ** 2))
    detail += 6.0 * np.clip(blink[nearest] / 3.0, 0.0, 1.0)
    detail[in_nostrils(points)] = 0.15
    weight[narrow] = detail[narrow]
    weight[part == _PART["mouth_socket"]] = 0.03
    weight[part == _PART["eye_socket"]] = 0.02
    # Behind the front teeth nothing is seen well.
    front = np.clip((points[:, 2] - 40.0) / 50.0, 0.1, 1.0)
    inside = (part == _PART["gums_tongue"]) | (part == _PART["teeth"])
    weight[inside] = front[inside]
    return weight


def decimate_head(source: IctSource) -> HeadMesh:
    """Decimate the half x ≥ 0 part by part and mirror it (deterministic, about 20 s)."""
    mesh = half_mesh(source)
    samples = _samples(source, mesh)
    weight = _importance(source, mesh, samples[0])
    nearest = np.asarray(mesh.combine.argmax(axis=1)).ravel()
    landmarks = np.array(LANDMARKS_68)
    locked = np.isin(nearest, np.concatenate([landmarks, source.mirror[landmarks]])) & (
        np.diff(mesh.combine.indptr) == 1
    )
    triangles, part, island, corner_uv = [], [], [], []
    for names, target in _TARGETS.items():
        chosen = np.flatnonzero(np.isin(mesh.part, [_PART[n] for n in names]))
        used, local = np.unique(mesh.triangles[chosen], return_inverse=True)
        problem = CollapseProblem(
            np.ascontiguousarray(samples[:, used]),
            local.reshape(-1, 3).astype(np.int64),
            mesh.island[chosen],
            mesh.midline[used],
            locked[used],
            weight[used],
        )
        kept, small, origin = collapse(problem, target)
        triangles.append(used[kept][small])
        part.append(mesh.part[chosen[origin]])
        island.append(mesh.island[chosen[origin]])
        corner_uv.append(_carried_uv(mesh, chosen, chosen[origin], triangles[-1]))
    eye = eyeball_rings(source, PARTS["eyeball_left"])
    to_row = np.full(len(source.mean), -1, dtype=np.int64)
    to_row[nearest] = np.arange(len(nearest))
    triangles.append(to_row[eye.vertices][eye.triangles])
    part.append(np.full(len(eye.triangles), _PART["eyeball_left"]))
    island.append(np.full(len(eye.triangles), int(mesh.island.max()) + 1))
    corner_uv.append(eye.uv[eye.triangles])
    sides = (np.concatenate(part), np.concatenate(island), np.concatenate(corner_uv))
    return _mirrored(source, mesh, np.concatenate(triangles), *sides, to_row, eye)


def _carried_uv(mesh: HalfMesh, before: Ints, origin: Ints, triangles: Ints) -> Floats:
    """UV of each new corner: that of the point in the triangle's island (slits are closed)."""
    place: dict[tuple[int, int], Floats] = {}
    for f in before.tolist():
        for v, uv in zip(mesh.triangles[f].tolist(), mesh.corner_uv[f]):
            place.setdefault((v, int(mesh.island[f])), uv)
    return np.array(
        [
            [place[v, int(mesh.island[f])] for v in corners]
            for f, corners in zip(origin.tolist(), triangles.tolist())
        ]
    )


def _mirrored(
    source: IctSource,
    mesh: HalfMesh,
    triangles: Ints,
    part: Ints,
    island: Ints,
    corner_uv: Floats,
    to_row: Ints,
    eye: EyeballRings,
) -> HeadMesh:
    used = np.unique(triangles)
    used = used[np.argsort(~mesh.midline[used], kind="stable")]  # mirror plane first
    middle = int(mesh.midline[used].sum())
    place = np.full(mesh.combine.shape[0], -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    left = place[triangles]
    right = np.where(left < middle, left, left + len(used) - middle)[:, ::-1]
    combine = mesh.combine[used]
    swap = sparse.csr_matrix((np.ones(len(source.mirror)), (np.arange(len(source.mirror)), source.mirror)))
    combine = sparse.vstack([combine, combine[middle:] @ swap], format="csr")
    other = part.copy()
    other[part == _PART["eyeball_left"]] = _PART["eyeball_right"]
    ring = np.full(mesh.combine.shape[0], -1, dtype=np.int64)
    ring[to_row[eye.vertices]] = eye.ring
    rings = np.concatenate([ring[used], ring[used[middle:]]])
    nearest = np.asarray(combine.argmax(axis=1)).ravel().astype(np.int64)
    return HeadMesh(
        combine,
        np.concatenate([left, right]),
        np.concatenate([part, other]),
        island,
        corner_uv,
        middle,
        rings,
        nearest,
    )

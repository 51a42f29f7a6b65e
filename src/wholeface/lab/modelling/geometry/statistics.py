"""Identity statistics re-learned on the decimated head, expressions, and the cost of reduction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ....core.nearest import Surface
from .eye import GAZE_DEGREES, gaze_offsets
from .head import HeadMesh
from .source import IctSource, mirrored_name

__all__ = [
    "ShapeStatistics",
    "learn_statistics",
    "reduction_cost",
    "rest_weights",
    "vertex_areas",
    "without_rigid",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_REST_WEIGHT = 0.03  # weight of the skin outside the face in the principal components; eyes and teeth follow
_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class ShapeStatistics:
    """Mirror-consistent shape statistics of the decimated head.

    Args:
        mean: (V, 3) mm.
        identity: (K, V, 3) mm, one standard deviation each, strongest first.
        parity: (K,) +1 for modes that are their own mirror image, -1 for those that change sign.
        coefficients: (K, 100) the modes in the source's own coefficients.
        expression: (E, V, 3) mm at weight 1.
    """

    mean: Floats
    identity: Floats
    parity: Ints
    coefficients: Floats
    expression: Floats


def vertex_areas(points: Floats, triangles: Ints) -> Floats:
    """(V,) a third of the area of the triangles around each point, mm²."""
    a, b, c = (points[triangles[:, j]] for j in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0
    total = np.zeros(len(points))
    for j in range(3):
        np.add.at(total, triangles[:, j], area / 3.0)
    return total


def rest_weights(points: Floats, triangles: Ints, face: Bools, skin: Bools) -> Floats:
    """(V,) weights in the principal components: the area on the face, a little of it on other skin."""
    area = vertex_areas(points, triangles)
    return np.where(face, area, np.where(skin, _REST_WEIGHT * area, 0.0))


def without_rigid(offsets: Floats, mean: Floats, weight: Floats) -> Floats:
    """Offsets (K, V, 3) less their best common turn and shift (weighted, linearised): pose."""
    axes = np.eye(3)
    motions = np.stack([np.broadcast_to(e, mean.shape) for e in axes] + [np.cross(e, mean) for e in axes])
    root = np.sqrt(weight)[None, :, None]
    basis = (motions * root).reshape(6, -1).T
    amounts = np.linalg.lstsq(basis, (offsets * root).reshape(len(offsets), -1).T, rcond=None)[0]
    return np.asarray(offsets - np.einsum("bk,bvc->kvc", amounts, motions))


def learn_statistics(
    source: IctSource, head: HeadMesh, face: Bools, skin: Bools, modes: int, samples: int, seed: int
) -> ShapeStatistics:
    r"""Area-weighted principal components of sampled source faces.

    Every sample is :math:`x = \mu + \sum_k z_k I_k` with :math:`z \sim N(0, 1)`; its mirror image counts as a
    second sample. The covariance of the samples lives in the span of the 100 source modes, so that it is
    decomposed there: with the samples' :math:`C = E[z z^T]` and the modes' weighted Gram matrix G,
    :math:`C^{1/2} G C^{1/2} = U \Lambda U^T`, mode k is :math:`\sum_j (C^{1/2} U)_{jk} I_j`.
    The source's mean stays the mean. A common turn and shift of the face is taken out of every mode.

    Args:
        face: (V,) bool, full weight; skin: (V,) bool, small weight.
        modes: number of modes to keep.
        samples: number of sampled faces; seed: of their coefficients.
    """
    mean = _symmetric(head.combine @ source.mean, head.mirror)
    area = vertex_areas(mean, head.triangles)
    weight = rest_weights(mean, head.triangles, face, skin)
    offsets = np.stack([head.combine @ mode for mode in source.identity])
    offsets = without_rigid(offsets, mean, np.where(face, area, 0.0))
    flipped = offsets[:, head.mirror] * _FLIP
    root = np.sqrt(weight)[None, :, None]
    weighted = (offsets * root).reshape(len(offsets), -1)
    # Source modes are symmetric or antisymmetric; mirroring a face flips the antisymmetric coefficients.
    parity = np.sign(((flipped * root).reshape(len(offsets), -1) * weighted).sum(axis=1)).astype(np.int64)
    z = np.random.default_rng(seed).standard_normal((samples, len(offsets)))
    covariance = z.T @ z / samples
    covariance = 0.5 * (covariance + parity[:, None] * covariance * parity[None])
    values, vectors = np.linalg.eigh(covariance)
    half = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    gram = half @ (weighted @ weighted.T) @ half
    strengths, columns, parities = [], [], []
    for sign in (1, -1):
        mine = np.flatnonzero(parity == sign)
        strength, basis = np.linalg.eigh(gram[np.ix_(mine, mine)])
        full = np.zeros((len(offsets), len(mine)))
        full[mine] = basis
        strengths.append(strength)
        columns.append(half @ full)
        parities.append(np.full(len(mine), sign))
    order = np.argsort(-np.concatenate(strengths), kind="stable")[:modes]
    coefficients = np.concatenate(columns, axis=1).T[order]
    kept_parity = np.concatenate(parities)[order]
    identity = np.einsum("kj,jvc->kvc", coefficients, offsets)
    # Mirror-exact, and a sign that does not depend on the linear algebra library.
    identity = 0.5 * (identity + kept_parity[:, None, None] * identity[:, head.mirror] * _FLIP)
    largest = np.abs(identity[:, face]).reshape(modes, -1).argmax(axis=1)
    sign = np.sign(identity[:, face].reshape(modes, -1)[np.arange(modes), largest])
    names = source.expression_names
    expression = np.stack([head.combine @ shape for shape in source.expression])
    for e, name in enumerate(names):
        if name[:-2] in GAZE_DEGREES:
            eye = np.flatnonzero((head.rings >= 0) & ((mean[:, 0] > 0) == name.endswith("_L")))
            expression[e, eye] = gaze_offsets(name, mean[eye])
    partner = [names.index(mirrored_name(name)) for name in names]
    expression = 0.5 * (expression + expression[partner][:, head.mirror] * _FLIP)
    return ShapeStatistics(
        mean, identity * sign[:, None, None], kept_parity, coefficients * sign[:, None], expression
    )


def _symmetric(points: Floats, mirror: Ints) -> Floats:
    return np.asarray(0.5 * (points + points[mirror] * _FLIP))


def reduction_cost(
    source: IctSource, head: HeadMesh, shape: ShapeStatistics, face: Bools, samples: int, seed: int
) -> dict[str, float]:
    """RMS errors in mm on the face over held-out faces with random expressions.

    Each held-out source face is compared with the model's best face (least squares over the 80 identity
    coefficients on the face, true expression), after the rigid motion that belongs to pose.

    Returns:
        ``points_mm``: distance of corresponding points; ``points_per_axis_mm``: the same per coordinate;
        ``surface_mm``: distance of the source's face vertices to the model's surface (decimation and
        truncation);
        ``decimation_mm``: distance of the source's face vertices to the decimated surface (decimation alone).
    """
    rng = np.random.default_rng(seed)
    area = np.where(face, vertex_areas(shape.mean, head.triangles), 0.0)
    root = np.sqrt(area)[:, None]
    on = np.flatnonzero(face)
    axes = np.eye(3)
    motions = np.stack(
        [np.broadcast_to(e, shape.mean.shape) for e in axes] + [np.cross(e, shape.mean) for e in axes]
    )
    basis = np.concatenate([shape.identity, motions])
    solver = np.linalg.pinv((basis * root)[:, on].reshape(len(basis), -1).T)
    # Source vertices of the face: those whose nearest decimated point belongs to the face.
    nearest = cKDTree(head.combine @ source.mean).query(source.mean)[1]
    on_source = np.flatnonzero(face[nearest] & (source.part == 0) & (np.arange(len(source.mean)) < 6706))
    source_area = vertex_areas(
        source.mean, np.where(source.faces < 0, source.faces[:, [0]], source.faces)[:, :3]
    )
    face_triangles = head.triangles[face[head.triangles].any(axis=1)]
    squares = {"points_mm": 0.0, "surface_mm": 0.0, "decimation_mm": 0.0}
    count = len(source.expression_names)
    for _ in range(samples):
        z = rng.standard_normal(len(source.identity))
        weights = np.where(rng.random(count) < 0.15, rng.random(count), 0.0)
        moved = np.tensordot(weights, source.expression, axes=1)
        truth = source.mean + np.tensordot(z, source.identity, axes=1) + moved
        sparse_truth = head.combine @ truth
        offset = sparse_truth - shape.mean - np.tensordot(weights, shape.expression, axes=1)
        best = solver @ (offset * root)[on].ravel()
        model = sparse_truth - offset + np.tensordot(best, basis, axes=1)
        error = ((model - sparse_truth)[on] ** 2).sum(axis=1)
        squares["points_mm"] += float((error * area[on]).sum() / area[on].sum())
        mass = source_area[on_source] / source_area[on_source].sum()
        for name, points in (("surface_mm", model), ("decimation_mm", sparse_truth)):
            near, _, _ = Surface(points, face_triangles).nearest(truth[on_source])
            distance = np.linalg.norm(near - truth[on_source], axis=1)
            squares[name] += float((distance**2 * mass).sum())
    cost = {name: float(np.sqrt(value / samples)) for name, value in squares.items()}
    cost["points_per_axis_mm"] = cost["points_mm"] / float(np.sqrt(3.0))
    return cost

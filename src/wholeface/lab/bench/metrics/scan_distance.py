r"""How far a scan lies from a reconstructed mesh: the distance of the NoW benchmark.

Taken from the published evaluation code:

- The seven landmarks are, in this order, outer and inner corner of the person's right eye, inner and outer corner of
  the left eye, base of the nose, right and left corner of the mouth.
- Region: with *b* the nose base and *m* the middle between the inner eye corners, all scan vertices within the radius
  :math:`r = 0.7 (|\text{outer corners}| + |m - b|)` of :math:`c = b + 0.3 (m - b)`. This is about the "95 mm" of the
  publication for a face of average size, and smaller or larger for others. Only the scan is cropped.
- Alignment: a least-squares similarity from the seven landmarks; then scale, rotation and translation of the
  prediction that minimise :math:`\sum_i d_i^2` over all vertices of the cropped scan, where :math:`d_i` is the
  unsigned distance of a scan vertex from the nearest point on the predicted surface (not its nearest vertex). No
  robust weights, nobody is left out.
- Error: the distances :math:`d_i` after that, in the scan's millimetres.
- Metric variant: the scale stays 1 in both steps; the prediction must be in millimetres.

Departures, none of which changes what is measured:

- The minimum is found by Levenberg–Marquardt steps until nothing improves any more (published: chumpy's dogleg with
  loose tolerances), so results may be a few thousandths of a millimetre lower and do not depend on a step budget.
- The landmark step never mirrors (published: it may, if that fits better), and in the metric variant its translation
  belongs to the scale 1 (published: to the scale that was then dropped).
- Optionally a fixed radius, for the words "95 mm" of the publication.

Source: Sanyal, Bolkart, Feng, Black 2019, "Learning to regress 3D face shape and expression from an image without 3D
supervision", §5; evaluation code github.com/soubhiksanyal/now_evaluation (definitions; written anew here).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.nearest import Surface
from ....core.umeyama import umeyama
from .scan_error import SEVEN

__all__ = ["SEVEN", "Alignment", "ScanDistance", "carry_points", "face_region", "procrustes", "scan_distance"]

Array = NDArray[np.float64]

_MOST_STEPS = 100
_FEWEST_POINTS = 10
_COARSE = 1000  # points of a first pass, which saves time: all points have the last word


@dataclass(frozen=True)
class Alignment:
    """A similarity: point ↦ scale · rotation · point + translation.

    Args:
        scale: 1 in the metric variant.
        rotation: (3, 3), determinant 1.
        translation: (3,) mm.
    """

    scale: float
    rotation: Array
    translation: Array

    def apply(self, points: Array) -> Array:
        """(…, 3) moved points."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)


@dataclass(frozen=True)
class ScanDistance:
    """What the comparison of one scan with one mesh gives.

    Args:
        distances: (P,) mm, of the scan vertices inside the region.
        inside: (P,) which vertices of the scan these are.
        alignment: of the prediction to the scan.
        steps: of the refinement.
        converged: it ended because nothing improved any more.
    """

    distances: Array
    inside: NDArray[np.int64]
    alignment: Alignment
    steps: int
    converged: bool


def face_region(seven: Array, radius: float | None = None) -> tuple[Array, float]:
    """Centre (3,) and radius of the ball inside which the scan is compared.

    Args:
        seven: (7, 3) mm, landmarks on the scan.
        radius: mm, in place of the published formula.
    """
    bridge = (seven[1] + seven[2]) / 2
    base = seven[4]
    if radius is None:
        radius = 0.7 * float(np.linalg.norm(seven[0] - seven[3]) + np.linalg.norm(bridge - base))
    return base + 0.3 * (bridge - base), radius


def procrustes(source: Array, target: Array, *, metric: bool = False) -> Alignment:
    """Similarity that maps ``source`` (P, 3) onto ``target`` (P, 3) best in the least-squares sense.

    Args:
        source: points.
        target: the same points elsewhere.
        metric: without change of scale.

    Raises:
        UsageError: the points lie on a line, so that no rotation follows from them.

    Source: Umeyama 1991.
    """
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    for name, cloud in (("source", a), ("target", b)):
        spread = np.linalg.svd(cloud, compute_uv=False)
        if spread[1] <= 1e-6 * max(spread[0], 1e-30):
            raise UsageError(
                f"the {name} landmarks lie on one line or in one point; no alignment follows from them"
            )
    return Alignment(*umeyama(source, target, scaled=not metric))


def scan_distance(
    vertices: Array,
    triangles: NDArray[np.int64],
    seven: Array,
    scan: Array,
    scan_seven: Array,
    *,
    metric: bool = False,
    radius: float | None = None,
) -> ScanDistance:
    """Distances of a scan from a prediction that is first aligned to it; see the module for the definitions.

    Args:
        vertices: (V, 3) prediction, any unit, millimetres for the metric variant.
        triangles: (F, 3) of the prediction.
        seven: (7, 3) landmarks on the prediction, its unit.
        scan: (P, 3) mm, vertices (or points) of the scan; those outside the region are left out.
        scan_seven: (7, 3) mm, landmarks on the scan.
        metric: the prediction's scale is kept.
        radius: mm, in place of the published formula.

    Raises:
        UsageError: an array of another shape, values that are not finite, no triangles, indices that point nowhere,
            landmarks on a line, or fewer than ten scan vertices in the region.
    """
    vertices = _points("the prediction's vertices", vertices)
    seven = _points("the prediction's landmarks", seven, 7)
    scan, scan_seven = _points("the scan's vertices", scan), _points("the scan's landmarks", scan_seven, 7)
    triangles = np.asarray(triangles)
    if triangles.ndim != 2 or triangles.shape[1] != 3 or len(triangles) == 0:
        raise UsageError(f"the prediction needs triangles, (F, 3); got {triangles.shape}")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise UsageError(f"the prediction's triangles point outside its {len(vertices)} vertices")
    centre, radius = face_region(scan_seven, radius)
    inside = np.flatnonzero(np.linalg.norm(scan - centre, axis=1) <= radius)
    if len(inside) < _FEWEST_POINTS:
        raise UsageError(
            f"{len(inside)} of {len(scan)} scan vertices lie within {radius:.0f} mm of the face's middle; expected "
            "a face in millimetres with landmarks in the scan's own coordinates"
        )
    start = procrustes(seven, scan_seven, metric=metric)
    surface, cloud = Surface(vertices, triangles), scan[inside]
    if len(cloud) > 2 * _COARSE:
        few = slice(None, None, len(cloud) // _COARSE)
        start = _refine(surface, cloud[few], inside[few], start, metric).alignment
    return _refine(surface, cloud, inside, start, metric)


def carry_points(points: Array, vertices: Array, triangles: NDArray[np.int64], moved: Array) -> Array:
    """Points on one shape of a mesh, where they lie on another shape of the same mesh.

    A neutral head needs its landmarks, where a system gives those of the face with its expression.

    Args:
        points: (P, 3) on or near the mesh.
        vertices: (V, 3) of the mesh; ``triangles``: (F, 3).
        moved: (V, 3) vertices of the other shape.

    Returns:
        (P, 3): nearest points on the mesh, at the same barycentric coordinates of the other shape. A row of NaN
        stays so.
    """
    known = np.isfinite(points).all(axis=1)
    out = np.full_like(points, np.nan)
    if known.any():
        which, weights = Surface(vertices, triangles).barycentric(points[known])
        out[known] = (moved[triangles[which]] * weights[..., None]).sum(axis=1)
    return out


def _points(name: str, values: Array, count: int | None = None) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if (
        array.ndim != 2
        or array.shape[1] != 3
        or len(array) == 0
        or (count is not None and len(array) != count)
    ):
        raise UsageError(f"{name} must have shape ({'N' if count is None else count}, 3), got {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError(
            f"{name}: {int((~np.isfinite(array).all(axis=1)).sum())} of {len(array)} are not finite"
        )
    return array


def _refine(
    surface: Surface, scan: Array, inside: NDArray[np.int64], start: Alignment, metric: bool
) -> ScanDistance:
    """Levenberg–Marquardt on a small rotation, translation and log-scale about the scan's middle.

    With y the nearest point on the moved prediction and u = (p − y)/|p − y|, the distance changes by −u · δy, and
    δy = ω × (y − c) + τ + σ (y − c); sliding of y on the surface costs nothing to first order.
    """
    middle = scan.mean(axis=0)
    reach = float(np.sqrt(((scan - middle) ** 2).sum(axis=1).mean()))  # makes angles and lengths comparable
    pose, damping = start, 1e-3
    found = _measure(surface, scan, pose, None)
    for step in range(_MOST_STEPS):
        distance, nearest, direction, slot = found
        arm = (nearest - middle) / reach
        columns = [np.cross(arm, direction), direction]
        if not metric:
            columns.append((arm * direction).sum(axis=1, keepdims=True))
        jacobian = -np.concatenate(columns, axis=1)  # (P, 6 or 7)
        normal, slope = jacobian.T @ jacobian, jacobian.T @ distance
        cost = float(distance @ distance)
        diagonal = np.diag(normal) + 1e-9 * max(float(np.trace(normal)), 1e-30)
        better = False
        while not better and damping < 1e8:
            change = -np.linalg.solve(normal + damping * np.diag(diagonal), slope)
            if -float(slope @ change) <= 1e-9 * cost:  # twice what the step can gain, to first order
                break
            trial = _moved(pose, change, middle, reach)
            tried = _measure(surface, scan, trial, slot)
            better = float(tried[0] @ tried[0]) < cost
            damping *= 1 if better else 8
        if not better:
            return ScanDistance(distance, inside, pose, step, True)
        gain = cost - float(tried[0] @ tried[0])
        pose, found, damping = trial, tried, max(damping / 8, 1e-9)
        if gain <= 1e-9 * cost or cost - gain <= 1e-18 * len(scan) * reach**2:
            return ScanDistance(found[0], inside, pose, step + 1, True)
    return ScanDistance(found[0], inside, pose, _MOST_STEPS, False)


def _measure(
    surface: Surface, scan: Array, pose: Alignment, guess: NDArray[np.int64] | None
) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Distances, nearest points, and unit directions from these to the scan; the scan is what is moved, backwards."""
    local = (scan - pose.translation) @ pose.rotation / pose.scale
    near, normal, slot = surface.nearest(local, guess)
    away = (local - near) @ pose.rotation.T * pose.scale
    distance = np.linalg.norm(away, axis=1)
    direction = normal @ pose.rotation.T
    apart = distance > 1e-9
    direction[apart] = away[apart] / distance[apart, None]
    return distance, pose.apply(near), direction, slot


def _moved(pose: Alignment, change: Array, middle: Array, reach: float) -> Alignment:
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec(change[:3] / reach).as_matrix()
    grow = float(np.exp(np.clip(change[6] / reach, -0.5, 0.5))) if len(change) == 7 else 1.0
    return Alignment(
        pose.scale * grow,
        turn @ pose.rotation,
        grow * turn @ (pose.translation - middle) + middle + change[3:6],
    )

"""Half-edge collapse of a half mesh under quadrics summed over several sample shapes."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.jit import njit

__all__ = ["CollapseProblem", "collapse"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_SPRING = (
    0.01  # share of the point-to-point distance in the quadrics: keeps density where the surface is flat
)
_BORDER = 4.0  # strength of the planes that hold borders between parts
_MIN_COSINE = 0.3  # a collapse may turn no triangle further than this in any sample shape
_MIN_QUALITY = 0.25  # 4√3·area / Σ edge², 1 = equilateral


@dataclass(frozen=True)
class CollapseProblem:
    """A mesh to decimate.

    Args:
        samples: (S, n, 3) mm, the same mesh in several shapes; the first one judges triangle quality.
        triangles: (F, 3).
        label: (F,) borders between labels are kept as lines.
        midline: (n,) bool, points on the mirror plane; they collapse along it only.
        locked: (n,) bool, points that must stay.
        weight: (n,) importance of a point's surface.
    """

    samples: Floats
    triangles: Ints
    label: Ints
    midline: Bools
    locked: Bools
    weight: Floats


@njit(cache=True)
def _cross(samples: Any, s: int, a: int, b: int, c: int) -> tuple[float, float, float, float]:
    """Twice the area vector of a triangle, and the sum of its squared edges."""
    x1 = samples[s, b, 0] - samples[s, a, 0]
    y1 = samples[s, b, 1] - samples[s, a, 1]
    z1 = samples[s, b, 2] - samples[s, a, 2]
    x2 = samples[s, c, 0] - samples[s, a, 0]
    y2 = samples[s, c, 1] - samples[s, a, 1]
    z2 = samples[s, c, 2] - samples[s, a, 2]
    edges = x1 * x1 + y1 * y1 + z1 * z1 + x2 * x2 + y2 * y2 + z2 * z2
    edges += (x2 - x1) ** 2 + (y2 - y1) ** 2 + (z2 - z1) ** 2
    return y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2, edges


@njit(cache=True)
def _cost(
    samples: Any,
    quadrics: Any,
    triangles: Any,
    ring: Any,
    u: int,
    v: int,
    midline: Any,
    cosine: float,
    quality: float,
) -> float:
    """Cost of moving ``u`` onto ``v``, inf if a triangle would flip, vanish or lie in the mirror plane."""
    count = samples.shape[0]
    worst_old = 1.0
    worst_new = 1.0
    for r in range(len(ring)):
        t0, t1, t2 = triangles[ring[r], 0], triangles[ring[r], 1], triangles[ring[r], 2]
        if v in (t0, t1, t2):
            continue
        a = v if t0 == u else t0
        b = v if t1 == u else t1
        c = v if t2 == u else t2
        if midline[a] and midline[b] and midline[c]:
            return np.inf
        for s in range(count):
            ox, oy, oz, old_edges = _cross(samples, s, t0, t1, t2)
            nx, ny, nz, new_edges = _cross(samples, s, a, b, c)
            old = np.sqrt(ox * ox + oy * oy + oz * oz)
            new = np.sqrt(nx * nx + ny * ny + nz * nz)
            if old > 0.02 and ox * nx + oy * ny + oz * nz < cosine * old * new:
                return np.inf
            if s == 0:
                if new < 1e-4:
                    return np.inf
                worst_new = min(worst_new, 3.4641016 * new / new_edges)
                worst_old = min(worst_old, 3.4641016 * old / old_edges)
    if worst_new < min(quality, worst_old):
        return np.inf
    total = 0.0
    for s in range(count):
        x, y, z = samples[s, v, 0], samples[s, v, 1], samples[s, v, 2]
        for w in (u, v):
            q = quadrics[s, w]
            total += q[0] * x * x + 2 * q[1] * x * y + 2 * q[2] * x * z + 2 * q[3] * x
            total += q[4] * y * y + 2 * q[5] * y * z + 2 * q[6] * y
            total += q[7] * z * z + 2 * q[8] * z + q[9]
    return max(total, 0.0) / count


def _planes(normals: Floats, points: Floats, weights: Floats) -> Floats:
    """(…, 10) upper triangles of w·(n, -n·p)(n, -n·p)ᵀ."""
    d = -(normals * points).sum(axis=-1)
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    return (
        np.stack([x * x, x * y, x * z, x * d, y * y, y * z, y * d, z * z, z * d, d * d], axis=-1)
        * weights[..., None]
    )


def _edge_kinds(problem: CollapseProblem) -> dict[tuple[int, int], int]:
    """Edges that are kept as lines: 1 = mirror plane, 2 = open border, 3… = border between two labels."""
    labels: dict[tuple[int, int], list[int]] = {}
    for triangle, label in zip(problem.triangles.tolist(), problem.label.tolist()):
        for i in range(3):
            a, b = triangle[i], triangle[(i + 1) % 3]
            labels.setdefault((min(a, b), max(a, b)), []).append(label)
    kinds: dict[tuple[int, int], int] = {}
    for (a, b), sides in labels.items():
        if len(sides) == 1:
            kinds[a, b] = 1 if problem.midline[a] and problem.midline[b] else 2
        elif sides[0] != sides[1]:
            kinds[a, b] = 3 + min(sides) * 100 + max(sides)
    return kinds


def _quadrics(problem: CollapseProblem, kinds: dict[tuple[int, int], int]) -> Floats:
    """(S, n, 10) area-weighted quadrics of each point in each sample shape."""
    samples, triangles = problem.samples, problem.triangles
    quadrics = np.zeros((*samples.shape[:2], 10))
    corners = samples[:, triangles]  # (S, F, 3, 3)
    cross = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    length = np.linalg.norm(cross, axis=-1)
    normals = cross / np.maximum(length, 1e-12)[..., None]
    # Each shape with its own areas: lids count while they are closed, lips while they are stretched.
    area = length / 6.0 * problem.weight[triangles].mean(axis=1)
    planes = _planes(normals, corners[:, :, 0], area)
    point_area = np.zeros(samples.shape[1])
    for j in range(3):
        np.add.at(point_area, triangles[:, j], area[0])
        for s in range(len(samples)):
            np.add.at(quadrics[s], triangles[:, j], planes[s])
    weight = _SPRING * point_area
    for axis, diagonal, linear in ((0, 0, 3), (1, 4, 6), (2, 7, 8)):
        quadrics[:, :, diagonal] += weight
        quadrics[:, :, linear] -= weight * samples[:, :, axis]
        quadrics[:, :, 9] += weight * samples[:, :, axis] ** 2
    # Two planes through each kept edge, across and along the surface, hold the line itself.
    for triangle, normal_index in zip(triangles.tolist(), range(len(triangles))):
        for i in range(3):
            a, b = triangle[i], triangle[(i + 1) % 3]
            if kinds.get((min(a, b), max(a, b)), 0) < 2:
                continue
            edge = samples[:, b] - samples[:, a]
            size = np.linalg.norm(edge, axis=1)
            across = np.cross(edge, normals[:, normal_index])
            across /= np.maximum(np.linalg.norm(across, axis=1), 1e-12)[:, None]
            strength = _BORDER * size[0] ** 2 * 0.5 * (problem.weight[a] + problem.weight[b])
            plane = _planes(across, samples[:, a], np.full(len(samples), strength))
            quadrics[:, a] += plane
            quadrics[:, b] += plane
    return quadrics


def collapse(problem: CollapseProblem, target: float) -> tuple[Ints, Ints, Ints]:
    """Collapse points onto neighbours, cheapest first, until the whole (mirrored) mesh has ``target`` points.

    Returns:
        kept (m,) indices of the points that stay, triangles (F', 3) into them, and (F',) the index of the
        original triangle whose label and side each one carries.
    """
    kinds = _edge_kinds(problem)
    quadrics = _quadrics(problem, kinds)
    triangles = problem.triangles.copy()
    samples, midline = np.ascontiguousarray(problem.samples), problem.midline
    count = samples.shape[1]
    around: list[set[int]] = [set() for _ in range(count)]
    links: list[set[int]] = [set() for _ in range(count)]
    for f, triangle in enumerate(triangles.tolist()):
        for v in triangle:
            around[v].add(f)
            links[v].update(triangle)
    for v in range(count):
        links[v].discard(v)
    lines: list[dict[int, int]] = [{} for _ in range(count)]
    for (a, b), kind in kinds.items():
        lines[a][b] = kind
        lines[b][a] = kind
    locked = problem.locked.copy()
    for v in range(count):
        if lines[v] and (len(lines[v]) != 2 or len(set(lines[v].values())) != 1):
            locked[v] = True
    alive = np.ones(count, dtype=bool)
    stamp = [0] * count

    def best(u: int) -> tuple[float, int]:
        ring = np.fromiter(sorted(around[u]), dtype=np.int64)
        mine = links[u]
        choice, cheapest = -1, np.inf
        for v in sorted(lines[u] if lines[u] else mine):
            shared = len(around[u] & around[v])
            if len(mine & links[v]) != shared:
                continue
            # Mirror-plane points may be joined along the plane only, else four triangles share an edge.
            if midline[v] and any(
                midline[w] and w != v and w not in lines[v] and w not in lines[u] for w in mine
            ):
                continue
            cost = float(_cost(samples, quadrics, triangles, ring, u, v, midline, _MIN_COSINE, _MIN_QUALITY))
            if cost < cheapest:
                choice, cheapest = v, cost
        return cheapest, choice

    heap: list[tuple[float, int, int, int]] = []

    def push(u: int) -> None:
        if locked[u] or not around[u]:
            return
        stamp[u] += 1
        cost, v = best(u)
        if v >= 0:
            heapq.heappush(heap, (cost, u, v, stamp[u]))

    for u in range(count):
        push(u)
    size = float(np.where(midline, 1, 2).sum())
    removed = np.zeros(len(triangles), dtype=bool)
    while size > target and heap:
        _, u, v, when = heapq.heappop(heap)
        if not alive[u] or stamp[u] != when:
            continue
        for f in sorted(around[u]):
            if v in triangles[f]:
                removed[f] = True
                for w in triangles[f]:
                    around[int(w)].discard(f)
            else:
                triangles[f][triangles[f] == u] = v
                around[v].add(f)
        around[u] = set()
        for w in links[u]:
            links[w].discard(u)
            if w != v:
                links[w].add(v)
                links[v].add(w)
        links[u] = set()
        for w, kind in lines[u].items():
            del lines[w][u]
            if w != v:
                lines[v][w] = kind
                lines[w][v] = kind
        lines[u] = {}
        quadrics[:, v] += quadrics[:, u]
        alive[u] = False
        size -= 1.0 if midline[u] else 2.0
        for w in sorted(links[v] | {v}):
            push(w)
    alive &= np.array([bool(a) for a in around])
    kept = np.flatnonzero(alive)
    renumber = np.full(count, -1, dtype=np.int64)
    renumber[kept] = np.arange(len(kept))
    origin = np.flatnonzero(~removed)
    return kept, renumber[triangles[origin]], origin

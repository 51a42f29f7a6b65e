"""UV atlas: one skin chart with its seam at the back of the head, small charts for eyes, teeth and mouth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .head import HeadMesh, in_nostrils
from .slim import border_loop, slim, tutte
from .source import PARTS, IctSource

__all__ = ["EYE_CENTRE", "EYE_RADIUS", "tongue_island", "uv_atlas"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PART = {name: number for number, name in enumerate(PARTS)}
_SEAM_Z = -30.0  # mm: the skin is cut along the mirror plane behind this, from the crown to the nape
_SKIN_HALF_WIDTH = 0.49
_SKIN_TOP = 0.99
_SKIN_HEIGHT = 0.838
# Boxes (u0, v0, u1, v1) of the left half's small charts; the right half's are mirrored about u = 0.5.
_MOUTH_BOX = (0.5, 0.008, 0.555, 0.138)
_GUMS_BOX = (0.565, 0.008, 0.67, 0.138)
_TONGUE_BOX = (0.68, 0.03, 0.725, 0.116)
_TEETH_BOX = (0.731, 0.004, 0.807, 0.142)
_TONGUE_TIP = (0.0, -36.0, 97.0)  # mm
_SOCKET_BOX = (0.95, 0.008, 0.994, 0.062)
EYE_CENTRE = (0.88, 0.073)
"""UV of the left cornea's pole: the centre of iris and pupil; the right one lies at (1 - u, v)."""
EYE_RADIUS = 0.065
"""UV radius of an eyeball's chart."""


def _smoothed(values: Floats, triangles: Ints, rounds: int) -> Floats:
    a = np.concatenate([triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()])
    b = np.concatenate([triangles[:, [1, 2, 0]].ravel(), triangles[:, [0, 1, 2]].ravel()])
    links = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(len(values),) * 2).tocsr()
    degree = np.asarray(links.sum(axis=1)).ravel()
    for _ in range(rounds):
        values = 0.5 * values + 0.5 * (links @ values) / degree
    return values


def _loops(triangles: Ints) -> list[list[int]]:
    """All open borders, each in the direction of the triangles' edges."""
    edges = {(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)}
    following = {a: b for a, b in sorted(edges) if (b, a) not in edges}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (point := following.pop(loop[-1])) != start:
            loop.append(point)
        loops.append(loop)
    return sorted(loops, key=len)


def _off_axis_runs(loop: list[int], midline: NDArray[np.bool_]) -> list[list[int]]:
    """Stretches of a border between two mirror-plane points, ends included."""
    on = [bool(midline[v]) for v in loop]
    count = len(loop)
    runs = []
    for i in range(count):
        if on[i] and not on[(i + 1) % count]:
            run = [loop[i]]
            j = (i + 1) % count
            while not on[j]:
                run.append(loop[j])
                j = (j + 1) % count
            runs.append([*run, loop[j]])
    return runs


def _skin_chart(points: Floats, triangles: Ints, midline: NDArray[np.bool_], iterations: int) -> Floats:
    """(n, 2) flat map in mm of the left half of the skin: u = 0 on the front mirror line, v up."""
    eye, border = _loops(triangles)
    mouth = max(_off_axis_runs(border, midline), key=lambda run: points[run][:, 2].mean())
    count = len(points)
    # Fans over eye and mouth keep the openings open while the map moves.
    fan = [(eye[(i + 1) % len(eye)], eye[i], count) for i in range(len(eye))]
    fan += [(mouth[i + 1], mouth[i], count + 1) for i in range(len(mouth) - 1)]
    centre = points[mouth].mean(axis=0) * [0.0, 1.0, 1.0]
    places = np.concatenate([points, [points[eye].mean(axis=0)], [centre]])
    everything = np.concatenate([triangles, np.array(fan, dtype=np.int64)])
    axis = np.concatenate([midline, [False, True]])
    loop = border_loop(everything).tolist()
    # Length wanted per mm: full on the face, less on the back of the head, the neck and in the nostrils.
    wanted = 0.22 + 0.78 / (1.0 + np.exp(-(points[:, 2] - 22.0) / 12.0))
    wanted = np.where(points[:, 1] < -70.0, np.minimum(wanted, 0.28), wanted)
    wanted = np.where(points[:, 1] > 105.0, 0.6 * wanted, wanted)
    wanted = np.where(in_nostrils(points), 0.4, wanted)
    wanted = _smoothed(wanted, triangles, 8)
    scale = np.concatenate([wanted[triangles].mean(axis=1), np.ones(len(fan))])
    weight = np.concatenate([np.ones(len(triangles)), np.full(len(fan), 0.02)])
    front = [bool(axis[v]) and places[v, 2] > _SEAM_Z for v in loop]
    first = next(i for i in range(len(loop)) if front[i] and not front[i - 1] and places[loop[i], 1] > 0)
    loop = loop[first:] + loop[:first]
    last = next(i for i in range(len(loop)) if not axis[loop[i + 1]])
    down, back = loop[: last + 1], loop[last:] + loop[:1]

    def fractions(line: list[int]) -> Floats:
        steps = np.linalg.norm(np.diff(places[line], axis=0), axis=1)
        return np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()

    start = np.zeros((len(places), 2))
    radius = 150.0
    t = fractions(down)
    start[down] = np.stack([0.0 * t, radius * (1.0 - 2.0 * t)], axis=1)
    t = fractions(back) * np.pi
    start[back] = radius * np.stack([np.sin(t), -np.cos(t)], axis=1)
    start[down, 0] = 0.0
    flat = tutte(len(places), everything, np.array(loop), start[loop])
    on_axis = np.zeros(len(places), dtype=bool)
    on_axis[down] = True
    return slim(places, everything, scale, weight, flat, on_axis, iterations)[:count]


def _disc(points: Floats, triangles: Ints) -> Floats:
    """(n, 2) map of a disc-like piece to the unit disc."""
    loop = border_loop(triangles)
    steps = np.linalg.norm(points[loop] - points[np.roll(loop, 1)], axis=1)
    angle = 2.0 * np.pi * np.cumsum(steps) / steps.sum()
    return tutte(len(points), triangles, loop, np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _boxed(uv: Floats, box: tuple[float, float, float, float]) -> Floats:
    low, high = uv.reshape(-1, 2).min(axis=0), uv.reshape(-1, 2).max(axis=0)
    start, stop = np.array(box[:2]), np.array(box[2:])
    return (uv - low) / (high - low) * (stop - start) + start


def tongue_island(source: IctSource, head: HeadMesh) -> int:
    """Number of the source UV island that holds the tongue."""
    half = len(head.triangles) // 2
    mine = np.flatnonzero(head.part[:half] == _PART["gums_tongue"])
    centres = (head.combine @ source.mean)[head.triangles[mine]].mean(axis=1)
    return int(head.island[mine[np.linalg.norm(centres - _TONGUE_TIP, axis=1).argmin()]])


def uv_atlas(source: IctSource, head: HeadMesh, iterations: int = 100) -> tuple[Floats, Ints]:
    """UV coordinates and triangles of the whole head, mirror-symmetric about u = 0.5.

    Returns:
        uv (U, 2) in [0, 1], uv_triangles (F, 3).
    """
    points = head.combine @ source.mean
    half = len(head.triangles) // 2
    triangles, part = head.triangles[:half], head.part[:half]
    corner = np.zeros((half, 3, 2))

    skin = part <= _PART["head"]
    used, local = np.unique(triangles[skin], return_inverse=True)
    local = local.reshape(-1, 3)
    flat = _skin_chart(points[used], local, used < head.midline_count, iterations)
    size = min(_SKIN_HALF_WIDTH / flat[:, 0].max(), _SKIN_HEIGHT / float(np.ptp(flat[:, 1])))
    flat = flat * size + [0.5, _SKIN_TOP - size * flat[:, 1].max()]
    corner[skin] = flat[local]

    for name, box in (("mouth_socket", _MOUTH_BOX), ("eye_socket", _SOCKET_BOX)):
        mine = part == _PART[name]
        corner[mine] = _boxed(head.corner_uv[mine], box)
    # The tongue's island has slits in the source; as a disc it needs none.
    tongue = head.island == tongue_island(source, head)
    gums = (part == _PART["gums_tongue"]) & ~tongue
    corner[gums] = _boxed(head.corner_uv[gums], _GUMS_BOX)
    used, local = np.unique(triangles[tongue], return_inverse=True)
    local = local.reshape(-1, 3)
    corner[tongue] = _boxed(_disc(points[used], local)[local], _TONGUE_BOX)
    eye = part == _PART["eyeball_left"]
    corner[eye] = head.corner_uv[eye] * EYE_RADIUS + EYE_CENTRE
    teeth = np.unique(head.island[part == _PART["teeth"]])
    columns = 3
    rows = -(-len(teeth) // columns)
    u0, v0, u1, v1 = _TEETH_BOX
    cell = np.array([(u1 - u0) / columns, (v1 - v0) / rows])
    for number, tooth in enumerate(teeth):
        mine = head.island == tooth
        used, local = np.unique(triangles[mine], return_inverse=True)
        local = local.reshape(-1, 3)
        place = np.array([u0, v0]) + cell * [number % columns + 0.5, number // columns + 0.5]
        corner[mine] = (_disc(points[used], local) * (0.5 * cell - 0.004) + place)[local]

    mirrored = (corner * [-1.0, 1.0] + [1.0, 0.0])[:, ::-1]
    everything = np.concatenate([corner, mirrored])
    keys = np.concatenate(
        [head.triangles[..., None].astype(np.float64), np.round(everything, 7)], axis=-1
    ).reshape(-1, 3)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return everything.reshape(-1, 2)[first], inverse.reshape(-1, 3).astype(np.int64)

"""Named regions of the head, per vertex."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .eye import IRIS_RING, PUPIL_RING
from .head import HeadMesh, in_nostrils
from .source import LANDMARKS_68, PARTS, IctSource
from .uv import tongue_island

__all__ = ["build_regions"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_NARROW_FACE = 6706  # source vertices below this: hairline to chin, ear to ear
_BROW_MM = 4.5
_LID_MM = 4.0


def _near_polyline(points: Floats, line: Floats, radius: float) -> Bools:
    steps = np.linspace(0, 1, 17)[:, None]
    dense = np.concatenate([a + steps * (b - a) for a, b in itertools.pairwise(line)])
    return np.asarray(cKDTree(dense).query(points)[0] < radius)


def _inside(points: Floats, polygon: Floats) -> Bools:
    """Even-odd rule in the frontal (x, y) view."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon[:, :2], np.roll(polygon, -1, axis=0)[:, :2]):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def build_regions(source: IctSource, head: HeadMesh) -> tuple[dict[str, Bools], dict[str, Bools]]:
    """Regions (``REGION_NAMES``) and the extra masks ``iris``, ``pupil``, ``gums`` and ``tongue``.

    All are (V,) bool, mirror-symmetric, and made on the mean face:

    - ``skin``: all outer skin with the rims of lids and lips, without the sockets behind them;
    - ``face``: the source's narrow face, hairline to chin, ear to ear, with the underside of the jaw,
      without the inside of the nostrils;
    - ``brows``: within 4.5 mm of the line through the brow points;
    - ``lids``: within 4 mm of the eyes' outline or moved by a blink or a look down (above the corners by
      more than 0.7 mm, below by more than 1.8 mm), and the sockets behind the lids;
    - ``nose``: around the iBUG nose points, nostrils included; ``lips``: inside the outer lip line;
    - ``ears``: the auricles; ``neck``: below the line chin, ear lobe, nape; ``scalp``: the other skin;
    - ``inner_mouth``: mouth socket, gums and tongue; ``teeth``; ``eyeballs``;
    - extras: ``iris`` and ``pupil`` are the discs (edge ring included), ``gums`` and ``tongue`` the mouth's.
    """
    points = head.combine @ source.mean
    n = head.nearest
    _x, y, z = points.T
    block = {name: (n >= a) & (n < b) for name, (a, b) in PARTS.items()}
    skin = block["face"] | block["head"]
    face = skin & (n < _NARROW_FACE) & ~in_nostrils(points)
    marks = source.mean[list(LANDMARKS_68)]
    brows = face & (
        _near_polyline(points, marks[17:22], _BROW_MM) | _near_polyline(points, marks[22:27], _BROW_MM)
    )
    names = source.expression_names
    lids = np.zeros(len(points), dtype=bool)
    above = y > marks[[36, 39], 1].mean()
    for name in ("eyeBlink_L", "eyeBlink_R", "eyeLookDown_L", "eyeLookDown_R"):
        moved = np.linalg.norm(head.combine @ source.expression[names.index(name)], axis=1)
        lids |= moved > np.where(above, 0.7, 1.8)
    for eye in (marks[36:42], marks[42:48]):
        lids |= _near_polyline(points, np.concatenate([eye, eye[:1]]), _LID_MM)
    lips = face & _inside(points, marks[48:60] * [1.03, 1.0, 1.0]) & (z > 80.0)
    alar = marks[35]
    outline = np.array(
        [
            [7.0, marks[27, 1] + 2.0],
            [8.5, marks[28, 1]],
            [11.0, marks[29, 1]],
            [alar[0] + 9.0, alar[1] + 8.0],
            [alar[0] + 8.0, alar[1]],
            [alar[0] + 2.0, alar[1] - 2.5],
            [0.0, marks[33, 1] - 2.5],
        ]
    )
    nose = skin & (z > 60.0) & _inside(points, np.concatenate([outline, outline[::-1] * [-1.0, 1.0]]))
    ears = skin & ~face & _ear_zone(points)
    neck = skin & ~face & ~nose & ~ears & (y < np.where(z > 0, -15.0 - 0.6 * z, -15.0 + 0.3 * z))
    regions = {
        "skin": skin,
        "face": face,
        "brows": brows,
        "lids": (face & lids & ~brows) | block["eye_socket"],
        "nose": nose,
        "lips": lips,
        "ears": ears,
        "neck": neck,
        "scalp": skin & ~face & ~nose & ~ears & ~neck,
        "inner_mouth": block["mouth_socket"] | block["gums_tongue"],
        "teeth": block["teeth"],
        "eyeballs": block["eyeball_left"] | block["eyeball_right"],
    }
    mine = np.tile(head.island == tongue_island(source, head), 2)
    tongue = np.zeros(len(points), dtype=bool)
    tongue[head.triangles[mine]] = True
    extras = {
        "iris": (head.rings >= 0) & (head.rings <= IRIS_RING),
        "pupil": (head.rings >= 0) & (head.rings <= PUPIL_RING),
        "gums": block["gums_tongue"] & ~tongue,
        "tongue": tongue,
    }
    symmetric = {name: mask | mask[head.mirror] for name, mask in regions.items()}
    return symmetric, {name: mask | mask[head.mirror] for name, mask in extras.items()}


def _ear_zone(points: Floats) -> Bools:
    x, y, z = points.T
    # An ellipse in the side view, leaning back at its top.
    along, across = y - 6.0 + 0.25 * (1.5 - z), (z - 1.5) + 0.25 * (y - 6.0)
    return np.asarray((np.abs(x) > 65.0) & ((along / 33.0) ** 2 + (across / 22.0) ** 2 < 1.0))

"""MakeHuman's heads on the shipped topology: one registration serves them all, because their vertices correspond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .....core.umeyama import umeyama
from .reading import BaseHead
from .registration import Registration, Topology, graph_laplacian, symmetric_solver

__all__ = ["Transfer", "aligned", "make_transfer"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BENDING = 0.5  # of the carried offsets, beside weight 1 of a vertex with a counterpart
_AROUND_MOUTH = 38.0  # mm, the skin that teeth, gums and tongue follow
_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Transfer:
    """From vertices of MakeHuman's head to ours.

    Args:
        ours: the shipped topology.
        head: MakeHuman's.
        registered: (V, 3) mm, ours laid onto the template.
        template: (n, 3) mm, MakeHuman's vertices of the registered head.
        scale: mm per decimetre of MakeHuman; ``shift``: (3,) mm.
        carry: (b, n) where on MakeHuman's surface each of our bound vertices lies; empty rows have no counterpart.
        bound: (b,) our vertices that hang together with the skin.
        smooth: solves for offsets that bend little, from (b, 3) offsets of the rows of ``carry``.
    """

    ours: Topology
    head: BaseHead
    registered: Floats
    template: Floats
    scale: float
    shift: Floats
    carry: sparse.csr_matrix
    bound: Ints
    smooth: Callable[[Floats], Floats]

    def __call__(self, vertices: Floats) -> Floats:
        """Our vertices on another MakeHuman head, mirror-symmetric.

        Args:
            vertices: (n, 3) decimetres.

        Returns:
            (V, 3) mm, where MakeHuman puts it (see :func:`aligned`).
        """
        theirs = self.scale * vertices + self.shift
        offset = np.zeros_like(self.registered)
        offset[self.bound] = self.smooth(self.carry @ (theirs - self.template))
        points = self.registered + 0.5 * (offset + offset[self.ours.mirror] * _FLIP)
        return self._with_insides(points, theirs)

    def _with_insides(self, points: Floats, theirs: Floats) -> Floats:
        """Eyeballs where MakeHuman's are and of their size; teeth, gums and tongue as the skin around the mouth."""
        ours, result = self.ours, points.copy()
        eyes = ours.loose & (ours.points[:, 1] > 15.0)  # the other loose parts lie in the mouth
        for side, rows in zip((1.0, -1.0), self.head.eyes, strict=True):
            mine = eyes & (ours.points[:, 0] * side > 0)
            centre = _sphere(ours.points[mine])[0]
            there, radius = _sphere(theirs[rows])
            grown = radius / _sphere(self.template[rows])[1]
            result[mine] = there + grown * (ours.points[mine] - centre)
        mouth = ours.loose & ~eyes
        middle = ours.points[ours.marks[48:60]].mean(axis=0)
        near = ours.face & (np.linalg.norm(ours.points - middle, axis=1) < _AROUND_MOUTH)
        scale, rotation, shift = umeyama(ours.points[near], points[near])
        result[mouth] = scale * ours.points[mouth] @ rotation.T + shift
        return np.asarray(0.5 * (result + result[ours.mirror] * _FLIP))


def make_transfer(ours: Topology, head: BaseHead, template: Floats, found: Registration) -> Transfer:
    """The transfer that a registration makes possible.

    Args:
        template: (n, 3) decimetres, the head that was registered.
    """
    bound = np.flatnonzero(~ours.loose)
    seen = np.flatnonzero(found.seen[bound])
    corners = head.triangles[found.triangle[bound[seen]]]
    carry = sparse.csr_matrix(
        (found.barycentric[bound[seen]].ravel(), (np.repeat(seen, 3), corners.ravel())),
        shape=(len(bound), len(head.rows)),
    )
    laplace = graph_laplacian(ours.triangles, len(ours.points))[bound][:, bound]
    weight = found.seen[bound].astype(np.float64)
    solve = symmetric_solver((sparse.diags(weight + 1e-9) + _BENDING * (laplace.T @ laplace)).tocsc())
    return Transfer(
        ours=ours,
        head=head,
        registered=found.points,
        template=found.scale * template + found.shift,
        scale=found.scale,
        shift=found.shift,
        carry=carry,
        bound=bound,
        smooth=lambda offsets: solve(weight[:, None] * offsets),
    )


def aligned(points: Floats, ours: Topology) -> Floats:
    """The head turned and shifted (not scaled) so that its face lies best on the mean's."""
    _, rotation, shift = umeyama(points[ours.face], ours.points[ours.face], scaled=False)
    return np.asarray(points @ rotation.T + shift)


def _sphere(points: Floats) -> tuple[Floats, float]:
    """Centre and radius of the sphere through most of the points (least squares, twice, the cornea left out)."""
    keep = np.ones(len(points), dtype=bool)
    centre, radius = points.mean(axis=0), 1.0
    for _ in range(2):
        a = np.column_stack([2.0 * points[keep], np.ones(int(keep.sum()))])
        solution = np.linalg.lstsq(a, (points[keep] ** 2).sum(axis=1), rcond=None)[0]
        centre = solution[:3]
        radius = float(np.sqrt(solution[3] + centre @ centre))
        keep = np.linalg.norm(points - centre, axis=1) < 1.03 * radius
    return centre, radius

"""A fitted face where the camera sees it: posed once, rasterised once for each window that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.short_repr import short_repr
from ..morphable import MorphableModel, Parameters
from ..render import Camera, Fragments, rasterize, to_camera, vertex_normals

__all__ = ["PosedFace"]

_Key = tuple[float, float, float, int, int]
_GEOMETRY = ("identity", "expression", "rotation", "translation")


@dataclass(frozen=True)
class PosedFace:
    """The mesh of one face in camera space; use :meth:`of`.

    Normals and rasterisations are computed when they are asked for, and kept. Several threads may ask: the same is
    then computed twice at worst.

    Args:
        model: the face model.
        parameters: of the face; of albedo and light nothing is used.
        shape: (V, 3) mm, model space, with the fitted expression.
        points: (V, 3) mm, camera space.
    """

    model: MorphableModel
    parameters: Parameters
    shape: Tensor
    points: Tensor
    _fragments: dict[_Key, Fragments] = field(default_factory=dict, init=False, repr=False, compare=False)
    _turned: dict[float, PosedFace] = field(default_factory=dict, init=False, repr=False, compare=False)

    __repr__ = short_repr

    @staticmethod
    def of(model: MorphableModel, parameters: Parameters, known: PosedFace | None = None) -> PosedFace:
        """Pose a face.

        Args:
            model: the face model.
            parameters: of one face, without a batch dimension; gradients are not followed.
            known: returned when it is of this model and of the very tensors of identity, expression and pose.
        """
        if known is not None and known.is_of(model, parameters):
            return known
        with torch.no_grad():
            shape = model.vertices(parameters.identity.detach(), parameters.expression.detach())
            points = to_camera(shape, parameters.rotation.detach(), parameters.translation.detach())
        return PosedFace(model, parameters, shape, points)

    def is_of(self, model: MorphableModel, parameters: Parameters) -> bool:
        """Whether it was made of this model and of the very tensors of identity, expression and pose."""
        return self.model is model and all(
            getattr(self.parameters, name) is getattr(parameters, name) for name in _GEOMETRY
        )

    @cached_property
    def normals(self) -> Tensor:
        """(V, 3) unit normals, camera space."""
        with torch.no_grad():
            return vertex_normals(self.points, self.model.triangles.to(self.points.device))

    def seen(self, camera: Camera) -> Fragments:
        """What a camera sees of the whole mesh, with a batch dimension of 1.

        A window of whole pixels into one that was rasterised before, at the same scale, is cut out of that.
        """
        key = (float(camera.focal), float(camera.cx), float(camera.cy), camera.width, camera.height)
        for known, fragments in tuple(self._fragments.items()):
            place = _inside(key, known)
            if place is not None:
                return _cut(fragments, *place, camera.height, camera.width)
        found = rasterize(self.points, self.model.triangles, camera)
        self._fragments[key] = found
        return found

    def turned(self, angle: float, make: Callable[[], PosedFace]) -> PosedFace:
        """The face turned about the optical axis, made once for an angle: upright crops of one face share it.

        Args:
            angle: radians.
            make: makes it.
        """
        known = self._turned.get(angle)
        if known is None:
            known = self._turned[angle] = make()
        return known

    def at_pixels(
        self, camera: Camera, attributes: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Attributes of the vertices where a camera sees the mesh.

        Args:
            camera: of the image.
            attributes: (V, C).

        Returns:
            (H, W) bool, where the mesh is seen; of these P pixels the triangle (P,) and the mixed attributes (P, C).
        """
        fragments = self.seen(camera)
        triangle = fragments.triangle[0].cpu().numpy()
        there = triangle >= 0
        index = triangle[there]
        corners = self.model.triangles.cpu().numpy()[index]
        weights = fragments.barycentric[0].cpu().numpy()[there]
        mixed = np.einsum("pj,pjc->pc", weights, attributes[corners], optimize=True)
        return there, index, np.asarray(mixed, np.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_fragments": {}, "_turned": {}}


def _inside(key: _Key, known: _Key) -> tuple[int, int] | None:
    """Column and row of a window's corner in a known one of the same focal length, or None."""
    if key[0] != known[0]:
        return None
    left, top = known[1] - key[1], known[2] - key[2]
    column, row = round(left), round(top)
    whole = abs(left - column) < 1e-6 and abs(top - row) < 1e-6
    fits = 0 <= column <= known[3] - key[3] and 0 <= row <= known[4] - key[4]
    return (column, row) if whole and fits else None


def _cut(fragments: Fragments, column: int, row: int, height: int, width: int) -> Fragments:
    if fragments.triangle.shape[1:] == (height, width):
        return fragments
    part = (slice(None), slice(row, row + height), slice(column, column + width))
    return Fragments(fragments.triangle[part], fragments.barycentric[part], fragments.depth[part])

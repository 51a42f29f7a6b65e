"""The mesh that every writer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.provenance import Provenance
from ..core.short_repr import short_repr

__all__ = ["PROVENANCE_COLOURS", "PROVENANCE_NAMES", "Mesh"]

PROVENANCE_NAMES = tuple(code.name.lower() for code in Provenance)
"""Names of the provenance codes 0, 1, 2, …: none, observed, mirrored, model, generated, example."""
PROVENANCE_COLOURS = (
    (0, 0, 0), (60, 180, 75), (250, 200, 40), (220, 60, 60), (70, 120, 230), (160, 80, 200),
)  # fmt: skip
"""sRGB colours in which the provenance codes are shown."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A textured triangle mesh in millimetres; arrays may be given as tensors and are checked and converted.

    Convention: model space, right-handed, +x to the face's own left, +y up, +z out of the face. UV: u to the right,
    v up; row 0 of a texture lies at v = 1, texel centres at (i + ½)/S.

    Args:
        vertices: (V, 3) mm.
        triangles: (F, 3) indices, counter-clockwise seen from outside.
        uv: (U, 2), or None.
        uv_triangles: (F, 3) indices into ``uv``; None where ``uv`` belongs to the vertices one to one.
        texture: (S, S', 3) uint8 sRGB, or None.
        normals: (V, 3), or None for smooth normals computed from the triangles.
        morph_targets: name -> (V, 3) offsets in mm at weight 1.
        morph_weights: default weight of each morph target in order, or None for zeros.
        provenance: (S, S') uint8 codes, see ``provenance_names``, or None; (V,) with ``colours``.
        confidence: (S, S') float in [0, 1], or None; (V,) with ``colours``.
        provenance_names: name of each code from 0 on.
        provenance_colours: sRGB colour of each code.
        glossy: (F,) bool, triangles with a wet surface such as eyes and teeth, or None.
        name: shown by viewers.
        extras: what should travel in the file besides: JSON-compatible values such as the face model's
            version.
        colours: (V, 3) uint8 sRGB of a mesh without texture, or None.
        normal_map: (S, S', 3) uint8, normals of finer relief in tangent space as glTF has them (red to the right in
            the texture, green upwards, blue outwards, 127.5 times as long plus 127.5), or None.

    Raises:
        UsageError: shapes or indices that do not fit together, values that are not finite.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int64]
    uv: NDArray[np.float32] | None = None
    uv_triangles: NDArray[np.int64] | None = None
    texture: NDArray[np.uint8] | None = None
    normals: NDArray[np.float32] | None = None
    morph_targets: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    morph_weights: Sequence[float] | None = None
    provenance: NDArray[np.uint8] | None = None
    confidence: NDArray[np.float32] | None = None
    provenance_names: tuple[str, ...] = PROVENANCE_NAMES
    provenance_colours: tuple[tuple[int, int, int], ...] = PROVENANCE_COLOURS
    glossy: NDArray[np.bool_] | None = None
    name: str = "face"
    extras: Mapping[str, Any] = field(default_factory=dict)
    colours: NDArray[np.uint8] | None = None
    normal_map: NDArray[np.uint8] | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        vertices = _floats("vertices", self.vertices, (None, 3))
        count = len(vertices)
        triangles = _indices("triangles", self.triangles, count)
        self._set("vertices", vertices)
        self._set("triangles", triangles)
        if self.uv is not None:
            uv = _floats("uv", self.uv, (None, 2))
            if self.uv_triangles is None and len(uv) != count:
                raise UsageError(f"{len(uv)} UV points for {count} vertices need uv_triangles")
            corners = triangles if self.uv_triangles is None else self.uv_triangles
            self._set("uv", uv)
            self._set("uv_triangles", _indices("uv_triangles", corners, len(uv)))
            if len(self._uv_triangles) != len(triangles):
                raise UsageError(f"{len(self._uv_triangles)} uv_triangles for {len(triangles)} triangles")
        elif self.uv_triangles is not None:
            raise UsageError("uv_triangles without uv")
        if self.normals is not None:
            self._set("normals", _floats("normals", self.normals, (count, 3)))
        targets = {n: _floats(f"morph target {n!r}", t, (count, 3)) for n, t in self.morph_targets.items()}
        self._set("morph_targets", MappingProxyType(targets))
        if self.morph_weights is not None:
            weights = tuple(float(w) for w in self.morph_weights)
            if len(weights) != len(targets) or not np.isfinite(weights).all():
                raise UsageError(
                    f"{len(weights)} morph_weights for {len(targets)} morph targets, or not finite"
                )
            self._set("morph_weights", weights)
        if self.glossy is not None:
            glossy = _array(self.glossy)
            if glossy.dtype != np.bool_ or glossy.shape != (len(triangles),):
                raise UsageError(
                    f"glossy must be ({len(triangles)},) bool, got {glossy.shape} {glossy.dtype}"
                )
            self._set("glossy", glossy)
        self._check_maps()

    def _check_maps(self) -> None:
        if self.colours is None:
            self._check_texels()
        else:
            self._check_vertex_maps(len(self.vertices))
        if self.provenance is not None and int(self.provenance.max()) >= len(self.provenance_names):
            raise UsageError(
                f"provenance code {int(self.provenance.max())} has no name in {self.provenance_names}"
            )
        if len(self.provenance_colours) != len(self.provenance_names):
            raise UsageError("provenance_names and provenance_colours differ in length")
        if self.confidence is not None and not ((self.confidence >= 0) & (self.confidence <= 1)).all():
            raise UsageError("confidence must lie within 0…1")

    def _check_vertex_maps(self, count: int) -> None:
        if self.texture is not None or self.uv is not None or self.normal_map is not None:
            raise UsageError("a mesh has either a texture with uv, or colours at its vertices")
        for name, dtype, kind, shape in (
            ("colours", np.uint8, np.uint8, (count, 3)),
            ("provenance", np.uint8, np.uint8, (count,)),
            ("confidence", np.float32, np.floating, (count,)),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            array = _array(value)
            if array.shape != shape or not np.issubdtype(array.dtype, kind):
                raise UsageError(
                    f"{name} of vertices must be {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}"
                )
            self._set(name, array.astype(dtype, copy=False))

    def _check_texels(self) -> None:
        for name, dtype, channels in (
            ("texture", np.uint8, (3,)),
            ("normal_map", np.uint8, (3,)),
            ("provenance", np.uint8, ()),
            ("confidence", np.float32, ()),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            if self.uv is None:
                raise UsageError(f"a {name} map needs uv")
            pixels = _array(value)
            kind = np.floating if dtype == np.float32 else np.uint8
            if pixels.ndim != 2 + len(channels) or pixels.shape[2:] != channels or 0 in pixels.shape:
                raise UsageError(f"{name} must have shape {('S', 'S', *channels)}, got {pixels.shape}")
            if not np.issubdtype(pixels.dtype, kind):
                raise UsageError(f"{name} must be {np.dtype(dtype)}, got {pixels.dtype}")
            self._set(name, pixels.astype(dtype, copy=False))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @property
    def _uv_triangles(self) -> NDArray[np.int64]:
        if self.uv_triangles is None:
            raise UsageError("this mesh has no UV")
        return self.uv_triangles


def _array(value: Any) -> NDArray[Any]:
    """A numpy array from an array, a sequence or a tensor on any device."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _floats(name: str, value: Any, shape: tuple[int | None, int]) -> NDArray[np.float32]:
    array = _array(value)
    if array.ndim != 2 or array.shape[1] != shape[1] or (shape[0] is not None and array.shape[0] != shape[0]):
        wanted = tuple("N" if s is None else s for s in shape)
        raise UsageError(f"{name} must have shape {wanted}, got {array.shape}")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise UsageError(f"{name} must be numbers, got {array.dtype}")
    result = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(result).all():
        raise UsageError(f"{name} contain values that are not finite")
    return result


def _indices(name: str, value: Any, count: int) -> NDArray[np.int64]:
    array = _array(value)
    if (
        array.ndim != 2
        or array.shape[1] != 3
        or len(array) == 0
        or not np.issubdtype(array.dtype, np.integer)
    ):
        raise UsageError(f"{name} must be a non-empty (F, 3) integer array, got {array.shape} {array.dtype}")
    if int(array.min()) < 0 or int(array.max()) >= count:
        raise UsageError(f"{name} point outside the {count} entries that exist")
    return np.ascontiguousarray(array, dtype=np.int64)

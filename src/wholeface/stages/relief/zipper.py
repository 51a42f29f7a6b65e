r"""Relief as geometry: one dense mesh of the whole head.

Two ways lead there.

- :func:`dense_mesh`: the face of the model's own mesh is subdivided and displaced by the relief of the atlas: closed,
  mirror-symmetric, with the model's UV, and any value at the model's vertices can be spread to it.
- :func:`zippered_mesh`, as in the paper: each pixel of the face is a vertex at its detailed depth, and its mirror
  image one of the half that turns away; what neither shows is the model's mesh. Overlapping triangles of that are
  removed, and the seam is closed.

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.3; Turk & Levoy
1994, "Zippered polygon meshes from range images".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.provenance import Provenance
from ...morphable import MorphableModel
from ...render import rasterize, rotation_matrix, vertex_normals
from ..state import BumpMap, FaceFit, ReliefMap
from ..texture.uv.atlas import FACE, surface_of
from ..upright import UprightFace, upright
from .dense import DenseMesh, Subdivision, sample_map, subdivision_of
from .dense.joined import Joined
from .dense.mirrored import mirror_of_subdivision
from .dense.patch import patch_of
from .dense.pixels import dense_pixels, detailed_points, facing, on_image
from .symmetry import face_graph, recovered, register
from .symmetry.mirror import vertex_places

__all__ = ["DenseMesh", "dense_mesh", "zippered_mesh"]

LEVELS = 2
"""Times that triangles of the face are split into four: edges of about 0.8 mm on the shipped model."""

_REFLECTED = np.array([-1.0, 1.0, 1.0])


def dense_mesh(fit: FaceFit, relief: ReliefMap, *, levels: int = LEVELS) -> DenseMesh:
    """The face of the model's mesh subdivided, rounded and displaced by the relief; the rest of the head as it is.

    Vertices on a seam of the UV charts take the mean of what their sides show: the mesh stays closed.

    Args:
        fit: of the foundation.
        relief: in its atlas; (V,) arrays, one value a vertex, for a model without UV.
        levels: 0 to 4 times split into four.

    Raises:
        UsageError: another number of levels, or a relief that does not fit the model.
    """
    model = fit.model
    fine = subdivision_of(model, levels)
    triangles = model.triangles.cpu().numpy()
    shape = fit.posed.shape
    base = shape.cpu().double().numpy()
    normals = vertex_normals(shape, model.triangles.to(shape.device)).cpu().double().numpy()
    along = fine.spread(normals, triangles)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    height = _height(fine, relief, triangles, model.vertex_count)
    vertices = fine.curved(base, normals, triangles) + height[:, None] * along
    return DenseMesh(
        vertices.astype(np.float32),
        fine.triangles,
        None if fine.uv is None else fine.uv.astype(np.float32),
        fine.uv_triangles,
        fine.parent,
        fine.source,
        fine.barycentric.astype(np.float32),
    )


def _height(
    fine: Subdivision, relief: ReliefMap, triangles: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """(V',) mm, the relief at the finer vertices."""
    if relief.displacement.shape == (count,):
        return np.asarray(fine.spread(relief.displacement.astype(np.float64), triangles))
    if relief.displacement.ndim != 2 or fine.uv is None or fine.uv_vertex is None:
        raise UsageError(
            f"relief of shape {relief.displacement.shape} does not fit a model of {count} vertices"
            f"{' without UV' if fine.uv is None else ''}"
        )
    known = relief.provenance != Provenance.NONE
    at_uv = sample_map(relief.displacement, known, fine.uv)
    vertices = len(fine.source)
    total = np.bincount(fine.uv_vertex, weights=at_uv, minlength=vertices)
    return np.asarray(total / np.maximum(np.bincount(fine.uv_vertex, minlength=vertices), 1))


def zippered_mesh(fit: FaceFit, bump: BumpMap) -> DenseMesh:
    """Pixels of the face, their mirror images and the model's mesh, zippered into one.

    1. The foundation's visible vertices take the detailed depth of their pixels; details of hidden ones are recovered
       by soft symmetry on the mesh (eq. 9).
    2. Each pixel that shows relief is a vertex at its detailed depth (eq. 4), registered to a triangle (eq. 6-8).
    3. Where the mirrored triangle is hidden, the pixel's reflection is a vertex, too (eq. 10); on meshes with a
       mirror index alone.
    4. The model's mesh is subdivided, with the same details. Triangles of it that pixels cover go, and the gap
       between the pixels and their outline is triangulated in the image.

    The mesh is as closed as the model's. Brows, lips and whatever else the bump map leaves out stay as the model has
    them.

    Args:
        fit: of the foundation.
        bump: observed, and filled in where something hid the face.
    """
    where = upright(fit, bump.crop, len(bump.displacement))
    turn = rotation_matrix(where.parameters.rotation.double()).cpu().numpy()
    shift = where.parameters.translation.cpu().double().numpy()

    def to_model(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((points - shift) @ turn)

    def from_model(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points @ turn.T + shift)

    model, surface = fit.model, surface_of(fit.model)
    triangles = surface.triangles.astype(np.int64)
    # Eq. 9 on the model's vertices; what is zippered is subdivided, so that outlines are as fine as pixels.
    places = vertex_places(model)
    foundation, detailed, visible = detailed_points(where, bump, *places)
    base = to_model(foundation)
    offsets = recovered(face_graph(model), to_model(detailed) - base, visible, triangles)
    sparse = base + offsets
    fine, (twin, twin_triangle) = subdivision_of(model, LEVELS), mirror_of_subdivision(model, LEVELS)
    rough = fine.spread(sparse, triangles)
    bare, shown, visible_there = detailed_points(where, bump, fine.source, fine.barycentric)
    vertices = to_model(bare) + fine.spread(offsets, triangles)
    reflects = ~visible_there & (twin >= 0) & visible_there[twin]
    vertices[visible_there] = to_model(shown)[visible_there]
    vertices[reflects] = rough[reflects] + (vertices - rough)[twin[reflects]] * _REFLECTED
    face = surface.kind[fine.parent] == FACE
    whole = np.asarray(
        visible[triangles].all(axis=1)
    )  # triangles of the model that are visible at every corner
    joined = Joined(fine, vertices, face)
    # Where pixels may take over.
    plane = on_image(where, from_model(vertices))
    seen = dense_pixels(where, bump)
    home = _home(where, from_model(vertices), fine.triangles, seen.pixels)
    dense = register(
        to_model(seen.points), seen.pixels, triangles[seen.home], sparse, on_image(where, from_model(sparse))
    )
    wanted = face & whole[fine.parent] & ~joined.at_seam
    patch = patch_of(fine.triangles, plane, wanted & facing(fine.triangles, plane), seen.pixels, home)
    if patch is None:
        return joined.mesh()
    uv = _places_of(model, seen.home, seen.barycentric)
    at = patch.points
    joined.add(
        patch,
        patch.border,
        patch.replaced,
        dense.points(sparse)[at],
        uv[at],
        seen.home[at],
        seen.barycentric[at],
    )
    image = surface.mirror_triangle[fine.parent]
    taken = np.zeros(len(triangles), bool)
    taken[fine.parent[patch.replaced]] = True
    far = patch.replaced & (twin_triangle >= 0) & (image >= 0)
    far &= ~joined.at_seam[twin_triangle] & ~taken[image] & ~whole[image]
    other = patch_of(fine.triangles, plane, far, seen.pixels, home)
    if other is not None and surface.mirror is not None:
        at = other.points
        replaced = np.zeros(len(fine.triangles), bool)
        replaced[twin_triangle[other.replaced]] = True
        there = surface.mirror_triangle[seen.home[at]].astype(np.int64)
        turned = np.zeros_like(seen.barycentric[at])
        corner = surface.mirror_corner[seen.home[at]].astype(np.int64)
        np.put_along_axis(turned, corner, seen.barycentric[at], axis=1)
        points = dense.reflected(surface.mirror[triangles[seen.home]], sparse)[at]
        joined.add(
            other,
            twin[other.border],
            replaced,
            points,
            _places_of(model, there, turned),
            there,
            turned,
            turned=True,
        )
    return joined.mesh()


def _home(
    where: UprightFace, points: NDArray[np.float64], triangles: NDArray[np.int64], pixels: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(P,) the triangle of a mesh (V', 3), camera space, that each pixel shows, or −1."""
    seen = rasterize(torch.from_numpy(points), torch.from_numpy(triangles), where.camera).triangle[0].numpy()
    column, row = pixels.astype(np.int64).T
    return np.asarray(seen[row, column], np.int64)


def _places_of(
    model: MorphableModel, home: NDArray[np.int64], barycentric: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(P, 2) in UV; of a model without UV, nothing."""
    if model.uv is None or model.uv_triangles is None:
        return np.zeros((len(home), 2))
    corners = model.uv.detach().cpu().double().numpy()[model.uv_triangles.cpu().numpy()[home]]
    return np.asarray(np.einsum("pk,pkc->pc", barycentric, corners))

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
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.provenance import Provenance
from ...render import rotation_matrix, vertex_normals
from ..state import BumpMap, FaceFit, ReliefMap
from ..texture.uv.atlas import FACE, surface_of
from ..upright import upright
from .dense import DenseMesh, Subdivision, sample_map, subdivision_of
from .dense.joined import Joined
from .dense.patch import patch_of
from .dense.pixels import dense_pixels, detailed_vertices, facing, on_image
from .symmetry import face_graph, recovered, register

__all__ = ["DenseMesh", "dense_mesh", "zippered_mesh"]

LEVELS = 2
"""Times that triangles of the face are split into four: edges of about 0.8 mm on the shipped model."""


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
    4. Triangles that pixels cover go, and the gap between the pixels and their outline is triangulated in the image.

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

    model, surface = fit.model, surface_of(fit.model)
    triangles = surface.triangles.astype(np.int64)
    foundation, detailed, visible = detailed_vertices(where, bump)
    base = to_model(foundation)
    offsets = to_model(detailed) - base
    sparse = base + recovered(face_graph(model), offsets, visible, triangles)
    projected = on_image(where, foundation)
    seen = dense_pixels(where, bump)
    dense = to_model(seen.points)
    joined = Joined(model, sparse)
    replaceable = (surface.kind == FACE) & visible[triangles].all(axis=1) & ~joined.at_seam
    patch = patch_of(triangles, projected, replaceable & facing(triangles, projected), seen.pixels, seen.home)
    if patch is None:
        return joined.mesh()
    points = register(
        dense[patch.points], seen.pixels[patch.points], triangles[seen.home[patch.points]], sparse, projected
    )
    joined.add(patch, points.points(sparse), seen.home[patch.points], seen.barycentric[patch.points])
    image = surface.mirror_triangle
    mirrored = patch.replaced & (image >= 0)
    mirrored[mirrored] = (
        ~patch.replaced[image[mirrored]]
        & ~joined.at_seam[image[mirrored]]
        & ~visible[triangles[image[mirrored]]].all(axis=1)
    )
    far = patch_of(triangles, projected, mirrored, seen.pixels, seen.home)
    if far is not None and surface.mirror is not None:
        corners = triangles[seen.home[far.points]]
        points = register(dense[far.points], seen.pixels[far.points], corners, sparse, projected)
        reflected = points.reflected(surface.mirror[corners], sparse)
        joined.add_mirrored(far, reflected, seen.home[far.points], seen.barycentric[far.points])
    return joined.mesh()

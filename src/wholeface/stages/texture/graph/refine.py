"""Ask the network what the fine texture adds over the coarse one, and lay that over a texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ....core.smoothstep import smoothstep
from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from ....morphable import MorphableModel
from ....networks.graph import TextureGraphNet
from ..uv.atlas import FACE, OUTER, Array, atlas_of, surface_of
from ..uv.complete import MIRRORED, MODEL, CompletedTexture
from .face_mesh import FaceMesh, face_mesh
from .vertex_colours import VertexColours, network_inputs

__all__ = ["RefineSettings", "refine_colours", "with_change"]


@dataclass(frozen=True)
class RefineSettings:
    """How far the refinement goes.

    Args:
        strength: factor on the change; 0 changes nothing.
        observed: refine what the photo shows, or a generator made, too.
    """

    strength: float = 1.0
    observed: bool = False


def refine_colours(network: TextureGraphNet, mesh: FaceMesh, found: VertexColours) -> Array:
    """(M, 3) float32, what the fine colours add to the coarse ones: logarithms of their ratio.

    Args:
        network: of 9 features, see :func:`network_inputs`.
        mesh: of the face model.
        found: colours at its vertices.
    """
    known = np.stack([found.observed, found.mirrored, found.confidence], axis=1)
    with torch.inference_mode():
        start, model, shares = (
            torch.from_numpy(array)[None] for array in (found.colours, found.model, known)
        )
        colours, features = network_inputs(start, model, shares, torch.from_numpy(mesh.where))
        change = network(colours, features, mesh.graph) - colours
    return np.asarray(change[0].numpy())


def with_change(
    model: MorphableModel,
    texture: CompletedTexture,
    change: Array,
    kept: Array,
    settings: RefineSettings | None = None,
) -> CompletedTexture:
    """A texture multiplied with what is known at vertices; what is finer than the mesh stays.

    Between vertices the logarithm of the factor is interpolated by barycentric coordinates. Texels that the photo
    shows or a generator made keep their colour, and within the last edge before them the change fades out, so that no
    border is seen.

    Args:
        model: of the texture.
        texture: completed.
        change: (M, 3) logarithms at the face mesh's vertices.
        kept: (M,) share of texels around them that keep their colour.
        settings: see :class:`RefineSettings`.
    """
    settings = settings or RefineSettings()
    mesh = face_mesh(model)
    full = np.zeros((model.vertex_count, 4), np.float32)
    full[mesh.chosen, :3] = settings.strength * change
    # 0 from half kept on; the mesh's rim keeps its colour, because what lies beyond it does.
    full[mesh.chosen, 3] = 1.0 if settings.observed else smoothstep(0.0, 0.5, 0.5 - kept)
    full[mesh.chosen[_rim(mesh)], 3] = 0
    if texture.per_vertex:
        rows = mesh.chosen
        pixels, provenance = texture.texture, texture.provenance
    else:
        size = texture.texture.shape[0]
        atlas = atlas_of(model, size)
        rows = model.table("face mesh rows", lambda m: _face_rows(m, size), key=size)
        pixels = texture.texture.reshape(-1, 3)[atlas.texel]
        provenance = texture.provenance.reshape(-1)[atlas.texel]
    if not settings.observed:
        rows = rows[np.isin(provenance[rows], (MIRRORED, MODEL))]
    if texture.per_vertex:
        values = full[rows]
    else:
        corners = model.triangles.cpu().numpy()[atlas.triangle[rows]]
        weights = atlas.barycentric[rows]
        # v_tc = sum_j b_tj f_jc
        values = sum(weights[:, j, None] * full[corners[:, j]] for j in range(3))
    linear = LINEAR_OF_BYTE[pixels[rows]] * np.exp(values[:, :3] * values[:, 3:])
    new = pixels.copy()
    new[rows] = np.round(255 * encode_srgb(linear)).astype(np.uint8)
    return replace(texture, texture=new if texture.per_vertex else new[atlas.nearest])


def _face_rows(model: MorphableModel, size: int) -> Array:
    """Numbers of the atlas' texels that show the face mesh."""
    kind = surface_of(model).kind[atlas_of(model, size).triangle]
    return np.flatnonzero(np.isin(kind, (FACE, OUTER)))


def _rim(mesh: FaceMesh) -> Array:
    """(k,) vertices on open borders of the mesh."""
    triangles = mesh.triangles
    half = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    keys = half.min(axis=1) * len(mesh) + half.max(axis=1)
    _, first, uses = np.unique(keys, return_index=True, return_counts=True)
    return np.unique(half[first[uses == 1]])

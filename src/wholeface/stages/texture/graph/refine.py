"""Ask the network what the fine texture adds over the coarse one, and lay that over a texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ....core.smoothstep import smoothstep
from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from ....morphable import MorphableModel
from ....networks.graph import TextureGraphNet
from ..uv.atlas import Array, atlas_of
from ..uv.complete import OBSERVED, CompletedTexture
from .face_mesh import FaceMesh, face_mesh
from .vertex_colours import VertexColours, network_inputs

__all__ = ["RefineSettings", "refine_colours", "with_change"]


@dataclass(frozen=True)
class RefineSettings:
    """How far the refinement goes.

    Args:
        strength: factor on the change; 0 changes nothing.
        observed: refine what the photo shows, too.
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
    observed: Array,
    settings: RefineSettings | None = None,
) -> CompletedTexture:
    """A texture multiplied with what is known at vertices; what is finer than the mesh stays.

    Between vertices the logarithm of the factor is interpolated by barycentric coordinates. Texels that the photo
    shows keep their colour, and within the last edge before them the change fades out, so that no border is seen.

    Args:
        model: of the texture.
        texture: completed.
        change: (M, 3) logarithms at the face mesh's vertices.
        observed: (M,) share of observed texels around them.
        settings: see :class:`RefineSettings`.
    """
    settings = settings or RefineSettings()
    mesh = face_mesh(model)
    full = np.zeros((model.vertex_count, 4), np.float32)
    full[mesh.chosen, :3] = settings.strength * change
    # 0 from half observed on; the mesh's rim keeps its colour, because what lies beyond it does.
    full[mesh.chosen, 3] = 1.0 if settings.observed else smoothstep(0.0, 0.5, 0.5 - observed)
    inside = np.zeros(model.vertex_count, np.bool_)
    inside[mesh.chosen] = True
    rim = _rim(mesh)
    full[mesh.chosen[rim], 3] = 0
    if texture.per_vertex:
        log, fade, provenance = full[:, :3], full[:, 3], texture.provenance
        pixels = texture.texture
    else:
        atlas = atlas_of(model, texture.texture.shape[0])
        corners = model.triangles.cpu().numpy()[atlas.triangle]
        values = np.einsum("tj,tjc->tc", atlas.barycentric, full[corners])
        log, fade = values[:, :3], np.where(inside[corners].all(axis=1), values[:, 3], 0)
        provenance = texture.provenance.reshape(-1)[atlas.texel]
        pixels = texture.texture.reshape(-1, 3)[atlas.texel]
    if not settings.observed:
        fade = np.where(provenance == OBSERVED, 0, fade)
    moved = np.flatnonzero(fade > 0)
    linear = LINEAR_OF_BYTE[pixels[moved]] * np.exp(log[moved] * fade[moved, None])
    new = pixels.copy()
    new[moved] = np.round(255 * encode_srgb(linear)).astype(np.uint8)
    if not texture.per_vertex:
        new = new[atlas.nearest]
    return replace(texture, texture=new)


def _rim(mesh: FaceMesh) -> Array:
    """(k,) vertices on open borders of the mesh."""
    triangles = mesh.triangles
    half = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    keys = half.min(axis=1) * len(mesh) + half.max(axis=1)
    _, first, uses = np.unique(keys, return_index=True, return_counts=True)
    return np.unique(half[first[uses == 1]])

"""What a completed texture says of the face mesh's vertices: colours, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ....core.provenance import Provenance
from ....core.short_repr import short_repr
from ....core.srgb import LINEAR_OF_BYTE
from ....morphable import MorphableModel, Parameters
from ..uv.atlas import Array, atlas_of
from ..uv.complete import MIRRORED, OBSERVED, CompletedTexture
from ..uv.defaults import vertex_albedo
from .face_mesh import FaceMesh, face_mesh

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["DARKEST", "FEATURES", "VertexColours", "network_inputs", "vertex_colours"]

DARKEST = 0.004  # linear light; what is darker is as dark
LENT = (Provenance.GENERATED, Provenance.EXAMPLE)
FEATURES = 9
"""Numbers per vertex that :func:`network_inputs` gives beside the colour."""

_MIDDLE = -1.6  # of log albedo over many faces: what networks see has about zero mean


@dataclass(frozen=True)
class VertexColours:
    """Colours at the M vertices of a :class:`FaceMesh`.

    Args:
        colours: (M, 3) float32, logarithms of linear-light albedo: of the completed texture, averaged over the
            texels around each vertex.
        model: (M, 3) float32, the same of the fitted model alone.
        observed: (M,) float32 in [0, 1], share of these texels that the photo shows.
        mirrored: (M,) the same of mirrored ones, and of those that a generator made or another face lent.
        kept: (M,) the same of those that are no completion's: observed, generated, lent.
        confidence: (M,) float32 in [0, 1], mean.
    """

    colours: Array
    model: Array
    observed: Array
    mirrored: Array
    kept: Array
    confidence: Array

    __repr__ = short_repr


def vertex_colours(
    model: MorphableModel, texture: CompletedTexture, parameters: Parameters, mesh: FaceMesh | None = None
) -> VertexColours:
    """Average a texture around the face mesh's vertices.

    Args:
        model: of the texture.
        texture: completed.
        parameters: of the fit; its albedo is what the model says.
        mesh: of the model, where it is at hand.
    """
    mesh = mesh or face_mesh(model)
    if texture.per_vertex:
        linear = LINEAR_OF_BYTE[texture.texture[mesh.chosen]]
        provenance, confidence = texture.provenance[mesh.chosen], texture.confidence[mesh.chosen]
        observed, lent = (
            part.astype(np.float32) for part in (provenance == OBSERVED, np.isin(provenance, LENT))
        )
        mirrored = lent + (provenance == MIRRORED)
    else:
        size = texture.texture.shape[0]
        average = model.table("face mesh texels", lambda m: _averages(m, size), key=size)
        texel = atlas_of(model, size).texel
        provenance = texture.provenance.reshape(-1)[texel]
        values = np.concatenate(
            [
                LINEAR_OF_BYTE[texture.texture.reshape(-1, 3)[texel]],
                np.stack([provenance == OBSERVED, provenance == MIRRORED, np.isin(provenance, LENT)], axis=1),
                texture.confidence.reshape(-1)[texel][:, None],
            ],
            axis=1,
            dtype=np.float32,
        )
        found = average @ values
        linear, observed, lent, confidence = found[:, :3], found[:, 3], found[:, 5], found[:, 6]
        mirrored = found[:, 4] + lent
    return VertexColours(
        np.log(np.maximum(linear / texture.gain, DARKEST)).astype(np.float32),
        np.log(np.maximum(vertex_albedo(model, parameters)[mesh.chosen], DARKEST)),
        observed,
        mirrored,
        observed + lent,
        confidence.astype(np.float32),
    )


def network_inputs(colours: Tensor, model: Tensor, known: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """What the network is given; the same numbers while it learns and while it works.

    Args:
        colours: (N, M, 3) log colours to refine.
        model: (N, M, 3) log colours of the fitted model.
        known: (N, M, 3) shares of observed and mirrored texels, confidence.
        where: (M, 3) places.

    Returns:
        (N, M, 3) centred log colours, to which the network adds, and (N, M, 9) features.
    """
    place = where.expand(len(colours), -1, -1)
    return colours - _MIDDLE, torch.cat([model - colours, known, place], dim=-1)


def _averages(model: MorphableModel, size: int) -> csr_array:
    """(M, T) rows that add up to 1: the texels around each vertex, by their barycentric coordinate."""
    from scipy.sparse import csr_array

    atlas, mesh = atlas_of(model, size), face_mesh(model)
    number = np.full(model.vertex_count, -1)
    number[mesh.chosen] = np.arange(len(mesh))
    corners = number[model.triangles.cpu().numpy()[atlas.triangle]]  # (T, 3)
    weight = np.where((corners >= 0).all(axis=1, keepdims=True), atlas.barycentric, 0).clip(0)
    texel, corner = np.nonzero(weight > 0)
    rows, values = corners[texel, corner], weight[texel, corner]
    shape = (len(mesh), len(atlas.texel))
    total = np.bincount(rows, values, minlength=len(mesh))
    # A vertex between the texels takes the one that is nearest to it.
    lost = np.flatnonzero(total < 0.05)
    keep = total[rows] >= 0.05
    rows, texel, values = rows[keep], texel[keep], values[keep] / total[rows[keep]]
    assert model.uv is not None
    assert model.uv_triangles is not None
    uv_of = np.zeros((model.vertex_count, 2))
    uv_of[model.triangles.cpu().numpy().reshape(-1)] = model.uv.cpu().numpy()[
        model.uv_triangles.cpu().numpy().reshape(-1)
    ]
    place = uv_of[mesh.chosen[lost]] * size
    row = np.clip(size - 1 - place[:, 1].astype(int), 0, size - 1)
    column = np.clip(place[:, 0].astype(int), 0, size - 1)
    rows = np.concatenate([rows, lost])
    texel = np.concatenate([texel, atlas.nearest[row, column]])
    values = np.concatenate([values, np.ones(len(lost))])
    return csr_array((values.astype(np.float32), (rows, texel)), shape=shape)

r"""Losses between two parameter vectors of one face: a student's and a teacher's.

The published one is the mean squared difference of the coefficients, in which a coefficient that moves the face by
millimetres counts as much as one that hardly does. The others count coefficients by what they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ....core.short_repr import short_repr
from ....morphable import MorphableModel, dense_embedding
from ....render import Camera, sh_basis, to_camera, vertex_normals

__all__ = ["FaceGeometry", "block_mse", "coefficient_mse"]


def coefficient_mse(found: Tensor, wanted: Tensor) -> Tensor:
    r"""The distillation loss as published.

    .. math:: L_{SE} = \frac{1}{M} \sum_{m=1}^{M} c_m^2, \quad c = v_u - v

    Args:
        found: (N, M), the student's.
        wanted: (N, M), the teacher's.

    Returns:
        (), the mean over the batch.

    Source: Rana, "3D Face Reconstruction from Occluded Images", §3.3.
    """
    return (found - wanted).square().mean()


def block_mse(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], spread: Mapping[str, Tensor]
) -> Tensor:
    r"""Mean over the blocks of the mean squared difference in units of what is usual.

    .. math:: L = \frac{1}{B} \sum_b \frac{1}{M_b} \sum_{m \in b} \left(\frac{c_m}{\sigma_m}\right)^2

    A block of one number counts as much as one of a hundred, and radians as much as standard deviations.

    Args:
        found, wanted: name -> (N, M_b).
        spread: name -> (M_b,), σ.

    Returns:
        (), the mean over the batch.
    """
    parts = [((found[name] - wanted[name]) / sigma).square().mean() for name, sigma in spread.items()]
    return torch.stack(parts).mean()


@dataclass(frozen=True)
class FaceGeometry:
    r"""What coefficients do to a face, as small matrices: errors in millimetres without making a mesh.

    For a difference d of coefficients, the root mean square over the vertices of the face is
    :math:`\sqrt{d^\top G d} = \|R d\|` with the Gram matrix G of the modes and :math:`R^\top R = G`.

    Args:
        shape: (K + E, K + E), R of identity and expression; translation, rotation and scale of the whole face do not
            count, as in measures that align first.
        identity: (K, K), R of the identity alone, aligned likewise.
        albedo: (A, A), R of the logarithm of the albedo on the face, root mean square over vertices and channels.
        light: (9, 9), R of the shading on the face's normals.
        points: (L, 3) mm, landmarks of the mean face.
        modes: (K + E, 3L) mm, how the coefficients move them.
    """

    shape: Tensor
    identity: Tensor
    albedo: Tensor
    light: Tensor
    points: Tensor
    modes: Tensor

    __repr__ = short_repr

    @staticmethod
    def of(model: MorphableModel) -> FaceGeometry:
        """Of the shipped model, with its 68 and its 600 dense landmarks in this order.

        Raises:
            UsageError: a model on another mesh.
        """
        assert model.albedo is not None
        assert model.landmarks_68 is not None
        dense = dense_embedding(model)
        face = model.region("face")
        modes = torch.cat([model.identity, model.expression])
        aligned = _without_similarities(modes[:, face].double(), model.mean[face].double())
        count = int(face.sum())
        normals = vertex_normals(model.mean, model.triangles)[face].double()
        front = normals[normals[:, 2] > 0]

        def points(vertices: Tensor) -> Tensor:
            assert model.landmarks_68 is not None
            return torch.cat(
                [
                    model.landmarks_68.points(vertices, model.triangles),
                    dense.points(vertices, model.triangles),
                ],
                dim=-2,
            )

        return FaceGeometry(
            shape=_root(aligned / count**0.5),
            identity=_root(aligned[: model.identity_size] / count**0.5),
            albedo=_root(model.albedo.basis[:, face].flatten(1).double() / (3 * count) ** 0.5),
            light=_root(sh_basis(front).T / len(front) ** 0.5),
            points=points(model.mean),
            modes=points(modes).flatten(1),
        )

    def landmarks(
        self, identity: Tensor, expression: Tensor, rotation: Tensor, translation: Tensor, camera: Camera
    ) -> Tensor:
        """Projected landmarks.

        Args:
            identity, expression: (N, K), (N, E).
            rotation, translation: (N, 3), (N, 3) mm.
            camera: of the photo; its numbers may be tensors (N,).

        Returns:
            (N, L, 2) pixels.
        """
        moved = torch.cat([identity, expression], dim=-1) @ self.modes
        return camera.project(
            to_camera(self.points + moved.reshape(*moved.shape[:-1], -1, 3), rotation, translation)
        )

    def shape_error(self, identity: Tensor, expression: Tensor) -> Tensor:
        """(N,) mm from differences of the coefficients, root mean square over the vertices of the face."""
        return (torch.cat([identity, expression], dim=-1) @ self.shape.T).norm(dim=-1)

    def identity_error(self, identity: Tensor) -> Tensor:
        """(N,) mm from differences of the identity: the error of the neutral face."""
        return (identity @ self.identity.T).norm(dim=-1)

    def albedo_error(self, albedo: Tensor) -> Tensor:
        """(N,) root mean square error of the logarithm of the albedo."""
        return (albedo @ self.albedo.T).norm(dim=-1)

    def shading_error(self, light: Tensor) -> Tensor:
        """(N,) root mean square error of the shading, from differences of the light (N, 9, 3)."""
        return (self.light @ light).square().sum(dim=-2).mean(dim=-1).sqrt()


def _without_similarities(modes: Tensor, mean: Tensor) -> Tensor:
    """(K, 3V) modes (K, V, 3) less what small translations, rotations and scalings of the mean (V, 3) explain."""
    centred = mean - mean.mean(dim=0)
    x, y, z = centred.unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    fields = [
        (one, zero, zero), (zero, one, zero), (zero, zero, one),
        (zero, -z, y), (z, zero, -x), (-y, x, zero), (x, y, z),
    ]  # fmt: skip
    basis = torch.stack([torch.stack(parts, dim=-1).flatten() for parts in fields], dim=1)
    q, _ = torch.linalg.qr(basis)
    flat = modes.flatten(1)
    return flat - (flat @ q) @ q.T


def _root(rows: Tensor) -> Tensor:
    """(K, K) float32 R with RᵀR = rows · rowsᵀ, for (K, P)."""
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    return (values.clamp_min(0).sqrt()[:, None] * vectors.T).float()

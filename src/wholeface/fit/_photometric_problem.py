"""The photometric objective: residuals and analytic Jacobians at fixed points of the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from ..morphable import MorphableModel, Parameters
from ..render import rotation_matrix
from ._photometric_samples import FaceSamples

__all__ = ["PhotometricProblem", "State", "sh_with_gradient"]

_F64 = NDArray[np.float64]
_C0, _C1, _C2, _C20, _C22 = 0.2820948, 0.4886025, 1.0925484, 0.3153916, 0.5462742
_DARK = 0.02  # linear light below which a relative error means nothing


def sh_with_gradient(normals: _F64) -> tuple[_F64, _F64]:
    """The basis (P, 9) of :func:`wholeface.render.sh_basis` and its derivative (P, 9, 3) by the normal."""
    x, y, z = normals.T
    one, nil = np.ones_like(x), np.zeros_like(x)
    basis = np.stack(
        [
            _C0 * one,
            _C1 * y,
            _C1 * z,
            _C1 * x,
            _C2 * x * y,
            _C2 * y * z,
            _C20 * (3 * z * z - 1),
            _C2 * x * z,
            _C22 * (x * x - y * y),
        ],
        axis=1,
    )
    columns = (
        (nil, nil, nil),
        (nil, _C1 * one, nil),
        (nil, nil, _C1 * one),
        (_C1 * one, nil, nil),
        (_C2 * y, _C2 * x, nil),
        (nil, _C2 * z, _C2 * y),
        (nil, nil, 6 * _C20 * z),
        (_C2 * z, nil, _C2 * x),
        (2 * _C22 * x, -2 * _C22 * y, nil),
    )
    gradient = np.stack([np.stack(column, axis=1) for column in columns], axis=1)
    return basis, gradient


@dataclass(frozen=True)
class State:
    """One point of the search.

    Args:
        albedo: (A,) coefficients in standard deviations.
        light: (9, 3).
        identity: (K,).
        expression: (E,).
        rotation: (3, 3) model to camera.
        translation: (3,) mm.
    """

    albedo: _F64
    light: _F64
    identity: _F64
    expression: _F64
    rotation: _F64
    translation: _F64

    @staticmethod
    def of(parameters: Parameters) -> State:
        """From torch parameters of one face."""

        def copied(values: torch.Tensor) -> _F64:
            array: _F64 = values.detach().cpu().double().numpy().copy()
            return array

        return State(
            copied(parameters.albedo),
            copied(parameters.light),
            copied(parameters.identity),
            copied(parameters.expression),
            rotation_matrix(parameters.rotation.detach().cpu().double()).numpy(),
            copied(parameters.translation),
        )

    def moved(self, step: _F64, blocks: dict[str, slice], expression_range: _F64) -> State:
        """After a step in the problem's order; coefficients beyond those that are solved for stay.

        Expression coefficients stay where they were allowed to be: in ``expression_range`` (2, E) unless they
        started outside.
        """

        def added(values: _F64, name: str) -> _F64:
            change = step[blocks[name]]
            result = values.copy()
            result[: len(change)] += change
            return result

        turn = rotation_matrix(torch.from_numpy(step[blocks["rotation"]].copy())).numpy()
        return State(
            added(self.albedo, "albedo"),
            self.light + step[blocks["light"]].reshape(9, 3),
            added(self.identity, "identity"),
            np.clip(
                added(self.expression, "expression"),
                np.minimum(self.expression, expression_range[0, : len(self.expression)]),
                np.maximum(self.expression, expression_range[1, : len(self.expression)]),
            ),
            turn @ self.rotation,
            self.translation + step[blocks["translation"]],
        )


class PhotometricProblem:
    r"""Colours that the model gives its surface points, minus those that the photo shows where they project.

    .. math:: r_{pc} = \frac{a_{pc}(c)\,\Phi(n_p)\,\gamma_c - I_c(\pi(R\,v_p + t))}{\sigma\,(\bar I_p + d)}

    The points stay on the surface while it moves, so there is no rasterisation inside the search: the model's
    side changes by albedo, light and normals, the photo's side by the projected positions.

    Args:
        model: the face model.
        samples: the points.
        sizes: how many albedo, identity and expression coefficients are solved for.
        noise: σ, relative error of a colour.
    """

    def __init__(
        self, model: MorphableModel, samples: FaceSamples, sizes: tuple[int, int, int], noise: float
    ) -> None:
        self.samples = samples
        self.albedo_size, self.identity_size, self.expression_size = sizes
        prior = model.prior
        self.expression_range = torch.stack([prior.lower, prior.upper]).double().numpy()  # (2, E)
        self.albedo_precision = model.albedo_prior.precision[: self.albedo_size].double().numpy()  # (A',)
        used = np.unique(samples.corners)
        around = np.zeros(model.vertex_count, dtype=bool)
        around[used] = True
        triangles = model.triangles.numpy()
        # A vertex's normal needs every triangle that touches it, and those triangles' other corners.
        touching = triangles[around[triangles].any(axis=1)]
        self._vertices = np.unique(touching)
        renumber = np.full(model.vertex_count, -1)
        renumber[self._vertices] = np.arange(len(self._vertices))
        self._triangles = renumber[touching]
        self._corners = renumber[samples.corners]
        self._used = renumber[used]
        pick = torch.from_numpy(self._vertices)
        self._mean = model.mean[pick].double().numpy()
        self._identity_all = model.identity[:, pick].numpy()
        self._expression_all = model.expression[:, pick].numpy()
        count, faces = len(self._vertices), len(self._triangles)
        # Modes as (K, V', 3), solved ones only.
        self._modes = np.concatenate(
            [self._identity_all[: self.identity_size], self._expression_all[: self.expression_size]]
        ).astype(np.float32)
        first = self._modes[:, self._triangles[:, 0]]
        self._mode_edge1 = self._modes[:, self._triangles[:, 1]] - first
        self._mode_edge2 = self._modes[:, self._triangles[:, 2]] - first
        self._sum_faces = sparse.csr_matrix(
            (
                np.ones(3 * faces, dtype=np.float32),
                (self._triangles.T.ravel(), np.tile(np.arange(faces), 3)),
            ),
            shape=(count, faces),
        )
        self._albedo = None
        if model.albedo is not None:
            self._albedo = (
                model.albedo,
                model.albedo.mean[pick].double().numpy(),
                model.albedo.basis[:, pick].numpy(),
            )
        b = samples.barycentric
        rows = np.repeat(np.arange(len(b)), 3)
        self._spread = sparse.csr_matrix((b.ravel(), (rows, self._corners.ravel())), shape=(len(b), count))
        self.blocks = self._layout()
        self.size = self.blocks["translation"].stop
        self._noise = noise
        self._scale: _F64 | None = None

    def _layout(self) -> dict[str, slice]:
        sizes = {
            "albedo": self.albedo_size,
            "light": 27,
            "identity": self.identity_size,
            "expression": self.expression_size,
            "rotation": 3,
            "translation": 3,
        }
        blocks, start = {}, 0
        for name, size in sizes.items():
            blocks[name] = slice(start, start + size)
            start += size
        return blocks

    def start(self, state: State) -> None:
        """Fixes the scale of the relative errors from the photo as the starting pose sees it."""
        colour, _ = self._observed(self._camera_points(self._shape(state), state))
        self._scale = self._noise * (colour.mean(axis=1, keepdims=True) + _DARK)

    def residual(self, state: State) -> _F64:
        """(P, 3)."""
        shape = self._shape(state)
        normals = self._spread @ self._vertex_normals(shape)[0]
        normals = _unit(normals)[0] @ state.rotation.T
        basis, _ = sh_with_gradient(normals)
        predicted = (self._spread @ self._albedo_at_vertices(state)[0]) * (basis @ state.light)
        observed, _ = self._observed(self._camera_points(shape, state))
        assert self._scale is not None
        difference: _F64 = (predicted - observed) / self._scale
        return difference

    def colours(self, state: State) -> tuple[_F64, _F64, _F64]:
        """SH basis (P, 9), albedo (P, 3) and observed colours (P, 3): what a light is fitted to."""
        shape = self._shape(state)
        normals = _unit(self._spread @ self._vertex_normals(shape)[0])[0] @ state.rotation.T
        observed, _ = self._observed(self._camera_points(shape, state))
        return sh_with_gradient(normals)[0], self._spread @ self._albedo_at_vertices(state)[0], observed

    def linearised(self, state: State) -> tuple[_F64, NDArray[np.float32]]:
        """Residuals (P, 3) and their Jacobian (P, 3, size) with respect to :attr:`blocks`."""
        shape = self._shape(state)
        unit, length, edge1, edge2 = self._vertex_normals(shape)
        smooth = self._spread @ unit  # (P, 3) model space, not unit
        normal_model, smooth_length = _unit(smooth)
        normal = normal_model @ state.rotation.T
        basis, basis_gradient = sh_with_gradient(normal)
        shading = basis @ state.light
        vertex_albedo, albedo_slope = self._albedo_at_vertices(state)
        albedo = self._spread @ vertex_albedo
        points = self._camera_points(shape, state)
        observed, slope = self._observed(points)
        assert self._scale is not None
        jacobian = np.zeros((len(points), 3, self.size), dtype=np.float32)

        if self.albedo_size and self._albedo is not None:
            # da_pc/dc_k = Σ_j b_pj g'(·)_jc B_kjc
            change = albedo_slope[None] * self._albedo[2][: self.albedo_size]
            spread = self._spread.astype(np.float32) @ change.astype(np.float32).transpose(1, 2, 0).reshape(
                len(vertex_albedo), -1
            )
            jacobian[:, :, self.blocks["albedo"]] = spread.reshape(len(points), 3, -1) * shading[:, :, None]

        light = jacobian[:, :, self.blocks["light"]].reshape(len(points), 3, 9, 3)
        for c in range(3):
            light[:, c, :, c] = albedo[:, c, None] * basis
        jacobian[:, :, self.blocks["light"]] = light.reshape(len(points), 3, 27)

        # ∂(a Φ(n) γ)/∂n, then back through the normalisation at the pixel to the sum of vertex normals.
        by_normal = albedo[:, :, None] * np.einsum("pbx,bc->pcx", basis_gradient, state.light)  # (P, 3, 3)
        by_model_normal = by_normal @ state.rotation
        tangent = (
            by_model_normal
            - (by_model_normal * normal_model[:, None]).sum(-1, keepdims=True) * normal_model[:, None]
        )
        tangent = tangent / smooth_length[:, None, None]
        # ∂I/∂x through the projection, camera space and model space
        by_point = np.einsum("pcd,pdx->pcx", slope, self._projection(points))
        by_model_point = by_point @ state.rotation

        vertex_change = self._normal_modes(unit, length, edge1, edge2)  # (V', 3, K)
        modes = slice(self.blocks["identity"].start, self.blocks["expression"].stop)
        if modes.stop > modes.start:
            spread = self._spread.astype(np.float32)
            count = modes.stop - modes.start
            normal_change = (spread @ vertex_change.reshape(len(vertex_change), -1)).reshape(-1, 3, count)
            point_change = (spread @ self._modes.transpose(1, 2, 0).reshape(len(unit), -1)).reshape(
                -1, 3, count
            )
            jacobian[:, :, modes] = tangent.astype(np.float32) @ normal_change
            jacobian[:, :, modes] -= by_model_point.astype(np.float32) @ point_change

        # Rotation by a small vector w on the camera side: dx = w × (R v), dn = w × n
        turned = points - state.translation
        jacobian[:, :, self.blocks["rotation"]] = np.cross(normal[:, None], by_normal) - np.cross(
            turned[:, None], by_point
        )
        jacobian[:, :, self.blocks["translation"]] = -by_point
        jacobian /= self._scale[:, :, None].astype(np.float32)
        return (albedo * shading - observed) / self._scale, jacobian

    # The model's side

    def _shape(self, state: State) -> _F64:
        shape = self._mean.copy()
        shape += np.tensordot(state.identity, self._identity_all[: len(state.identity)], axes=1)
        shape += np.tensordot(state.expression, self._expression_all[: len(state.expression)], axes=1)
        return shape

    def _vertex_normals(self, shape: _F64) -> tuple[_F64, _F64, _F64, _F64]:
        """Unit normals (V', 3), lengths (V',) of the sums, and the triangles' edges."""
        first = shape[self._triangles[:, 0]]
        edge1, edge2 = shape[self._triangles[:, 1]] - first, shape[self._triangles[:, 2]] - first
        unit, length = _unit(self._sum_faces @ np.cross(edge1, edge2))
        return unit, length, edge1, edge2

    def _normal_modes(self, unit: _F64, length: _F64, edge1: _F64, edge2: _F64) -> NDArray[np.float32]:
        """(V', 3, K) derivatives of the unit vertex normals by the shape modes."""
        e1, e2 = edge1.astype(np.float32), edge2.astype(np.float32)
        change = np.cross(self._mode_edge1, e2) + np.cross(e1, self._mode_edge2)  # (K, F', 3)
        total = self._sum_faces @ change.transpose(1, 2, 0).reshape(change.shape[1], -1)
        total = total.reshape(len(unit), 3, -1) / length[:, None, None].astype(np.float32)
        along = np.einsum("vx,vxk->vk", unit.astype(np.float32), total)
        result: NDArray[np.float32] = total - unit.astype(np.float32)[:, :, None] * along[:, None]
        return result

    def _albedo_at_vertices(self, state: State) -> tuple[_F64, _F64]:
        """Linear albedo (V', 3) and its derivative by the values in the model's albedo space."""
        if self._albedo is None:
            grey = np.full(self._mean.shape, 0.5)
            return grey, np.zeros_like(grey)
        statistics, mean, basis = self._albedo
        values = mean + np.tensordot(state.albedo, basis[: len(state.albedo)], axes=1)
        linear = statistics.to_linear(torch.from_numpy(values)).numpy()
        if statistics.space == "log":
            return linear, linear
        if statistics.space == "linear":
            return linear, (values > 0).astype(np.float64)
        slope = np.where(
            values <= 0.04045, 1 / 12.92, 2.4 / 1.055 * ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 1.4
        )
        return linear, np.where(values > 0, slope, 0.0)

    # The photo's side

    def _camera_points(self, shape: _F64, state: State) -> _F64:
        points: _F64 = (self._spread @ shape) @ state.rotation.T + state.translation
        return points

    def _observed(self, points: _F64) -> tuple[_F64, _F64]:
        camera = self.samples.photo.camera
        return self.samples.photo.at(camera.project(torch.from_numpy(points)).numpy())

    def _projection(self, points: _F64) -> _F64:
        """(P, 2, 3) derivative of the projection: u = cx + f x/(−z), v = cy − f y/(−z)."""
        focal = float(self.samples.photo.camera.focal)
        x, y, z = points.T
        nil = np.zeros_like(x)
        u = np.stack([-focal / z, nil, focal * x / z**2], axis=1)
        v = np.stack([nil, focal / z, -focal * y / z**2], axis=1)
        return np.stack([u, v], axis=1)


def _unit(vectors: _F64) -> tuple[_F64, _F64]:
    length = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return vectors / length[:, None], length

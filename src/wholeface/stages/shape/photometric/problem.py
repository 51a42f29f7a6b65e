"""The photometric objective: residuals and analytic Jacobians at fixed points of the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from ....core.spherical_harmonics import C0, C1, C2, C20, C22
from ....core.srgb import decode_slope
from ....morphable import MorphableModel, Parameters
from ....render import rotation_matrix
from ._kernels import normal_modes, normal_sums, sample_rows
from .samples import FaceSamples

__all__ = ["PhotometricProblem", "State", "sh_with_gradient"]

_F64 = NDArray[np.float64]
_DARK = 0.02  # linear light below which a relative error means nothing


def sh_values(normals: _F64) -> _F64:
    """The basis (P, 9) of :func:`wholeface.render.sh_basis`."""
    x, y, z = normals.T
    basis = np.empty((len(normals), 9))
    basis[:, 0] = C0
    basis[:, 1], basis[:, 2], basis[:, 3] = C1 * y, C1 * z, C1 * x
    basis[:, 4], basis[:, 5], basis[:, 7] = C2 * x * y, C2 * y * z, C2 * x * z
    basis[:, 6] = C20 * (3 * z * z - 1)
    basis[:, 8] = C22 * (x * x - y * y)
    return basis


def sh_with_gradient(normals: _F64) -> tuple[_F64, _F64]:
    """:func:`sh_values` and their derivatives (P, 9, 3) by the normal."""
    x, y, z = normals.T
    one, nil = np.ones_like(x), np.zeros_like(x)
    columns = (
        (nil, nil, nil),
        (nil, C1 * one, nil),
        (nil, nil, C1 * one),
        (C1 * one, nil, nil),
        (C2 * y, C2 * x, nil),
        (nil, C2 * z, C2 * y),
        (nil, nil, 6 * C20 * z),
        (C2 * z, nil, C2 * x),
        (2 * C22 * x, -2 * C22 * y, nil),
    )
    gradient = np.stack([np.stack(column, axis=1) for column in columns], axis=1)
    return sh_values(normals), gradient


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
        pick = torch.from_numpy(self._vertices)
        self._mean = model.mean[pick].double().numpy()
        self._identity_all = model.identity[:, pick].numpy()
        self._expression_all = model.expression[:, pick].numpy()
        # Solved modes with the mode as the last axis, as the loops over them run: (V', 3, K).
        self._modes = np.ascontiguousarray(
            np.concatenate(
                [self._identity_all[: self.identity_size], self._expression_all[: self.expression_size]]
            ).transpose(1, 2, 0),
            dtype=np.float32,
        )
        self._solved = _rows(self._modes.transpose(2, 0, 1))
        self._albedo = None
        self._albedo_modes = np.zeros((len(self._vertices), 3, 0), np.float32)
        if model.albedo is not None:
            basis = model.albedo.basis[:, pick].numpy()
            self._albedo = (model.albedo, model.albedo.mean[pick].double().numpy(), basis)
            self._albedo_modes = np.ascontiguousarray(
                basis[: self.albedo_size].transpose(1, 2, 0), dtype=np.float32
            )
            self._albedo_solved = _rows(basis[: self.albedo_size])
        self._rest: tuple[State, _F64, _F64] | None = None
        count = len(self._vertices)
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
        basis = sh_values(normals)
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
        return sh_values(normals), self._spread @ self._albedo_at_vertices(state)[0], observed

    def linearised(self, state: State) -> tuple[_F64, NDArray[np.float32]]:
        """Residuals (P, 3) and their Jacobian (P, 3, size) with respect to :attr:`blocks`."""
        shape = self._shape(state)
        unit, length = self._vertex_normals(shape)
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

        light = jacobian[:, :, self.blocks["light"]].reshape(len(points), 3, 9, 3)
        for c in range(3):
            light[:, c, :, c] = albedo[:, c, None] * basis
        jacobian[:, :, self.blocks["light"]] = light.reshape(len(points), 3, 27)

        # ∂(a Φ(n) γ)/∂n, then back through the normalisation at the pixel to the sum of vertex normals.
        by_normal = albedo[:, :, None] * (state.light.T @ basis_gradient)  # (P, 3, 3)
        by_model_normal = by_normal @ state.rotation
        tangent = (
            by_model_normal
            - (by_model_normal * normal_model[:, None]).sum(-1, keepdims=True) * normal_model[:, None]
        )
        tangent = tangent / smooth_length[:, None, None]
        # ∂I/∂x through the projection, camera space and model space
        by_point = slope @ self._projection(points)
        by_model_point = by_point @ state.rotation

        vertex_change = np.empty_like(self._modes)
        normal_modes(shape, self._triangles, self._modes, unit, length, vertex_change)
        sample_rows(
            self._corners,
            self.samples.barycentric,
            self._albedo_modes,
            albedo_slope,
            shading,
            tangent,
            vertex_change,
            self._modes,
            by_model_point,
            self.blocks["albedo"].start,
            self.blocks["identity"].start,
            jacobian,
        )

        # Rotation by a small vector w on the camera side: dx = w × (R v), dn = w × n
        turned = points - state.translation
        jacobian[:, :, self.blocks["rotation"]] = np.cross(normal[:, None], by_normal) - np.cross(
            turned[:, None], by_point
        )
        jacobian[:, :, self.blocks["translation"]] = -by_point
        jacobian /= self._scale[:, :, None].astype(np.float32)
        return (albedo * shading - observed) / self._scale, jacobian

    # The model's side

    def _fixed(self, state: State) -> tuple[State, _F64, _F64]:
        """A state, and the shape and albedo values that it has without the coefficients that are solved for.

        The others never change during a search, so their sum is kept until a state with others comes.
        """
        rest = self._rest
        if rest is None or not self._same_rest(rest[0], state):
            identity, expression = state.identity.copy(), state.expression.copy()
            identity[: self.identity_size] = 0
            expression[: self.expression_size] = 0
            shape = self._mean.copy()
            for values, modes in ((identity, self._identity_all), (expression, self._expression_all)):
                used = np.flatnonzero(values)
                shape += np.tensordot(values[used], modes[used].astype(np.float64), axes=1)
            albedo = np.zeros_like(self._mean)
            if self._albedo is not None:
                _, mean, basis = self._albedo
                values = state.albedo.copy()
                values[: self.albedo_size] = 0
                used = np.flatnonzero(values)
                albedo = mean + np.tensordot(values[used], basis[used].astype(np.float64), axes=1)
            rest = self._rest = state, shape, albedo
        return rest

    def _same_rest(self, one: State, other: State) -> bool:
        return (
            np.array_equal(one.identity[self.identity_size :], other.identity[self.identity_size :])
            and np.array_equal(
                one.expression[self.expression_size :], other.expression[self.expression_size :]
            )
            and np.array_equal(one.albedo[self.albedo_size :], other.albedo[self.albedo_size :])
        )

    def _shape(self, state: State) -> _F64:
        solved = np.concatenate(
            [state.identity[: self.identity_size], state.expression[: self.expression_size]]
        )
        shape: _F64 = self._fixed(state)[1] + (solved @ self._solved).reshape(-1, 3)
        return shape

    def _vertex_normals(self, shape: _F64) -> tuple[_F64, _F64]:
        """Unit normals (V', 3) and lengths (V',) of the sums over the triangles."""
        sums = np.empty_like(shape)
        normal_sums(shape, self._triangles, sums)
        return _unit(sums)

    def _albedo_at_vertices(self, state: State) -> tuple[_F64, _F64]:
        """Linear albedo (V', 3) and its derivative by the values in the model's albedo space."""
        if self._albedo is None:
            grey = np.full(self._mean.shape, 0.5)
            return grey, np.zeros_like(grey)
        statistics = self._albedo[0]
        solved = state.albedo[: self.albedo_size] @ self._albedo_solved
        values = self._fixed(state)[2] + solved.reshape(-1, 3)
        if statistics.space == "log":
            linear = np.exp(values)
            return linear, linear
        linear = statistics.to_linear(torch.from_numpy(values)).numpy()
        if statistics.space == "linear":
            return linear, (values > 0).astype(np.float64)
        slope = decode_slope(values)
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


def _rows(modes: NDArray[np.float32]) -> _F64:
    """(K, 3 V) float64 of modes (K, V, 3)."""
    return np.ascontiguousarray(modes, dtype=np.float64).reshape(len(modes), 3 * modes.shape[1])


def _unit(vectors: _F64) -> tuple[_F64, _F64]:
    length = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    return vectors / length[:, None], length

"""Heads of several origins: the model's own statistics, MakeHuman's people, and heads stretched by smooth fields.

The shape of a rendered sample need not lie in the span of the model's modes: its landmarks follow the vertices, and
its ``identity`` is the projection onto the modes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable import MorphableModel
from ...modelling.geometry.makehuman.origin import MakeHumanHeads, held_out, load_makehuman
from ...modelling.geometry.origins_stage import faces_of, topology_of

__all__ = ["ORIGINS", "Heads", "check_origins", "stretched"]

Floats = NDArray[np.float64]

ORIGINS = ("model", "makehuman", "stretched")
_VARIANCE = 0.003  # mm², of what the modes leave of a head
_LEAST = (25.0, 80.0)  # mm, wavelength / 2π of the fields
_WAVES = 12
_AMPLITUDE = (0.5, 3.0)  # mm, root of the mean square of the displacement
_AXES = 0.04  # standard deviation of the logarithm of the stretch along each axis
_LOPSIDED = 0.2  # share of the field that differs between the halves
_EYE = 18.0  # mm


def check_origins(origins: Mapping[str, float]) -> None:
    """Refuse weights that say nothing.

    Raises:
        UsageError: an unknown origin, a negative weight, or no positive one.
    """
    unknown = sorted(set(origins) - set(ORIGINS))
    if unknown:
        raise UsageError(f"unknown origin of heads {', '.join(unknown)}: choose from {', '.join(ORIGINS)}")
    if min(origins.values(), default=0.0) < 0 or sum(origins.values()) <= 0:
        raise UsageError(
            f"origins of heads need weights that are not negative and not all 0, got {dict(origins)}"
        )


@dataclass(frozen=True)
class Heads:
    """Draws heads on the shipped mesh.

    Args:
        model: the face model.
        testing: draw MakeHuman's people of the combinations that are kept out of the statistics and of training;
            else of all others.
    """

    model: MorphableModel
    testing: bool

    def draw(self, origin: str, rng: np.random.Generator, spread: float) -> tuple[Floats, Floats]:
        """A head without expression.

        Args:
            origin: one of ``ORIGINS``.
            spread: standard deviation of the identity coefficients, where they are drawn.

        Returns:
            (V, 3) mm, and (K,) its projection onto the model's modes.
        """
        if origin == "makehuman":
            person = self._makehuman.somebody(rng)
            while held_out(person) != self.testing:
                person = self._makehuman.somebody(rng)
            shape = self._makehuman.head(person)
        else:
            amounts = np.clip(rng.normal(0.0, spread, self.model.identity_size), -3, 3)
            shape = self._mean + np.tensordot(amounts, self._modes, axes=1)
            if origin == "model":
                return shape, amounts
            shape = stretched(shape, self._mean, self._eyeballs, self._mirror, rng)
        return shape, self._projection @ (shape - self._mean).ravel()

    @cached_property
    def _mean(self) -> Floats:
        return np.asarray(self.model.mean.double().numpy())

    @cached_property
    def _modes(self) -> Floats:
        return np.asarray(self.model.identity.double().numpy())

    @cached_property
    def _eyeballs(self) -> NDArray[np.bool_]:
        return np.asarray(self.model.regions["eyeballs"].numpy())

    @cached_property
    def _mirror(self) -> NDArray[np.int64]:
        assert self.model.mirror is not None
        return np.asarray(self.model.mirror.numpy())

    @cached_property
    def _projection(self) -> Floats:
        """(K, 3V) from offsets to coefficients; see :func:`coefficients_of`."""
        faces = faces_of(self.model)
        weight = np.repeat(faces.weight / faces.area.sum(), 3)
        modes = self._modes.reshape(len(self._modes), -1)
        system = (modes * weight) @ modes.T + _VARIANCE * np.eye(len(modes))
        return np.asarray(np.linalg.solve(system, modes * weight))

    @cached_property
    def _makehuman(self) -> MakeHumanHeads:
        return load_makehuman(topology_of(self.model))


def stretched(
    shape: Floats,
    mean: Floats,
    eyeballs: NDArray[np.bool_],
    mirror: NDArray[np.int64],
    rng: np.random.Generator,
) -> Floats:
    r"""A head whose proportions are changed by a smooth field.

    .. math:: d(x) = \sum_j a_j \sin(k_j \cdot x + p_j), \quad |k_j|^{-1} \in [25, 80] \text{ mm}

    read on the mean head, so that corresponding points of all heads move alike; and a stretch along each axis.

    Args:
        shape: (V, 3) mm; ``mean``: (V, 3) mm.
        eyeballs: (V,) bool: these move as a whole and stay round.
        mirror: (V,) index.
    """
    shortest, longest = (float(value) for value in np.log(_LEAST))
    length = np.exp(rng.uniform(shortest, longest, _WAVES))
    ways = rng.normal(size=(_WAVES, 3))
    waves = ways / np.linalg.norm(ways, axis=1, keepdims=True) / length[:, None]
    amounts = rng.normal(size=(_WAVES, 3)) * (length / _LEAST[1])[:, None]
    places = mean.copy()
    sides = [eyeballs & (mean[:, 0] * side > 0) for side in (-1.0, 1.0)]
    for eye in sides:
        places[eye] = mean[eye].mean(axis=0)
    near = np.full(len(mean), np.inf)
    for eye in sides:
        if eye.any():
            near = np.minimum(near, np.linalg.norm(mean - mean[eye].mean(axis=0), axis=1))
    field = np.sin(places @ waves.T + rng.uniform(0, 2 * np.pi, _WAVES)) @ amounts
    # Lids follow the eyeball that they lie on.
    close = np.exp(-0.5 * (np.maximum(near - _EYE, 0.0) / 8.0) ** 2)[:, None]
    middle = np.zeros_like(field)
    for eye, side in zip(sides, (-1.0, 1.0), strict=True):
        middle[mean[:, 0] * side > 0] = field[eye].mean(axis=0)
    field = np.where(close > 0.01, close * middle + (1 - close) * field, field)
    flipped = field[mirror] * [-1.0, 1.0, 1.0]
    field = 0.5 * (field + flipped) + _LOPSIDED * 0.5 * (field - flipped)
    field *= rng.uniform(*_AMPLITUDE) / max(float(np.sqrt((field**2).sum(axis=1).mean())), 1e-9)
    stretch = np.exp(rng.normal(0.0, _AXES, 3))
    moved = mean * (stretch - 1.0)
    for eye in sides:
        moved[eye] = moved[eye].mean(axis=0)
    return np.asarray(shape + field + moved)

"""Who looks like whom, and has folds like whose: unit vectors that are compared by their cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ...state import FaceState

__all__ = ["DEFAULT_EMBEDDING", "CoefficientEmbedding", "ReliefEmbedding"]


@runtime_checkable
class ReliefEmbedding(Protocol):
    """What tells how similar two subjects are, whatever hides a part of one of them.

    A face-recognition network is one, wrapped in a few lines: cut the face out of ``face.photo`` by
    ``face.landmarks``, and return the network's feature. References and faces must be embedded by the same.

    Attributes:
        name: what a set of references says it was made with; another name is another embedding.
    """

    @property
    def name(self) -> str:
        """What a set of references says it was made with."""
        ...

    def __call__(self, face: FaceState, /) -> NDArray[np.floating]:
        """(D,) feature of a face with ``fit`` and ``bump``; only its direction counts."""
        ...


@dataclass(frozen=True)
class CoefficientEmbedding:
    """The fitted model's own coefficients: identity and albedo modes, each in standard deviations, strongest first,
    and the expression, because a smile folds whoever smiles.

    The fit is robust against occluders, and so is this. Of the face's shape a set of references keeps no more than
    the proportions of these few modes. Coefficients of different face models cannot be compared.

    Args:
        identity: number of identity modes.
        albedo: number of albedo modes.
        albedo_weight: of an albedo mode against an identity mode.
        expression_weight: of a full expression against a standard deviation of the identity.
    """

    identity: int = 24
    albedo: int = 12
    albedo_weight: float = 1.0
    expression_weight: float = 4.0

    @property
    def name(self) -> str:
        """See :class:`ReliefEmbedding`."""
        return (
            f"coefficients: {self.identity} identity, {self.albedo} albedo × {self.albedo_weight:g}, "
            f"expression × {self.expression_weight:g}"
        )

    def __call__(self, face: FaceState) -> NDArray[np.float32]:
        """See :class:`ReliefEmbedding`.

        Raises:
            UsageError: the face has no fit.
        """
        if face.fit is None:
            raise UsageError("the embedding of coefficients needs the slot 'fit' of a face")
        parameters = face.fit.parameters
        identity = _first(parameters.identity.detach().cpu().numpy(), self.identity)
        albedo = _first(parameters.albedo.detach().cpu().numpy(), self.albedo)
        parts = [identity, self.albedo_weight * albedo]
        if self.expression_weight:
            parts.append(self.expression_weight * parameters.expression.detach().cpu().numpy())
        return unit(np.concatenate(parts))


DEFAULT_EMBEDDING: ReliefEmbedding = CoefficientEmbedding()
"""With which the shipped set was made."""


def _first(values: NDArray[np.floating], count: int) -> NDArray[np.floating]:
    return np.pad(values[:count], (0, max(0, count - len(values))))


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    """The direction of a vector; of nothing, nothing."""
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length > 0 else vector, np.float32)

"""Modes of a second origin behind those of the first, and directions of age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Faces", "age_directions", "coefficients_of", "further_modes", "reconstruction_error"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FLIP = np.array([-1.0, 1.0, 1.0])
_CAUTION = 0.3  # mm², variance of what the first modes need not explain of a head; chosen on held-out heads
_EXACT = 0.003  # mm², the same where a head is to be described by its coefficients
_ADULT = 18.0  # years


@dataclass(frozen=True)
class Faces:
    """Where shapes are compared.

    Args:
        mean: (V, 3) mm.
        area: (V,) mm² of the face around each vertex, 0 elsewhere.
        weight: (V,) the vertices' weights in the statistics.
        mirror: (V,) index.
    """

    mean: Floats
    area: Floats
    weight: Floats
    mirror: Ints


def coefficients_of(heads: Floats, identity: Floats, faces: Faces, variance: float = _EXACT) -> Floats:
    """(H, K) coefficients of heads, least squares on the weighted vertices with the modes' unit prior.

    Args:
        heads: (H, V, 3) mm.
        identity: (K, V, 3) mm.
        variance: mm², of what the modes leave over.
    """
    root = np.sqrt(faces.weight / faces.area.sum())[:, None]
    modes = (identity * root).reshape(len(identity), -1)
    offsets = ((heads - faces.mean) * root).reshape(len(heads), -1)
    system = modes @ modes.T + variance * np.eye(len(modes))
    return np.asarray(np.linalg.solve(system, modes @ offsets.T).T)


def further_modes(heads: Floats, identity: Floats, faces: Faces, count: int, share: float) -> Floats:
    """(count, V, 3) mm, symmetric modes of what the first modes leave of other heads at likely coefficients.

    The first modes stay as they are, so that coefficients of a model without the further ones keep their meaning.

    Args:
        heads: (H, V, 3) mm; their mirror images count too.
        identity: (K, V, 3) mm, the first modes.
        count: number of modes.
        share: of the heads' second moment that becomes the modes' variance.
    """
    left = (
        heads - faces.mean - np.tensordot(coefficients_of(heads, identity, faces, _CAUTION), identity, axes=1)
    )
    left = 0.5 * (left + left[:, faces.mirror] * _FLIP)
    flat = (left * np.sqrt(faces.weight)[:, None]).reshape(len(left), -1)
    strength, vectors = np.linalg.eigh(flat @ flat.T / len(left))
    best = np.argsort(-strength, kind="stable")[:count]
    modes = np.tensordot(vectors[:, best].T, left, axes=1) * np.sqrt(share / len(left))
    on = modes[:, faces.area > 0].reshape(count, -1)
    sign = np.sign(on[np.arange(count), np.abs(on).argmax(axis=1)])
    return np.asarray(modes * sign[:, None, None])


def reconstruction_error(
    heads: Floats, identity: Floats, faces: Faces, *, points: int | None, noise: float, seed: int
) -> float:
    """RMS distance in mm of corresponding face points after the best similarity, mean over heads.

    Maximum a posteriori coefficients with the modes' unit prior; pose and size are free.

    Args:
        points: known points, drawn from the face; None = all of them.
        noise: mm, standard deviation that the fit assumes of each known coordinate.
        seed: of the points.
    """
    on = np.flatnonzero(faces.area > 0)
    known = on if points is None else np.random.default_rng(seed).choice(on, points, replace=False)
    mean, axes = faces.mean, np.eye(3)
    motions = np.stack(
        [np.broadcast_to(e, mean.shape) for e in axes]
        + [np.cross(e, mean) for e in axes]
        + [mean - mean[on].mean(axis=0)]
    )
    basis = np.concatenate([identity, motions])
    prior = np.concatenate([np.ones(len(identity)), np.full(len(motions), 1e-9)])
    offsets = heads - mean
    a = basis[:, known].reshape(len(basis), -1)
    found = np.linalg.solve(
        a @ a.T / noise**2 + np.diag(prior), a @ offsets[:, known].reshape(len(heads), -1).T / noise**2
    )
    root = np.sqrt(faces.area[on] / faces.area.sum())[:, None]
    error = ((np.tensordot(found.T, basis[:, on], axes=1) - offsets[:, on]) * root).reshape(len(heads), -1).T
    free = (motions[:, on] * root).reshape(len(motions), -1).T
    error = error - free @ np.linalg.lstsq(free, error, rcond=None)[0]
    return float(np.sqrt((error**2).sum(axis=0)).mean())


def age_directions(
    coefficients: Floats, years: Floats, held_out: NDArray[np.bool_]
) -> tuple[dict[str, Floats], dict[str, float]]:
    """How the identity changes with age: ``age`` per ten years of adults, ``childhood`` per year younger than 18.

    Args:
        coefficients: (H, K) of people; ``years``: (H,) their ages.
        held_out: (H,) bool, those on whom the correlations are measured.

    Returns:
        Directions (K,), and the correlation of true age and age read from the coefficients of held-out people.
    """
    directions, correlations = {}, {}
    for name, chosen, amount in (
        ("age", years >= _ADULT, (years - _ADULT) / 10.0),
        ("childhood", years < _ADULT, _ADULT - years),
    ):
        learn, test = chosen & ~held_out, chosen & held_out
        c, t = coefficients[learn], amount[learn]
        centred, about = c - c.mean(axis=0), t - t.mean()
        directions[name] = centred.T @ about / (about @ about)
        # The reader: ridge regression of age on the coefficients.
        reader = np.linalg.solve(centred.T @ centred + len(c) * 0.05 * np.eye(c.shape[1]), centred.T @ about)
        correlations[name] = float(np.corrcoef(coefficients[test] @ reader, amount[test])[0, 1])
    return directions, correlations

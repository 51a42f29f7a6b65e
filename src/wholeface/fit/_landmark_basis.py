"""What a landmark fit needs of a face model, as float64 arrays, prepared once per model and scheme."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import UsageError
from ..morphable import Embedding, MorphableModel
from ..perceive.landmarks import LANDMARK_COUNTS, LandmarkScheme
from ._landmark_contour import IBUG68_CONTOUR, contour_candidates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LandmarkBasis:
    r"""Landmarks as a linear function of the coefficients: :math:`p_l = m_l + I_l α + E_l ε`.

    ``L`` landmarks, of which ``C`` contour ones may slide along ``M`` candidate points each.

    Args:
        mean: (L, 3) mm.
        basis: (L, 3, K + E) identity then expression.
        valid: (L,) bool, landmarks that have a place on the mesh.
        contour: (C,) indices of sliding landmarks.
        candidate_mean: (C, M, 3) mm; candidate 0 is the landmark's own place.
        candidate_basis: (C, M, 3, K + E).
        sigma: (L, 2) mm, noise across and along the face's own x and y axis in the image.
        sigma_hidden: (L, 2) mm, the same for points behind an occluder.
        modes: (L, 2, Q) mm, directions of correlated noise at one standard deviation.
        identity_size: K.
        expression_rate: (E,) rate of the exponential prior of each expression weight.
        expression_precision: (E, E) of the Gaussian part of their prior.
        centre: (3,) mm, middle of the face.
    """

    mean: Array
    basis: Array
    valid: NDArray[np.bool_]
    contour: NDArray[np.int64]
    candidate_mean: Array
    candidate_basis: Array
    sigma: Array
    sigma_hidden: Array
    modes: Array
    identity_size: int
    expression_rate: Array
    expression_precision: Array
    centre: Array

    @property
    def expression_size(self) -> int:
        """Number of expression weights E."""
        return int(self.basis.shape[2]) - self.identity_size


_cache: dict[tuple[int, str], tuple[weakref.ref[MorphableModel], LandmarkBasis]] = {}
_lock = threading.Lock()


def landmark_basis(model: MorphableModel, scheme: LandmarkScheme) -> LandmarkBasis:
    """The (cached) basis of one model and landmark scheme.

    Raises:
        UsageError: the model does not know where these landmarks lie.
    """
    key = (id(model), scheme)
    with _lock:
        held = _cache.get(key)
        if held is not None and held[0]() is model:
            return held[1]
        for stale in [k for k, (ref, _) in _cache.items() if ref() is None]:
            del _cache[stale]
        built = _build(model, scheme)
        _cache[key] = (weakref.ref(model), built)
        return built


def _build(model: MorphableModel, scheme: LandmarkScheme) -> LandmarkBasis:
    embedding = model.landmarks_478 if scheme == "mediapipe478" else model.landmarks_68
    if embedding is None:
        raise UsageError(
            f"face model {model.name!r} has no embedding of the {scheme} landmarks; "
            "use another landmark scheme or calibrate the model"
        )
    count = LANDMARK_COUNTS[scheme]
    if len(embedding) != count:
        raise UsageError(f"face model {model.name!r} embeds {len(embedding)} {scheme} landmarks, expected {count}")
    valid = torch.isfinite(embedding.barycentric).all(dim=1).cpu()
    embedding = Embedding(embedding.triangle, torch.nan_to_num(embedding.barycentric))
    mean, basis = _embed(model, embedding)
    response = _extra(model, f"landmarks_{count}_response", (count, 3, None))
    if response is not None:  # the detector's own mean shift and its response to each mode
        mean = mean + response[:, :, 0]
        size = min(basis.shape[2], response.shape[2] - 1)
        basis[:, :, :size] += response[:, :, 1 : 1 + size]
    # Measured on renderings: MediaPipe's oval points stay on their place on the head when it turns, they do not slide.
    names = IBUG68_CONTOUR if scheme == "ibug68" else ()
    contour = np.array([i for i in names if valid[i]], dtype=np.int64)
    candidates = contour_candidates(model, mean[contour])  # (C, M - 1) vertex indices
    slid_mean = model.mean.double().cpu().numpy()[candidates]
    blocks = torch.cat([model.identity, model.expression]).double().cpu().numpy()
    slid_basis = np.moveaxis(blocks[:, candidates], 0, -1)  # (C, M - 1, 3, K + E)
    size = model.expression_size
    rate = _extra(model, "expression_rate", (size,))
    precision = _extra(model, "expression_precision", (size, size))
    sigma = _extra(model, f"landmarks_{count}_sigma", (count, 2))
    hidden = _extra(model, f"landmarks_{count}_sigma_hidden", (count, 2))
    modes = _extra(model, f"landmarks_{count}_modes", (count, 2, None))
    if sigma is None:
        sigma = np.full((count, 2), 2.5)
        sigma[contour] = 5.0
    return LandmarkBasis(
        mean=mean,
        basis=basis,
        valid=valid.numpy(),
        contour=contour,
        candidate_mean=np.concatenate([mean[contour][:, None], slid_mean], axis=1),
        candidate_basis=np.concatenate([basis[contour][:, None], slid_basis], axis=1),
        sigma=sigma,
        sigma_hidden=4.0 * sigma if hidden is None else hidden,
        modes=np.zeros((count, 2, 0)) if modes is None else modes,
        identity_size=model.identity_size,
        expression_rate=np.full(size, 4.0) if rate is None else rate,
        expression_precision=4.0 * np.eye(size) if precision is None else precision,
        centre=mean[valid.numpy()].mean(axis=0),
    )


def _embed(model: MorphableModel, embedding: Embedding) -> tuple[Array, Array]:
    """Mean (L, 3) and basis (L, 3, K + E) of embedded points."""
    triangles = model.triangles
    mean = embedding.points(model.mean.double(), triangles)
    blocks = torch.cat([model.identity, model.expression])
    basis = embedding.points(blocks.double(), triangles)  # (K + E, L, 3)
    return mean.cpu().numpy(), np.ascontiguousarray(basis.permute(1, 2, 0).cpu().numpy())


def _extra(model: MorphableModel, name: str, shape: tuple[int | None, ...]) -> Array | None:
    """A tensor of ``model.extras`` as float64, or None where the model lacks it."""
    value = model.extras.get(name)
    if value is None:
        return None
    array: Array = value.detach().double().cpu().numpy()
    if array.ndim != len(shape) or any(want is not None and have != want for have, want in zip(array.shape, shape)):
        raise UsageError(f"{name} of face model {model.name!r} has shape {array.shape}, expected {shape}")
    return array

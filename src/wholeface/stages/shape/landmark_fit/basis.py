"""What a landmark fit needs of a face model, as float64 arrays, prepared once per model and scheme."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable import Embedding, MorphableModel, dense_embedding, has_dense
from ....perceive.landmarks import LANDMARK_COUNTS, LandmarkScheme
from .contour import IBUG68_CONTOUR, contour_candidates

Array = NDArray[np.float64]
NoiseKind = Literal["clean", "occluded", "any", "none"]

_KINDS: tuple[NoiseKind, ...] = ("clean", "occluded", "any")
# Noise of a detector that was never measured on this model: smooth over the face, and a little per point (mm).
_INDEPENDENT, _INDEPENDENT_CONTOUR = 1.0, 3.0
_SMOOTH, _SMOOTH_LENGTH, _SMOOTH_MODES = {"clean": 1.2, "occluded": 1.6, "any": 1.6}, 35.0, 12


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
        sigma: (L, 2) mm, independent noise along the face's own x and y axis in the image.
        modes: (L, 2, Q) mm, directions of correlated noise at one standard deviation.
        identity_size: K.
        expression_rate: (E,) rate of the exponential prior of each expression coefficient.
        expression_precision: (E, E) of the Gaussian part of their prior.
        expression_range: (2, E) smallest and largest expression coefficients.
        centre: (3,) mm, middle of the face.
    """

    mean: Array
    basis: Array
    valid: NDArray[np.bool_]
    contour: NDArray[np.int64]
    candidate_mean: Array
    candidate_basis: Array
    sigma: Array
    modes: Array
    identity_size: int
    expression_rate: Array
    expression_precision: Array
    expression_range: Array
    centre: Array

    @property
    def expression_size(self) -> int:
        """Number of expression weights E."""
        return int(self.basis.shape[2]) - self.identity_size

    def of_person(self, identity: Array) -> LandmarkBasis:
        """The landmarks of one person: K = 0, the identity (K,) taken into the mean."""
        k = self.identity_size
        return replace(
            self,
            mean=self.mean + self.basis[..., :k] @ identity,
            basis=np.ascontiguousarray(self.basis[..., k:]),
            candidate_mean=self.candidate_mean + self.candidate_basis[..., :k] @ identity,
            candidate_basis=np.ascontiguousarray(self.candidate_basis[..., k:]),
            identity_size=0,
        )

    def rigid(self) -> LandmarkBasis:
        """The mean face's landmarks alone: no coefficients, no correlated noise."""
        return replace(
            self,
            basis=self.basis[..., :0],
            candidate_basis=self.candidate_basis[..., :0],
            modes=self.modes[..., :0],
            identity_size=0,
            expression_rate=self.expression_rate[:0],
            expression_precision=self.expression_precision[:0, :0],
            expression_range=self.expression_range[:, :0],
        )


def landmark_basis(model: MorphableModel, scheme: LandmarkScheme, kind: NoiseKind = "any") -> LandmarkBasis:
    """The basis of one model and landmark scheme, with the noise of one kind of image.

    Args:
        model: face model.
        scheme: landmark scheme.
        kind: ``clean`` (no occluder), ``occluded`` (the points beside an occluder), ``any`` (not known) or ``none``:
            independent errors alone, for a detector that states its own.

    Raises:
        UsageError: the model does not know where these landmarks lie.
    """
    if kind == "none":  # spares the eigenvectors of the smooth noise, a fifth of a second
        return model.table("landmark basis without noise", lambda m: _build(m, scheme), key=scheme)
    made = model.table("landmark basis", lambda m: _of_each_kind(m, scheme), key=scheme)
    return made[kind]


def _of_each_kind(model: MorphableModel, scheme: LandmarkScheme) -> dict[NoiseKind, LandmarkBasis]:
    return {
        kind: replace(landmark_basis(model, scheme, "none"), sigma=sigma, modes=modes)
        for kind, (sigma, modes) in zip(_KINDS, _noise(model, scheme, landmark_basis(model, scheme, "none")))
    }


def _build(model: MorphableModel, scheme: LandmarkScheme) -> LandmarkBasis:
    embedding = _embedding(model, scheme)
    if embedding is None:
        raise UsageError(
            f"face model {model.name!r} has no embedding of the {scheme} landmarks; "
            "use another landmark scheme or calibrate the model"
        )
    count = LANDMARK_COUNTS[scheme]
    if len(embedding) != count:
        raise UsageError(
            f"face model {model.name!r} embeds {len(embedding)} {scheme} landmarks, expected {count}"
        )
    valid = torch.isfinite(embedding.barycentric).all(dim=1).cpu()
    embedding = Embedding(embedding.triangle, torch.nan_to_num(embedding.barycentric))
    mean, basis = _embed(model, embedding)
    response = _extra(model, f"landmarks_{count}_response", (count, 3, None))
    if response is not None:  # the detector's own mean shift and its response to each mode
        if (
            response.shape[2] != 1 + basis.shape[2]
        ):  # its columns would meet other modes than they were measured for
            raise UsageError(
                f"landmarks_{count}_response of face model {model.name!r} is for {response.shape[2] - 1} modes of "
                f"identity and expression, the model has {basis.shape[2]}; measure the landmarks on it anew"
            )
        mean = mean + response[:, :, 0]
        basis += response[:, :, 1:]
    # Measured on renderings: MediaPipe's oval points keep their place on the head when it turns, they do not slide.
    names = IBUG68_CONTOUR if scheme == "ibug68" else ()
    contour = np.array([i for i in names if valid[i]], dtype=np.int64)
    candidates = contour_candidates(model, mean[contour])  # (C, M - 1) vertex indices
    slid_mean = model.mean.double().cpu().numpy()[candidates]
    sliding = torch.from_numpy(candidates).to(model.identity.device)
    blocks = torch.cat([model.identity[:, sliding], model.expression[:, sliding]]).double().cpu().numpy()
    slid_basis = np.moveaxis(blocks, 0, -1)  # (C, M - 1, 3, K + E)
    prior = model.prior
    return LandmarkBasis(
        mean=mean,
        basis=basis,
        valid=valid.numpy(),
        contour=contour,
        candidate_mean=np.concatenate([mean[contour][:, None], slid_mean], axis=1),
        candidate_basis=np.concatenate([basis[contour][:, None], slid_basis], axis=1),
        sigma=_independent(count, contour),
        modes=np.zeros((count, 2, 0)),
        identity_size=model.identity_size,
        expression_rate=prior.rate.double().cpu().numpy(),
        expression_precision=prior.precision.double().cpu().numpy(),
        expression_range=torch.stack([prior.lower, prior.upper]).double().cpu().numpy(),
        centre=mean[valid.numpy()].mean(axis=0),
    )


def _embedding(model: MorphableModel, scheme: LandmarkScheme) -> Embedding | None:
    """Where the landmarks lie on the mesh, or None where the model does not say."""
    if scheme == "wholeface668":
        if model.landmarks_68 is None or not has_dense(model):
            return None
        parts = (model.landmarks_68, dense_embedding(model))
        return Embedding(
            torch.cat([part.triangle for part in parts]), torch.cat([part.barycentric for part in parts])
        )
    return model.landmarks_478 if scheme == "mediapipe478" else model.landmarks_68


def _noise(model: MorphableModel, scheme: LandmarkScheme, basis: LandmarkBasis) -> list[tuple[Array, Array]]:
    """Of each kind: independent sigma (L, 2), correlated modes (L, 2, Q); the model's own, else plain smooth ones."""
    count = LANDMARK_COUNTS[scheme]
    sigma = _extra(model, f"landmarks_{count}_sigma", (len(_KINDS), count, 2))
    modes = _extra(model, f"landmarks_{count}_modes", (len(_KINDS), count, 2, None))
    if sigma is not None and modes is not None:
        return [(sigma[i], np.ascontiguousarray(modes[i])) for i in range(len(_KINDS))]
    sigma = basis.sigma
    valid = np.nonzero(basis.valid)[0]
    offsets = basis.mean[valid, None] - basis.mean[None, valid]
    kernel = np.exp(-0.5 * (offsets**2).sum(axis=2) / _SMOOTH_LENGTH**2)
    values, vectors = np.linalg.eigh(kernel)
    size = min(_SMOOTH_MODES, len(valid))
    amplitude = (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1][:, :size]
    smooth = np.zeros((count, 2, 2 * size))
    smooth[valid, 0, :size] = smooth[valid, 1, size:] = amplitude
    return [(sigma, _SMOOTH[kind] * smooth) for kind in _KINDS]


def _independent(count: int, contour: NDArray[np.int64]) -> Array:
    """(L, 2) plain independent errors, mm."""
    sigma = np.full((count, 2), _INDEPENDENT)
    sigma[contour] = _INDEPENDENT_CONTOUR
    return sigma


def _embed(model: MorphableModel, embedding: Embedding) -> tuple[Array, Array]:
    """Mean (L, 3) and basis (L, 3, K + E) of embedded points."""
    # Only the corners of the triangles concerned: a tenth of the mesh.
    corners, local = torch.unique(model.triangles[embedding.triangle], return_inverse=True)
    inside = Embedding(torch.arange(len(local), device=local.device), embedding.barycentric)
    mean = inside.points(model.mean[corners].double(), local)
    blocks = torch.cat([model.identity[:, corners], model.expression[:, corners]])
    basis = inside.points(blocks.double(), local)  # (K + E, L, 3)
    return mean.cpu().numpy(), np.ascontiguousarray(basis.permute(1, 2, 0).cpu().numpy())


def _extra(model: MorphableModel, name: str, shape: tuple[int | None, ...]) -> Array | None:
    """A tensor of ``model.extras`` as float64, or None where the model lacks it."""
    value = model.extras.get(name)
    if value is None:
        return None
    array: Array = value.detach().double().cpu().numpy()
    if array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape)
    ):
        raise UsageError(f"{name} of face model {model.name!r} has shape {array.shape}, expected {shape}")
    return array

"""Stages: one identity for several photos of one subject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.threads import one_thread
from ...morphable import MorphableModel
from ..state import FaceFit, FaceState
from ..tools import Tools
from .landmark_fit.fit import LandmarkFit, LandmarkFitSettings, shrinkage_of
from .map_fit import fit_of_face

__all__ = ["MeanIdentity", "SharedIdentity", "combined_identity", "identity_of_subject"]

Array = NDArray[np.float64]
_COMMON = 0.15
"""Share of the landmarks' errors about the identity that photos of one subject have in common."""


@one_thread()
def combined_identity(
    means: Sequence[Array], informations: Sequence[Array], prior: Array, *, common: float = _COMMON
) -> tuple[Array, Array]:
    r"""Identity of a subject from independent fits of several photos.

    .. math:: \Lambda = \Lambda_0 + \tau \sum_i (\Lambda_i - \Lambda_0), \quad
        \bar\alpha = \Lambda^{-1} \tau \sum_i \Lambda_i \alpha_i, \quad \tau = \frac{1}{1 + \rho\,(n - 1)}

    the product of the photos' likelihoods and one prior, each Gaussian. The photos' errors are not independent,
    because one network made them all: a share ρ of their variance is common, which bounds what n photos can tell.
    One photo gives its own fit back.

    Args:
        means: n of (K,), each the posterior mean of one photo.
        informations: n of (K, K), each its posterior precision.
        prior: (K,) precision of the identity's prior, whose mean is 0.
        common: ρ in [0, 1].

    Returns:
        Mean (K,) and precision (K, K).
    """
    share = 1.0 / (1.0 + common * (len(means) - 1))
    base = np.diag(prior)
    information = base + share * sum((each - base for each in informations), np.zeros_like(base))
    evidence = share * sum((each @ mean for each, mean in zip(informations, means)), np.zeros(len(prior)))
    return np.asarray(np.linalg.solve(information, evidence), np.float64), information


def identity_of_subject(
    model: MorphableModel,
    fits: Sequence[FaceFit | LandmarkFit],
    scheme: str,
    *,
    settings: LandmarkFitSettings | None = None,
    common: float = _COMMON,
) -> tuple[Array, Array]:
    r"""Identity of a subject from the landmark fits of its photos, shrunk as n photos deserve it.

    One photo's identity is shrunk for caution, by a factor s; n that agree deserve less of it, :math:`s^{1/n}`.

    Args:
        model: face model of all fits.
        fits: n of them, each shrunk by s; one without ``identity_information`` counts as the prior alone.
        scheme: of the landmarks, see :func:`shrinkage_of`.
        settings: of the landmark fits.
        common: see :func:`combined_identity`.

    Returns:
        Mean (K,) and precision (K, K).
    """
    weight = 1.0 if settings is None else settings.identity_prior_weight
    prior = weight * model.identity_prior.precision.double().numpy()[: len(fits[0].parameters.identity)]
    informations = [
        np.diag(prior) if fit.identity_information is None else fit.identity_information for fit in fits
    ]
    means = [fit.parameters.identity.double().numpy() for fit in fits]
    identity, information = combined_identity(means, informations, prior, common=common)
    return identity * shrinkage_of(settings, scheme) ** (1 / len(fits) - 1), information


@dataclass(frozen=True)
class SharedIdentity:
    """Replaces ``fit`` where several faces have one ``subject``: identity from all of them, pose and expression anew.

    Faces without a subject, and subjects with one photo, stay as they are.

    Args:
        focal: focal length in pixels; None takes that of each photo's EXIF, or estimates it.
        from_mask: tell the fit which landmarks the mask hides, as :class:`MapFit` does.
        settings: of the landmark fit.
        common: see :func:`combined_identity`.
    """

    focal: float | None = None
    from_mask: bool = False
    settings: LandmarkFitSettings | None = None
    common: float = _COMMON

    name: ClassVar[str] = "shared identity"
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    @property
    def reads(self) -> frozenset[str]:
        """``mask`` too when the mask says which landmarks are hidden."""
        return frozenset({"photo", "landmarks", "fit", *(("mask",) if self.from_mask else ())})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        return _by_subject(faces, self._share)

    def _share(self, faces: list[FaceState]) -> list[FaceState]:
        fits = [_fit_of(face) for face in faces]
        identity, information = identity_of_subject(
            fits[0].model, fits, faces[0].landmarks.scheme, settings=self.settings, common=self.common
        )
        results = []
        for face, fit in zip(faces, fits):
            new = fit_of_face(
                fit.model,
                face,
                focal=self.focal,
                from_mask=self.from_mask,
                identity=identity,
                settings=self.settings,
            )
            results.append(face.with_(fit=new.with_(identity_information=information)))
        return results


@dataclass(frozen=True)
class MeanIdentity:
    """Replaces the identity in ``fit`` by the mean over the faces of one ``subject``, weighted by what they show.

    For fits that started from one identity and were refined each by its own photo. Pose and expression stay: a
    refinement of these should follow.
    """

    name: ClassVar[str] = "mean identity"
    reads: ClassVar[frozenset[str]] = frozenset({"fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        return _by_subject(faces, self._mean)

    @staticmethod
    def _mean(faces: list[FaceState]) -> list[FaceState]:
        weights = torch.tensor([0.05 + _seen(face) for face in faces], dtype=torch.float64)
        # a_k = sum_i w_i a_ik / sum_i w_i
        stacked = torch.stack([_fit_of(face).parameters.identity.double() for face in faces])
        mean = (weights @ stacked) / weights.sum()
        results = []
        for face in faces:
            fit = _fit_of(face)
            parameters = fit.parameters.with_(identity=mean.to(fit.parameters.identity))
            results.append(face.with_(fit=fit.with_(parameters=parameters)))
        return results


def _seen(face: FaceState) -> float:
    """Share of the face that its photo shows."""
    return 1.0 if face.mask is None else 1.0 - face.mask.hidden_fraction


def _fit_of(face: FaceState) -> FaceFit:
    assert face.fit is not None
    return face.fit


def _by_subject(
    faces: Sequence[FaceState], share: Callable[[list[FaceState]], list[FaceState]]
) -> list[FaceState]:
    """``share`` applied to the faces of each subject that has several; the others as they are."""
    groups: dict[str, list[int]] = {}
    for index, face in enumerate(faces):
        if face.subject is not None:
            groups.setdefault(face.subject, []).append(index)
    results = list(faces)
    for members in groups.values():
        if len(members) > 1:
            for index, face in zip(members, share([faces[i] for i in members])):
                results[index] = face
    return results

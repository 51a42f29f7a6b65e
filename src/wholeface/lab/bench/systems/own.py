"""Our own rows: the mean face, the shipped system, and its landmark fit alone."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....core.errors import NoFaceError, UsageError
from .system import HeadPrediction

if TYPE_CHECKING:
    from torch import Tensor

    from ....morphable import MorphableModel, Parameters
    from ....perceive import FaceLandmarks, LandmarkDetector
    from ....reconstructor import Reconstructor
    from ....render import Camera

__all__ = ["LandmarkFitSystem", "MeanFace", "Shared", "WholeFace", "model_head"]

_TEXTURE = 64  # texels: the texture is not looked at


class Shared:
    """Model, detector and networks that several systems use, loaded when first needed.

    Args:
        model: face model, or None for the shipped one.
        detector: of landmarks, or None for the usual one.
    """

    def __init__(self, model: MorphableModel | None = None, detector: LandmarkDetector | None = None) -> None:
        self._model = model
        self._detector = detector

    @cached_property
    def model(self) -> MorphableModel:
        """The face model."""
        from ....morphable import load_model

        return load_model() if self._model is None else self._model

    @cached_property
    def reconstructor(self) -> Reconstructor:
        """The public API, with the smallest texture."""
        return self.reconstructor_of("auto")

    def reconstructor_of(self, method: str) -> Reconstructor:
        """The public API with a method of that name, and the smallest texture."""
        from ....reconstructor import Reconstructor

        return Reconstructor(method=method, model=self.model, detector=self._detector, texture_size=_TEXTURE)

    def largest_face(self, pixels: NDArray[np.uint8]) -> FaceLandmarks:
        """Landmarks of the largest face.

        Raises:
            NoFaceError: there is none.
        """
        found = self.reconstructor.detector.detect(pixels)
        if not found:
            raise NoFaceError("no face found")
        return found[0]

    def points_68(self, face: FaceLandmarks) -> NDArray[np.float64]:
        """(68, 2) iBUG points in the photo, pixels: found ones, or affine combinations of the 478."""
        return self.weights_68 @ face.points if face.points_68 is None else face.points_68

    @cached_property
    def weights_68(self) -> NDArray[np.float64]:
        """(68, 478) how the 68 points follow from mediapipe's, each row with the sum 1."""
        from ..protocols.perception.systems import teacher_68_weights

        return teacher_68_weights(self.model)


class MeanFace:
    """The mean of the model, whatever the photo shows: what a system must beat to have learned about identity.

    Args:
        shared: the model, and the detector where ``placed``.
        placed: also find the face and say where the mean face's landmarks lie in the photo: pose, focal length and
            distance are fitted with the identity held at the mean. Then photos without a face are refused.
    """

    name = "mean face"

    def __init__(self, shared: Shared, *, placed: bool = False) -> None:
        self._shared = shared
        self._placed = placed

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """The mean head, neutral; see :class:`HeadSystem`."""
        import torch

        from ....stages.shape import LandmarkFitSettings, fit_landmarks

        model = self._shared.model
        zeros = torch.zeros(model.identity_size)
        if not self._placed:
            return model_head(model, zeros, None)
        face = self._shared.largest_face(pixels)
        height, width = pixels.shape[:2]
        settings = LandmarkFitSettings(identity_shrinkage=0.0)
        fit = fit_landmarks(model, face, width, height, settings=settings)
        placed = fit.parameters.with_(identity=zeros, expression=torch.zeros_like(fit.parameters.expression))
        return model_head(model, zeros, None, placed, fit.camera)


class WholeFace:
    """A method as :class:`wholeface.Reconstructor` runs it; ``auto`` is the shipped system, called ``wholeface``.

    Args:
        shared: model, detector and networks.
        method: its name, see :func:`wholeface.methods.get_method`.
    """

    def __init__(self, shared: Shared, method: str = "auto") -> None:
        self.name = "wholeface" if method == "auto" else method
        self._shared, self._method = shared, method

    @cached_property
    def _reconstructor(self) -> Reconstructor:
        shared = self._shared
        return shared.reconstructor if self._method == "auto" else shared.reconstructor_of(self._method)

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """See :class:`HeadSystem`."""
        head = self._reconstructor(pixels)
        fitted = head.parameters
        return model_head(head.model, fitted.identity, fitted.expression, fitted, head.camera)


class LandmarkFitSystem:
    """The landmark fit of the shipped system alone, about seven times faster.

    It is told nothing of occluders, and the pixels refine nothing.

    Args:
        shared: model and detector.
    """

    name = "wholeface landmarks"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        """See :class:`HeadSystem`."""
        from ....stages.shape import fit_landmarks

        face = self._shared.largest_face(pixels)
        height, width = pixels.shape[:2]
        fit = fit_landmarks(self._shared.model, face, width, height)
        fitted = fit.parameters
        return model_head(self._shared.model, fitted.identity, fitted.expression, fitted, fit.camera)


def model_head(
    model: MorphableModel,
    identity: Tensor,
    expression: Tensor | None,
    placed: Parameters | None = None,
    camera: Camera | None = None,
) -> HeadPrediction:
    """A head of a morphable model as a prediction.

    Args:
        model: face model with 68 landmarks.
        identity: (K,) tensor, standard deviations.
        expression: (E,) tensor, or None for neutral.
        placed: pose, to say where the 68 landmarks lie in the photo; with ``camera``.
        camera: of the photo.

    Raises:
        UsageError: the model has no 68 landmarks.
    """
    from ....render import rotation_matrix, to_camera

    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks, which every protocol needs")
    neutral = model.vertices(identity).double()
    shape = neutral if expression is None else model.vertices(identity, expression).double()
    points = model.landmarks_68.points(shape, model.triangles)
    seen = None
    if placed is not None and camera is not None:
        turned = to_camera(points, rotation_matrix(placed.rotation.double()), placed.translation.double())
        seen = camera.project(turned).numpy()
    return HeadPrediction(
        vertices=shape.numpy(),
        triangles=model.triangles.numpy(),
        landmarks=points.numpy(),
        neutral=neutral.numpy(),
        identity=identity.double().numpy(),
        face_vertices=np.flatnonzero(model.regions["face"].numpy()) if "face" in model.regions else None,
        metric=True,
        landmarks_2d=seen,
    )

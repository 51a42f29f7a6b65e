"""Stage: all parameters of a face in one pass of an encoder that learned by rendering them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ...core.threads import one_torch_thread
from ...morphable import LAYOUTS, Parameters
from ...networks import ParameterNet
from ...photo import Similarity
from ...render import Camera
from ..face_renderer import FaceRenderer
from ..state import FaceFit, FaceState
from ..tools import Tools
from .by_student import ParametersByStudent, looked_at
from .regressed import encoder_layout, face_in_photo

__all__ = ["FitByEncoder"]


@dataclass(frozen=True)
class FitByEncoder:
    """Fills ``fit`` by a :class:`wholeface.networks.ParameterNet` that looks at the upright crop of the face.

    An encoder of the complete layout is read as the distilled student is; one of layout 257 brings the camera of its
    crop along. Expression coefficients that the face model does not allow become the nearest allowed ones, as they
    were when the encoder learned.

    Args:
        weights: name of the network, or path of its file.
        focal: focal length in pixels; None takes that of the photo's EXIF, or what the encoder says.
        batch: at most so many faces at once.

    Raises:
        UsageError: (when called) the encoder speaks of another face model than the tools'.
    """

    weights: str = "focus"
    focal: float | None = None
    batch: int = 8

    name: ClassVar[str] = "encoder"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks"})
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, ParameterNet)
        if encoder_layout(network.config.blocks) == LAYOUTS["257"]:
            fits = self._with_own_camera(network, faces, tools)
        else:
            read = ParametersByStudent(self.focal, self.weights, self.batch)
            fits = [face.fit for face in read(faces, tools) if face.fit is not None]
        return [face.with_(fit=_allowed(fit)) for face, fit in zip(faces, fits, strict=True)]

    def _with_own_camera(
        self, network: ParameterNet, faces: Sequence[FaceState], tools: Tools
    ) -> list[FaceFit]:
        with one_torch_thread():
            seen = looked_at(network, faces, tools.model, self.batch)
        size = network.config.input_size
        return [_fit(face, vector.float(), crop, size, tools) for face, (crop, vector) in zip(faces, seen)]


def _fit(face: FaceState, vector: torch.Tensor, crop: Similarity, size: int, tools: Tools) -> FaceFit:
    height, width = face.photo.pixels.shape[:2]
    matrix = torch.from_numpy(crop.matrix).float()[None]
    with torch.no_grad():
        found, own = face_in_photo(
            vector[None], LAYOUTS["257"], tools.model, matrix, size, Camera.of_photo(width, height),
            focal_known=False,
        )  # fmt: skip
        focal, cx, cy = (float(torch.as_tensor(v).reshape(-1)[0]) for v in (own.focal, own.cx, own.cy))
        camera = Camera(focal, cx, cy, width, height)
        rms, marks = float("nan"), face.landmarks.points_68
        if marks is not None:
            seen = FaceRenderer.of(tools.model).landmarks(found, camera)[0].double().numpy()
            rms = float(np.sqrt(((seen - marks) ** 2).sum(axis=1).mean()))
    blocks = {name: getattr(found, name)[0].clone() for name, _ in found.layout.blocks}
    return FaceFit(tools.model, Parameters(**blocks), camera, landmark_rms=rms)


def _allowed(fit: FaceFit) -> FaceFit:
    expression = fit.model.prior.clamp(fit.parameters.expression)
    return fit.with_(parameters=fit.parameters.with_(expression=expression))

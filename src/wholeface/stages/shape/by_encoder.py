"""Stage: all parameters of a face in one pass of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.threads import one_torch_thread
from ...morphable import LAYOUTS, MorphableModel, ParameterLayout, Parameters
from ...networks import ParameterNet
from ...perceive.frames import LANDMARK_MARGIN
from ...photo import Similarity, warp
from ...render import Camera
from ..face_renderer import FaceRenderer
from ..state import FaceFit, FaceState
from ..tools import Tools
from ..upright import crop_around
from .regressed import encoder_layout, face_in_photo

__all__ = ["FitByEncoder"]


@dataclass(frozen=True)
class FitByEncoder:
    """Fills ``fit`` by a :class:`wholeface.networks.ParameterNet` that looks at the upright crop of the face.

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
        layout = encoder_layout(network.config.blocks)
        _check(layout, tools.model)
        size = network.config.input_size
        done: list[FaceState] = []
        for first in range(0, len(faces), self.batch):
            group = faces[first : first + self.batch]
            crops = [
                crop_around(
                    face.landmarks.points if face.landmarks.points_478 is None else face.landmarks.points_478,
                    size,
                    LANDMARK_MARGIN,
                )
                for face in group
            ]
            pixels = np.stack(
                [warp(f.photo.pixels, crop, (size, size), fill="edge") for f, crop in zip(group, crops)]
            )
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
            with torch.inference_mode(), one_torch_thread():
                vectors = network(images.contiguous(memory_format=torch.channels_last)).float()
            done += [
                face.with_(fit=self._fit(face, vector.clone(), crop, layout, size, tools.model))
                for face, vector, crop in zip(group, vectors, crops)
            ]
        return done

    def _fit(
        self,
        face: FaceState,
        vector: torch.Tensor,
        crop: Similarity,
        layout: ParameterLayout,
        size: int,
        model: MorphableModel,
    ) -> FaceFit:
        height, width = face.photo.pixels.shape[:2]
        focal = self.focal if self.focal is not None else face.photo.focal_px
        with torch.no_grad():
            found, camera = face_in_photo(
                vector[None],
                layout,
                model,
                torch.from_numpy(crop.matrix).float()[None],
                size,
                Camera.of_photo(width, height, focal),
                focal_known=focal is not None,
            )
            focal, cx, cy = (
                float(torch.as_tensor(v).reshape(-1)[0]) for v in (camera.focal, camera.cx, camera.cy)
            )
            camera = Camera(focal, cx, cy, width, height)
            found = found.with_(expression=model.prior.clamp(found.expression))
            rms = _rms(model, found, camera, face.landmarks.points_68)
        one = Parameters(
            **{
                name: getattr(found, name)[0].clone()
                for name in ("identity", "expression", "albedo", "light", "rotation", "translation")
            }
        )
        return FaceFit(model=model, parameters=one, camera=camera, landmark_rms=rms)


def _check(layout: ParameterLayout, model: MorphableModel) -> None:
    sizes, own = dict(layout.blocks), (model.identity_size, model.expression_size, model.albedo_size)
    theirs = tuple(sizes[name] for name in ("identity", "expression", "albedo"))
    if layout != LAYOUTS["257"] and theirs != own:
        raise UsageError(
            f"the encoder speaks of a face model with {theirs} coefficients of identity, expression and albedo, but "
            f"{model.name!r} has {own}; take the model on which it was trained, or train one for this model"
        )


def _rms(
    model: MorphableModel, parameters: Parameters, camera: Camera, marks: NDArray[np.float64] | None
) -> float:
    if marks is None or model.landmarks_68 is None:
        return float("nan")
    seen = FaceRenderer.of(model).landmarks(parameters, camera)[0].double().numpy()
    return float(np.sqrt(((seen - marks) ** 2).sum(axis=1).mean()))

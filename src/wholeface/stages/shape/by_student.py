"""Stage: the whole face, shape, expression, albedo, light and pose, in one pass of the distilled student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.threads import one_thread
from ...morphable import MorphableModel, ParameterLayout, Parameters
from ...networks import ParameterNet
from ...perceive import FaceLandmarks
from ...perceive.frames import LANDMARK_MARGIN, face_frame
from ...photo import Similarity, warp
from ...render import Camera, to_camera
from ..state import FaceFit, FaceState
from ..tools import Tools
from .crop_layout import complete_layout, parameters_of_crop

__all__ = ["ParametersByStudent", "looked_at", "student_crop"]


@dataclass(frozen=True)
class ParametersByStudent:
    """Fills ``fit`` by :class:`wholeface.networks.ParameterNet`: no landmark is fitted, the found ones only say where
    the crop lies, and what lies behind an occluder is an estimate like all the rest.

    Without a focal length, that of the photo's EXIF counts; without that, it follows from the distance that the
    network sees in the perspective of the face.

    Args:
        focal: focal length in pixels when known.
        weights: name of the network, or path of its file.
        batch: at most so many faces at once.

    Raises:
        UsageError: a face model other than the one of the network's vector.
        ModelFileError: the weights are missing, damaged, or of another network.

    Source: Rana, "3D Face Reconstruction from Occluded Images".
    """

    focal: float | None = None
    weights: str = "student"
    batch: int = 16

    name: ClassVar[str] = "student"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks"})
    writes: ClassVar[frozenset[str]] = frozenset({"fit"})

    def prepare(self, tools: Tools) -> None:
        """Load the network."""
        tools.networks.load_or_shipped(self.weights)

    @one_thread()
    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`; the network sees the faces as one batch."""
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, ParameterNet)
        layout = _layout_for(network, tools.model)
        size = network.config.input_size
        seen = looked_at(network, faces, tools.model, self.batch)
        return [
            face.with_(fit=self._fit(tools.model, face, crop, vector.double(), layout, size))
            for face, (crop, vector) in zip(faces, seen)
        ]

    def _fit(
        self,
        model: MorphableModel,
        face: FaceState,
        crop: Similarity,
        vector: torch.Tensor,
        layout: ParameterLayout,
        size: int,
    ) -> FaceFit:
        height, width = face.photo.pixels.shape[:2]
        focal = self.focal if self.focal is not None else face.photo.focal_px
        camera = Camera.of_photo(width, height, focal)
        found, told = parameters_of_crop(
            vector[None],
            layout,
            torch.from_numpy(crop.matrix)[None],
            size,
            camera,
            focal_known=focal is not None,
        )
        blocks = {name: getattr(found, name)[0].to(model.mean) for name in vars(found)}
        parameters = Parameters(**blocks)
        camera = Camera.of_photo(width, height, float(told[0]))
        return FaceFit(
            model, parameters, camera, landmark_rms=_rms(model, parameters, camera, face.landmarks)
        )


def looked_at(
    network: ParameterNet, faces: Sequence[FaceState], model: MorphableModel, batch: int
) -> list[tuple[Similarity, torch.Tensor]]:
    """The crop of each face, and the vector (P,) that the network says of it.

    Args:
        network: in evaluation mode.
        faces: with their landmarks.
        model: the face model, see :func:`student_crop`.
        batch: at most so many faces at once.
    """
    size = network.config.input_size
    found: list[tuple[Similarity, torch.Tensor]] = []
    for first in range(0, len(faces), batch):
        group = faces[first : first + batch]
        crops = [student_crop(model, face.landmarks, size) for face in group]
        images = np.stack(
            [warp(face.photo.pixels, crop, (size, size), fill="edge") for face, crop in zip(group, crops)]
        )
        given = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
        with torch.inference_mode():
            vectors = network(given.contiguous(memory_format=torch.channels_last))
        found += zip(crops, vectors.clone())
    return found


def student_crop(model: MorphableModel, landmarks: FaceLandmarks, size: int) -> Similarity:
    """From photo pixels to the crop that the student sees: upright, as that of the landmark network.

    Args:
        model: the face model; of a scheme without the 478 points, its mean face says where they lie about the 68.
        landmarks: of the face.
        size: edge of the crop in pixels.
    """
    points = landmarks.points_478
    if points is None:
        points = _usual_478(model, landmarks.points)
    return face_frame(points, size, LANDMARK_MARGIN)


def _usual_478(model: MorphableModel, points_68: NDArray[np.float64]) -> NDArray[np.float64]:
    if model.landmarks_68 is None or model.landmarks_478 is None:
        raise UsageError(f"face model {model.name!r} does not say where its 68 and 478 landmarks lie")
    flat = [
        e.points(model.mean, model.triangles)[:, :2].double().numpy() * np.array([1.0, -1.0])
        for e in (model.landmarks_68, model.landmarks_478)
    ]
    return Similarity.from_points(flat[0], points_68).apply(flat[1])


def _layout_for(network: ParameterNet, model: MorphableModel) -> ParameterLayout:
    layout = complete_layout(model.identity_size, model.expression_size, model.albedo_size)
    if tuple(network.config.blocks) != layout.blocks:
        told = ParameterLayout(tuple(network.config.blocks))
        raise UsageError(
            f"the student's vector is {told}, but face model {model.name!r} needs {layout}; "
            "train a student for this model, or take the model that it was trained for"
        )
    return layout


def _rms(model: MorphableModel, parameters: Parameters, camera: Camera, landmarks: FaceLandmarks) -> float:
    """Root mean square distance of the 68 landmarks from those that were found, photo pixels; NaN without."""
    seen = landmarks.points_68
    if seen is None or model.landmarks_68 is None:
        return float("nan")
    corners, at = torch.unique(model.triangles[model.landmarks_68.triangle], return_inverse=True)
    shape = model.mean[corners]
    for coefficients, basis in (
        (parameters.identity, model.identity),
        (parameters.expression, model.expression),
    ):
        shape = shape + torch.tensordot(coefficients, basis[:, corners], dims=1)
    points = (shape[at] * model.landmarks_68.barycentric[..., None].to(shape)).sum(dim=1)
    found = camera.project(to_camera(points, parameters.rotation, parameters.translation))
    return float(np.sqrt(np.square(found.double().numpy() - seen).sum(axis=1).mean()))

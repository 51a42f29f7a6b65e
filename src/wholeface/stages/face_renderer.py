"""The face of a model as a face autoencoder's decoder: its picture, where that lies, and its landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr
from ..core.srgb_torch import linear_to_srgb
from ..morphable import MorphableModel, Parameters
from ..render import Camera, render_parameters, to_camera
from .mask.synthesis.zones import ZONES, face_zones

__all__ = ["FaceRenderer", "RenderedFace"]


@dataclass(frozen=True)
class RenderedFace:
    """N rendered faces.

    Args:
        image: (N, 3, H, W) sRGB from 0, above 1 where the light is too bright to show; 0 beside the face.
        region: (N, 1, H, W) 0 or 1, where the face is rendered (Φ of FOCUS).
    """

    image: Tensor
    region: Tensor

    __repr__ = short_repr

    def over(self, photo: Tensor) -> Tensor:
        """The faces in the photos (N, 3, H, W), which show what lies beside them."""
        return torch.where(self.region > 0, self.image, photo)


@dataclass(frozen=True, eq=False)
class FaceRenderer:
    """Draws the face from chin to hairline and from ear to ear, eyes and mouth included; differentiable.

    The rest of the head is not shown, but hides what lies behind it.

    Args:
        model: face model.
        inside: (F,) bool, triangles of the face.
        points: (68, 3) mm, landmarks of the mean face.
        modes: (K + E, 204) mm, how identity and expression move them.
    """

    model: MorphableModel
    inside: Tensor
    points: Tensor
    modes: Tensor

    __repr__ = short_repr

    @staticmethod
    def of(model: MorphableModel) -> FaceRenderer:
        """That of a model, made once and kept with it.

        Raises:
            UsageError: the model has no 68 landmarks.
        """
        return model.table("face renderer", _build)

    def __call__(self, parameters: Parameters, camera: Camera) -> RenderedFace:
        """Draw N faces.

        Args:
            parameters: with a leading dimension N; expression coefficients that the model does not allow are taken
                for the nearest allowed ones.
            camera: shared, or with N intrinsics.
        """
        found = render_parameters(self.model, self._allowed(parameters), camera)
        region = (found.mask & self.inside[found.fragments.triangle.clamp_min(0).long()])[:, None]
        image = torch.where(region, linear_to_srgb(found.image), 0.0)
        return RenderedFace(image, region.to(image.dtype))

    def landmarks(self, parameters: Parameters, camera: Camera) -> Tensor:
        """(N, 68, 2) pixels where the landmarks are seen.

        Args:
            parameters: see :meth:`__call__`.
            camera: likewise.
        """
        known = self._allowed(parameters)
        moved = torch.cat([known.identity, known.expression], dim=-1) @ self.modes
        points = self.points + moved.reshape(*moved.shape[:-1], -1, 3)
        return camera.project(to_camera(points, known.rotation, known.translation))

    def to(self, device: torch.device | str) -> FaceRenderer:
        """The same on another device."""
        return FaceRenderer(
            self.model.to(device=device),
            self.inside.to(device),
            self.points.to(device),
            self.modes.to(device),
        )

    def _allowed(self, parameters: Parameters) -> Parameters:
        return parameters.with_(expression=self.model.prior.clamp(parameters.expression))


def _build(model: MorphableModel) -> FaceRenderer:
    if model.landmarks_68 is None:
        raise UsageError(f"face model {model.name!r} has no 68 landmarks, by which its face is found")
    inside = face_zones(model).attributes[:, ZONES.index("region")].to(model.mean.device) > 0
    modes = torch.cat([model.identity, model.expression])
    return FaceRenderer(
        model,
        inside[model.triangles].all(dim=1),
        model.landmarks_68.points(model.mean, model.triangles),
        model.landmarks_68.points(modes, model.triangles).flatten(1),
    )

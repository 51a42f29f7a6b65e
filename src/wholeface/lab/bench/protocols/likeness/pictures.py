"""What a reconstruction is judged by: pictures in the photo's own frame, one from the front, and the identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .....core.srgb_torch import linear_to_srgb, srgb_to_linear
from .....render import Camera, Rendering, render_mesh, render_parameters
from ...heads.colours import mean_face_of, with_fitted_light

if TYPE_CHECKING:
    from .....morphable import Parameters
    from .....result import Reconstruction

__all__ = ["DEOCCLUDED", "FRONT", "HEAD", "INTO_PHOTO", "MEAN", "Pictures", "pictures_of"]

Pixels = NDArray[np.uint8]

HEAD = "head"
INTO_PHOTO = "head in the photo"
FRONT = "head, frontal"
DEOCCLUDED = "deoccluded photo"
MEAN = "mean face"
_GREY = 166  # sRGB code of the neutral background
_FRONT_SIZE = 640
_FINER = 2  # renderings are made so much finer and reduced


@dataclass(frozen=True)
class Pictures:
    """What one reconstruction looks like.

    Args:
        images: what -> (H, W, 3) uint8; all but :data:`FRONT` in the frame of the photo.
        identity: (K,) shape coefficients in standard deviations.
        hidden: share of the face that the reconstruction holds for hidden, in [0, 1].
    """

    images: Mapping[str, Pixels]
    identity: NDArray[np.float64]
    hidden: float


def pictures_of(head: Reconstruction) -> Pictures:
    """Render what is judged.

    - :data:`HEAD`: the textured head in the photo's pose and light over grey.
    - :data:`INTO_PHOTO`: the same over the photo, which keeps hair, ears' surroundings and shoulders.
    - :data:`FRONT`: from the front in studio light, as ``render("front")`` shows it.
    - :data:`DEOCCLUDED`: the photo without the occluder.
    - :data:`MEAN`: the mean face's shape and albedo in the pose and under the light that fit this photo best; its
      colours know the light, and nothing of the person.
    """
    pixels = head.photo.pixels
    height, width = pixels.shape[:2]
    drawn = _textured(head, head.parameters, head.camera)
    looked_at = head.face_region & (head.occluder <= 0.5)
    mean, camera = mean_face_of(head.model, head.landmarks, width, height)
    mean = with_fitted_light(head.model, mean, camera, pixels, looked_at)
    with torch.no_grad():
        plain = render_parameters(head.model, mean, camera.scaled(_FINER))
    grey = np.full_like(pixels, _GREY)
    images = {
        HEAD: _over(drawn, grey),
        INTO_PHOTO: _over(drawn, pixels),
        FRONT: head.render("front", size=_FRONT_SIZE),
        DEOCCLUDED: head.deoccluded,
        MEAN: _over(plain, grey),
    }
    return Pictures(images, head.parameters.identity.double().numpy(), head.hidden_fraction)


def _textured(head: Reconstruction, parameters: Parameters, camera: Camera) -> Rendering:
    colours = head.colours()
    points = head.posed.points if head.posed is not None else None
    if points is None:
        from .....stages.posed import PosedFace

        points = PosedFace.of(head.model, parameters).points
    gain = torch.from_numpy(np.asarray(head.completed.gain, np.float32))
    light = parameters.light.float() / gain
    finer = camera.scaled(_FINER)
    with torch.no_grad():
        if "texture" not in colours:
            return render_mesh(points, head.model.triangles, finer, light, albedo=colours["vertex_colours"])
        texture = srgb_to_linear(torch.from_numpy(colours["texture"]).float() / 255).permute(2, 0, 1)
        return render_mesh(
            points,
            head.model.triangles,
            finer,
            light,
            texture=texture,
            uv=colours["uv"],
            uv_triangles=colours["uv_triangles"],
        )


def _over(drawn: Rendering, background: Pixels) -> Pixels:
    """The rendering, reduced, over the background of its size."""
    behind = srgb_to_linear(torch.from_numpy(background).float() / 255)
    share = _reduced(drawn.mask[0].float()[None])[0, ..., None]
    colour = _reduced(drawn.image[0].clamp(0, 1) * drawn.mask[0]).permute(1, 2, 0)
    codes = linear_to_srgb((colour + (1 - share) * behind).clamp(0, 1))
    return np.asarray((255 * codes).round().to(torch.uint8).numpy())


def _reduced(planes: Tensor) -> Tensor:
    """(C, H · f, W · f) -> (C, H, W), means of blocks."""
    reduced: Tensor = torch.nn.functional.avg_pool2d(planes[None], _FINER)[0]
    return reduced

"""Stage: the occluder mask by a network that compares the photo with the rendering of the fitted face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.threads import one_torch_thread
from ...networks import UNet
from ...photo import Similarity, warp
from ..face_renderer import FaceRenderer
from ..shape.by_student import student_crop
from ..state import FaceState, MaskEstimate
from ..tools import Tools
from ..upright import UprightFace, upright
from .synthesis.upsample import to_photo
from .synthesis.view import Window, face_view
from .synthesis.zones import face_zones

__all__ = ["MaskByComparison"]

_FACE_SIZE, _AROUND = 128, 0.1  # pixels of the face's longer side where the mask is led back to the photo


@dataclass(frozen=True)
class MaskByComparison:
    """Fills ``mask`` by the segmentation network S(I_T, I_R) of FOCUS.

    The network sees the face's upright crop and the same with the fitted face rendered over it, and says of each
    rendered pixel whether the photo shows the face there. Beyond the rendered face it knows nothing.

    Args:
        weights: name of the network, or path of its file.
        batch: at most so many faces at once.

    Source: Li et al., "To fit or not to fit" (FOCUS), §3.1.
    """

    weights: str = "focus_mask"
    batch: int = 8

    name: ClassVar[str] = "occluder"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit"})
    writes: ClassVar[frozenset[str]] = frozenset({"mask"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, UNet)
        size = network.config.input_size
        done: list[FaceState] = []
        for first in range(0, len(faces), self.batch):
            group = faces[first : first + self.batch]
            where = [_upright(face, size) for face in group]
            with torch.inference_mode(), one_torch_thread():
                both = torch.stack([_both_images(face, place, size) for face, place in zip(group, where)])
                logits = network(both.contiguous(memory_format=torch.channels_last))
                hidden = torch.sigmoid(-logits.float())[:, 0].numpy()
            done += [
                face.with_(mask=_in_photo(face, place.crop, values))
                for face, place, values in zip(group, where, hidden)
            ]
        return done


def _upright(face: FaceState, size: int) -> UprightFace:
    assert face.fit is not None
    return upright(face.fit, student_crop(face.fit.model, face.landmarks, size), size)


def _both_images(face: FaceState, where: UprightFace, size: int) -> torch.Tensor:
    """(6, S, S) in [0, 1]: the crop, and the fitted face rendered over it."""
    assert face.fit is not None
    pixels = warp(face.photo.pixels, where.crop, (size, size), fill="edge")
    photo = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    one = where.parameters
    batch = one.with_(
        **{
            name: getattr(one, name)[None].float()
            for name in ("identity", "expression", "albedo", "light", "rotation", "translation")
        }
    )
    drawn = FaceRenderer.of(face.fit.model)(batch, where.camera)
    return torch.cat([photo, drawn.over(photo[None])[0].clamp(0, 1)])


def _in_photo(face: FaceState, crop: Similarity, hidden: NDArray[np.float32]) -> MaskEstimate:
    """The mask at the photo's size, along the photo's edges."""
    fit, pixels = face.fit, face.photo.pixels
    assert fit is not None
    view = face_view(
        pixels, fit.posed, fit.parameters, fit.camera, face_zones(fit.model), _FACE_SIZE, _AROUND
    )
    onward = crop.inverse().then(_to_window(view.window))
    found = warp(hidden, onward, (view.window.width, view.window.height), fill="edge")
    found = np.where(view.content, np.clip(found, 0, 1), 1).astype(np.float32)
    return MaskEstimate(*to_photo(pixels, view, found))


def _to_window(window: Window) -> Similarity:
    f = window.factor
    return Similarity(f, 0.0, (0.5 - window.left) * f - 0.5, (0.5 - window.top) * f - 0.5)

"""Stage: spectacles are deleted, and the face behind them is made anew, guided by landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...core.errors import UsageError
from ...core.threads import one_torch_thread
from ...networks import EyeglassesNet, UNet
from ...perceive import ParsingClass
from ...perceive.frames import PARSING_MARGIN, face_frame
from ...photo import Similarity, warp
from ..state import FaceState
from ..tools import Tools
from .filled import filled
from .remove import Remove

__all__ = ["EXPECTED_ERROR", "DeoccludeByEyeglasses"]

EXPECTED_ERROR = 0.075
"""Mean absolute error of generated pixels, sRGB of [0, 1]: that of the shipped network on held-out samples."""

_GROWN = 128  # of the crop's edge, one part by which what is deleted grows, as in training at 128 pixels


@dataclass(frozen=True)
class DeoccludeByEyeglasses:
    """Fills ``generated`` and ``image`` by a deleter and a generator.

    They are a :class:`wholeface.networks.UNet` and a :class:`wholeface.networks.EyeglassesNet`.

    The photo keeps everything but what the deleter names spectacles and a narrow border of it. Pixels that the
    generator made are ``GENERATED``, the others ``OBSERVED``.

    Args:
        weights: name of the generator, or path of its file.
        deleter: name of the deleter, or path of its file.
        deleted: classes that are deleted; the paper's are spectacles.
        remove: what the picture is to be without; ``none`` leaves it as it is, all else takes away what is deleted.
        error: mean absolute error that is expected of generated pixels, sRGB of [0, 1]; the texture trusts them less
            the larger it is.
        batch: at most so many faces at once.

    Source: Zhao & Qi 2022, "Generative landmarks guided eyeglasses removal 3D face reconstruction", §3.2.
    """

    weights: str = "eyeglasses"
    deleter: str = "eyeglasses_deleter"
    deleted: tuple[ParsingClass, ...] = (ParsingClass.EYEGLASSES,)
    remove: Remove = "all"
    error: float = EXPECTED_ERROR
    batch: int = 8

    name: ClassVar[str] = "deocclude"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks"})
    writes: ClassVar[frozenset[str]] = frozenset({"generated", "image"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        generator, deleter = (
            tools.networks.load_or_shipped(self.weights),
            tools.networks.load_or_shipped(self.deleter),
        )
        assert isinstance(generator, EyeglassesNet)
        assert isinstance(deleter, UNet)
        remove: Remove = "none" if self.remove == "none" else "all"
        done: list[FaceState] = []
        for first in range(0, len(faces), self.batch):
            group = faces[first : first + self.batch]
            crops = [_crop(face, generator.config.input_size) for face in group]
            mask = F.interpolate(self._deleted(deleter, group), (generator.config.input_size,) * 2)
            hidden = mask[:, 0].numpy() > 0.5
            pixels = _made(generator, group, crops, mask)
            for face, crop, made, hole in zip(group, crops, pixels, hidden):
                done.append(filled(face, crop, made, hole, remove, self.error))
        return done

    def _deleted(self, deleter: UNet, faces: Sequence[FaceState]) -> Tensor:
        """(N, 1, S, S) I_m, in the deleter's crop."""
        size = deleter.config.input_size
        with torch.inference_mode(), one_torch_thread():
            labels = deleter(_images(faces, [_crop(face, size) for face in faces], size)).argmax(1)
        found = torch.isin(labels, torch.tensor([int(c) for c in self.deleted])).float()[:, None]
        reach = max(1, size // _GROWN)
        return F.max_pool2d(found, 2 * reach + 1, 1, reach)


def _crop(face: FaceState, size: int) -> Similarity:
    """From photo to crop pixels.

    Raises:
        UsageError: the face lacks landmarks.
    """
    points = face.landmarks.points_478
    if points is None or face.landmarks.points_68 is None:
        raise UsageError("this method needs 478 and 68 landmarks; take WholeFace's own detector")
    return face_frame(points, size, PARSING_MARGIN)


def _images(faces: Sequence[FaceState], crops: Sequence[Similarity], size: int) -> Tensor:
    """(N, 3, S, S) in [0, 1]."""
    crop = np.stack([warp(f.photo.pixels, c, (size, size), fill="edge") for f, c in zip(faces, crops)])
    images = torch.from_numpy(crop).permute(0, 3, 1, 2).float() / 255
    return images.contiguous(memory_format=torch.channels_last)


def _made(
    generator: EyeglassesNet, faces: Sequence[FaceState], crops: Sequence[Similarity], mask: Tensor
) -> NDArray[np.uint8]:
    """(N, S, S, 3) what the generator makes of the deleted part, laid into the crops."""
    size = generator.config.input_size
    points = torch.stack(
        [torch.from_numpy(c.apply(f.landmarks.points_68)).float() for f, c in zip(faces, crops)]  # type: ignore[arg-type]
    )
    with torch.inference_mode(), one_torch_thread():
        images = _images(faces, crops, size)
        out = images + mask * (generator(images, mask, points) - images)
    made: NDArray[np.uint8] = (out.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return made

"""Stage: the hidden face by FISN, guided by the map of what is seen and by the completed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.threads import one_torch_thread
from ...networks import Fisn
from ...perceive import FACE_CLASSES, ParsingClass, landmark_map, parsing_map_plus
from ...perceive.frames import PARSING_MARGIN, face_frame
from ...photo import Similarity, warp
from ..state import FaceState
from ..tools import Tools
from .filled import filled
from .remove import Remove

__all__ = ["EXPECTED_ERROR", "DeoccludeByParsingMap", "GuidingMaps", "guiding_maps"]

EXPECTED_ERROR = 0.094
"""Mean absolute error of generated pixels, sRGB of [0, 1]: that of the shipped network on held-out samples."""

# Where M_alpha has one of these, M_beta's outline of the face is merely less exact: nothing stands before the face.
_BESIDE = (ParsingClass.BACKGROUND, ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR, ParsingClass.NECK)


@dataclass(frozen=True)
class GuidingMaps:
    """The two maps of one face, in the crop that the generator sees.

    Args:
        crop: from photo to crop pixels.
        alpha: (S, S) uint8 :class:`ParsingClass`, what is seen (M_α).
        gamma: (S, S) uint8, completed by Algorithm 1 (M_γ).
    """

    crop: Similarity
    alpha: NDArray[np.uint8]
    gamma: NDArray[np.uint8]

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """(S, S) bool, face in the completed map where something in front of it is seen."""
        seen = np.isin(self.alpha, FACE_CLASSES) | np.isin(self.alpha, _BESIDE)
        return np.isin(self.gamma, FACE_CLASSES) & ~seen


def guiding_maps(face: FaceState, size: int) -> GuidingMaps:
    """M_α from the parsing, spectacles from the closer look at them; M_γ from M_α and the landmarks.

    Args:
        face: with ``parsing``, and landmarks with the 478 points.
        size: edge S of the crop in pixels.

    Raises:
        UsageError: the face has no parsing, or its landmarks lack these points.

    Source: Zhao & Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.2.
    """
    points, parsing = face.landmarks.points_478, face.parsing
    points_68 = face.landmarks.points_68
    if points is None or points_68 is None or parsing is None:
        raise UsageError(
            "this method needs the parsing map of the face and its 478 and 68 landmarks; take WholeFace's own "
            "detector and parsing weights"
        )
    crop = face_frame(points, size, PARSING_MARGIN)
    alpha = warp(
        parsing.labels, parsing.frame.inverse().then(crop), (size, size),
        fill=int(ParsingClass.BACKGROUND), filter="nearest",
    )  # fmt: skip
    worn = parsing.eyewear
    if worn is not None and worn.worn:
        glass = warp(worn.occluder, worn.crop.inverse().then(crop), (size, size), fill=0.0)
        alpha = np.where(glass > 0.5, np.uint8(ParsingClass.EYEGLASSES), alpha)
    implied = landmark_map(crop.apply(points_68), size)
    return GuidingMaps(crop, alpha, parsing_map_plus(alpha, implied))


@dataclass(frozen=True)
class DeoccludeByParsingMap:
    """Fills ``generated`` and ``image`` by :class:`wholeface.networks.Fisn`.

    The network makes the whole crop anew; the photo keeps what it shows of the face, and what lies beside it. Pixels
    that the network made are ``GENERATED``, the others ``OBSERVED``.

    Args:
        weights: name of the network, or path of its file.
        remove: what the picture is to be without; the paper takes away all that hides the face.
        error: mean absolute error that is expected of generated pixels, sRGB of [0, 1]; the texture trusts them less
            the larger it is.
        batch: at most so many faces at once.

    Source: Zhao & Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.3.
    """

    weights: str = "fisn"
    remove: Remove = "all"
    error: float = EXPECTED_ERROR
    batch: int = 8

    name: ClassVar[str] = "deocclude"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "parsing"})
    writes: ClassVar[frozenset[str]] = frozenset({"generated", "image"})

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, Fisn)
        done: list[FaceState] = []
        for first in range(0, len(faces), self.batch):
            group = faces[first : first + self.batch]
            maps = [guiding_maps(face, network.config.input_size) for face in group]
            for face, guide, pixels in zip(group, maps, _made(network, group, maps)):
                done.append(filled(face, guide.crop, pixels, guide.hidden, self.remove, self.error))
        return done


def _made(network: Fisn, faces: Sequence[FaceState], maps: Sequence[GuidingMaps]) -> NDArray[np.uint8]:
    """(N, S, S, 3) what the network makes of the crops."""
    size = (network.config.input_size,) * 2
    crops = np.stack([warp(f.photo.pixels, m.crop, size, fill="edge") for f, m in zip(faces, maps)])
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    alpha, gamma = (torch.from_numpy(np.stack(m)).long() for m in zip(*((g.alpha, g.gamma) for g in maps)))
    with torch.inference_mode(), one_torch_thread():
        out = network(images.contiguous(memory_format=torch.channels_last), alpha, gamma)
    made: NDArray[np.uint8] = (out.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return made

"""Stage: wrinkles and folds by the compact relief network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.provenance import Provenance
from ...core.threads import one_thread, side_by_side
from ...networks import ReliefNet
from ...photo import warp
from ..state import BumpMap, FaceState
from ..texture.uv.atlas import FACE, surface_of
from ..tools import Tools
from ..upright import UprightFace
from .inputs import ReliefInput, network_input, relief_input

__all__ = ["ReliefByNetwork"]

_SEEN = 127  # of 255
_SOFT = 64  # of the crop's edge, one part over which relief fades towards the border of visible skin
_MOST = 3.0  # mm
_KNOWN = 0.1  # mm, expected error at which the confidence is a half


@dataclass(frozen=True)
class ReliefByNetwork:
    """Fills ``bump`` by :class:`wholeface.networks.ReliefNet`: what visible skin shows of wrinkles and folds.

    Displacements are shrunk by how unsure the network is of them
    (:func:`wholeface.networks.relief_net.trusted_relief`), fade towards the border of the visible skin, and stay
    within 3 mm. Where something hides the face they are 0 with the provenance ``MODEL``.

    Args:
        weights: name of the network, or path of its file.
        batch: at most so many faces at once.

    Source: after Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.1.
    """

    weights: str = "relief"
    batch: int = 8

    name: ClassVar[str] = "relief"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"bump"})

    @one_thread()
    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, ReliefNet)
        size = network.config.input_size
        done: list[FaceState] = []
        for first in range(0, len(faces), self.batch):
            group = faces[first : first + self.batch]
            given = side_by_side(lambda face: relief_input(face, size), group)
            displacement, scale = _estimated(network, [maps for maps, _ in given])
            done += [
                face.with_(bump=_bump(face, maps, where, height, doubt))
                for face, (maps, where), height, doubt in zip(group, given, displacement, scale)
            ]
        return done


def _estimated(
    network: ReliefNet, given: Sequence[ReliefInput]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, S, S) mm each: displacement as far as it can be trusted, expected error of what the network says."""
    maps = [one.maps() for one in given]
    stacked = torch.from_numpy(network_input({name: np.stack([m[name] for m in maps]) for name in maps[0]}))
    with torch.inference_mode():
        found = network.read(network(stacked.contiguous(memory_format=torch.channels_last)))
        return network.trusted(found)[:, 0].numpy(), found.scale[:, 0].numpy()


def _bump(
    face: FaceState,
    maps: ReliefInput,
    where: UprightFace,
    height: NDArray[np.float32],
    doubt: NDArray[np.float32],
) -> BumpMap:
    assert face.mask is not None
    seen = maps.visible > _SEEN
    occluder = warp(face.mask.occluder, where.crop, seen.shape) > 0.5
    source = np.where(seen, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.NONE))
    source[_face_region(where) & occluder & ~seen] = Provenance.MODEL
    soft = _inwards(seen)
    return BumpMap(
        where.crop,
        np.clip(height, -_MOST, _MOST) * soft,
        source,
        np.asarray(soft * _KNOWN / (_KNOWN + doubt), np.float32),
    )


def _inwards(seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(S, S) 1 well within the visible skin, 0 at its border and beyond."""
    from scipy.ndimage import uniform_filter

    reach = max(1, len(seen) // _SOFT)
    share = uniform_filter(seen.astype(np.float32), 2 * reach + 1, mode="constant")
    return np.asarray(np.clip(2 * share - 1, 0, 1) * seen, np.float32)


def _face_region(where: UprightFace) -> NDArray[np.bool_]:
    """(S, S) where the camera would see the face, hidden or not; neither scalp nor eyes nor the inner mouth."""
    surface = surface_of(where.posed.model)
    triangle = where.posed.seen(where.camera).triangle[0].cpu().numpy()
    found: NDArray[np.bool_] = (triangle >= 0) & (surface.kind[np.maximum(triangle, 0)] == FACE)
    return found

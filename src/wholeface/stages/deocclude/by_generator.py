"""Stage: the hidden face by the compact generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from ...core.threads import one_thread, side_by_side
from ...networks import DeocclusionNet
from ...photo import warp
from ..state import FaceState, GeneratedFace
from ..tools import Tools
from .generator import GeneratorInput, UprightFace, generator_input, near_occluder, network_input
from .remove import Remove, hair_or_hat, removed

__all__ = ["DeoccludeByGenerator", "something_hidden"]

# Error added under hair and hats: composited ones cover foreheads that were there to be photographed, real ones
# leave their colour in what is made of the little that is seen. The other half, or the model, colours these texels.
_UNTOLD = 0.2
_LEAST_HIDDEN = 0.01  # share of the face from which there is something to take away


def something_hidden(face: FaceState, remove: Remove = "all") -> bool:
    """Whether a generator has something to do: anything in front of the face, be it a clear lens.

    Args:
        face: with ``mask``.
        remove: ``all`` counts hair and hats, too; otherwise they stay in the picture, and what they hide of the
            texture is no generator's.
    """
    assert face.mask is not None
    if face.mask.spectacles is not None:
        return True
    if face.mask.hidden_fraction < _LEAST_HIDDEN:
        return False
    if remove == "all" or face.parsing is None:
        return True
    edge = face.parsing.face.shape
    crop = face.parsing.frame
    hidden = warp(face.mask.occluder, crop, edge) > 0.5
    region = warp(face.mask.face_region, crop, edge)
    other = hidden & region & (hair_or_hat(face, crop, edge[0]) < 0.5)
    return bool(other.sum() >= _LEAST_HIDDEN * max(int(region.sum()), 1))


@dataclass(frozen=True)
class DeoccludeByGenerator:
    """Fills ``generated`` by :class:`wholeface.networks.DeocclusionNet`, where there is something to take away.

    Args:
        remove: what the picture without occluders is to be without; see
            :data:`wholeface.stages.deocclude.remove.Remove`.
        weights: name of the network, or path of its file.
        batch: at most so many faces at once.
    """

    remove: Remove = "auto"
    weights: str = "deocclusion"
    batch: int = 8

    name: ClassVar[str] = "deocclude"
    reads: ClassVar[frozenset[str]] = frozenset({"photo", "landmarks", "fit", "mask"})
    writes: ClassVar[frozenset[str]] = frozenset({"generated"})

    @one_thread()
    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        wanted = [i for i, face in enumerate(faces) if something_hidden(face, self.remove)]
        done = [face.with_(generated=GeneratedFace.nothing()) for face in faces]
        if not wanted:
            return done
        network = tools.networks.load_or_shipped(self.weights)
        assert isinstance(network, DeocclusionNet)
        size = network.config.input_size
        for first in range(0, len(wanted), self.batch):
            part = wanted[first : first + self.batch]
            group = [faces[i] for i in part]
            given = side_by_side(lambda face: generator_input(face, size), group)
            for i, found in zip(part, _generated(network, given, group, self.remove)):
                done[i] = faces[i].with_(generated=found)
        return done


def _generated(
    network: DeocclusionNet,
    given: Sequence[tuple[GeneratorInput, UprightFace]],
    faces: Sequence[FaceState],
    remove: Remove,
) -> list[GeneratedFace]:
    maps = [maps.maps() for maps, _ in given]
    stacked = torch.from_numpy(network_input({name: np.stack([m[name] for m in maps]) for name in maps[0]}))
    with torch.inference_mode():
        found = network.read(network(stacked.contiguous(memory_format=torch.channels_last)), stacked)
    pixels = (found.face.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    error = np.ascontiguousarray(found.scale[:, 0].numpy())
    matte = [m * near_occluder(maps) for m, (maps, _) in zip(found.matte[:, 0].numpy(), given)]
    return [
        GeneratedFace(
            where.crop,
            np.ascontiguousarray(p),
            m,
            removed(m, face, where.crop, remove),
            e + _UNTOLD * hair_or_hat(face, where.crop, len(e)),
        )
        for (_, where), face, p, m, e in zip(given, faces, pixels, matte, error)
    ]

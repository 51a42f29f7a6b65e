"""Crops of stored samples for networks that take occluders away: with and without them, maps and landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....perceive import IGNORE, EyewearPart, ParsingClass, landmark_map, parsing_map_plus
from ....perceive.face_parser import mirrored_classes
from ....perceive.frames import PARSING_MARGIN
from ....perceive.landmark_mirror import MIRROR_668
from ...data.stores.fields import KNOWN
from .augment import erase
from .colour import jitter_colours
from .crops import CropJitter, crop_images, crop_labels, crop_matrices, move_points

__all__ = ["face_pairs"]

_SWAP = torch.from_numpy(
    np.concatenate([mirrored_classes(), np.arange(len(ParsingClass), 256)]).astype(np.int64)
)
_VARIATION = 0.4  # of the colours: what the network is to complete should still look like a photo


def face_pairs(
    rows: Sequence[Mapping[str, NDArray[Any]]],
    size: int,
    rng: np.random.Generator,
    jitter: CropJitter,
    *,
    bare: NDArray[np.bool_] | None = None,
    colours: torch.Generator | None = None,
    erased: float = 0.0,
    lenses: bool = False,
) -> dict[str, Tensor]:
    """The parsing network's crop of each sample, as the networks of ``stages/deocclude`` will see it.

    Args:
        rows: of a store with the fields ``image``, ``clean``, ``parsing``, ``occluder``, ``face``, ``landmarks_68``,
            ``dense`` and ``known``, and with ``lenses`` also ``eyewear`` where it is known.
        size: edge in pixels.
        rng: of the crops.
        jitter: how far they miss.
        bare: (N,) which samples are shown without their occluders; None = none.
        colours: varies the colours of both images alike; None leaves them.
        erased: share of samples of which a random patch is hidden, an OBJECT from then on; needs ``colours``.
        lenses: clear lenses, too, are EYEGLASSES in ``alpha``; else they are the face that is seen through them.

    Returns:
        ``image`` and ``clean`` (N, 3, S, S) in [0, 1]; ``alpha`` (N, S, S) int64, what ``image`` shows, ``IGNORE``
        where unknown; ``gamma`` (N, S, S) int64, ``alpha`` completed by Algorithm 1 with the true landmarks;
        ``points`` (N, 68, 2), those landmarks; ``hidden`` (N, S, S) bool, face behind an occluder.
    """
    shown = np.zeros(len(rows), bool) if bare is None else bare
    matrices, mirrored = crop_matrices(
        np.stack([r["dense"] for r in rows]), size, PARSING_MARGIN, rng, jitter
    )
    image = crop_images([r["clean"] if b else r["image"] for r, b in zip(rows, shown)], matrices, size)
    clean = crop_images([r["clean"] for r in rows], matrices, size)
    if colours is not None:
        again = torch.Generator().set_state(colours.get_state())  # the same changes to both
        image = jitter_colours(image, colours, _VARIATION)
        clean = jitter_colours(clean, again, _VARIATION)
    alpha = crop_labels([_with_lenses(r) if lenses else r["parsing"] for r in rows], matrices, size, IGNORE)
    occluder = crop_labels([r["occluder"] for r in rows], matrices, size, IGNORE)
    face = crop_labels([r["face"] for r in rows], matrices, size, 0).bool()
    alpha = torch.where(mirrored[:, None, None], _SWAP[alpha], alpha)
    known = torch.from_numpy(np.stack([r["known"][KNOWN.index("parsing")] for r in rows]))
    covered = (occluder > 0) & (occluder != IGNORE)
    away = torch.from_numpy(shown)[:, None, None] & covered
    alpha = torch.where(known[:, None, None] & ~away, alpha, IGNORE)
    covered &= ~away
    if erased > 0 and colours is not None:
        patches = erase(image, colours, erased)
        alpha, covered = torch.where(patches, int(ParsingClass.OBJECT), alpha), covered | patches
    points = move_points(torch.from_numpy(np.stack([r["landmarks_68"] for r in rows])).float(), matrices)
    mirror = torch.from_numpy(MIRROR_668[:68])
    points = torch.where(mirrored[:, None, None], points[:, mirror], points)
    return {
        "image": image,
        "clean": clean,
        "alpha": alpha,
        "gamma": torch.stack([_completed(a, p) for a, p in zip(alpha, points)]),
        "points": points,
        "hidden": covered & face,
    }


def _with_lenses(row: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """(S, S) the parsing map with whole spectacles, where the store knows them."""
    worn = row.get("eyewear")
    if worn is None:
        return row["parsing"]
    seen = (worn != EyewearPart.NONE) & (worn != IGNORE)
    return np.where(seen, np.uint8(ParsingClass.EYEGLASSES), row["parsing"])


def _completed(alpha: Tensor, points: Tensor) -> Tensor:
    """(S, S) by Algorithm 1; ``alpha`` itself where the landmarks are unknown."""
    if not bool(points.isfinite().all()):
        return alpha
    implied = landmark_map(points.double().numpy(), *alpha.shape)
    return torch.from_numpy(parsing_map_plus(alpha.numpy(), implied)).long()

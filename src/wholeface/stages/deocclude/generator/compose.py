"""What the generator made, laid into the photo at the photo's own resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.provenance import Provenance
from ....photo import Similarity, warp
from ...state import DeoccludedImage, GeneratedFace

__all__ = ["compose", "finer_than_crop"]

_NOTHING = 0.06  # of the matte, up to which the photo stays bit for bit
_FINER = 0.8  # crop pixels per photo pixel, below which the photo is finer than the crop


def finer_than_crop(generated: GeneratedFace) -> bool:
    """Whether the photo shows more than the generator's crop."""
    return generated.crop.scale < _FINER


def compose(
    photo: NDArray[np.uint8], generated: GeneratedFace, rendered: NDArray[np.uint8] | None = None
) -> DeoccludedImage:
    """The photo without what hides the face.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        generated: of one of its faces.
        rendered: (H, W, 3) uint8 sRGB, the photo with the fitted model's rendering in place of the occluder. Where
            the photo is finer than the crop, what of it is finer, too, is added to what the network made. None adds
            nothing.
    """
    box = generated.box(generated.removed, _NOTHING, *photo.shape[:2])
    provenance = np.full(photo.shape[:2], Provenance.OBSERVED, np.uint8)
    if box is None:
        return DeoccludedImage(photo.copy(), provenance)
    left, top, right, bottom = box
    there, size = generated.window(left, top), (right - left, bottom - top)
    part = (slice(top, bottom), slice(left, right))
    matte = np.clip((warp(generated.removed, there, size) - _NOTHING) / (1 - _NOTHING), 0, 1)[..., None]
    face = warp(generated.pixels, there, size, fill="edge").astype(np.float32)
    if rendered is not None and finer_than_crop(generated):
        face += _finer(photo[part], rendered[part], there, generated.removed.shape[0])
    here = photo[part].astype(np.float32)
    mixed = np.clip(np.rint(here + matte * (face - here)), 0, 255).astype(np.uint8)
    pixels = photo.copy()
    pixels[part] = np.where(matte > 0, mixed, photo[part])
    provenance[part][matte[..., 0] >= 0.5] = Provenance.GENERATED
    return DeoccludedImage(pixels, provenance)


def _finer(
    photo: NDArray[np.uint8], rendered: NDArray[np.uint8], there: Similarity, size: int
) -> NDArray[np.float32]:
    """(h, w, 3) what of a rendering the crop cannot show, where it replaces the photo; 0 elsewhere."""
    replaced = (rendered != photo).any(axis=2)
    values = rendered.astype(np.float32)
    small = warp(values, there.inverse(), (size, size), fill="edge")
    detail: NDArray[np.float32] = values - warp(small, there, photo.shape[1::-1], fill="edge")
    detail[~replaced] = 0
    return detail

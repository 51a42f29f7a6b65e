"""What of an unwrapped texture is the face's own skin, and what is hair, collar or background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .....morphable.model import MorphableModel
from ..atlas import Atlas

__all__ = ["BROW_TOP", "OVAL", "FaceMap", "face_map", "inside_polygon", "skin_weight"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
# MediaPipe's points around the face and along the upper edges of the brows.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
BROW_TOP = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_LUMA_FLOOR, _CHROMA_FLOOR = 0.12, 0.05
_WET_MM = 6.5
_SUBNASAL = 2  # of MediaPipe's points


@dataclass(frozen=True)
class FaceMap:
    """Parts of the zone that the skin test treats differently; all (S, S) bool.

    Args:
        zone: texels of the face's statistics.
        core: surely face in every portrait: cheeks, nose, chin between the landmarks, without brows, eyes,
            lips.
        free: may look like anything that belongs to a face: brows, eyes, lips, beard, inside the face's
            outline and below the upper edge of the brows.
        outside: all but the wet rims of the lips, on which a smile shows teeth.
        lips: the red of the lips.
        plain: skin without brows, eyes, nostrils, lips: what is much brighter or darker there is light.
        beard: where beards grow.
    """

    zone: Bools
    core: Bools
    free: Bools
    outside: Bools
    lips: Bools
    plain: Bools
    beard: Bools

    def cropped(self, margin: int = 8) -> FaceMap:
        """The same map without empty borders, still symmetric about its middle column."""
        rows = np.flatnonzero(self.zone.any(1))
        columns = np.flatnonzero(self.zone.any(0))
        size = self.zone.shape[1]
        side = max(min(int(columns[0]), size - 1 - int(columns[-1])) - margin, 0)
        box = (slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin), slice(side, size - side))
        parts = (self.zone, self.core, self.free, self.outside, self.lips, self.plain, self.beard)
        return FaceMap(*(part[box] for part in parts))


def face_map(model: MorphableModel, atlas: Atlas, zone: Bools) -> FaceMap:
    """Derive the map from the model's 478 landmarks on the mean face.

    Args:
        model: with ``landmarks_478``.
        atlas: of the model.
        zone: (S, S) bool.
    """
    assert model.landmarks_478 is not None
    points = model.landmarks_478.points(model.mean, model.triangles).double().numpy()
    oval = points[list(OVAL)][:, :2]
    oval = oval[np.isfinite(oval).all(1)]
    position = atlas.texels(model.mean.double().numpy()).astype(np.float64)
    middle = oval.mean(0)
    inner = inside_polygon(middle + 0.86 * (oval - middle), position[..., :2])
    tight = inside_polygon(middle + 0.70 * (oval - middle), position[..., :2])
    brow = float(np.nanmax(points[list(BROW_TOP), 1]))
    free = zone & inner & (position[..., 1] < brow + 5)
    core = zone & tight & (position[..., 1] < brow + 14)
    for name in ("brows", "lips", "lids"):
        if name in atlas.regions:
            core &= ~ndimage.binary_dilation(atlas.regions[name], iterations=2)
    lips = zone & atlas.regions.get("lips", np.zeros_like(zone))
    plain = zone.copy()
    for name in ("brows", "lips", "lids"):
        if name in atlas.regions:
            plain &= ~ndimage.binary_dilation(atlas.regions[name], iterations=2)
    subnasal = float(points[_SUBNASAL, 1])
    side = np.abs(position[..., 0]) - 0.5 * float(np.ptp(oval[:, 0])) * 0.72
    beard = zone & ((position[..., 1] < subnasal + 2) | ((side > 0) & (position[..., 1] < subnasal + 45)))
    return FaceMap(zone, core, free, zone & ~_wet_lips(atlas, zone), lips, plain, beard)


def _wet_lips(atlas: Atlas, zone: Bools) -> Bools:
    """Texels of the lips within ``_WET_MM`` of the mouth's opening."""
    if "lips" not in atlas.regions:
        return np.zeros_like(zone)
    lips = atlas.regions["lips"]
    texel_mm = float(np.sqrt(np.median(atlas.area[zone])))
    rows, columns = np.nonzero(lips)
    opening = np.zeros_like(zone)
    box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    opening[box] = ~atlas.covered[box]
    far = ndimage.distance_transform_edt(~opening) * texel_mm
    wet: Bools = lips & (far < _WET_MM)
    return wet


def inside_polygon(polygon: Array, points: Array) -> Bools:
    """Even–odd rule; polygon (P, 2), points (…, 2)."""
    x, y = points[..., 0], points[..., 1]
    odd = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        crosses = (y0 > y) != (y1 > y)
        at = x0 + (y - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1e-12)
        odd ^= crosses & (x < at)
    return odd


def skin_weight(
    log_albedo: Array,
    expected: Array,
    weight: Array,
    face: FaceMap,
    *,
    strict: float = 1.0,
    lean: float = 2.6,
) -> Array:
    """Confidence in each texel of a texture after a colour test against the face's own skin.

    Outside ``face.free`` a texel counts as skin where its deviation from the expected albedo, less the core's
    median deviation, stays within ``lean`` robust standard deviations of the core's, in brightness and in
    colour, and where it hangs together with the core. The border is drawn in by three texels.

    Args:
        log_albedo: (S, S, 3).
        expected: (S, S, 3) mean log albedo, any overall level.
        weight: (S, S) visibility in [0, 1].
        face: where to test.
        strict: factor below 1 tightens the test.
        lean: tolerated standard deviations.

    Returns:
        (S, S) in [0, 1], at most ``weight``.
    """
    deviation = log_albedo - expected
    known = face.core & (weight > 0.3)
    if known.sum() < 50:
        return np.zeros_like(weight)
    deviation = deviation - np.median(deviation[known], axis=0)
    luma = deviation.mean(-1)
    chroma = np.linalg.norm(deviation - luma[..., None], axis=-1)
    luma_scale = max(_LUMA_FLOOR, 1.4826 * float(np.median(np.abs(luma[known]))))
    chroma_scale = max(_CHROMA_FLOOR, 1.4826 * float(np.median(chroma[known])))
    seen = (weight > 0).astype(np.float64)
    smooth = ndimage.gaussian_filter(seen, 1.0) + 1e-6
    mean_luma = ndimage.gaussian_filter(luma * seen, 1.0) / smooth
    mean_chroma = ndimage.gaussian_filter(chroma * seen, 1.0) / smooth
    distance = np.sqrt((mean_luma / luma_scale) ** 2 + (mean_chroma / chroma_scale) ** 2)
    good = face.free | (distance < lean * strict)
    good &= face.zone
    opened = ndimage.binary_opening(good, iterations=2) | face.free
    labels, _ = ndimage.label(opened)
    own = np.unique(labels[face.core & opened])
    kept = np.isin(labels, own[own > 0])
    # Draw the border in where it was found by the test, not where the zone or the view ends.
    rejected = face.zone & ~kept
    far = ndimage.distance_transform_edt(~rejected)
    feather = np.where(face.free, 1.0, np.clip((far - 3.0) / 3.0, 0, 1))
    result: Array = weight * kept * feather
    return result

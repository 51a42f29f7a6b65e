"""The head's pixels in flat order, as the occluder mask's statistics take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .view import FaceView
from .zones import FaceZones

__all__ = ["HeadPixels", "OccluderWeights", "SkinNoise"]

_Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class OccluderWeights:
    """Weights of the cues.

    Args:
        face_prior: log odds of a pixel to be face before it is looked at.
        surroundings: share of the colours around the face in the model of what is not face; the rest is
            uniform.
        texture: exponent of the texture likelihood.
        skin_coloured: density of skin-coloured occluders (hands) in front of a face, over that of the face
            itself: however well a pixel fits the skin, it proves no more than this.
        hands: what is added to ``skin_coloured`` over the lower face, where hands are.
        coherence: scale of the pixels' evidence against the length penalty: larger = more detail.
        edge_scale: log-colour step at which a boundary becomes cheap.
        edge_floor: price of a boundary along the strongest edge.
        contour: least log-colour step along a piece's outline: occluders have contours, shadows fade.
        smallest: share of the face below which a piece that enters from outside is dropped.
        smallest_island: the same for a piece inside the face.
        network: weight of the network's log odds, where there is one.
        own: weight of all evidence of this method beside a network.
    """

    face_prior: float = 0.8
    surroundings: float = 0.7
    texture: float = 0.5
    skin_coloured: float = 0.2
    hands: float = 0.3
    coherence: float = 0.10
    edge_scale: float = 0.10
    edge_floor: float = 0.06
    contour: float = 0.12
    smallest: float = 0.004
    smallest_island: float = 0.015
    network: float = 1.0
    own: float = 0.1


@dataclass(frozen=True)
class SkinNoise:
    """Robust scatter of visible skin about the model.

    Args:
        offset: (2,) median chroma difference.
        chroma: (2,) standard deviation of the log chroma.
        luminance: standard deviation of the log luminance.
    """

    offset: _Array
    chroma: _Array
    luminance: float


@dataclass(frozen=True)
class HeadPixels:
    """The pixels where the head shows skin unless something is in front of it, in flat order.

    Args:
        at: (P,) flat indices into the view.
        inside: (P,) of the face region; the others are ears and neck.
        place: (P, 3) position on the mean head relative to the height of the eyes, mm.
        cosine: (P,) cosine between surface and viewing axis.
        basis: (P, 9) spherical harmonics.
        albedo: (P, 3) linear.
        colour: (P, 3) linear, observed.
        feature: (P,) eyes, brows, mouth and nostrils.
        eyes: (P,) eyes and brows alone.
        beard: (P,) where beards grow.
        lens: (P,) what spectacles cover.
        skin: (P,) how surely the place shows plain skin when nothing is in front.
        correction: (P, 7) smooth, mirror-symmetric functions of the place.
    """

    at: NDArray[np.intp]
    inside: NDArray[np.bool_]
    place: _Array
    cosine: _Array
    basis: _Array
    albedo: _Array
    colour: _Array
    feature: _Array
    eyes: _Array
    beard: _Array
    lens: _Array
    skin: _Array
    correction: _Array

    @staticmethod
    def of(view: FaceView, zones: FaceZones) -> HeadPixels:
        """The pixels of a view in which the model shows skin and the photo has content."""
        at = np.flatnonzero(view.skin & view.content)

        def pick(values: _Array) -> _Array:
            return values.reshape(-1, *values.shape[2:])[at]

        inside = view.region.ravel()[at]
        zone = {name: pick(values) for name, values in view.zones.items()}
        eyes = np.clip(np.maximum(zone["eyes"], zone["brows"]), 0, 1)
        feature = np.clip(np.maximum.reduce([eyes, zone["mouth"], zone["nostrils"]]), 0, 1)
        cosine = pick(view.cosine)
        place = pick(view.place) - np.array([0, zones.eye_height, 0], np.float32)
        skin = (1 - feature) * np.clip(cosine, 0.05, 1) * inside
        x, y = np.abs(place[:, 0]) / 70, (place[:, 1] + 35) / 90
        terms = np.stack([x**2, y, y**2, x**2 * y, x**2 * y**2, y**3, x**4], axis=1).astype(np.float32)
        terms -= (terms * skin[:, None]).sum(axis=0) / max(float(skin.sum()), 1e-6)
        # Features differ between people and moments more than any mean tells: they are compared with skin.
        albedo = np.maximum(pick(view.albedo), 1e-3)
        plain = (albedo * skin[:, None]).sum(axis=0) / max(float(skin.sum()), 1e-6)
        albedo += feature[:, None] * (plain - albedo)
        return HeadPixels(
            at=at,
            inside=inside,
            place=place,
            cosine=cosine,
            basis=pick(view.basis),
            albedo=albedo,
            colour=pick(view.linear),
            feature=feature,
            eyes=eyes,
            beard=np.clip(zone["beard"], 0, 1) * inside,
            lens=zone["lens"],
            skin=skin,
            correction=terms,
        )

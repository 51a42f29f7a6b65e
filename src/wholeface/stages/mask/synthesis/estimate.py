"""What is in front of the face: analysis by synthesis, without training data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....core.threads import one_thread
from ....morphable import MorphableModel, Parameters
from ....perceive.landmarks import FaceLandmarks
from ....photo import Patch
from ....render import Camera
from ...posed import PosedFace
from .pixels import OccluderWeights
from .steps import alternate
from .upsample import to_photo, to_window
from .view import face_view
from .zones import face_zones

__all__ = ["OccluderEstimate", "OccluderSettings", "estimate_occluder"]


@dataclass(frozen=True)
class OccluderSettings:
    """Working size and weights of the occluder mask.

    Args:
        face_size: longer side of the face at which the mask is decided, pixels.
        margin: how much of the surroundings to look at, over the face's longer side.
        iterations: alternations of classification and refit.
        weights: weights of the single cues.
    """

    face_size: int = 128
    margin: float = 0.33
    iterations: int = 4
    weights: OccluderWeights = field(default_factory=OccluderWeights)


@dataclass(frozen=True)
class OccluderEstimate:
    """Which part of the projected face is occluded.

    Args:
        probability: (H, W) float32, of each pixel to show an occluder; 0 outside
            ``face_region``.
        mask: (H, W) bool, ``probability`` > ½.
        face_region: (H, W) bool, projected amodal outline of facial skin: chin to hairline, ear to ear.
        parameters: the parameters that were given, with the light fitted to the visible skin.
        sunglasses: probability that both eyes are behind dark glasses.
        beard: probability that the visible jaw carries a beard.
        skin_noise: robust standard deviation of the visible skin's log luminance about the model.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    face_region: NDArray[np.bool_]
    parameters: Parameters
    sunglasses: float
    beard: float
    skin_noise: float

    __repr__ = short_repr

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(H, W) bool, face skin or features that the photo shows."""
        return self.face_region & ~self.mask

    @property
    def occluded_fraction(self) -> float:
        """Share of the face region that is occluded, in [0, 1]."""
        return float(self.mask.sum() / max(int(self.face_region.sum()), 1))


@one_thread()
def estimate_occluder(
    photo_pixels: NDArray[np.uint8],
    model: MorphableModel,
    parameters: Parameters,
    camera: Camera,
    landmarks: FaceLandmarks | None = None,
    *,
    occluder_prior: NDArray[np.float32] | Patch | None = None,
    posed: PosedFace | None = None,
    settings: OccluderSettings | None = None,
) -> OccluderEstimate:
    """Occluder mask of one fitted face.

    Expectation–maximisation: given the light, each pixel of the projected face is explained either as skin
    (with shadows, highlights, perhaps a beard) or a facial feature, or as something else, whose colours are
    learned from the photo around the face; an edge-aware minimum cut makes the labels coherent (E). Given the
    labels, light and a smooth, mirror-symmetric correction of the skin's colour are fitted to the visible
    skin (M).

    Args:
        photo_pixels: (H, W, 3) uint8, sRGB.
        model: face model with 68 landmarks; its albedo is used where it has one.
        parameters: one fitted face; its light is not used.
        camera: of the photo, H × W.
        landmarks: not needed; accepted so that better masks may use them.
        occluder_prior: (H, W) in [0, 1], what a network that reads pixels alone holds for the probability of
            an occluder (:attr:`FaceParsing.occluder`); NaN where it does not look; or a patch of that. It
            joins the other evidence. None without.
        posed: the face in camera space, where it is known already; None poses it.
        settings: None takes the defaults.

    Returns:
        OccluderEstimate at photo size.

    Raises:
        UsageError: shapes that do not fit, a batch of parameters, a face outside the photo, or a model
            without 68 landmarks.

    Source: Egger et al. 2018, "Occlusion-aware 3D Morphable Models and an Illumination Prior for Face Image
    Analysis", IJCV 126; the pre-initialisation of Li et al. 2023, "To fit or not to fit" (FOCUS).
    """
    del landmarks
    if isinstance(occluder_prior, np.ndarray) and occluder_prior.shape != np.shape(photo_pixels)[:2]:
        raise UsageError(
            f"occluder_prior must have one value a pixel, {np.shape(photo_pixels)[:2]}, got {occluder_prior.shape}"
        )
    settings = settings or OccluderSettings()
    pixels = np.asarray(photo_pixels)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise UsageError(f"the photo must be (H, W, 3) uint8, got {pixels.dtype} {pixels.shape}")
    if pixels.shape[:2] != (camera.height, camera.width):
        raise UsageError(
            f"the camera is of a {camera.width}×{camera.height} photo, but this one is "
            f"{pixels.shape[1]}×{pixels.shape[0]}"
        )
    if parameters.identity.ndim != 1:
        raise UsageError("estimate_occluder takes one face at a time, not a batch of parameters")
    with torch.no_grad():
        zones = face_zones(model)
        head = PosedFace.of(model, parameters, posed)
        view = face_view(pixels, head, parameters, camera, zones, settings.face_size, settings.margin)
        if view.region.sum() < 50:
            raise UsageError("hardly anything of the fitted face lies inside the photo")
        prior = None if occluder_prior is None else to_window(occluder_prior, view.window, pixels.shape[:2])
        state = alternate(view, zones, settings.iterations, settings.weights, prior)
        probability, face_region = to_photo(pixels, view, state.occluder)
    light = torch.from_numpy(state.light * view.albedo_gain).to(parameters.translation)
    return OccluderEstimate(
        probability=probability,
        mask=probability > 0.5,
        face_region=face_region,
        parameters=parameters.with_(light=light),
        sunglasses=state.sunglasses,
        beard=state.beard,
        skin_noise=state.luminance_sigma,
    )

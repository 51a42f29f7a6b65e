"""A face without folds, and all that is needed to draw folds on it and to give it to a relief network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.boxes import box_iou
from ....core.errors import WholeFaceError
from ....core.short_repr import short_repr
from ....methods.analysis import fit_and_refine
from ....methods.spec import MethodOptions
from ....photo import Photo, warp
from ....stages import FaceFit, FaceState, Tools, run_stages
from ....stages.relief import ReliefInput, relief_input
from ....stages.relief.inputs import MAPS
from ....stages.upright import upright
from .faces import BareFace
from .surface import SurfaceMaps, surface_maps

__all__ = ["BASE_MAPS", "GIVEN", "ReliefBase", "base_of_rendering", "base_of_state"]

GIVEN = tuple(name for name in MAPS if name != "slopes")
"""Maps of what a network is told that are kept; the slopes follow from normals and light."""
BASE_MAPS: dict[str, tuple[type[np.generic], int]] = {
    **{name: MAPS[name] for name in GIVEN},
    "skin": (np.uint8, 1),
    "true_normals": (np.float16, 3),
    "true_points": (np.float32, 3),
    "chart": (np.float16, 2),
}
"""Name of each map of :class:`ReliefBase` -> its type and number of channels."""
_LEAST_FOUND = 0.3  # overlap of the boxes from which a found face is the drawn one


@dataclass(frozen=True)
class ReliefBase:
    """One face in the crop of a relief network.

    Args:
        given: what a network is told, of the picture without folds.
        skin: (S, S) uint8, 255 where the picture shows bare skin.
        true_normals, true_points, chart: maps of the true surface, see
            :class:`wholeface.lab.data.relief.surface.SurfaceMaps`; a photo's are those of its fit.
        light: (9, 3) float32, the true one in the crop's camera space.
        expression: (E,) float32 weights.
        source, subject: see :class:`wholeface.lab.data.relief.faces.BareFace`.
    """

    given: ReliefInput
    skin: NDArray[np.uint8]
    true_normals: NDArray[np.float16]
    true_points: NDArray[np.float32]
    chart: NDArray[np.float16]
    light: NDArray[np.float32]
    expression: NDArray[np.float32]
    source: str
    subject: str

    __repr__ = short_repr


def base_of_state(state: FaceState, size: int, subject: str) -> ReliefBase:
    """Of a photo that was fitted: the fit counts as true.

    Args:
        state: with fit and mask.
        size: S.
        subject: whose face it is.
    """
    assert state.fit is not None
    given, where = relief_input(state, size)
    maps = surface_maps(where.posed, where.camera)
    light = where.parameters.light.detach().cpu().float().numpy()
    return _base(
        given,
        np.where(maps.shown, given.visible, 0).astype(np.uint8),
        maps,
        light,
        state.fit,
        "photo",
        subject,
    )


def base_of_rendering(face: BareFace, tools: Tools, size: int) -> ReliefBase | None:
    """Of a rendering: it goes through the method as any photo, and its truth comes along.

    Returns:
        None where the face is not found.
    """
    photo = Photo(face.pixels, None, None, face.subject, "array", ())
    corners = face.fit.camera.project(face.fit.posed.points[face.fit.model.region("face")]).numpy()
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    same = [
        found
        for found in tools.networks.detector.detect(face.pixels)
        if float(box_iou(found.box, box)) > _LEAST_FOUND
    ]
    if not same:
        return None
    state = run_stages(list(fit_and_refine(MethodOptions())), [FaceState(photo, same[0])], tools)[0]
    if isinstance(state, WholeFaceError):
        return None
    given, where = relief_input(state, size)
    true = upright(face.fit, where.crop, size)
    maps = surface_maps(true.posed, true.camera)
    skin = warp(face.skin.astype(np.float32), where.crop, (size, size))
    seen = np.round(np.clip(skin, 0, 1) * 255 * maps.shown).astype(np.uint8)
    light = true.parameters.light.detach().cpu().float().numpy()
    return _base(given, seen, maps, light, face.fit, face.source, face.subject)


def _base(
    given: ReliefInput,
    skin: NDArray[np.uint8],
    maps: SurfaceMaps,
    light: NDArray[np.float32],
    fit: FaceFit,
    source: str,
    subject: str,
) -> ReliefBase:
    return ReliefBase(
        given, skin, maps.normals.astype(np.float16), maps.points, maps.chart.astype(np.float16),
        light.astype(np.float32), fit.parameters.expression.detach().cpu().float().numpy(), source, subject,
    )  # fmt: skip

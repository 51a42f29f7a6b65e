"""What the compact generator is given of a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....perceive import ParsingClass
from ....perceive.landmark_map import landmark_map
from ....perceive.parsing_map import parsing_map_plus
from ....photo import warp
from ...state import FaceState
from ...texture import CompletedTexture, complete_texture
from ...texture.uv.atlas import EYEBALL, FACE, INNER, TEETH, surface_of
from ...texture.uv.view import pose
from ...upright import UprightFace, crop_around, upright
from ..rendering import deocclude, shaded

__all__ = [
    "CHANNELS",
    "FRAME_MARGIN",
    "LABEL_GROUPS",
    "MAPS",
    "GeneratorInput",
    "generator_input",
    "network_input",
]

FRAME_MARGIN = 1.5  # edge of the crop over the longer side of the face: temples, ears and the brim of a hat
_PERHAPS = 77  # of 255, from which a map may be right
_REACH = (
    24  # of the crop's edge, one part by which seams and cast shadows reach beyond the occluder: a centimetre
)
_TEXTURE = 256  # texels: no finer than the crop
_OBJECTS = (ParsingClass.EYEGLASSES, ParsingClass.OBJECT)
_Bytes = NDArray[np.uint8]

# fmt: off
_GROUPS: tuple[tuple[ParsingClass, ...], ...] = (
    (ParsingClass.BACKGROUND,),
    (ParsingClass.SKIN,),
    (ParsingClass.NOSE,),
    (ParsingClass.LEFT_BROW, ParsingClass.RIGHT_BROW),
    (ParsingClass.LEFT_EYE, ParsingClass.RIGHT_EYE),
    (ParsingClass.INNER_MOUTH,),
    (ParsingClass.UPPER_LIP, ParsingClass.LOWER_LIP),
    (ParsingClass.HAIR,),
    (ParsingClass.HAT,),
    (ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR),
    (ParsingClass.NECK, ParsingClass.CLOTH, ParsingClass.NECKLACE, ParsingClass.EARRING),
    (ParsingClass.EYEGLASSES, ParsingClass.OBJECT),
)
# fmt: on
LABEL_GROUPS = len(_GROUPS)
"""Channels that the completed parsing map becomes: both sides of the face alike."""
MAPS = 9
"""Channels of the maps that are neither colours nor labels."""


@dataclass(frozen=True)
class GeneratorInput:
    """Maps of one face in an upright crop of S × S pixels; probabilities are bytes, 255 = 1.

    Args:
        image: (S, S, 3) sRGB, the photo with what hides the face.
        base: (S, S, 3) sRGB, the photo de-occluded by the fitted model's rendering.
        rendering: (S, S, 3) sRGB, the fitted model with its completed texture, black beside the head.
        region: (S, S) 0 beside the head, 1 face, 2 rest of the head, 3 eyeball, 4 teeth and inner mouth.
        confidence: (S, S) of the completed texture.
        occluder: (S, S) the mask.
        beyond: (S, S) the parsing network's spectacles and objects, in front of the face or not.
        frame: (S, S) spectacles' frame.
        clear: (S, S) their clear lenses.
        dark: (S, S) their dark lenses.
        whole: (S, S) :class:`wholeface.perceive.ParsingClass` of the whole face, the map M_gamma of Algorithm 1.
    """

    image: _Bytes
    base: _Bytes
    rendering: _Bytes
    region: _Bytes
    confidence: _Bytes
    occluder: _Bytes
    beyond: _Bytes
    frame: _Bytes
    clear: _Bytes
    dark: _Bytes
    whole: _Bytes

    __repr__ = short_repr

    @property
    def size(self) -> int:
        """S."""
        return self.image.shape[0]

    def maps(self) -> dict[str, _Bytes]:
        """Name -> map, as :func:`network_input` takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


CHANNELS: dict[str, int] = {
    f.name: 3 if f.name in ("image", "base", "rendering") else 1 for f in fields(GeneratorInput)
}
"""Name of each map -> its number of channels."""


def generator_input(face: FaceState, size: int) -> tuple[GeneratorInput, UprightFace]:
    """The maps of a face, and the frame in which they lie.

    Args:
        face: with ``fit`` and ``mask``; what is missing of ``parsing`` is taken for nothing seen.
        size: S in pixels.

    Raises:
        UsageError: the face has no fit or mask.
    """
    if face.fit is None or face.mask is None:
        raise UsageError("the generator needs the slots 'fit' and 'mask' of a face")
    points = face.landmarks.points_478
    frame = crop_around(face.landmarks.points if points is None else points, size, FRAME_MARGIN)
    where = upright(face.fit, frame, size)
    edge = (size, size)
    image = warp(face.photo.pixels, frame, edge, fill="edge")
    worn = face.mask.spectacles
    occluder = warp(face.mask.occluder, frame, edge)
    nothing = np.zeros(edge, np.float32)
    rims, clear, dark = (
        (nothing, nothing, nothing)
        if worn is None
        else tuple(part.seen(frame, edge) for part in (worn.frame_patch, worn.lens_patch, worn.dark_patch))
    )
    hidden = np.clip(np.maximum(occluder, np.maximum(rims, dark)), 0, 1)
    completed = complete_texture(
        face.fit.model, image, where.parameters, where.camera, hidden, size=_TEXTURE, posed=where.posed
    )
    base = deocclude(
        image, face.fit.model, where.parameters, where.camera, hidden, completed, posed=where.posed
    )
    rendering, region, confidence = _rendered(face, where, completed)
    seen, beyond = np.zeros(edge, np.uint8), nothing
    if face.parsing is not None:
        onward = face.parsing.frame.inverse().then(frame)
        seen = warp(face.parsing.labels, onward, edge, filter="nearest")
        beyond = warp(face.parsing.parsing[list(_OBJECTS)].sum(axis=0), onward, edge)
    marks = face.landmarks.points_68
    implied = seen if marks is None else landmark_map(frame.apply(marks), size)
    whole = parsing_map_plus(seen, implied)
    given = GeneratorInput(
        image, base, rendering, region, _byte(confidence), _byte(occluder), _byte(beyond), _byte(rims),
        _byte(clear), _byte(dark), whole,
    )  # fmt: skip
    return given, where


def near_occluder(maps: GeneratorInput) -> NDArray[np.float32]:
    """(S, S) in [0, 1]: 1 where a map says occluder, lens or object on the head, or close by; 0 farther away.

    Whatever the network makes of the rest, the photo is right there.
    """
    from scipy.ndimage import maximum_filter, uniform_filter

    reach = max(1, maps.size // _REACH)
    head = maximum_filter(
        (maps.region > 0).astype(np.uint8), 4 * reach + 1
    )  # straps and temples lie close to it
    told = np.max([maps.occluder, maps.beyond * head, maps.frame, maps.clear, maps.dark], axis=0)
    near = maximum_filter((told > _PERHAPS).astype(np.float32), 2 * reach + 1)
    return np.clip(2 * uniform_filter(near, reach // 2 * 2 + 1) - 0.2, 0, 1)


def network_input(maps: Mapping[str, _Bytes]) -> NDArray[np.float32]:
    """What :class:`wholeface.networks.DeocclusionNet` reads: photo, base and rendering, then the other maps, then
    the completed parsing map, one-hot by groups.

    Args:
        maps: those of :data:`CHANNELS`, each (N, S, S[, 3]).

    Returns:
        (N, 9 + MAPS + LABEL_GROUPS, S, S) float32 in [0, 1].
    """
    image = maps["image"]
    count, height, width = image.shape[:3]
    out = np.empty((count, 9 + MAPS + LABEL_GROUPS, height, width), np.float32)
    for i, name in enumerate(("image", "base", "rendering")):
        out[:, 3 * i : 3 * i + 3] = maps[name].transpose(0, 3, 1, 2)
    region = maps["region"]
    out[:, 9] = 255 * ((region == 1) | (region == 2))
    out[:, 10] = 255 * (region == 3)
    out[:, 11] = 255 * (region == 4)
    for i, name in enumerate(("confidence", "occluder", "beyond", "frame", "clear", "dark")):
        out[:, 12 + i] = maps[name]
    out[:, : 9 + MAPS] *= np.float32(1 / 255)
    for i, group in enumerate(_GROUPS):
        out[:, 9 + MAPS + i] = np.isin(maps["whole"], group)
    return out


def _rendered(
    face: FaceState, where: UprightFace, completed: CompletedTexture
) -> tuple[_Bytes, _Bytes, NDArray[np.float32]]:
    """The lit head, the region that each pixel shows, and the texture's confidence there."""
    assert face.fit is not None
    model = face.fit.model
    surface, head = surface_of(model), pose(where.posed)
    fragments = where.posed.seen(where.camera)
    triangle = np.ascontiguousarray(fragments.triangle[0].numpy(), np.int32)
    barycentric = np.ascontiguousarray(fragments.barycentric[0].numpy(), np.float32)
    lit = shaded(model, completed, head.normals, surface.triangles, triangle, barycentric)
    codes = np.full(256, 2, np.uint8)
    codes[[FACE, EYEBALL, TEETH, INNER]] = (1, 3, 4, 4)
    there = triangle >= 0
    region = np.where(there, codes[surface.kind[np.maximum(triangle, 0)]], np.uint8(0))
    confidence = np.zeros(triangle.shape, np.float32)
    shown, weights = triangle[there], barycentric[there]
    if completed.per_vertex or model.uv is None or model.uv_triangles is None:
        corners = completed.confidence[surface.triangles[shown]]
        confidence[there] = (corners * weights).sum(axis=1)
    else:
        uv = model.uv.detach().cpu().float().numpy()[model.uv_triangles.cpu().numpy()[shown]]
        place = np.einsum("pj,pjk->pk", weights, uv)
        edge = len(completed.confidence)
        column = np.clip((place[:, 0] * edge).astype(int), 0, edge - 1)
        row = np.clip(((1 - place[:, 1]) * edge).astype(int), 0, edge - 1)
        confidence[there] = completed.confidence[row, column]
    return np.clip(np.round(lit), 0, 255).astype(np.uint8), region, confidence


def _byte(values: NDArray[np.floating]) -> _Bytes:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)

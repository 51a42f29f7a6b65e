"""One face of one photo on its way through the house: slots that stages read and fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.packing import packed, unpacked
from ..core.provenance import Provenance
from ..core.short_repr import short_repr
from ..morphable import MorphableModel, Parameters
from ..perceive import FaceLandmarks, OccluderKind
from ..perceive.face_parser import FaceParsing
from ..photo import Patch, Photo, Similarity, footprint
from ..render import Camera
from .posed import PosedFace
from .texture import CompletedTexture

__all__ = [
    "SLOTS",
    "BumpMap",
    "DeoccludedImage",
    "FaceFit",
    "FaceState",
    "GeneratedFace",
    "MaskEstimate",
    "ReliefMap",
    "Spectacles",
]


@dataclass(frozen=True)
class FaceFit:
    """A face model laid over the photo.

    Args:
        model: the face model.
        parameters: identity, expression, albedo, light and pose of one face, without a batch dimension.
        camera: of the photo, with the fitted (or given) focal length.
        landmark_rms: root mean square distance of the fitted landmarks from those observed, photo pixels; NaN where
            no landmarks were fitted.
        converged: whether the solver stopped by itself.
        identity_information: (K, K) posterior precision of the identity, all other unknowns marginalised, or None.
    """

    model: MorphableModel
    parameters: Parameters
    camera: Camera
    landmark_rms: float = float("nan")
    converged: bool = True
    identity_information: NDArray[np.float64] | None = None

    __repr__ = short_repr

    @cached_property
    def posed(self) -> PosedFace:
        """The face in camera space, which all later stages share."""
        return PosedFace.of(self.model, self.parameters)

    def with_(self, **changes: Any) -> FaceFit:
        """A copy with some fields replaced; it keeps the posed face as long as shape and pose stay as they are."""
        new = replace(self, **changes)
        known = vars(self).get("posed")
        if known is not None and known.is_of(new.model, new.parameters):
            vars(new)["posed"] = known
        return new

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Spectacles:
    """Spectacles that a face wears.

    The maps at the photo's size, :attr:`frame`, :attr:`lens` and :attr:`dark`, are made when they are asked for, and
    not kept: of a large photo they are mostly empty, and heavy.

    Args:
        frame_patch: probability of rims, bridge and temples, beyond the face, too, in the band of the eyes.
        lens_patch: of a lens through which the face is seen; it counts as face.
        dark_patch: of a tinted or mirroring lens; with the frame it counts as occluder. All three cover one part
            of the photo.
        height, width: of the photo.
        presence: how sure it is that there are any, in [0, 1].
    """

    frame_patch: Patch
    lens_patch: Patch
    dark_patch: Patch
    height: int
    width: int
    presence: float

    __repr__ = short_repr

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the photo that the patches cover."""
        return self.frame_patch.slices

    @property
    def frame(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1], probability of rims, bridge and temples."""
        return self.frame_patch.whole(self.height, self.width)

    @property
    def lens(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1], probability of a lens through which the face is seen."""
        return self.lens_patch.whole(self.height, self.width)

    @property
    def dark(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1], probability of a tinted or mirroring lens."""
        return self.dark_patch.whole(self.height, self.width)

    @property
    def kind(self) -> OccluderKind:
        """``SUNGLASSES`` where more of the lenses is dark than clear, else ``GLASSES``."""
        dark = float(self.dark_patch.values.sum()) > float(self.lens_patch.values.sum())
        return OccluderKind.SUNGLASSES if dark else OccluderKind.GLASSES


@dataclass(frozen=True)
class MaskEstimate:
    """What is in front of the face.

    Args:
        occluder: (H, W) float32 in [0, 1], probability of something in front of the face; 0 where neither the fit
            nor the parsing network holds the photo for face.
        face_region: (H, W) bool, the projected face from chin to hairline, hidden parts included.
        spectacles: where frames and lenses are, or None where the face wears none or nobody looked.
    """

    occluder: NDArray[np.float32]
    face_region: NDArray[np.bool_]
    spectacles: Spectacles | None = None

    __repr__ = short_repr

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """(H, W) bool, more probably an occluder than not."""
        return self.occluder > 0.5

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """(H, W) bool, face that the photo shows."""
        return self.face_region & ~self.hidden

    @cached_property
    def hidden_fraction(self) -> float:
        """Share of the projected face that is hidden, in [0, 1]."""
        return float((self.hidden & self.face_region).sum() / max(int(self.face_region.sum()), 1))


@dataclass(frozen=True)
class DeoccludedImage:
    """The photo without what hides the face.

    Args:
        pixels: (H, W, 3) uint8 sRGB, of the photo's size.
        provenance: (H, W) uint8, :class:`wholeface.core.provenance.Provenance` of each pixel.
    """

    pixels: NDArray[np.uint8]
    provenance: NDArray[np.uint8]

    __repr__ = short_repr

    @staticmethod
    def changed(pixels: NDArray[np.uint8], photo: NDArray[np.uint8], source: Provenance) -> DeoccludedImage:
        """Pixels that differ from the photo's are of ``source``, the others observed."""
        differ = (pixels != photo).any(axis=2)
        return DeoccludedImage(pixels, np.where(differ, np.uint8(source), np.uint8(Provenance.OBSERVED)))


@dataclass(frozen=True)
class GeneratedFace:
    """What a network made of a hidden face, in an upright crop of the photo.

    Args:
        crop: from photo to crop pixels.
        pixels: (S, S, 3) uint8 sRGB, the face without what hides it.
        matte: (S, S) float32 in [0, 1], how far something hides the face: the texture is made of ``pixels`` there.
        removed: (S, S) float32 in [0, 1], how far ``pixels`` replace the photo in the picture without occluders; at
            most ``matte``.
        error: (S, S) float32, mean absolute error of ``pixels`` that the network expects, in sRGB of [0, 1].
    """

    crop: Similarity
    pixels: NDArray[np.uint8]
    matte: NDArray[np.float32]
    removed: NDArray[np.float32]
    error: NDArray[np.float32]

    __repr__ = short_repr

    @staticmethod
    def nothing() -> GeneratedFace:
        """Of a face that nothing hides, or nothing that a network is asked to take away: the photo stays."""
        plane = np.zeros((1, 1), np.float32)
        return GeneratedFace(Similarity(), np.zeros((1, 1, 3), np.uint8), plane, plane, plane)

    @property
    def is_nothing(self) -> bool:
        """Whether no pixel is replaced, and no texel comes from here."""
        return not self.matte.any()

    def box(
        self, field: NDArray[np.float32], least: float, height: int, width: int
    ) -> tuple[int, int, int, int] | None:
        """The photo's pixels beyond which a map of the crop stays below ``least``: left, top, right, bottom.

        Args:
            field: (S, S), such as ``matte``.
            least: of its values that count.
            height, width: of the photo.
        """
        rows, columns = (np.flatnonzero((field >= least).any(axis=axis)) for axis in (1, 0))
        if len(rows) == 0:
            return None
        around = (columns[0] - 1, rows[0] - 1, columns[-1] + 1, rows[-1] + 1)
        left, top, right, bottom = footprint(self.crop, around, height, width)
        return (left, top, right, bottom) if right > left and bottom > top else None

    def window(self, left: int = 0, top: int = 0, factor: float = 1.0) -> Similarity:
        """From the crop to a window of the photo.

        Args:
            left, top: photo pixel of the window's corner.
            factor: photo pixels per pixel of the window.
        """
        half = (factor - 1) / 2
        onward = Similarity(1 / factor, 0.0, -(left + half) / factor, -(top + half) / factor)
        return self.crop.inverse().then(onward)


@dataclass(frozen=True)
class BumpMap:
    """Wrinkles and folds on the foundation, pixel by pixel in an upright crop of the photo.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.1. They
    measure along the viewing ray; here it is along the normal.

    Args:
        crop: from photo to crop pixels.
        displacement: (S, S) float32 mm along the foundation's outer normal, positive outwards; 0 where no skin is.
        provenance: (S, S) uint8, :class:`wholeface.core.provenance.Provenance` of each pixel: none beside the skin,
            observed, taken from an example, or model where the skin is hidden and nothing is known of it.
        confidence: (S, S) float32 in [0, 1].
    """

    crop: Similarity
    displacement: NDArray[np.float32]
    provenance: NDArray[np.uint8]
    confidence: NDArray[np.float32]

    __repr__ = short_repr


@dataclass(frozen=True)
class ReliefMap:
    """Wrinkles and folds on the foundation, in the model's UV atlas.

    Convention: row 0 lies at v = 1, texel centres at (i + ½)/S.

    Args:
        displacement: (S, S) float32 mm along the foundation's outer normal; 0 outside the charts.
        provenance: (S, S) uint8, :class:`wholeface.core.provenance.Provenance` of each texel.
        confidence: (S, S) float32 in [0, 1].
    """

    displacement: NDArray[np.float32]
    provenance: NDArray[np.uint8]
    confidence: NDArray[np.float32]

    __repr__ = short_repr

    def __getstate__(self) -> dict[str, Any]:
        """Pickled with its arrays packed, without loss: most of the atlas is empty."""
        return {name: packed(values) for name, values in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: unpacked(values) for name, values in state.items()})


@dataclass(frozen=True)
class FaceState:
    """What is known so far of one face of one photo.

    ``photo`` and ``landmarks`` are there from the start; every other slot is None until a stage has filled it.

    Args:
        photo: the photo as it was read.
        landmarks: the points that the detector found.
        parsing: what each pixel around the face shows.
        fit: the face model over the photo.
        mask: what is in front of the face.
        generated: what a network put in its place.
        image: the photo without it.
        texture: the whole UV texture with its provenance.
        bump: wrinkles and folds where the photo shows them, and filled in where something hides them.
        relief: wrinkles and folds of the whole head.
        subject: faces with the same name here show one subject, whose shape their stages share; None stands alone.
        face_number: 1 = the largest face of the photo; ``face_count``: how many faces it shows.
        warnings: what the user should know, in sentences.
        timings_ms: milliseconds by the name of the stage; of a batch, each face's share.
    """

    photo: Photo
    landmarks: FaceLandmarks
    parsing: FaceParsing | None = None
    fit: FaceFit | None = None
    mask: MaskEstimate | None = None
    generated: GeneratedFace | None = None
    image: DeoccludedImage | None = None
    texture: CompletedTexture | None = None
    bump: BumpMap | None = None
    relief: ReliefMap | None = None
    subject: str | None = None
    face_number: int = 1
    face_count: int = 1
    warnings: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    __repr__ = short_repr

    def with_(self, **changes: Any) -> FaceState:
        """A copy with some slots replaced."""
        return replace(self, **changes)

    def warn(self, *sentences: str) -> FaceState:
        """A copy with further warnings; one that was said already is not said twice."""
        new = [sentence for sentence in sentences if sentence not in self.warnings]
        return replace(self, warnings=(*self.warnings, *new))


_RECORD = {"subject", "face_number", "face_count", "warnings", "timings_ms"}
SLOTS: frozenset[str] = frozenset(f.name for f in fields(FaceState)) - _RECORD
"""Names that ``Stage.reads`` and ``Stage.writes`` may hold."""

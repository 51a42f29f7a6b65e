"""One subject's photo, an occluder in front of it, and all that the generator is given of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.boxes import box_iou
from ....core.errors import DataError, WholeFaceError
from ....core.short_repr import short_repr
from ....methods.analysis import fit_and_mask
from ....morphable import dense_embedding, load_model
from ....perceive import EyewearPart, FaceLandmarks, OccluderKind, ParsingClass
from ....photo import Patch, Photo, read_photo, warp
from ....photo.similarity import Similarity
from ....stages import FaceState, Tools, run_stages
from ....stages.deocclude.generator import GeneratorInput, generator_input
from ....stages.shape.photometric_refinement import PhotometricRefinement
from ....stages.state import MaskEstimate, Spectacles
from ..compositing.camera_effects import apply_camera
from ..compositing.compose import apply_layer
from ..compositing.layer import Split
from ..occluders import OccluderLibrary
from ..samples.sample import FaceSample

__all__ = ["WEIGHTS", "Composite", "Composites", "DeocclusionSample"]

WEIGHTS: dict[str, float] = {
    "glasses": 0.26,
    "hair": 0.12,
    "hands": 0.15,
    "hats": 0.05,
    "masks": 0.13,
    "objects": 0.09,
    "patches": 0.02,
    "scarves": 0.04,
    "sunglasses": 0.14,
}
"""How often each occluder is drawn: spectacles most, which most people wear."""

_PARAMETERS = ("identity", "expression", "albedo", "light", "rotation", "translation")
_EDGE = 400  # pixels of a photo's window, the face filling half of it
_WINDOW = 2.1  # edge of the window over the longer side of the face
_ATTEMPTS = 4
_TRUE_MASK = 0.35  # share of composites whose mask is the true one
_SAME_FACE = 0.3  # overlap of the boxes from which a found face is the subject's
_LEAST = 0.01  # of the face that must be hidden, or covered by a lens


@dataclass(frozen=True)
class DeocclusionSample:
    """What the generator is given, and what it should make of it.

    Args:
        given: the maps.
        clean: (S, S, 3) uint8 sRGB, the photo without the occluder.
        kind: (S, S) uint8, :class:`wholeface.perceive.OccluderKind` of what was composited, lenses included.
        lens: (S, S) uint8, :class:`wholeface.perceive.EyewearPart`.
        face: (S, S) uint8, 1 on the face from chin to hairline, hidden parts included.
        name: of the occluders' designs, the innermost first.
        source: of the photo.
    """

    given: GeneratorInput
    clean: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    lens: NDArray[np.uint8]
    face: NDArray[np.uint8]
    name: str
    source: str

    __repr__ = short_repr


@dataclass(frozen=True)
class Composite:
    """A photo with something composited in front of its face.

    Args:
        sample: the photo, with and without it, and where it lies.
        name: of the occluders' designs, the innermost first.
        photo: path of the photo.
        landmarks: of the clean photo's face, in pixels of the sample.
    """

    sample: FaceSample
    name: str
    photo: Path
    landmarks: FaceLandmarks

    @property
    def lens(self) -> NDArray[np.uint8]:
        """(S, S) :class:`wholeface.perceive.EyewearPart`."""
        assert self.sample.eyewear is not None
        return self.sample.eyewear

    @property
    def kind(self) -> NDArray[np.uint8]:
        """(S, S) :class:`wholeface.perceive.OccluderKind`, ``GLASSES`` on clear lenses, too."""
        clear = (self.sample.occluder == 0) & (self.lens > 0)
        return np.where(clear, np.uint8(OccluderKind.GLASSES), self.sample.occluder)


class Composites:
    """Samples by index, the same in every process and order.

    The photo goes through the method as any other: landmarks, fit and mask are read off the composite. Some masks
    are the true ones, as people draw them by hand.

    Args:
        photos: of subjects with nothing in front of their faces; sample ``i`` shows photo ``i`` modulo their number.
        root: folder of source material with ``occluders/``, or None: drawn ones.
        seed: names the series.
        size: S, edge of the maps in pixels.
        designs: of occluders; ``held_out`` ones are never trained on.
        weights: how often each occluder is drawn.
        true_mask: share of samples with the true mask.
        refine: fit the clean photos by their pixels, too, so that the parameters of their samples are complete:
            expression, albedo and light as a teacher gives them who sees the whole face.

    Raises:
        DataError: no photos.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        root: Path | None,
        *,
        seed: int = 0,
        size: int = 192,
        designs: Split = "train",
        weights: Mapping[str, float] | None = None,
        true_mask: float = _TRUE_MASK,
        refine: bool = False,
    ) -> None:
        if not photos:
            raise DataError("no photos to composite occluders onto")
        self.photos, self.root, self.seed, self.size = list(photos), root, seed, size
        self.designs: Split = designs
        self.weights = dict(WEIGHTS if weights is None else weights)
        self.true_mask, self.refine = true_mask, refine
        self._tools: Tools | None = None
        self._last: tuple[Path, _Subject] | None = None
        self._library: OccluderLibrary | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_tools": None, "_library": None, "_last": None}

    def __getitem__(self, index: int) -> DeocclusionSample:
        """Sample ``index`` ≥ 0.

        Raises:
            DataError: no occluder fitted, or the face was not found, in four tries.
        """
        for attempt in range(_ATTEMPTS):
            found = self.composite(index, attempt)
            rng = np.random.default_rng([self.seed, index, attempt, 1])
            state = None if found is None else self.analysed(found, true_mask=rng.random() < self.true_mask)
            if found is not None and state is not None:
                return _given(found, state, self.size)
        photo = self.photos[index % len(self.photos)]
        raise DataError(f"{photo}: no composite of sample {index} shows a face in {_ATTEMPTS} tries")

    @property
    def tools(self) -> Tools:
        """What the stages work with, loaded when first needed."""
        if self._tools is None:
            self._tools = Tools(model=load_model())
        return self._tools

    def composite(self, index: int, attempt: int = 0) -> Composite | None:
        """The photo of sample ``index`` with something in front of the face; None where that hides nothing."""
        path = self.photos[index % len(self.photos)]
        if self._last is None or self._last[0] != path:
            self._last = path, _subject(path, self.tools, self.refine)
        subject = self._last[1]
        rng = np.random.default_rng([self.seed, index, attempt])
        if self._library is None:
            self._library = OccluderLibrary(self.root, self.designs, self.weights)
        sample = subject.sample
        layers = self._library.draw(sample, rng)
        for layer in layers:
            sample = apply_layer(sample, layer, rng)
        assert sample.eyewear is not None
        covered = sample.face & ((sample.occluder > 0) | (sample.eyewear > 0))
        if covered.sum() < _LEAST * sample.face.sum():
            return None
        image, clean = apply_camera(sample.image, sample.clean, rng, 0.4)
        name = "+".join(layer.name for layer in layers)
        return Composite(sample.with_(image=image, clean=clean), name, path, subject.landmarks)

    def analysed(self, composite: Composite, *, true_mask: bool) -> FaceState | None:
        """The composite after landmarks, fit, mask and refinement; None where the face is not found.

        Args:
            composite: of :meth:`composite`.
            true_mask: refine, and go on, with the true mask instead of the one that was found.
        """
        sample, where = composite.sample, composite.landmarks.box
        photo = Photo(sample.image, None, None, composite.name, "array", ())
        faces = self.tools.networks.detector.detect(sample.image)
        same = [face for face in faces if float(box_iou(face.box, where)) > _SAME_FACE]
        if not same:
            return None
        state = run_stages(list(fit_and_mask()), [FaceState(photo=photo, landmarks=same[0])], self.tools)[0]
        if isinstance(state, WholeFaceError):
            return None
        assert state.mask is not None
        if true_mask:
            state = state.with_(mask=_true_mask(sample, state.mask))
        state = run_stages([PhotometricRefinement()], [state], self.tools)[0]
        return None if isinstance(state, WholeFaceError) else state


def _given(composite: Composite, state: FaceState, size: int) -> DeocclusionSample:
    given, where = generator_input(state, size)
    sample, edge = composite.sample, (size, size)
    return DeocclusionSample(
        given,
        warp(sample.clean, where.crop, edge, fill="edge"),
        warp(composite.kind, where.crop, edge, filter="nearest"),
        warp(composite.lens, where.crop, edge, filter="nearest"),
        warp(sample.face.astype(np.uint8), where.crop, edge, filter="nearest"),
        composite.name,
        composite.photo.name,
    )


def _true_mask(sample: FaceSample, found: MaskEstimate) -> MaskEstimate:
    hidden = sample.occluder > 0
    worn = None
    if sample.eyewear is not None and (sample.eyewear > 0).any():
        parts = [(sample.eyewear == part).astype(np.float32) for part in list(EyewearPart)[1:]]
        frame, lens, dark = (Patch(part, 0, 0) for part in parts)
        worn = Spectacles(frame, lens, dark, sample.size, sample.size, 1.0)
    return MaskEstimate((hidden & sample.face).astype(np.float32), found.face_region, worn)


@dataclass(frozen=True)
class _Subject:
    sample: FaceSample
    landmarks: FaceLandmarks


def _subject(path: Path, tools: Tools, refine: bool = False) -> _Subject:
    """The photo's window about the face, with the landmarks, map and pose that the method finds in it."""
    pixels = read_photo(path).pixels
    found = tools.networks.detector.detect(pixels)
    if not found:
        raise DataError(f"{path}: no face found")
    left, top, right, bottom = found[0].box
    side = max(right - left, bottom - top) * _WINDOW
    edge = min(_EDGE, round(side))
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    box = np.concatenate([middle - side / 2, middle + side / 2])
    window = Similarity.from_box(box, (edge, edge))
    image = warp(pixels, window, (edge, edge), fill="edge")
    faces = tools.networks.detector.detect(image)
    if not faces:
        raise DataError(f"{path}: no face found in its own window")
    stages = [*fit_and_mask(), *([PhotometricRefinement()] if refine else [])]
    photo = Photo(image, None, None, str(path), "array", ())
    state = run_stages(stages, [FaceState(photo, faces[0])], tools)[0]
    if isinstance(state, WholeFaceError):
        raise state
    return _Subject(_sample(image, state), faces[0])


def _sample(image: NDArray[np.uint8], state: FaceState) -> FaceSample:
    assert state.fit is not None
    assert state.mask is not None
    model, camera, points = state.fit.model, state.fit.camera, state.fit.posed.points
    edge = len(image)
    with torch.no_grad():
        dense = camera.project(dense_embedding(model).points(points, model.triangles)).float().numpy()
        assert model.landmarks_68 is not None
        marks = camera.project(model.landmarks_68.points(points, model.triangles)).float().numpy()
    parsing = np.zeros((edge, edge), np.uint8)
    face = state.mask.face_region
    if state.parsing is not None:
        parsing = state.parsing.labels_in_photo(edge, edge)
        face = face & (parsing != ParsingClass.BACKGROUND)
    known = state.fit.parameters
    return FaceSample(
        image=image,
        clean=image,
        parsing=parsing,
        occluder=np.zeros((edge, edge), np.uint8),
        face=face,
        landmarks_68=marks,
        facing_68=np.ones(68, bool),
        dense=dense,
        facing_dense=np.ones(len(dense), bool),
        known=frozenset({"parsing", "occluder", "landmarks"}),
        parameters={
            **{name: getattr(known, name).detach().float().numpy() for name in _PARAMETERS},
            **{n: np.array(float(getattr(camera, n)), np.float32) for n in ("focal", "cx", "cy")},
        },
        depth=None,
        normals=None,
        source="photo",
        seed=(0,),
        eyewear=np.zeros((edge, edge), np.uint8),
    )

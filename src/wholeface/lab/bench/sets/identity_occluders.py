"""Occluders laid over photos for verification: hands as Tran et al. placed them, and eyeglasses."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

if TYPE_CHECKING:
    from ...data import FaceSample
    from ...data.compositing.layer import Split
    from ...data.occluders.glasses.source import GlassesSource
    from ...data.occluders.hands.source import HandSource
    from ..systems.own import Shared

__all__ = ["OCCLUDERS", "PhotoOccluder", "photo_sample"]

Pixels = NDArray[np.uint8]

OCCLUDERS = ("none", "hands", "glasses")
_EDGE = 75 / 250  # of a hand's box over the photo's edge, on average
_EDGE_SD = 0.2  # relative standard deviation of it
_TRIES = 8


class PhotoOccluder:
    """Lays one occluder over a photo; the same occluder whenever seed and name are the same.

    Hands: a box of 75 × 75 pixels on average for photos of 250 × 250, in a random place and orientation anywhere in
    the photo, as in Tran et al. 2018, §5.1. Eyeglasses: on the nose, by the fitted pose, as in Zhao & Qi 2022.

    Args:
        kind: ``hands`` or ``glasses``.
        root: folder of source material (with ``occluders/``); None = drawn hands and parametric glasses.
        seed: of places and designs.
        shared: model and detector, to find the face of a real photo under eyeglasses.
        designs: ``held_out`` ones are never trained on.

    Raises:
        UsageError: an unknown kind.
    """

    def __init__(
        self, kind: str, root: Path | None, seed: int, shared: Shared, designs: Split = "held_out"
    ) -> None:
        if kind not in OCCLUDERS[1:]:
            raise UsageError(f"unknown occluder {kind!r}; choose from {', '.join(OCCLUDERS[1:])}")
        if root is not None and not root.is_dir():
            raise UsageError(f"{root}: no such folder; expected source material with occluders/")
        self.kind, self._root, self._seed, self._shared = kind, root, seed, shared
        self._designs: Split = designs

    def __call__(self, pixels: Pixels, name: str, sample: FaceSample | None = None) -> Pixels:
        """The photo behind the occluder.

        Args:
            pixels: (H, W, 3) uint8 sRGB.
            name: of the photo; with the seed it decides what is laid where.
            sample: the photo with its truth, where that is known.

        Raises:
            NoFaceError: eyeglasses need a face, and none was found.
            UsageError: they do not fit (a face turned too far).
        """
        rng = np.random.default_rng([self._seed, crc32(name.encode()), OCCLUDERS.index(self.kind)])
        return self._hand(pixels, rng) if self.kind == "hands" else self._glasses(pixels, rng, sample)

    @cached_property
    def _hands(self) -> HandSource:
        from ...data.occluders.hands.source import HandSource

        return HandSource(self._root)

    @cached_property
    def _spectacles(self) -> GlassesSource:
        from ...data.occluders.glasses.source import GlassesSource

        return GlassesSource(self._root, sunglasses=None)

    def _hand(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        from ...data.occluders.hands.source import HandPlace

        height, width = pixels.shape[:2]
        edge = int(np.clip(rng.normal(_EDGE, _EDGE_SD * _EDGE), 0.15, 0.5) * min(height, width))
        turn = rng.uniform(0, 2 * np.pi)
        arm = np.array([np.sin(turn), np.cos(turn)], np.float32)
        x, y = (int(rng.integers(0, n - edge + 1)) for n in (width, height))
        out = pixels.copy()
        for _ in range(_TRIES):
            # Drawn large, then cut to the box of the hand: it ends at the wrist
            canvas = _blank(pixels, 3 * edge)
            middle = np.full(2, 1.5 * edge, np.float32)
            layer = self._hands.hold(canvas, rng, self._designs, HandPlace(middle, 0.5, arm, 0.3 * edge))
            if layer is None:
                continue
            start = int(middle[0]) - edge // 2
            cut = layer.rgba[start : start + edge, start : start + edge]
            alpha = cut[..., 3:].astype(np.float32) / 255
            if alpha.mean() < 0.15:
                continue
            place = out[y : y + edge, x : x + edge]
            out[y : y + edge, x : x + edge] = np.rint(
                alpha * cut[..., :3] + (1 - alpha) * place.astype(np.float32)
            ).astype(np.uint8)
            return out
        raise UsageError("no hand could be laid over the photo")

    def _glasses(self, pixels: Pixels, rng: np.random.Generator, sample: FaceSample | None) -> Pixels:
        from ...data.compositing.compose import apply_layer

        face = photo_sample(pixels, self._shared) if sample is None else sample
        for _ in range(_TRIES):
            layer = self._spectacles.layer(face, rng, self._designs)
            if layer is not None:
                height, width = pixels.shape[:2]
                return apply_layer(face, layer, rng).image[:height, :width]
        raise UsageError("eyeglasses do not fit: the face is turned too far")


def photo_sample(pixels: Pixels, shared: Shared) -> FaceSample:
    """A photo with the landmarks of a fitted head, so that occluders can be put on it.

    Args:
        pixels: (H, W, 3); continued to a square to the right or below by its last pixels.
        shared: model and detector.

    Raises:
        NoFaceError: no face was found.
    """
    from ....morphable import dense_embedding, has_dense
    from ....perceive import ParsingClass
    from ....render import rotation_matrix, to_camera
    from ....stages.shape import fit_landmarks
    from ...data import FaceSample

    height, width = pixels.shape[:2]
    face = shared.largest_face(pixels)
    model = shared.model
    if model.landmarks_68 is None or not has_dense(model):
        raise UsageError(f"face model {model.name!r} has no dense landmarks, which eyeglasses need")
    fit = fit_landmarks(model, face, width, height)
    shape = model.vertices(fit.parameters.identity, fit.parameters.expression).double()
    turn = rotation_matrix(fit.parameters.rotation.double())

    def seen(points: object) -> NDArray[np.float32]:
        placed = to_camera(points, turn, fit.parameters.translation.double())  # type: ignore[arg-type]
        return np.asarray(fit.camera.project(placed).numpy(), np.float32)

    marks = seen(model.landmarks_68.points(shape, model.triangles))
    dense = seen(dense_embedding(model).points(shape, model.triangles))
    size = max(height, width)
    square = np.pad(pixels, ((0, size - height), (0, size - width), (0, 0)), mode="edge")
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    low, high = marks.min(axis=0), marks.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1)
    region = ((column - middle[0]) / half[0]) ** 2 + ((row - middle[1]) / half[1]) ** 2 <= 1
    return FaceSample(
        image=square,
        clean=square,
        parsing=np.where(region, np.uint8(ParsingClass.SKIN), np.uint8(ParsingClass.BACKGROUND)),
        occluder=np.zeros((size, size), np.uint8),
        face=region,
        landmarks_68=marks,
        facing_68=np.ones(68, bool),
        dense=dense,
        facing_dense=np.ones(len(dense), bool),
        known=frozenset({"landmarks"}),
        parameters={
            "identity": fit.parameters.identity.float().numpy(),
            "rotation": fit.parameters.rotation.float().numpy(),
            "translation": fit.parameters.translation.float().numpy(),
            "focal": np.array(float(fit.camera.focal), np.float32),
            "cx": np.array(float(fit.camera.cx), np.float32),
            "cy": np.array(float(fit.camera.cy), np.float32),
        },
        depth=None,
        normals=None,
        source="photo",
        seed=(0,),
    )


def _blank(pixels: Pixels, size: int) -> FaceSample:
    """A canvas with the photo's skin tones in its middle, so that hands are lit and coloured like it."""
    from ....perceive import ParsingClass
    from ...data import FaceSample

    height, width = pixels.shape[:2]
    rows = np.linspace(height * 0.3, height * 0.7, size).astype(int)
    columns = np.linspace(width * 0.3, width * 0.7, size).astype(int)
    image = np.ascontiguousarray(pixels[rows][:, columns])
    zeros = np.zeros((size, size), np.uint8)
    return FaceSample(
        image=image,
        clean=image,
        parsing=np.full((size, size), ParsingClass.SKIN, np.uint8),
        occluder=zeros,
        face=np.ones((size, size), bool),
        landmarks_68=np.zeros((68, 2), np.float32),
        facing_68=np.ones(68, bool),
        dense=np.zeros((0, 2), np.float32),
        facing_dense=np.ones(0, bool),
        known=frozenset(),
        parameters={},
        depth=None,
        normals=None,
        source="canvas",
        seed=(0,),
    )

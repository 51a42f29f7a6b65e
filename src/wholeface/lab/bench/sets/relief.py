"""Rendered faces with folds of known height, clean and behind occluders, of subjects who are never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError, WholeFaceError
from ....core.luminance import LUMINANCE
from ....core.short_repr import short_repr
from ....core.spherical_harmonics import C0, C1
from ....render import rotation_matrix
from ....stages import FaceFit, Tools
from ..protocol import Split
from .identity_occluders import photo_sample
from .likeness import OccludedPhotos

if TYPE_CHECKING:
    from ...data.relief import BareFace, RenderedFaces

__all__ = ["ALBEDOS", "LIGHTS", "OCCLUDERS", "Albedo", "FoldedFace", "FoldedFaces", "light_of"]

Albedo: TypeAlias = Literal["model albedo", "photo albedo"]
ALBEDOS: tuple[Albedo, ...] = ("model albedo", "photo albedo")
"""Whose skin: drawn from the face model's statistics, or that of a photographed subject."""
LIGHTS = ("frontal", "side", "above", "below", "diffuse")
OCCLUDERS = ("hands", "sunglasses", "masks", "objects")

_SERIES = {"validation": 700_000, "test": 970_000}  # of seeds: series of their own
_FRONTAL = 35.0  # degrees between the light and where the face looks
_DIFFUSE = 0.5  # of the constant part: a weaker slope of the light has no direction
_TEXTURES = 24  # photographed skins at most


@dataclass(frozen=True)
class FoldedFace:
    """One picture with its truth.

    Args:
        name: for tables.
        albedo: of :data:`ALBEDOS`.
        light: of :data:`LIGHTS`.
        pixels: (H, W, 3) uint8 sRGB.
        displacement: (H, W) float32 mm along the outer normal, true on the whole face, behind occluders too.
        skin: (H, W) bool, bare skin of the picture without an occluder: where the truth counts.
        occluded: (H, W, 3) uint8, the same picture behind an occluder, or None: none was asked for, or none fitted.
        hidden: (H, W) bool, what it hides; None likewise.
        occluder: its kind, or empty.
    """

    name: str
    albedo: Albedo
    light: str
    pixels: NDArray[np.uint8]
    displacement: NDArray[np.float32]
    skin: NDArray[np.bool_]
    occluded: NDArray[np.uint8] | None = None
    hidden: NDArray[np.bool_] | None = None
    occluder: str = ""

    __repr__ = short_repr


def light_of(fit: FaceFit) -> str:
    """From where a face is lit, as the face sees it: of :data:`LIGHTS`.

    The first-order harmonics of the light's luminance point to its main direction; where they are weak beside the
    constant one, the light is diffuse.
    """
    light = fit.parameters.light.detach().cpu().double().numpy() @ LUMINANCE
    vector = np.array([light[3], light[1], light[2]])
    turn = rotation_matrix(fit.parameters.rotation.detach().cpu().double()).numpy()
    x, y, z = turn.T @ vector
    length = float(np.linalg.norm(vector))
    if C1 * length < _DIFFUSE * C0 * max(float(light[0]), 1e-9):
        return "diffuse"
    if z >= length * np.cos(np.radians(_FRONTAL)):
        return "frontal"
    if abs(x) >= abs(y):
        return "side"
    return "above" if y > 0 else "below"


class FoldedFaces:
    """Faces by index; the same whenever seed, split and folder are the same.

    Args:
        root: folder of source material, for hair, occluders and photographed skins; None: drawn ones, and the
            model's albedo alone.
        tools: of the stages.
        seed: names the series.
        split: of subjects; neither is ever trained on.
        occluders: kinds that take turns.

    Raises:
        UsageError: an unknown kind of occluder.
    """

    def __init__(
        self,
        root: Path | None,
        tools: Tools,
        *,
        seed: int = 0,
        split: Split = "test",
        occluders: Sequence[str] = OCCLUDERS,
    ) -> None:
        self.root, self.tools, self.split, self.occluders = root, tools, split, tuple(occluders)
        self.seed = _SERIES[split] + seed
        self._photos = OccludedPhotos(root, self.seed, "held_out" if split == "test" else "train")
        self._photos.check(self.occluders)

    @property
    def albedos(self) -> tuple[Albedo, ...]:
        """What :meth:`face` can be asked for."""
        return ALBEDOS if self.root is not None else ALBEDOS[:1]

    def face(
        self, index: int, albedo: Albedo, *, occluded: bool = True, age: float | None = None
    ) -> FoldedFace:
        """One face.

        Args:
            index: number in the series.
            albedo: whose skin.
            occluded: also behind an occluder.
            age: of the folds, 0 smooth to 1 very old; None: any.

        Raises:
            DataError: it could not be drawn.
            UsageError: skins of photos without source material.
        """
        from ...data.relief import relief_scene

        bare = self._bare(index, albedo)
        scene = relief_scene(bare, self.seed + index, age=age)
        name = f"{albedo} {index}"
        behind, hidden, kind = None, None, ""
        if occluded:
            kind = self.occluders[index % len(self.occluders)]
            try:
                sample = photo_sample(scene.pixels, self._shared)
                made, _ = self._photos(sample, kind, name)
                height, width = scene.pixels.shape[:2]
                behind = np.ascontiguousarray(made.image[:height, :width])
                hidden = np.ascontiguousarray(made.hidden[:height, :width])
            except WholeFaceError:
                kind = ""
        return FoldedFace(
            name,
            albedo,
            light_of(bare.fit),
            scene.pixels,
            scene.displacement,
            bare.skin & scene.maps.shown,
            behind,
            hidden,
            kind,
        )

    def pair(self, subject: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Two pictures that share nothing but their folds: other heads, skins, expressions, poses and light.

        Args:
            subject: number in the series.

        Raises:
            DataError: one could not be drawn.
        """
        from ...data.relief import relief_scene

        albedo = self.albedos[-1]
        first = relief_scene(self._bare(2 * subject, albedo), self.seed + 2 * subject, age=0.9)
        second = relief_scene(self._bare(2 * subject + 1, albedo), self.seed + 2 * subject, folds=first.folds)
        return first.pixels, second.pixels

    def _bare(self, index: int, albedo: Albedo) -> BareFace:
        if albedo not in self.albedos:
            raise UsageError("skins of photos need source material: name its folder with --data")
        found = self._rendered[albedo][index]
        if not found.skin.any():
            raise DataError(f"{albedo} {index}: no skin is seen")
        return found

    @cached_property
    def _rendered(self) -> dict[Albedo, RenderedFaces]:
        from ...data.relief import RenderedFaces

        split: Literal["test", "held_out"] = "held_out" if self.split == "test" else "test"
        made: dict[Albedo, RenderedFaces] = {
            "model albedo": RenderedFaces(self.root, seed=self.seed, split=split, occluded=0.0)
        }
        if self.root is not None:
            made["photo albedo"] = RenderedFaces(
                self.root, self._skins, seed=self.seed + 1, split=split, occluded=0.0
            )
        return made

    @cached_property
    def _skins(self) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        from ...data.relief import people_textures, smooth_photos

        assert self.root is not None
        return people_textures(smooth_photos(self.root, self.split)[:_TEXTURES], self.tools)

    @cached_property
    def _shared(self):  # type: ignore[no-untyped-def]
        from ..systems.own import Shared

        return Shared(self.tools.model, self.tools.networks.detector)

"""Faces without folds, on which folds are drawn: renderings, with skins of the model or of people, and photos."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError, WholeFaceError
from ....core.short_repr import short_repr
from ....core.srgb import decode_srgb
from ....methods.analysis import fit_and_refine
from ....methods.spec import MethodOptions
from ....morphable import MorphableModel, Parameters, load_model
from ....perceive import ParsingClass
from ....photo import read_photo
from ....render import Camera
from ....stages import FaceFit, FaceState, Tools, run_stages
from ....stages.texture.completion import TextureCompletion
from ..deocclusion.subjects import SubjectSplit, clean_photos
from ..engine import EngineSettings, FaceEngine
from ..samples.sample import FaceSample
from ..synthetic.faces import SyntheticSettings

__all__ = ["Albedo", "BareFace", "RenderedFaces", "people_textures", "smooth_photos", "state_of"]

Albedo: TypeAlias = Literal["model", "people"]
"""Whose skin a rendering has: the albedo model's, or that of a photographed subject."""

_EDGE = 400
_TEXTURE = 512
_SKIN = (ParsingClass.SKIN, ParsingClass.NOSE)


@dataclass(frozen=True)
class BareFace:
    """A picture of a face whose surface is known.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        skin: (H, W) bool, where the picture shows bare skin of the face.
        fit: the true face, as if it had been fitted.
        source: where it comes from, such as ``model``, ``people`` or ``photo``.
        subject: whose skin it is: a file name, or a number.
    """

    pixels: NDArray[np.uint8]
    skin: NDArray[np.bool_]
    fit: FaceFit
    source: str
    subject: str

    __repr__ = short_repr


class RenderedFaces:
    """Rendered faces by index, with hair, and some behind occluders; the same in every process and order.

    Args:
        root: folder of source material, for hair and occluders; None: drawn ones.
        textures: (T, 3, S, S) log albedo of people (:func:`people_textures`) and their names; none: the model's.
        seed: names the series.
        split: of heads and haircuts; ``test`` ones are met in no training.
        occluded: share of faces behind an occluder.
        size: edge of the pictures in pixels.
    """

    def __init__(
        self,
        root: Path | None,
        textures: tuple[NDArray[np.float32], tuple[str, ...]] | None = None,
        *,
        seed: int = 0,
        split: Literal["train", "test", "held_out"] = "train",
        occluded: float = 0.3,
        size: int = _EDGE,
    ) -> None:
        self._textures = textures
        self.seed = seed
        synthetic = SyntheticSettings(scale=0.6, scale_range=(0.9, 1.25), shift=0.06, shadow=0.1)
        self._engine = FaceEngine(
            root,
            seed=seed,
            size=size,
            split=split,
            length=2**40,
            settings=EngineSettings(
                portraits=0.0, clean=1 - occluded, hair=0.65, camera=0.0, synthetic=synthetic
            ),
        )
        self._model = load_model("wholeface")

    def __getitem__(self, index: int) -> BareFace:
        """The face number ``index``.

        Raises:
            DataError: it could not be drawn.
        """
        subject = f"{self.seed}/{index}"
        if self._textures is not None:
            maps, names = self._textures
            which = int(np.random.default_rng([self.seed, index, 7]).integers(len(names)))
            subject = names[which]
            self._engine.synthetic.dress(maps[which].transpose(1, 2, 0))
        sample = self._engine.sample(index)
        source = "model" if self._textures is None else "people"
        skin_shown = np.isin(sample.parsing, _SKIN) & (sample.occluder == 0)
        return BareFace(sample.image, skin_shown, _true_fit(self._model, sample), source, subject)


def _true_fit(model: MorphableModel, sample: FaceSample) -> FaceFit:
    told = {name: torch.from_numpy(np.asarray(value)) for name, value in sample.parameters.items()}
    parameters = Parameters(**{name: told[name].float() for name in (
        "identity", "expression", "albedo", "light", "rotation", "translation"
    )})  # fmt: skip
    camera = Camera(float(told["focal"]), float(told["cx"]), float(told["cy"]), sample.size, sample.size)
    return FaceFit(model, parameters, camera)


def smooth_photos(root: Path, split: SubjectSplit) -> list[Path]:
    """Clean photos of young subjects, whose skin has the fewest folds of its own.

    ``faces_ai`` and ``faces_stock`` where their labels say ``young``; see
    :func:`wholeface.lab.data.deocclusion.subjects.clean_photos` for the split.

    Raises:
        UsageError: an unknown split.
        DataError: no such photo.
    """
    if split not in get_args(SubjectSplit):
        raise UsageError(f"split must be one of {', '.join(get_args(SubjectSplit))}, got {split!r}")
    young: list[Path] = []
    labels = {}
    for path in clean_photos(root, split):
        folder = path.parent
        if folder.name not in ("faces_ai", "faces_stock"):
            continue
        if folder not in labels:
            labels[folder] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        if labels[folder][path.name].get("age") == "young":
            young.append(path)
    if not young:
        raise DataError(f"{root}: no clean photo of a young subject of the split {split!r}")
    return young


def state_of(path: Path, tools: Tools) -> FaceState | None:
    """A photo's largest face after fit, mask and refinement; None where there is none."""
    photo = read_photo(path)
    found = tools.networks.detector.detect(photo.pixels)
    if not found:
        return None
    state = run_stages(list(fit_and_refine(MethodOptions())), [FaceState(photo, found[0])], tools)[0]
    return None if isinstance(state, WholeFaceError) else state


def people_textures(photos: list[Path], tools: Tools) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Skins of photographed subjects.

    Args:
        photos: of bare faces.
        tools: what the stages work with.

    Returns:
        (T, 3, S, S) float32 log of linear light, and the photos' names.

    Raises:
        DataError: no photo shows a face.
    """
    found, names = [], []
    for path in photos:
        state = state_of(path, tools)
        if state is None:
            continue
        done = run_stages([TextureCompletion(size=_TEXTURE)], [state], tools)[0]
        if isinstance(done, WholeFaceError) or done.texture is None:
            continue
        linear = decode_srgb(done.texture.texture.astype(np.float32) / 255)
        found.append(np.log(np.maximum(linear, 0.003)).astype(np.float32).transpose(2, 0, 1))
        names.append(path.name)
    if not found:
        raise DataError("none of the photos shows a face")
    return np.stack(found), tuple(names)

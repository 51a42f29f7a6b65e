"""All sources of occluders behind one door."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import get_args

import numpy as np

from ....core.errors import UsageError
from ..compositing.layer import Layer, LayerSource, Split
from ..samples.sample import FaceSample
from .hands.source import HandSource
from .objects.source import HeldLayer

__all__ = ["DEFAULT_WEIGHTS", "OccluderLibrary"]

DEFAULT_WEIGHTS: dict[str, float] = {
    "glasses": 0.08,
    "hair": 0.20,
    "hands": 0.26,
    "hats": 0.06,
    "masks": 0.13,
    "objects": 0.12,
    "patches": 0.05,
    "scarves": 0.06,
    "sunglasses": 0.10,
}
_SOURCES: dict[str, tuple[str, str, dict[str, object]]] = {
    "glasses": ("glasses", "GlassesSource", {"sunglasses": False}),
    "hair": ("hair", "HairSource", {}),
    "hands": ("hands", "HandSource", {}),
    "hats": ("hats", "HatSource", {}),
    "masks": ("masks", "MaskSource", {}),
    "objects": ("objects", "ObjectSource", {}),
    "patches": ("patches", "PatchSource", {}),
    "scarves": ("scarves", "ScarfSource", {}),
    "sunglasses": ("glasses", "GlassesSource", {"sunglasses": True}),
}
_COUNT = (0.78, 0.19, 0.03)  # probabilities of one, two and three occluders
_EXCLUDES = {"glasses": "sunglasses", "sunglasses": "glasses"}
_ORDER = (
    "glasses",
    "sunglasses",
    "hair",
    "hats",
    "masks",
    "scarves",
    "patches",
    "objects",
    "hands",
)  # inner first


class OccluderLibrary:
    """Random occluders to lay over a face.

    Sources are built when they are first drawn from, and again in each process that the library is sent to.

    Args:
        root: the folder of source material, with ``occluders/hands``, ``occluders/masks`` and so on; what is
            missing there is drawn procedurally. None = everything procedural.
        split: ``train``, or ``held_out`` for the designs that are never trained on.
        weights: relative frequency by name, see :data:`DEFAULT_WEIGHTS`; names left out never appear.

    Raises:
        UsageError: an unknown name, a negative weight, no positive weight, an unknown split, or a folder that is
            not there.
    """

    def __init__(
        self, root: Path | None = None, split: Split = "train", weights: Mapping[str, float] | None = None
    ) -> None:
        weights = DEFAULT_WEIGHTS if weights is None else dict(weights)
        known = ", ".join(sorted(DEFAULT_WEIGHTS))
        for name, weight in weights.items():
            if name not in DEFAULT_WEIGHTS:
                raise UsageError(f"unknown occluder {name!r}; known are {known}")
            if not weight >= 0.0:
                raise UsageError(f"the weight of occluder {name!r} must not be negative, got {weight}")
        self.weights = {name: float(weights[name]) for name in sorted(weights) if weights[name] > 0.0}
        if not self.weights:
            raise UsageError(f"no occluder has a positive weight; known are {known}")
        if split not in get_args(Split):
            raise UsageError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
        self.split: Split = split
        self.root = _folder(root)
        self._sources: dict[str, LayerSource] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_sources": {}}

    def source(self, name: str) -> LayerSource:
        """The source of this name.

        Raises:
            UsageError: the name is not known.
        """
        if name not in DEFAULT_WEIGHTS:
            raise UsageError(f"unknown occluder {name!r}; known are {', '.join(sorted(DEFAULT_WEIGHTS))}")
        if name not in self._sources:
            self._sources[name] = _build(name, self.root)
        return self._sources[name]

    def draw(self, sample: FaceSample, rng: np.random.Generator) -> list[Layer]:
        """One occluder, sometimes two or three, for this face; the innermost comes first.

        A source may find that nothing fits (glasses on a profile): then another one is drawn. The list is empty
        only where nothing fitted in five tries. A microphone or a cup may come with the hand that holds it.
        """
        count = 1 + int(rng.choice(len(_COUNT), p=_COUNT))
        left = dict(self.weights)
        found: dict[str, Layer] = {}
        for _ in range(count + 4):
            if len(found) == count or not left:
                break
            names = list(left)
            chances = np.array([left[name] for name in names])
            name = names[int(rng.choice(len(names), p=chances / chances.sum()))]
            layer = self.source(name).layer(sample, rng, self.split)
            if layer is None:
                if len(left) > 1:
                    left.pop(name)
                continue
            found[name] = layer
            left.pop(name)
            left.pop(_EXCLUDES.get(name, ""), None)
        held = found.get("objects")
        if "hands" in self.weights and "hands" not in found and isinstance(held, HeldLayer):
            hand = self._hand_for(held, sample, rng)
            if hand is not None:
                found["hands"] = hand
        return [found[name] for name in _ORDER if name in found]

    def _hand_for(self, held: HeldLayer, sample: FaceSample, rng: np.random.Generator) -> Layer | None:
        """Half of the objects that can be held are held."""
        source = self.source("hands")
        if held.grip is None or rng.random() < 0.5 or not isinstance(source, HandSource):
            return None
        return source.hold(sample, rng, self.split, held.grip)


def _folder(root: Path | None) -> Path | None:
    if root is None:
        return None
    root = Path(root)
    if not root.is_dir():
        raise UsageError(
            f"{root} is not a folder; give the folder of source material (with occluders/), or None"
        )
    return root


def _build(name: str, root: Path | None) -> LayerSource:
    """Sources import what they need only when they are used."""
    module, attribute, arguments = _SOURCES[name]
    try:
        factory = getattr(import_module(f".{module}", __package__), attribute)
    except ModuleNotFoundError as error:
        raise UsageError(f"occluder {name!r} cannot be made: {error}; leave it out of the weights") from error
    source: LayerSource = factory(root, **arguments)
    return source

"""The data engine: a face, its hair, its occluders, a camera; one sample by index."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import DataError, UsageError
from .compositing.camera_effects import apply_camera
from .compositing.layer import Split
from .samples.sample import FaceSample
from .synthetic.faces import SyntheticFaces, SyntheticSettings

if TYPE_CHECKING:
    from ...morphable import MorphableModel
    from .occluders import OccluderLibrary
    from .occluders.hair.source import HairSource
    from .portraits.faces import PortraitFaces

__all__ = ["EngineSettings", "FaceEngine", "throughput"]

_ATTEMPTS = 4
_SPLITS = ("train", "test", "held_out")
_FACE, _HAIR, _LAYERS, _CAMERA = range(4)  # streams of random numbers, so that one stage never shifts another


@dataclass(frozen=True)
class EngineSettings:
    """What the engine mixes.

    Args:
        portraits: share of real portraits, or None for half where there are any.
        clean: share of samples with nothing in front of the face.
        hair: share of synthetic faces that get a head of hair.
        occluders: weight by name (see :data:`wholeface.lab.data.occluders.DEFAULT_WEIGHTS`); None = the usual ones.
            Names left out never appear.
        occluder_split: from which part of the occluders and haircuts; None follows the engine's split: training
            ones for ``train`` and ``test``, held-out ones for ``held_out``.
        camera: strength of the camera effects; 0 for none.
        synthetic: how synthetic faces vary; its ``scale``, ``scale_range`` and ``shift`` hold for portraits too.
        origins: weight of each origin of synthetic heads, instead of those of ``synthetic``.

    Raises:
        UsageError: a share outside [0, 1] or a negative strength.
    """

    portraits: float | None = None
    clean: float = 0.25
    hair: float = 0.75
    occluders: Mapping[str, float] | None = None
    occluder_split: Split | None = None
    camera: float = 1.0
    synthetic: SyntheticSettings = field(default_factory=SyntheticSettings)
    origins: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.origins is not None:
            object.__setattr__(self, "synthetic", replace(self.synthetic, origins=self.origins))
        for name in ("portraits", "clean", "hair"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise UsageError(f"{name} is a share and must lie between 0 and 1, got {value}")
        if not self.camera >= 0.0:
            raise UsageError(f"the strength of camera effects must not be negative, got {self.camera}")


class FaceEngine:
    """Samples by index, the same in every process and every order; also a map-style dataset for torch.

    Args:
        root: folder of source material (``portraits/``, ``occluders/`` …), or None: everything procedural.
        seed: names the series.
        size: edge of the images in pixels.
        split: ``train``; ``test``: subjects who are never trained on; ``held_out``: such subjects behind occluders
            that are never trained on either.
        settings: what is mixed.
        length: what ``len()`` says; samples beyond it exist too.
        model: a model on the shipped head's mesh, or None for the shipped one.

    Raises:
        UsageError: an unknown split or occluder, a missing folder, or a share of portraits without any.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        seed: int = 0,
        size: int = 256,
        split: str = "train",
        settings: EngineSettings | None = None,
        length: int = 1_000_000,
        model: MorphableModel | None = None,
    ) -> None:
        if split not in _SPLITS:
            raise UsageError(f"unknown split {split!r}: {', '.join(_SPLITS)}")
        self.root = None if root is None else Path(root)
        if self.root is not None and not self.root.is_dir():
            raise UsageError(f"{self.root} is not a folder; give the folder of source material, or None")
        self.seed, self.size, self.split, self.length = seed, size, split, length
        self.settings = settings = settings or EngineSettings()
        held_out: Split = "held_out" if split == "held_out" else "train"
        self.occluder_split: Split = settings.occluder_split or held_out
        self.synthetic = SyntheticFaces(model, seed=seed, size=size, split=split, settings=settings.synthetic)
        there = self.root is not None and (self.root / "portraits").is_dir()
        if settings.portraits and not there:
            raise UsageError(f"portraits are asked for, but there is no folder 'portraits' in {self.root}")
        usual = 0.5 if there else 0.0
        self.portrait_share = usual if settings.portraits is None else settings.portraits
        self._portraits: PortraitFaces | None = None
        self._hair: HairSource | None = None
        self._library: OccluderLibrary | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_portraits": None, "_hair": None, "_library": None}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> FaceSample:
        if not 0 <= index < self.length:
            raise IndexError(index)
        return self.sample(index)

    def sample(self, index: int) -> FaceSample:
        """The sample number ``index`` (≥ 0).

        A draw that fails is drawn again, up to four times.

        Raises:
            UsageError: a negative index.
            DataError: all draws failed; names seed and index.
        """
        if index < 0:
            raise UsageError(f"samples are numbered from 0, got {index}")
        error: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                return self._attempt(index, attempt)
            except UsageError:
                raise
            except Exception as failure:
                error = failure
        raise DataError(
            f"sample {index} of seed {self.seed} (split {self.split}) failed {_ATTEMPTS} times; "
            f"last: {type(error).__name__}: {error}"
        ) from error

    def _rng(self, index: int, attempt: int, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.synthetic.seed, index, attempt, stream, 1])

    def _attempt(self, index: int, attempt: int) -> FaceSample:
        rng = self._rng(index, attempt, _FACE)
        real = rng.random() < self.portrait_share
        bare = rng.random() < self.settings.clean
        number = int(index + attempt * 2**40)
        sample = self._real(number) if real else self.synthetic.sample(number, depth=True)
        if not real:
            sample = self._with_hair(sample, self._rng(index, attempt, _HAIR))
        if not bare:
            sample = self._occluded(sample, self._rng(index, attempt, _LAYERS))
        if self.settings.camera > 0:
            image, clean = apply_camera(
                sample.image, sample.clean, self._rng(index, attempt, _CAMERA), self.settings.camera
            )
            sample = sample.with_(image=image, clean=clean)
        # What is laid over a rendering needs its depth; the sample has it where geometry is asked for
        depth = sample.depth if self.settings.synthetic.geometry else None
        return sample.with_(seed=(self.synthetic.seed, index), depth=depth)

    def _real(self, number: int) -> FaceSample:
        if self._portraits is None:
            from .portraits.faces import PortraitFaces

            assert self.root is not None
            self._portraits = PortraitFaces(
                self.root,
                seed=self.synthetic.seed,
                size=self.size,
                split="train" if self.split == "train" else "test",
                scale=self.settings.synthetic.scale,
                scale_range=self.settings.synthetic.scale_range,
                shift=self.settings.synthetic.shift,
            )
        return self._portraits.sample(number)

    def _with_hair(self, sample: FaceSample, rng: np.random.Generator) -> FaceSample:
        """A head of hair belongs to the person: it is in ``clean`` too. Its style is of the occluders' split."""
        from .compositing.compose import apply_layer

        if rng.random() >= self.settings.hair:
            return sample
        if self._hair is None:
            from .occluders.hair.source import HairSource

            self._hair = HairSource(self.root)
        layer = self._hair.natural(sample, rng, self.occluder_split)
        if layer is None:
            return sample
        haired = apply_layer(sample, layer, rng)
        return haired.with_(clean=haired.image)

    def _occluded(self, sample: FaceSample, rng: np.random.Generator) -> FaceSample:
        from .compositing.compose import apply_layer

        if self._library is None:
            from .occluders import OccluderLibrary

            self._library = OccluderLibrary(self.root, self.occluder_split, self.settings.occluders)
        for layer in self._library.draw(sample, rng):
            sample = apply_layer(sample, layer, rng)
        return sample


def throughput(
    root: Path | None = None,
    *,
    count: int = 100,
    size: int = 256,
    seed: int = 0,
    settings: EngineSettings | None = None,
    warm_up: int = 30,
) -> dict[str, float]:
    """What complete samples cost in this thread, and where it goes.

    Processor time is counted, which other processes on the same cores hardly change (they slow it by what they take
    of caches and memory, no more). Hands and masks are cut out when they are first drawn and kept: with folders of
    them a larger ``warm_up`` shows what long runs cost. Numbers depend on the machine; measure on your own:
    ``python -c "from wholeface.lab.data.engine import throughput; print(throughput())"``.

    Args:
        root: as of :class:`FaceEngine`.
        count: samples that are timed, after the warm-up.
        size: edge of the images in pixels.
        seed: of the samples.
        settings: what is mixed.
        warm_up: samples made before, by which kernels are compiled and caches filled.

    Returns:
        Mean milliseconds of processor time per sample by stage (``synthetic``, ``portrait``, ``hair``,
        ``occluders``, ``camera`` with the rest; each averaged over all samples), their sum ``total``,
        ``per_second`` (samples per second of processor time), and ``elapsed`` milliseconds on the clock.
    """
    engine = FaceEngine(root, size=size, seed=seed, settings=settings)
    for index in range(count, count + warm_up):
        engine.sample(index)
    spent = dict.fromkeys(("synthetic", "portrait", "hair", "occluders", "camera"), 0.0)

    def timed(name: str, work: Any) -> Any:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            start = time.thread_time()
            result = work(*arguments, **named)
            spent[name] += time.thread_time() - start
            return result

        return wrapper

    watched: Any = engine
    watched.synthetic.sample = timed("synthetic", engine.synthetic.sample)
    watched._real = timed("portrait", engine._real)
    watched._with_hair = timed("hair", engine._with_hair)
    watched._occluded = timed("occluders", engine._occluded)
    start, clock = time.thread_time(), time.perf_counter()
    for index in range(count):
        engine.sample(index)
    total, elapsed = time.thread_time() - start, time.perf_counter() - clock
    spent["camera"] = max(total - sum(spent.values()), 0.0)
    result = {name: 1000 * value / count for name, value in spent.items()}
    return {
        **result,
        "total": 1000 * total / count,
        "per_second": count / max(total, 1e-9),
        "elapsed": 1000 * elapsed / count,
    }

"""Test images and what was found in them, made once and shared by the parts of the perception bench."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .....core.errors import UsageError
from .....morphable import MorphableModel, load_model
from .....perceive import FaceLandmarks, LandmarkDetector
from ....data import FaceSample
from ....data.engine import EngineSettings, FaceEngine
from .systems import Finder, Systems

if TYPE_CHECKING:
    from .....reconstructor import Reconstructor

__all__ = ["SETS", "Context", "real_photos"]

SETS = {
    "clean": "synthetic, clean",
    "occluded": "synthetic, held-out occluders",
    "portraits": "portraits, held-out occluders",
}
"""Sets of samples and their names in tables. Nobody in them, and no occluder, is ever trained on."""

Occluded = Literal["test", "held_out"]
_SEED = 7_700  # of the test images: another series than the training runs' own checks


class Context:
    """Images and findings, each computed when it is first asked for.

    Args:
        systems: what is measured.
        data: folder of the source material, or None.
        count: images per set.
        seed: added to the bench's own.
        occluded: the data engine's split for occluded faces.
    """

    def __init__(
        self, systems: Systems, data: Path | None, count: int, seed: int = 0, occluded: Occluded = "held_out"
    ) -> None:
        self.systems, self.data, self.count = systems, data, count
        self.seed = _SEED + seed
        self.occluded: Occluded = occluded
        self.model: MorphableModel = load_model()
        self.finders = systems.finders()
        self._samples: dict[str, list[FaceSample]] = {}
        self._found: dict[tuple[str, str, bool], list[FaceLandmarks | None]] = {}

    def has(self, part: str) -> bool:
        """Whether a folder of the source material is there."""
        return self.data is not None and (self.data / part).is_dir()

    def sets(self) -> list[str]:
        """Names of the sets that can be made: keys of :data:`SETS`."""
        return [name for name in SETS if name != "portraits" or self.has("portraits")]

    def samples(self, name: str) -> list[FaceSample]:
        """The images of a set.

        Raises:
            UsageError: the source material is missing, or no such set.
        """
        if name not in SETS:
            raise UsageError(f"no such set of images: {name}; there are {', '.join(SETS)}")
        if name not in self._samples:
            settings = EngineSettings(
                portraits=1.0 if name == "portraits" else 0.0, clean=1.0 if name == "clean" else 0.0
            )
            split = "test" if name == "clean" else self.occluded
            engine = FaceEngine(self.data, seed=self.seed, split=split, settings=settings)
            self._samples[name] = [engine.sample(i) for i in range(self.count)]
        return self._samples[name]

    def found(self, finder: Finder, name: str, *, bare: bool = False) -> list[FaceLandmarks | None]:
        """What a system finds in each image of a set; None where it finds nothing.

        Args:
            finder: one of :attr:`finders`.
            name: of the set.
            bare: in the images without their occluders.
        """
        key = (finder.name, name, bare)
        if key not in self._found:
            self._found[key] = [
                finder.find(sample.clean if bare else sample.image, sample.dense[:478])
                for sample in self.samples(name)
            ]
        return self._found[key]

    def reconstructor(self, detector: LandmarkDetector) -> Reconstructor:
        """The whole system on this detector, with our parser where there is one; nothing is done for the texture."""
        from .....reconstructor import Reconstructor

        weights = None if self.systems.parser is None else self.systems.weights.folder
        return Reconstructor(
            model=self.model, detector=detector, weights=weights, texture_size=64, refine=False
        )


def real_photos(data: Path) -> list[tuple[str, NDArray[np.uint8], NDArray[np.float64]]]:
    """Name, pixels and 68 published points (pixels) of the annotated photos of occluded faces.

    Raises:
        UsageError: there are none in ``data/real_occluded``.
    """
    folder = data / "real_occluded"
    names = sorted(path.stem[: -len("_face")] for path in folder.glob("*_face.png"))
    if not names:
        raise UsageError(f"{folder}: no annotated photos there")
    found = []
    for name in names:
        with Image.open(folder / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        found.append((name, pixels, np.loadtxt(folder / f"{name}.pts", dtype=np.float64).reshape(-1, 2)))
    return found

"""Real photos with relief by shape from shading as their target:
``python -m wholeface.lab.data.relief.surrogates --data ../shared/data -o STORE``.

What light explains of a photo's brightness is no truth: freckles, beards, gloss and shadows leak into it. Photos are
therefore left out where the relief of the one half of the face does not resemble that of the other, or where much of
the skin is bearded or glossy, and every pixel keeps a weight. Networks should not learn from these targets alone.

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, whose bump map network
learns from shape from shading.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, WholeFaceError
from ....core.short_repr import short_repr
from ....stages import FaceState, Tools
from ....stages.relief import FRAME_MARGIN, ReliefInput, relief_input
from ....stages.relief.by_shading import ReliefByShading
from ....stages.relief.inputs import MAPS
from ....stages.relief.shading import shading_evidence
from .store import ReliefSample

__all__ = [
    "Surrogate",
    "SurrogateSettings",
    "SurrogateStore",
    "main",
    "mirror_correlation",
    "surrogate_of",
    "write_surrogates",
]

_SCHEMA = 1
_NEAR = 1.8  # mm between a place and the mirrored one from which they are the same
_LEAST_PAIRS = 400
_SURE = 0.5
_TOLD = ("mirror", "beard", "gloss")


@dataclass(frozen=True)
class SurrogateSettings:
    """Which photos may teach.

    Args:
        least_face: pixels of the longer side of the face.
        least_mirror: correlation of the relief with its own mirror image.
        most_beard: share of the visible skin.
        most_gloss: likewise.
    """

    least_face: float = 150.0
    least_mirror: float = 0.1
    most_beard: float = 0.2
    most_gloss: float = 0.25


@dataclass(frozen=True)
class Surrogate:
    """A photo's target, and what it was judged by.

    Args:
        sample: as :class:`.ReliefStore` gives them; source ``shading``.
        mirror: correlation of the relief with its own mirror image; NaN where too little of both halves is seen.
        beard: share of the visible skin that is bearded; ``gloss``: glossy.
    """

    sample: ReliefSample
    mirror: float
    beard: float
    gloss: float

    __repr__ = short_repr


def mirror_correlation(
    displacement: NDArray[np.floating], place: NDArray[np.int8], counted: NDArray[np.bool_]
) -> float:
    """Correlation of a relief with its own mirror image, by places on the mean head.

    Args:
        displacement: (S, S) mm.
        place: (S, S, 3) mm on the mean head, x to the face's own left, mirror-symmetric.
        counted: (S, S) pixels that are compared.

    Returns:
        In [-1, 1]; NaN where too few pixels have a mirrored one, or the relief is flat.
    """
    from scipy.spatial import cKDTree

    points = place[counted].astype(np.float64)
    values = displacement[counted].astype(np.float64)
    if len(points) < _LEAST_PAIRS:
        return float("nan")
    apart, other = cKDTree(points).query(points * (-1, 1, 1), distance_upper_bound=_NEAR)
    paired = np.isfinite(apart) & (np.abs(points[:, 0]) > 2 * _NEAR)  # the midline is its own mirror
    if int(paired.sum()) < _LEAST_PAIRS:
        return float("nan")
    a, b = values[paired], values[other[paired]]
    a, b = a - a.mean(), b - b.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / length if length > 1e-12 else float("nan")


def surrogate_of(
    face: FaceState, tools: Tools, size: int, subject: str, settings: SurrogateSettings | None = None
) -> Surrogate | str:
    """The target of one photo, or in words why it may not teach.

    Args:
        face: with ``fit`` and ``mask``, of a bare face.
        tools: of the stage.
        size: S in pixels.
        subject: name of the photo.
        settings: which photos may teach.
    """
    settings = settings or SurrogateSettings()
    given, where = relief_input(face, size)
    pixels = size / (where.crop.scale * FRAME_MARGIN)
    if pixels < settings.least_face:
        return f"the face has {pixels:.0f} pixels"
    seen = shading_evidence(given, where)
    bump = ReliefByShading(size=size)([face], tools)[0].bump
    assert bump is not None
    skin = given.visible > 127
    if not skin.any():
        return "no skin is seen"
    beard, gloss = (float((part[skin] > _SURE).mean()) for part in (seen.beard, seen.gloss))
    if beard > settings.most_beard:
        return f"bearded: {beard:.0%} of the skin"
    if gloss > settings.most_gloss:
        return f"glossy: {gloss:.0%} of the skin"
    mirror = mirror_correlation(bump.displacement, given.place, seen.weight > _SURE)
    if not mirror >= settings.least_mirror:
        return f"the halves do not agree: correlation {mirror:.2f}"
    weight = np.round(255 * np.clip(seen.weight, 0, 1)).astype(np.uint8)
    sample = ReliefSample(given, bump.displacement, weight, "shading", subject)
    return Surrogate(sample, mirror, beard, gloss)


def write_surrogates(folder: Path, surrogates: Iterable[Surrogate]) -> int:
    """Write a store for :class:`SurrogateStore`; the number of its samples.

    Args:
        folder: made where it is missing; a store there is replaced.
        surrogates: of one size.

    Raises:
        DataError: there is none.
    """
    kept = list(surrogates)
    if not kept:
        raise DataError("no photo may teach: none is left to be stored")
    folder.mkdir(parents=True, exist_ok=True)
    for name in MAPS:
        np.save(folder / f"{name}.npy", np.stack([s.sample.given.maps()[name] for s in kept]))
    np.save(folder / "displacement.npy", np.stack([s.sample.displacement for s in kept]).astype(np.float16))
    np.save(folder / "weight.npy", np.stack([s.sample.weight for s in kept]))
    told = [{"subject": s.sample.subject, **{name: getattr(s, name) for name in _TOLD}} for s in kept]
    size = int(kept[0].sample.given.size)
    record = {"schema": _SCHEMA, "kind": "shading surrogates", "size": size, "photos": told}
    (folder / "surrogates.json").write_text(json.dumps(record, indent=1))
    return len(kept)


class SurrogateStore:
    """Samples by index, as of :class:`wholeface.lab.data.relief.ReliefStore`, with fixed targets.

    Args:
        folder: that :func:`write_surrogates` wrote.

    Attributes:
        size: S, edge of the maps in pixels.
        sources: ``shading`` for each sample.
        subjects: name of each photo.

    Raises:
        DataError: no such store there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            told = json.loads((self.folder / "surrogates.json").read_text())
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.folder}: no store of shading surrogates; make one by "
                "python -m wholeface.lab.data.relief.surrogates"
            ) from error
        if told.get("schema") != _SCHEMA:
            raise DataError(f"{self.folder}: schema {told.get('schema')}, this version reads {_SCHEMA}")
        self.size = int(told["size"])
        self.subjects: list[str] = [str(entry["subject"]) for entry in told["photos"]]
        self.sources: list[str] = ["shading"] * len(self.subjects)
        names = (*MAPS, "displacement", "weight")
        self._arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in names}

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, index: int) -> ReliefSample:
        """Sample ``index`` in [0, len)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        rows = {name: np.array(values[index]) for name, values in self._arrays.items()}
        return ReliefSample(
            ReliefInput(**{name: rows[name] for name in MAPS}),
            rows["displacement"].astype(np.float32),
            rows["weight"],
            "shading",
            self.subjects[index],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    from ....morphable import load_model
    from ..deocclusion.subjects import clean_photos
    from .faces import state_of

    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.relief.surrogates",
        description="Real photos with relief by shape from shading as their target, filtered.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of source material")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="STORE", help="folder of the store")
    parser.add_argument("--split", choices=("train", "validation"), default="train", help="which subjects")
    parser.add_argument("--size", type=int, default=256, help="edge of the maps in pixels (default: 256)")
    parser.add_argument("--count", type=int, help="photos at most")
    options = parser.parse_args(arguments)
    kept: list[Surrogate] = []
    try:
        tools = Tools(model=load_model())
        for path in clean_photos(options.data, options.split)[: options.count]:
            try:
                state = state_of(path, tools)
                found = "no face" if state is None else surrogate_of(state, tools, options.size, path.name)
            except WholeFaceError as error:
                found = str(error)
            if isinstance(found, str):
                print(f"{path.name}: left out: {found}", file=sys.stderr, flush=True)
            else:
                kept.append(found)
        count = write_surrogates(options.out, kept)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {count} photos")
    return 0


if __name__ == "__main__":
    sys.exit(main())

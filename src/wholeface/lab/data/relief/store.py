"""Faces without folds, made once; folds are drawn on them whenever a sample is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....core.short_repr import short_repr
from ....stages.relief import ReliefInput, shading_slopes
from .aged import AgedFields
from .bases import BASE_MAPS, GIVEN, ReliefBase
from .draw import FoldSettings, drawn_sample

__all__ = ["ReliefSample", "ReliefStore", "ReliefStoreWriter"]

_SCHEMA = 1
_LIGHT = 0.1  # deviation of the logarithm of the light's coefficients in the fit from the true ones


@dataclass(frozen=True)
class ReliefSample:
    """What a relief network is given, and the truth.

    Args:
        given: the maps.
        displacement: (S, S) float32 mm along the outer normal, true; 0 off the skin.
        weight: (S, S) uint8, 255 where the truth is known and the skin visible.
        source, subject: see :class:`wholeface.lab.data.relief.faces.BareFace`.
    """

    given: ReliefInput
    displacement: NDArray[np.float32]
    weight: NDArray[np.uint8]
    source: str
    subject: str

    __repr__ = short_repr


class ReliefStore:
    """Samples by index, the same in every process and order: sample ``i`` has the face ``i`` modulo their number.

    Args:
        folder: the store, see :class:`ReliefStoreWriter`.
        versions: how often each face is met, each time with other folds; 1 for validation.
        seed: of the folds.
        settings: how folds are drawn.

    Raises:
        DataError: no store there, or one of another version.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        versions: int = 1,
        seed: int = 0,
        settings: FoldSettings | None = None,
    ) -> None:
        self.folder = Path(folder)
        told = _manifest(self.folder)
        self.size = int(told["size"])
        self.names: tuple[str, ...] = tuple(told["expressions"])
        self._told = [json.loads(line) for line in (self.folder / "told.jsonl").read_text().splitlines()]
        if not self._told:
            raise DataError(f"{self.folder}: the store holds no face yet")
        self._arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in BASE_MAPS}
        aged = self.folder / "aged.npz"
        self.aged: AgedFields | None = None
        if aged.is_file():
            with np.load(aged, allow_pickle=False) as held:
                self.aged = AgedFields(held["heights"], tuple(held["corner"].tolist()))
        self.versions, self.seed = versions, seed
        self.settings = settings or FoldSettings()

    @property
    def faces(self) -> int:
        """Number of faces."""
        return len(self._told)

    @property
    def sources(self) -> list[str]:
        """Source of each face."""
        return [str(entry["source"]) for entry in self._told]

    @property
    def subjects(self) -> list[str]:
        """Subject of each face."""
        return [str(entry["subject"]) for entry in self._told]

    def __len__(self) -> int:
        return self.faces * self.versions

    def base(self, row: int) -> ReliefBase:
        """The face number ``row``, without folds."""
        entry = self._told[row]
        maps = {name: np.array(self._arrays[name][row]) for name in BASE_MAPS}
        light = np.asarray(entry["light"], np.float32)
        given = {name: maps.pop(name) for name in GIVEN}
        return ReliefBase(
            ReliefInput(**given, slopes=shading_slopes(given["normals"], light)),
            **maps,
            light=light,
            expression=np.asarray(entry["expression"], np.float32),
            source=str(entry["source"]),
            subject=str(entry["subject"]),
        )

    def __getitem__(self, index: int) -> ReliefSample:
        """Sample ``index`` in [0, len)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        base = self.base(index % self.faces)
        rng = np.random.default_rng([self.seed, index])
        image, displacement, weight = drawn_sample(base, self.names, self.settings, rng, self.aged)
        given = base.given
        # The fit's light is not quite the true one
        light = base.light * np.exp(rng.normal(0, _LIGHT, (9, 1))).astype(np.float32)
        return ReliefSample(
            replace(given, image=image, slopes=shading_slopes(given.normals, light)),
            displacement,
            weight,
            base.source,
            base.subject,
        )


class ReliefStoreWriter:
    """Adds faces to a store, one after the other; a store that was interrupted goes on.

    Args:
        folder: of the store, made where it is missing.
        size: S of the maps.
        capacity: most faces that it may hold.
        expressions: names of the face model's expressions.

    Raises:
        DataError: a store of other settings is there.
    """

    def __init__(self, folder: Path, size: int, capacity: int, expressions: Iterable[str]) -> None:
        self.folder = folder
        told = {"schema": _SCHEMA, "size": size, "capacity": capacity, "expressions": list(expressions)}
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "manifest.json").is_file():
            if _manifest(folder) != told:
                raise DataError(f"{folder} holds a store of other settings; choose another folder")
        else:
            for name, (kind, channels) in BASE_MAPS.items():
                shape = (capacity, size, size) if channels == 1 else (capacity, size, size, channels)
                np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape).flush()
            (folder / "told.jsonl").write_text("")
            (folder / "manifest.json").write_text(json.dumps(told))
        self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in BASE_MAPS}
        self.count = len((folder / "told.jsonl").read_text().splitlines())
        self.capacity = capacity

    def keep(self, aged: AgedFields) -> None:
        """Lay folds of another origin beside the faces."""
        np.savez(self.folder / "aged.npz", heights=aged.heights, corner=np.asarray(aged.corner))

    def add(self, base: ReliefBase) -> None:
        """Add a face.

        Raises:
            DataError: the store is full.
        """
        if self.count >= self.capacity:
            raise DataError(f"{self.folder} is full with {self.capacity} faces")
        for name in BASE_MAPS:
            self._arrays[name][self.count] = getattr(base.given if name in GIVEN else base, name)
        entry = {
            "source": base.source, "subject": base.subject, "light": base.light.tolist(),
            "expression": base.expression.tolist(),
        }  # fmt: skip
        with (self.folder / "told.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.count += 1


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder}: no store of faces for relief; make one by python -m wholeface.lab.data.relief"
        ) from error
    if told.get("schema") != _SCHEMA:
        raise DataError(f"{folder}: a store of schema {told.get('schema')}, this version reads {_SCHEMA}")
    return told

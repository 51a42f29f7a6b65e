"""A stand-in for the data engine that needs nothing; spawned processes import it by name."""

from __future__ import annotations

import os
from typing import NoReturn

import numpy as np

from wholeface.core.errors import DataError
from wholeface.lab.data import FaceSample


class FakeFaces:
    """Samples of noise with the fields that a rendering has, the same for the same (seed, index)."""

    def __init__(
        self, seed: int = 0, size: int = 24, *, photos: bool = False, fails_at: int = -1, dies_at: int = -1
    ) -> None:
        self.seed, self.size, self.photos = seed, size, photos
        self.fails_at, self.dies_at = fails_at, dies_at

    def sample(self, index: int) -> FaceSample:
        if index == self.fails_at:
            raise DataError("no such face")
        if index == self.dies_at:
            os._exit(1)
        rng, s = np.random.default_rng([self.seed, index]), self.size
        rows, columns = np.mgrid[:s, :s]
        face = (rows - s / 2) ** 2 + (columns - s / 2) ** 2 < (0.35 * s) ** 2
        image = rng.integers(0, 256, (s, s, 3), dtype=np.uint8)
        occluder = np.zeros((s, s), np.uint8)
        occluder[s // 2 :, : s // 2] = rng.integers(1, 10)
        depth = np.where(face, rng.normal(600, 9, (s, s)), np.inf).astype(np.float32)
        return FaceSample(
            image=image,
            clean=image[::-1].copy(),
            parsing=np.where(rng.random((s, s)) < 0.05, 255, rng.integers(0, 20, (s, s))).astype(np.uint8),
            occluder=occluder,
            face=face,
            landmarks_68=rng.uniform(-2, s + 2, (68, 2)).astype(np.float32),
            facing_68=rng.random(68) < 0.7,
            dense=rng.uniform(0, s, (31, 2)).astype(np.float32),
            facing_dense=rng.random(31) < 0.7,
            known=frozenset({"parsing", "occluder", "landmarks"} | (set() if self.photos else {"geometry"})),
            parameters={}
            if self.photos
            else {"identity": rng.normal(size=9).astype(np.float32), "focal": np.array([1e3], np.float32)},
            depth=None if self.photos else depth,
            normals=None if self.photos else rng.normal(size=(s, s, 3)).astype(np.float32),
            source="portrait_0012" if self.photos else "synthetic",
            seed=(self.seed, index),
        )


def summary(index: int, sample: FaceSample) -> tuple[int, int]:
    """Something small that depends on every pixel."""
    return index, int(sample.image.astype(np.int64).sum() * 3 + sample.parsing.sum())


def no_source() -> NoReturn:
    """A source that cannot be opened."""
    raise DataError("no portraits")

"""Which arrays a store of samples holds, and how one sample becomes one row of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....perceive import IGNORE
from .. import FaceSample

__all__ = ["KNOWN", "OPTIONAL_FIELDS", "STANDARD_FIELDS", "Fields", "layout_of", "row_of"]

KNOWN = ("parsing", "occluder", "landmarks", "geometry")
"""Order of the flags in the field ``known``."""

STANDARD_FIELDS = (
    "image",
    "clean",
    "parsing",
    "occluder",
    "face",
    "landmarks_68",
    "facing_68",
    "visible_68",
    "dense",
    "facing_dense",
    "visible_dense",
    "known",
    "parameters",
    "source",
    "seed",
)
OPTIONAL_FIELDS = ("depth", "normals", "eyewear")
_SOURCE_BYTES = 64
_SEED_LENGTH = 4

Fields = dict[str, tuple[str, tuple[int, ...]]]
"""name -> (numpy dtype string, shape of one row)."""


def layout_of(
    probes: Sequence[FaceSample], names: Sequence[str]
) -> tuple[Fields, dict[str, tuple[int, ...]]]:
    """Shapes of the rows, and the blocks of the flattened parameters, from some samples of a data set.

    Args:
        probes: at least one sample; only they are looked at for the parameters and the number of dense points.
        names: fields that the store shall hold.
    """
    size = probes[0].size
    dense = max(len(sample.dense) for sample in probes)
    blocks: dict[str, tuple[int, ...]] = {}
    for sample in probes:
        blocks.update({name: np.shape(value) for name, value in sample.parameters.items()})
    blocks = dict(sorted(blocks.items()))
    total = sum(_length(shape) for shape in blocks.values())
    every: Fields = {
        "image": ("|u1", (size, size, 3)),
        "clean": ("|u1", (size, size, 3)),
        "parsing": ("|u1", (size, size)),
        "occluder": ("|u1", (size, size)),
        "face": ("|b1", (size, size)),
        "landmarks_68": ("<f4", (68, 2)),
        "facing_68": ("|b1", (68,)),
        "visible_68": ("|b1", (68,)),
        "dense": ("<f4", (dense, 2)),
        "facing_dense": ("|b1", (dense,)),
        "visible_dense": ("|b1", (dense,)),
        "known": ("|b1", (len(KNOWN),)),
        "parameters": ("<f4", (total,)),
        "source": (f"|S{_SOURCE_BYTES}", ()),
        "seed": ("<i8", (_SEED_LENGTH,)),
        "depth": ("<f4", (size, size)),
        "normals": ("<f4", (size, size, 3)),
        "eyewear": ("|u1", (size, size)),
    }
    return {name: every[name] for name in every if name in names}, blocks


def row_of(
    sample: FaceSample, fields: Fields, blocks: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """One row per field; what the sample does not know is NaN (numbers), False (flags), −1 (seed) or ``IGNORE``.

    Raises:
        DataError: the sample does not fit the layout.
    """
    if unknown := sorted(set(sample.parameters) - set(blocks)):
        raise DataError(f"{sample.source}: parameters {', '.join(unknown)} that no probed sample has")
    if strange := sorted(sample.known - set(KNOWN)):
        raise DataError(f"{sample.source}: known labels may be {', '.join(KNOWN)}, not {', '.join(strange)}")
    if len(sample.seed) > _SEED_LENGTH:
        raise DataError(f"{sample.source}: a seed has at most {_SEED_LENGTH} numbers, got {sample.seed}")
    values: dict[str, Any] = {
        "image": sample.image,
        "clean": sample.clean,
        "parsing": sample.parsing,
        "occluder": sample.occluder,
        "face": sample.face,
        "landmarks_68": sample.landmarks_68,
        "facing_68": sample.facing_68,
        "visible_68": _at_known_points(sample.visible_68, sample.landmarks_68),
        "dense": sample.dense,
        "facing_dense": sample.facing_dense,
        "visible_dense": _at_known_points(sample.visible_dense, sample.dense),
        "known": np.array([name in sample.known for name in KNOWN]),
        "parameters": _flatten(sample, blocks),
        "source": np.array(sample.source.encode()[:_SOURCE_BYTES]),
        "seed": np.array([*sample.seed, *[-1] * (_SEED_LENGTH - len(sample.seed))], dtype=np.int64),
        "depth": sample.depth,
        "normals": sample.normals,
        "eyewear": sample.eyewear,
    }
    row = {}
    for name, (dtype, shape) in fields.items():
        value = values[name]
        if value is None or (name.endswith("dense") and len(value) < shape[0]):
            empty = IGNORE if name == "eyewear" else np.nan if dtype == "<f4" else 0
            filled = np.full(shape, empty, dtype=dtype)
            if value is not None:
                filled[: len(value)] = value
            value = filled
        if np.shape(value) != shape:
            raise DataError(
                f"{sample.source}: {name} has shape {np.shape(value)}, the first samples have {shape}"
            )
        row[name] = np.asarray(value, dtype=dtype)
    return row


def _at_known_points(visible: Any, points: NDArray[np.float32]) -> NDArray[np.bool_]:
    if np.isfinite(points).all():
        return np.asarray(visible())
    with np.errstate(invalid="ignore"):
        return np.asarray(visible()) & np.isfinite(points).all(axis=-1)


def _flatten(sample: FaceSample, blocks: Mapping[str, tuple[int, ...]]) -> NDArray[np.float32]:
    parts = []
    for name, shape in blocks.items():
        value = sample.parameters.get(name)
        if value is not None and np.shape(value) != shape:
            raise DataError(
                f"{sample.source}: parameter {name} has shape {np.shape(value)}, others have {shape}"
            )
        filled = np.full(_length(shape), np.nan) if value is None else np.ravel(value)
        parts.append(filled.astype(np.float32))
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _length(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))

"""What of a sample is no image, as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sample import FaceSample

__all__ = ["FLAGS", "LABELS_VERSION", "POINTS", "labels_json"]

LABELS_VERSION = 1
POINTS = ("landmarks_68", "dense")
FLAGS = ("facing_68", "facing_dense")


def labels_json(sample: FaceSample) -> bytes:
    """Points, flags, parameters, source and seed of a sample as JSON; float32 numbers come back exactly."""
    fields: dict[str, Any] = {"version": LABELS_VERSION, "size": sample.size}
    fields |= {n: _plain(getattr(sample, n)) for n in POINTS}
    fields |= {n: getattr(sample, n).astype(np.uint8).tolist() for n in FLAGS}
    fields["visible_68"] = (
        sample.visible_68().astype(np.uint8).tolist()
    )  # for readers that have only the JSON
    fields["visible_dense"] = sample.visible_dense().astype(np.uint8).tolist()
    fields["known"] = sorted(sample.known)
    fields["parameters"] = {k: _plain(v) for k, v in sample.parameters.items()}
    fields["source"], fields["seed"] = sample.source, [int(s) for s in sample.seed]
    return json.dumps(fields, separators=(",", ":")).encode()


def _plain(array: NDArray[np.float32]) -> Any:
    """Nested lists of the shortest decimals that give the same float32 back."""
    return np.asarray(array, dtype=np.float32).astype(str).astype(np.float64).tolist()

"""Geometry stage: from ICT-FaceKit to the geometry part of the shipped face model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....morphable.embedding import Embedding
from ....morphable.model import MorphableModel
from .eye import GAZE_DEGREES
from .head import HeadMesh, decimate_head
from .regions import build_regions
from .source import LANDMARKS_68, read_ict
from .statistics import learn_statistics, reduction_cost
from .uv import EYE_CENTRE, EYE_RADIUS, uv_atlas

__all__ = ["learn_geometry"]

_VERSION = "1.0"
_MODES = 80
_SAMPLES = 10_000
_HELD_OUT = 20
_SEED = 20_260


def learn_geometry(shared: Path) -> tuple[MorphableModel, dict[str, Any]]:
    """Decimate ICT-FaceKit symmetrically, re-learn its statistics, lay out the UV atlas.

    Args:
        shared: folder of the source material; ``ict_facekit/ict_facekit.npz`` is read.

    Returns:
        The model without albedo, vertices in the order mirror plane, left half, mirrored left half;
        and what the card says about it.

    Raises:
        ModelFileError: the source is missing or incomplete.
    """
    source = read_ict(shared / "ict_facekit")
    head = decimate_head(source)
    regions, extras = build_regions(source, head)
    shape = learn_statistics(source, head, regions["face"], regions["skin"], _MODES, _SAMPLES, _SEED)
    cost = reduction_cost(source, head, shape, regions["face"], _HELD_OUT, _SEED + 1)
    uv, uv_triangles = uv_atlas(source, head)

    def tensor(values: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values))

    model = MorphableModel(
        name="wholeface",
        version=_VERSION,
        mean=tensor(shape.mean).float(),
        identity=tensor(shape.identity).float(),
        expression=tensor(shape.expression).float(),
        expression_names=source.expression_names,
        triangles=tensor(head.triangles),
        uv=tensor(uv).float(),
        uv_triangles=tensor(uv_triangles),
        mirror=tensor(head.mirror),
        regions={name: tensor(mask) for name, mask in regions.items()},
        landmarks_68=_landmarks(head),
        extras={name: tensor(mask) for name, mask in extras.items()},
    )
    card: dict[str, Any] = {
        "geometry": {
            "source": "ICT-FaceKit light model, USC Institute for Creative Technologies",
            "licence": "MIT",
            "identity_samples": _SAMPLES,
            "held_out_samples": _HELD_OUT,
            "seed": _SEED,
            "reduction_cost_rms_mm": {name: round(value, 4) for name, value in cost.items()},
            "gaze_degrees_at_weight_1": GAZE_DEGREES,
            "uv_left_eye_centre": list(EYE_CENTRE),
            "uv_eye_radius": EYE_RADIUS,
            "vertices": {name: int(mask.sum()) for name, mask in sorted({**regions, **extras}.items())},
        }
    }
    return model, card


def _landmarks(head: HeadMesh) -> Embedding:
    """The source's landmark vertices, all of which the decimation keeps."""
    triangle, barycentric = [], []
    for vertex in LANDMARKS_68:
        point = int(np.flatnonzero(head.nearest == vertex)[0])
        first = int(np.flatnonzero((head.triangles == point).any(axis=1))[0])
        triangle.append(first)
        barycentric.append((head.triangles[first] == point).astype(np.float32))
    return Embedding(torch.tensor(triangle), torch.from_numpy(np.stack(barycentric)))

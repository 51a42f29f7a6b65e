"""Rendered heads that are hard to find: turned, occluded, under hats, small, of every tone; how many are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from .....morphable import load_model
from .....perceive import OccluderKind
from .....perceive.frames import face_box
from .....render import pose_degrees
from ....data import FaceSample
from ....data.engine import EngineSettings, FaceEngine
from ....data.synthetic.faces import SyntheticSettings
from ...report.table import Cell, Table
from .metrics import match_boxes

__all__ = ["CONDITIONS", "HardFace", "condition_table", "hard_faces", "tone_limits"]

Pixels = NDArray[np.uint8]
Boxes = list[NDArray[np.float64]]

_OCCLUDERS = {"hands": 0.3, "hats": 0.25, "hair": 0.25, "objects": 0.1, "scarves": 0.05, "sunglasses": 0.05}
_TONES = 400  # subjects whose skin says where dark ends and light begins


@dataclass(frozen=True)
class HardFace:
    """One rendered image with one head, and what makes it hard.

    Args:
        image: (S, S, 3) uint8 sRGB.
        points: (478, 2) pixels.
        yaw: degrees, without its sign.
        hidden: share of the face that is occluded.
        hat: whether a hat reaches over the face.
        small: whether the image is of the series of sizes; the others are of that of poses and occluders.
        tone: of the skin, its mean linear reflectance.
    """

    image: Pixels
    points: NDArray[np.float32]
    yaw: float
    hidden: float
    hat: bool
    small: bool
    tone: float

    @property
    def box(self) -> NDArray[np.float64]:
        """(4,) around the 478 points."""
        return face_box(self.points)

    @property
    def pixels(self) -> float:
        """Root of the box's area."""
        box = self.box
        return float(np.sqrt(np.prod(box[2:] - box[:2])))


def hard_faces(data: Path | None, count: int, seed: int) -> list[HardFace]:
    """``count`` heads in any pose behind held-out occluders, and ``count`` of 10 to 160 pixels, mostly frontal.

    Args:
        data: folder of the source material, or None.
        count: of each series.
        seed: of the engine's test subjects.
    """
    poses = EngineSettings(
        portraits=0.0, clean=0.3, occluders=_OCCLUDERS,
        synthetic=SyntheticSettings(turned=0.75, scale=0.35, scale_range=(0.5, 1.9), shift=0.15, shadow=0.3),
    )  # fmt: skip
    sizes = EngineSettings(
        portraits=0.0, clean=0.6,
        synthetic=SyntheticSettings(turned=0.15, scale=0.12, scale_range=(0.25, 3.5), shift=0.3),
    )  # fmt: skip
    engines = (
        (False, FaceEngine(data, seed=seed, size=320, split="held_out", settings=poses)),
        (True, FaceEngine(data, seed=seed + 1, size=384, split="held_out", settings=sizes)),
    )
    return [_hard(engine.sample(i), small) for small, engine in engines for i in range(count)]


def _hard(sample: FaceSample, small: bool) -> HardFace:
    face = int(sample.face.sum())
    hat = (sample.occluder == OccluderKind.HAT) & sample.face
    yaw, _, _ = pose_degrees(torch.from_numpy(sample.parameters["rotation"])).tolist()
    return HardFace(
        image=sample.image,
        points=sample.dense[:478],
        yaw=abs(yaw),
        hidden=float(sample.hidden.sum()) / max(face, 1),
        hat=float(hat.sum()) > 0.08 * face,
        small=small,
        tone=_tone(sample.parameters["albedo"]),
    )


def _tone(coefficients: NDArray[np.float32]) -> float:
    """Mean linear reflectance of the face's skin."""
    model = load_model()
    assert model.albedo is not None
    colours = model.albedo.vertices(torch.from_numpy(coefficients[: model.albedo.size]))
    return float(colours[model.region("face")].mean())


@cache
def tone_limits() -> tuple[float, float]:
    """The reflectance below which a third of all rendered subjects lie, and that of two thirds."""
    model = load_model()
    assert model.albedo is not None
    rng = np.random.default_rng(0)
    tones = [_tone(rng.normal(size=model.albedo.size).clip(-3, 3).astype(np.float32)) for _ in range(_TONES)]
    low, high = np.quantile(tones, (1 / 3, 2 / 3))
    return float(low), float(high)


def _between(least: float, most: float, what: Callable[[HardFace], float]) -> Callable[[HardFace], bool]:
    return lambda face: least <= what(face) < most


def _hidden(face: HardFace) -> float:
    return face.hidden


def _conditions() -> list[tuple[str, Callable[[HardFace], bool]]]:
    """Names of the rows and which faces they count."""
    rows: list[tuple[str, Callable[[HardFace], bool]]] = []
    for low, high in ((0, 30), (30, 60), (60, 75), (75, 91)):
        turned = _between(low, high, lambda face: face.yaw)
        rows.append(
            (
                f"turned by {low}-{min(high, 90)}°, less than 35 % hidden",
                lambda f, t=turned: not f.small and t(f) and f.hidden < 0.35,  # type: ignore[misc]
            )
        )
    for low, high in ((0, 10), (10, 35), (35, 60), (60, 80), (80, 101)):
        share = _between(low / 100, high / 100, _hidden)
        rows.append(
            (
                f"{low}-{min(high, 100)} % hidden, turned by less than 60°",
                lambda f, s=share: not f.small and s(f) and f.yaw < 60,  # type: ignore[misc]
            )
        )
    rows.append(("under a hat", lambda face: not face.small and face.hat))
    for low, high in ((12, 16), (16, 24), (24, 32), (32, 64), (64, 200)):
        size = _between(low, high, lambda face: face.pixels)
        rows.append(
            (
                f"{low}-{high} px, less than 35 % hidden",
                lambda f, s=size: f.small and s(f) and f.hidden < 0.35,  # type: ignore[misc]
            )
        )
    low_tone, high_tone = tone_limits()
    for name, least, most in (
        ("dark", 0.0, low_tone),
        ("middle", low_tone, high_tone),
        ("light", high_tone, 9.0),
    ):
        tone = _between(least, most, lambda face: face.tone)
        rows.append(
            (
                f"{name} skin, less than 60 % hidden",
                lambda f, t=tone: not f.small and t(f) and f.hidden < 0.6,  # type: ignore[misc]
            )
        )
    return rows


CONDITIONS = ("turned by", "hidden", "under a hat", "px", "skin")
"""What the rows' names hold."""


def condition_table(
    faces: Sequence[HardFace], systems: Sequence[tuple[str, Callable[[Pixels], Boxes]]]
) -> Table:
    """Recall by what makes the faces hard.

    Args:
        faces: of :func:`hard_faces`.
        systems: names, and what finds the boxes of an image's faces.
    """
    rows: list[tuple[Cell, ...]] = []
    found = {
        name: [match_boxes([face.box], boxes(face.image), 0.4) for face in faces] for name, boxes in systems
    }
    for title, fits in _conditions():
        which = [i for i, face in enumerate(faces) if fits(face)]
        if not which:
            continue
        for name, _ in systems:
            hits = [found[name][i][0][0] for i in which]
            seen = [hit for hit in hits if hit > 0]
            more = sum(found[name][i][1] for i in which) / len(which)
            rows.append(
                (
                    title,
                    name,
                    len(which),
                    len(seen) / len(which),
                    float(np.mean(seen)) if seen else None,
                    more,
                )
            )
    columns = (
        ("rendered heads", ""), ("system", ""), ("images", "d"), ("recall", ".1%"), ("mean IoU", ".3f"),
        ("false/image", ".3f"),
    )  # fmt: skip
    notes = [
        "heads of test subjects behind held-out occluders; "
        "size is the root of the area of the box around the 478 points.",
        "found: overlap (IoU) with the true box of at least 0.4: hidden outlines are guesses.",
    ]
    return Table("Detector: hard faces", columns, rows, notes)

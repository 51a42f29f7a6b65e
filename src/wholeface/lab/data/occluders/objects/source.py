"""Objects before the face: microphones, cups, food, phones, cigarettes, flowers, poles, tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....perceive import OccluderKind, ParsingClass
from ...compositing.compose import scene_light
from ...compositing.layer import Layer, Split
from ...samples.sample import FaceSample
from ..drawing.easel import Easel
from ..hands.source import HandPlace
from ..placing.frame import FaceFrame, face_frame
from ..placing.overlay import occluded_share
from .shapes import DRAWINGS

__all__ = ["HeldLayer", "ObjectSource"]


@dataclass(frozen=True)
class HeldLayer(Layer):
    """An object that somebody may hold.

    Args:
        grip: where a hand would hold it, or None where nobody does.
    """

    grip: HandPlace | None = None


@dataclass(frozen=True)
class _Use:
    """How an object is used: how often, where it touches the face (u, v and their spread), where the arm comes from.

    ``arm``: centre and spread in degrees from straight below; ``grip``: how far along the object a hand sits, in
    face lengths, or None.
    """

    weight: float
    u: tuple[float, float]
    v: tuple[float, float]
    arm: tuple[float, float]
    grip: float | None = None


_MOUTH_U, _MOUTH_V = (0.0, 0.1), (0.7, 0.06)
_ANY_U, _ANY_V = (0.0, 0.35), (0.45, 0.35)
_USES = {
    "apple": _Use(1.0, _MOUTH_U, _MOUTH_V, (10, 40), 0.45),
    "ball": _Use(0.8, _ANY_U, _ANY_V, (0, 90)),
    "banana": _Use(0.8, _MOUTH_U, _MOUTH_V, (20, 40), 1.0),
    "book": _Use(1.0, (0.0, 0.3), (0.6, 0.3), (0, 30), 1.3),
    "bottle": _Use(1.0, _MOUTH_U, _MOUTH_V, (40, 45), 1.2),
    "brush": _Use(0.8, (0.0, 0.25), (0.6, 0.25), (50, 45), 1.0),
    "burger": _Use(1.0, _MOUTH_U, _MOUTH_V, (0, 25), 0.5),
    "cable": _Use(0.8, (0.1, 0.1), (0.75, 0.1), (90, 35)),
    "cigar": _Use(1.0, _MOUTH_U, _MOUTH_V, (50, 40), 0.45),
    "cigarette": _Use(1.2, _MOUTH_U, _MOUTH_V, (50, 45), 0.4),
    "cup": _Use(1.4, _MOUTH_U, _MOUTH_V, (5, 25), 0.5),
    "flower": _Use(0.8, _ANY_U, _ANY_V, (0, 60)),
    "ice_cream": _Use(1.0, _MOUTH_U, _MOUTH_V, (10, 25), 0.9),
    "leaf": _Use(0.8, _ANY_U, _ANY_V, (0, 120)),
    "lollipop": _Use(0.8, _MOUTH_U, _MOUTH_V, (10, 40), 1.0),
    "microphone": _Use(3.0, (0.0, 0.16), (0.82, 0.14), (15, 35), 1.0),
    "phone": _Use(1.2, (0.25, 0.3), (0.35, 0.35), (10, 40), 0.75),
    "spoon": _Use(0.8, _MOUTH_U, _MOUTH_V, (40, 40), 1.1),
    "stick": _Use(1.2, _ANY_U, _ANY_V, (40, 70)),
    "tissue": _Use(0.8, (0.0, 0.3), (0.45, 0.25), (10, 40), 0.4),
    "tool": _Use(0.6, _ANY_U, _ANY_V, (30, 60), 1.3),
}
_HELD_OUT = frozenset({"banana", "bottle", "flower", "spoon"})


class ObjectSource:
    """Drawn objects of everyday life. Everything is procedural; the folder is not used."""

    def __init__(self, root: Path | None = None) -> None:
        del root

    def names(self, split: Split) -> tuple[str, ...]:
        """All items of a split."""
        return tuple(
            f"object/{name}" for name in sorted(_USES) if (name in _HELD_OUT) == (split == "held_out")
        )

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One object; see :class:`LayerSource`. It is a :class:`HeldLayer`: a hand may be laid around its grip."""
        names = [name.removeprefix("object/") for name in self.names(split)]
        weights = np.array([_USES[name].weight for name in names])
        frame = face_frame(sample)
        light = scene_light(sample).direction
        for _ in range(2):
            name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
            use = _USES[name]
            at, away = _aim(frame, rng, use)
            scale = float(rng.uniform(0.85, 1.3))
            rgba = np.zeros((sample.size, sample.size, 4), np.uint8)
            easel = Easel(rgba, at, away, frame.unit * scale, light, rng)
            DRAWINGS[name](easel)
            if not 0.002 < occluded_share(rgba, sample.face) < 0.9:
                continue
            return HeldLayer(
                rgba,
                OccluderKind.OBJECT,
                ParsingClass.OBJECT,
                f"object/{name}",
                shadow=float(rng.uniform(0.2, 0.7)),
                height=float(rng.uniform(0.02, 0.12)) * frame.unit,
                grip=_grip(frame, rng, easel, use),
            )
        return None


def _aim(
    frame: FaceFrame, rng: np.random.Generator, use: _Use
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where an object touches the face, and which way it points away."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    forward = 0.12 * frame.yaw  # the mouth goes where the nose goes
    at = frame.point(side * float(rng.normal(*use.u)) + forward, float(rng.normal(*use.v)))
    turn = np.radians(side * float(rng.normal(*use.arm)))
    away = np.float32(np.sin(turn)) * frame.right + np.float32(np.cos(turn)) * frame.down
    return at, away.astype(np.float32)


def _grip(frame: FaceFrame, rng: np.random.Generator, easel: Easel, use: _Use) -> HandPlace | None:
    if use.grip is None:
        return None
    turn = float(rng.normal(0.0, 0.5)) + (0.9 if rng.random() < 0.5 else -0.9) * float(rng.random() < 0.5)
    cos, sin = np.cos(turn), np.sin(turn)
    away = easel.away
    arm = np.array([cos * away[0] - sin * away[1], sin * away[0] + cos * away[1]], np.float32)
    if arm @ frame.down < -0.2:  # arms come from below
        arm = -arm
    target = easel.along(use.grip * float(rng.uniform(0.8, 1.15))).astype(np.float32)
    return HandPlace(target, float(rng.uniform(0.1, 0.5)), arm, frame.unit * float(rng.uniform(0.26, 0.36)))

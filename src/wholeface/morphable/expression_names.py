"""Names of expressions: ARKit's 52, and ICT-FaceKit's, which our blendshapes were learned under.

ICT-FaceKit writes ``eyeBlink_L`` where ARKit writes ``eyeBlinkLeft``, and splits two of ARKit's shapes into sides:
``browInnerUp`` and ``cheekPuff`` are the sums of their ``_L`` and ``_R``. It has ``cheekRaiser_L`` and ``_R``, which
ARKit lacks (here ``cheekRaiserLeft`` and ``cheekRaiserRight``), and no ``tongueOut``: its
tongue does not move.
Left is the face's own left in both.

Source: Apple, ARKit, ARFaceAnchor.BlendShapeLocation; ICT-FaceKit, expression names.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ..core.errors import UsageError

if TYPE_CHECKING:
    from .model import MorphableModel

__all__ = [
    "ARKIT_NAMES",
    "EXPRESSION_NAMINGS",
    "arkit_shapes",
    "check_naming",
    "check_weights",
    "native_expressions",
]

EXPRESSION_NAMINGS = ("arkit", "ict")
"""How expressions may be called in the files that are written."""
_SIDES = {"_L": "Left", "_R": "Right"}
_BOTH_SIDES = ("browInnerUp", "cheekPuff")  # one shape in ARKit
_ONE_SIDED = (
    *(
        "browDown",
        "browOuterUp",
        "cheekSquint",
        "eyeBlink",
        "eyeLookDown",
        "eyeLookIn",
        "eyeLookOut",
        "eyeLookUp",
    ),
    *("eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress", "mouthSmile"),
    *("mouthStretch", "mouthUpperUp", "noseSneer"),
)
_WHOLE = (
    *(
        "jawForward",
        "jawLeft",
        "jawOpen",
        "jawRight",
        "mouthClose",
        "mouthFunnel",
        "mouthLeft",
        "mouthPucker",
    ),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut"),
)
ARKIT_NAMES = tuple(
    sorted([*_BOTH_SIDES, *_WHOLE, *(f"{name}{side}" for name in _ONE_SIDED for side in ("Left", "Right"))])
)
"""ARKit's 52 blendshape locations."""
_RANGES = {
    False: (-1.0, 2.0, "0 is neutral, 1 is full, -1 to 2 are allowed"),
    True: (-10.0, 10.0, "it counts standard deviations, -10 to 10 are allowed"),
}


def check_naming(naming: str) -> None:
    """Raises UsageError unless ``naming`` is one of ``EXPRESSION_NAMINGS``."""
    if naming not in EXPRESSION_NAMINGS:
        raise UsageError(
            f"unknown naming of expressions {naming!r}; choose {' or '.join(EXPRESSION_NAMINGS)}"
        )


def arkit_shapes(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """ARKit's name of each shape -> the model's expressions whose sum it is, in the model's order.

    Args:
        names: expressions of a model. Names that are not ICT-FaceKit's stay as they are.
    """
    shapes: dict[str, list[str]] = {}
    for name in names:
        shapes.setdefault(_arkit_name(name), []).append(name)
    return {shape: tuple(parts) for shape, parts in shapes.items()}


def native_expressions(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """The model's expressions that a name in either naming stands for: one, or the two sides of an ARKit shape.

    Raises:
        UsageError: no such expression; the message has the closest one.
    """
    if name in names:
        return (name,)
    shapes = arkit_shapes(names)
    if name in shapes:
        return shapes[name]
    if name == "tongueOut" and "jawOpen" in names:
        raise UsageError(
            "the expression 'tongueOut' is not in this model: its tongue does not move; leave it out"
        )
    close = difflib.get_close_matches(str(name), [*names, *shapes], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"unknown expression {name!r}; {hint}this model has: {', '.join(names)}")


def check_weights(model: MorphableModel, weights: Tensor) -> Tensor:
    """The weights (E,), when they may be shown.

    Raises:
        UsageError: a weight that is not finite, below −1 or above 2 for blendshapes, beyond ±10 standard deviations
            for Gaussian modes; which are which, the model's prior says.
    """
    bounded = model.prior.bounded.tolist()
    for name, weight, blendshape in zip(model.expression_names, weights.tolist(), bounded):
        low, high, unit = _RANGES[not blendshape]
        if not (math.isfinite(weight) and low <= weight <= high):
            raise UsageError(f"expression {name!r}: a weight of {weight:g} is out of range; {unit}")
    return weights


def _arkit_name(name: str) -> str:
    stem, side = name[:-2], _SIDES.get(name[-2:])
    if side is None:
        return name
    if stem in _BOTH_SIDES:
        return stem
    return f"{stem}{side}" if stem in (*_ONE_SIDED, "cheekRaiser") else name

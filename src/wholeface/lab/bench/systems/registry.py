"""From names, as people write them behind ``--systems``, to systems under test."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ....core.errors import UsageError
from ....methods.registry import METHODS
from .folders import LAYOUTS, ResultFolder
from .own import LandmarkFitSystem, MeanFace, Shared, WholeFace
from .system import HeadSystem

if TYPE_CHECKING:
    from ....morphable import MorphableModel
    from ....perceive import LandmarkDetector

__all__ = ["SYSTEM_HELP", "load_systems", "split_names"]

_METHODS = [name for name in METHODS if name != "auto"]  # that is ``wholeface``

SYSTEM_HELP = (
    f"mean face, wholeface, wholeface landmarks, {', '.join(_METHODS)}, mediapipe, eos=SHARE_FOLDER, "
    f"folder:{{{'|'.join(LAYOUTS)}}}=PATH (results that this system has written), MODULE:NAME (Python code of yours)"
)
"""What ``load_systems`` understands, for the command's help."""


def split_names(text: str) -> list[str]:
    """Names between commas, blanks around them removed, in order and without doubles.

    Raises:
        UsageError: there is none.
    """
    names = list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise UsageError(f"no system is named in {text!r}; there are: {SYSTEM_HELP}")
    return names


def load_systems(
    names: Sequence[str],
    *,
    model: MorphableModel | None = None,
    detector: LandmarkDetector | None = None,
    placed: bool = False,
) -> list[HeadSystem]:
    """The systems of these names, in this order.

    ``mean face`` and ``wholeface`` need nothing but this package; ``wholeface landmarks`` is the landmark fit alone;
    ``analysis``, ``parsing_guided`` and the other methods run as ``wholeface reconstruct --method`` runs them;
    ``mediapipe`` needs its package; ``eos=FOLDER`` needs ``eos-py`` and the ``share`` folder of eos;
    ``folder:NAME=PATH`` reads what another system has written, see :data:`LAYOUTS`; ``MODULE:NAME`` imports MODULE
    and calls its NAME without arguments for a :class:`HeadSystem`.

    Args:
        names: see :data:`SYSTEM_HELP`.
        model: face model of our own systems, or None for the shipped one.
        detector: of our own systems, or None for the usual one.
        placed: the mean face, too, says where its landmarks lie in the photo (see :class:`MeanFace`).

    Raises:
        UsageError: an unknown name, the same one twice, a package or a folder that is missing.
    """
    doubles = sorted({name for name in names if list(names).count(name) > 1})
    if doubles or not names:
        raise UsageError(f"systems: {', '.join(doubles)} named twice" if doubles else "no system is named")
    shared = Shared(model, detector)
    own: dict[str, Callable[[], HeadSystem]] = {
        "mean face": lambda: MeanFace(shared, placed=placed),
        "wholeface": lambda: WholeFace(shared),
        "wholeface landmarks": lambda: LandmarkFitSystem(shared),
        "mediapipe": lambda: _mediapipe(shared),
        **{name: partial(WholeFace, shared, name) for name in _METHODS},
    }
    return [own[name]() if name in own else _with_path(name, shared) for name in names]


def _mediapipe(shared: Shared) -> HeadSystem:
    from .mediapipe_mesh import MediapipeMesh

    return MediapipeMesh(shared)


def _with_path(name: str, shared: Shared) -> HeadSystem:
    word, _, value = name.partition("=")
    if word == "eos":
        from .eos_fit import EosFit

        return EosFit(shared, Path(value) if value else None)
    if word.startswith("folder:"):
        kind = word.removeprefix("folder:")
        if kind not in LAYOUTS or not value:
            raise UsageError(
                f"{name!r}: write folder:NAME=PATH, with a NAME of {', '.join(LAYOUTS)} and the folder of its results"
            )
        return ResultFolder(kind, Path(value))
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
        return _of_module(*name.split(":"))
    raise UsageError(f"no system {name!r}; there are: {SYSTEM_HELP}")


def _of_module(module: str, factory: str) -> HeadSystem:
    try:
        system = getattr(import_module(module), factory)()
    except (ImportError, AttributeError, TypeError) as error:
        raise UsageError(
            f"system {module}:{factory}: {error}; expected a module that can be imported (see PYTHONPATH) "
            "and in it a class or function that takes nothing and gives a system"
        ) from error
    if not callable(getattr(system, "predict", None)) or not isinstance(getattr(system, "name", None), str):
        raise UsageError(f"system {module}:{factory}: it lacks a name or a method predict(pixels, path)")
    found: HeadSystem = system
    return found

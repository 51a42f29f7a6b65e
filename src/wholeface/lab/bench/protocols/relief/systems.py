"""Who finds relief: stages that follow fit, mask and refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .....core.errors import NoFaceError, UsageError, WholeFaceError
from .....methods.analysis import fit_and_refine
from .....methods.spec import MethodOptions
from .....networks.registry import has_weights
from .....photo import Similarity, read_photo
from .....stages import FaceState, Stage, Tools, run_stages
from .....stages.relief.by_network import ReliefByNetwork
from .....stages.relief.by_shading import ReliefByShading
from .....stages.relief.fill_by_examples import FillByExamples
from .....stages.relief.soft_symmetry import SoftSymmetry

__all__ = [
    "EXAMPLES",
    "FOUNDATION",
    "MIRRORED",
    "NETWORK",
    "SHADING",
    "UNFILLED",
    "WHOLE",
    "ReliefSystem",
    "fitted",
    "hidden_systems",
    "relief_frame",
    "seen_systems",
]

FOUNDATION, SHADING, NETWORK = "foundation alone", "shading", "network"
UNFILLED, MIRRORED, EXAMPLES, WHOLE = "no filling", "mirrored side", "example filling", "filling and symmetry"

Where: TypeAlias = Literal["nowhere", "crop", "atlas"]
_SIZE = 256
_ATLAS = 512


@dataclass(frozen=True)
class ReliefSystem:
    """One row of a table.

    Args:
        name: of the row.
        stages: that follow the fit.
        of: where its relief is read: ``nowhere`` (none), the ``crop`` (``bump``), or the ``atlas`` (``relief``).
    """

    name: str
    stages: tuple[Stage, ...]
    of: Where

    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """The face with relief.

        Raises:
            WholeFaceError: a stage refuses it.
        """
        return _run(self.stages, face, tools)

    def begun(self, face: FaceState, tools: Tools) -> FaceState:
        """After the first stage, which systems for hidden skin have in common."""
        return _run(self.stages[:1], face, tools)

    def ended(self, face: FaceState, tools: Tools) -> FaceState:
        """After all further stages, of what :meth:`begun` returned."""
        return _run(self.stages[1:], face, tools)


def seen_systems(networks: Sequence[str] = ()) -> list[ReliefSystem]:
    """Who finds relief in skin that is seen.

    Args:
        networks: further weights of the relief network, each ``NAME=FILE``.

    Raises:
        UsageError: a malformed or repeated name.
    """
    found = [
        ReliefSystem(FOUNDATION, (), "nowhere"),
        ReliefSystem(SHADING, (ReliefByShading(size=_SIZE),), "crop"),
    ]
    if has_weights("relief"):
        found.append(ReliefSystem(NETWORK, (ReliefByNetwork(),), "crop"))
    for word in networks:
        name, equals, file = word.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"network {word!r}: expected NAME=FILE, e.g. 'more creases=runs/x.safetensors'")
        if name in {system.name for system in found}:
            raise UsageError(f"the network name {name!r} is taken; choose another")
        found.append(ReliefSystem(name, (ReliefByNetwork(weights=str(Path(file))),), "crop"))
    return found


def hidden_systems() -> list[ReliefSystem]:
    """What is put where an occluder hides the skin; relief is seen by the network, by shading where there is none."""
    first: Stage = ReliefByNetwork() if has_weights("relief") else ReliefByShading(size=_SIZE)
    symmetry = SoftSymmetry(size=_ATLAS)
    return [
        ReliefSystem(UNFILLED, (first,), "crop"),
        ReliefSystem(MIRRORED, (first, symmetry), "atlas"),
        ReliefSystem(EXAMPLES, (first, FillByExamples()), "crop"),
        ReliefSystem(WHOLE, (first, FillByExamples(), symmetry), "atlas"),
    ]


def fitted(pixels: NDArray[np.uint8], tools: Tools) -> FaceState:
    """The largest face of a picture with fit, mask and refinement.

    Raises:
        NoFaceError: there is none.
        WholeFaceError: it cannot be fitted.
    """
    photo = read_photo(pixels)
    found = tools.networks.detector.detect(photo.pixels)
    if not found:
        raise NoFaceError("no face was found")
    return _run(fit_and_refine(MethodOptions()), FaceState(photo, found[0]), tools)


def relief_frame(face: FaceState) -> Similarity:
    """From photo to crop pixels: the frame in which all systems are compared, of 256 pixels."""
    from .....stages.relief import FRAME_MARGIN
    from .....stages.upright import crop_around

    points = face.landmarks.points_478
    return crop_around(face.landmarks.points if points is None else points, _SIZE, FRAME_MARGIN)


def _run(stages: Sequence[Stage], face: FaceState, tools: Tools) -> FaceState:
    done = run_stages(tuple(stages), [face], tools)[0]
    if isinstance(done, WholeFaceError):
        raise done
    return done

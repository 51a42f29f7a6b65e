"""What a method is: a name, a citation, and a list of stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..stages import Stage, Tools, check_stages
from ..stages.deocclude.remove import Remove

__all__ = ["MethodOptions", "MethodSpec"]

_WANTED = frozenset({"fit", "mask", "texture"})


@dataclass(frozen=True)
class MethodOptions:
    """What people may choose about any method; one that has no use for an option ignores it.

    Args:
        texture_size: edge of the texture in texels, 64 to 4096.
        focal: focal length in pixels when known; None takes that of the photo's EXIF, or estimates it.
        refine: run the slow refinement, where the method has one.
        remove: what the picture without occluders is to be without, where the method makes one; see
            :data:`wholeface.stages.deocclude.remove.Remove`. The head is complete in any case.
        relief: estimate wrinkles and folds, where the method does; without them the texture keeps their shading.
    """

    texture_size: int = 1024
    focal: float | None = None
    refine: bool = True
    remove: Remove = "auto"
    relief: bool = True


@dataclass(frozen=True)
class MethodSpec:
    """One published system, or one of yours.

    Args:
        name: on the command line and in results.
        paper: citation of what it implements.
        stages: options and tools -> the stages in order. Between them they must fill ``fit``, ``mask`` and
            ``texture`` of :class:`wholeface.stages.FaceState`; ``image`` and ``relief`` are welcome.
        weights: names of the networks that it needs, in the registry of weights.
        summary: one line for people who choose.
    """

    name: str
    paper: str
    stages: Callable[[MethodOptions, Tools], Sequence[Stage]]
    weights: tuple[str, ...] = ()
    summary: str = ""

    def build(self, options: MethodOptions, tools: Tools) -> tuple[Stage, ...]:
        """The checked list of stages.

        Raises:
            UsageError: a stage reads what nobody writes, or the list leaves ``fit``, ``mask`` or ``texture`` empty.
        """
        return check_stages(tuple(self.stages(options, tools)), method=self.name, wanted=_WANTED)

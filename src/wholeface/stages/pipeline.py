"""Lists of stages: checked when they are built, run over many faces at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..core.errors import StageError, UsageError, WholeFaceError
from .stage import Stage
from .state import SLOTS, FaceState
from .tools import Tools

__all__ = ["Where", "check_stages", "run_stages"]

_GIVEN = frozenset({"photo", "landmarks"})


def check_stages(
    stages: Sequence[Stage],
    *,
    method: str,
    given: frozenset[str] = _GIVEN,
    wanted: frozenset[str] = frozenset(),
) -> tuple[Stage, ...]:
    """The stages, when each finds what it reads.

    Args:
        stages: in order.
        method: name of the method, for the message.
        given: slots that are filled before the first stage.
        wanted: slots that must be filled after the last.

    Raises:
        UsageError: a stage reads a slot that no stage before it writes, or names a slot that does not exist; or
            nobody fills a slot of ``wanted``. The message names the method, the stage and the slot.
    """
    filled = set(given)
    for number, step in enumerate(stages):
        for missing in ("name", "reads", "writes"):
            if not hasattr(step, missing):
                raise UsageError(
                    f"method {method!r}: stage {number + 1}, {step!r}, has no {missing!r}; "
                    "see wholeface.stages.Stage for what a stage must have"
                )
        for slot in sorted((step.reads | step.writes) - SLOTS):
            raise UsageError(
                f"method {method!r}: stage {step.name!r} names the slot {slot!r}, which a face does not have; "
                f"it has {', '.join(sorted(SLOTS))}"
            )
        for slot in sorted(step.reads - filled):
            later = [other.name for other in stages[number + 1 :] if slot in other.writes]
            hint = f"; {later[0]!r} writes it, but comes later" if later else ""
            raise UsageError(
                f"method {method!r}: stage {step.name!r} reads {slot!r}, which no stage before it writes{hint}"
            )
        filled |= step.writes
    for slot in sorted(wanted - filled):
        raise UsageError(f"method {method!r} ends without {slot!r}: none of its stages writes it")
    return tuple(stages)


def run_stages(
    stages: Sequence[Stage], faces: Sequence[FaceState], tools: Tools
) -> list[FaceState | WholeFaceError]:
    """Lead faces through the stages; a face that a stage refuses is its error from then on, the others go on.

    Args:
        stages: as from :func:`check_stages`.
        faces: of one photo or of many.
        tools: for all of them.

    Raises:
        StageError: a stage returns another number of faces, or changes a slot that is not among its ``writes``.
    """
    results: list[FaceState | WholeFaceError] = list(faces)
    for step in stages:
        alive = [i for i, result in enumerate(results) if isinstance(result, FaceState)]
        group = [result for result in results if isinstance(result, FaceState)]
        for i, result in zip(alive, _guarded(step, group, tools)):
            results[i] = result
    return results


def _guarded(step: Stage, faces: Sequence[FaceState], tools: Tools) -> list[FaceState | WholeFaceError]:
    """The stage over all faces at once or, when it refuses one of them, over each by itself."""
    if not faces:
        return []
    try:
        return list(_timed(step, faces, tools))
    except StageError:
        raise
    except WholeFaceError as error:
        if len(faces) == 1:
            return [error]
    return [_guarded(step, [face], tools)[0] for face in faces]


def _timed(step: Stage, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
    start = time.perf_counter()
    results = step(faces, tools)
    share = 1000 * (time.perf_counter() - start) / len(faces)
    if len(results) != len(faces):
        raise StageError(f"stage {step.name!r} was given {len(faces)} faces and returned {len(results)}")
    return [_checked(step, before, after, share) for before, after in zip(faces, results)]


def _checked(step: Stage, before: FaceState, after: FaceState, share: float) -> FaceState:
    """The face after a stage, with the time that it took; a stage may change nothing but what it writes."""
    for slot in sorted(SLOTS - step.writes):
        if getattr(before, slot) is not getattr(after, slot):
            raise StageError(
                f"stage {step.name!r} changed {slot!r}, which is not among the slots that it says it writes "
                f"({', '.join(sorted(step.writes)) or 'none'})"
            )
    if (
        after is before or after.timings_ms is not before.timings_ms
    ):  # untouched, or told by the stages within
        return after
    spent = before.timings_ms.get(step.name, 0.0) + share
    return after.with_(timings_ms={**before.timings_ms, step.name: spent})


@dataclass(frozen=True)
class Where:
    """Stages for those faces alone for which a condition holds; the others pass by.

    Args:
        condition: of a face.
        stages: in order.
        name: in words.
    """

    condition: Callable[[FaceState], bool]
    stages: tuple[Stage, ...]
    name: str = "where"
    reads: frozenset[str] = field(init=False)
    writes: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        reads: set[str] = set()
        writes: set[str] = set()
        for step in self.stages:
            reads |= step.reads - writes
            writes |= step.writes
        object.__setattr__(self, "reads", frozenset(reads))
        object.__setattr__(self, "writes", frozenset(writes))

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """See :class:`wholeface.stages.Stage`."""
        chosen = [i for i, face in enumerate(faces) if self.condition(face)]
        results = list(faces)
        group = [faces[i] for i in chosen]
        for step in self.stages:
            group = _timed(step, group, tools) if group else group
        for i, face in zip(chosen, group):
            results[i] = face
        return results

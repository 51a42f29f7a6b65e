"""What a stage is: a batched function of face states that says which slots it reads and which it fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from .state import FaceState
    from .tools import Tools

__all__ = ["FunctionStage", "Stage", "face_by_face", "faces_side_by_side", "stage"]

_S = TypeVar("_S")
_P = ParamSpec("_P")


@runtime_checkable
class Stage(Protocol):
    """One step of a method.

    Attributes:
        name: in words, for timings and errors.
        reads: slots of :class:`FaceState` that must be filled; what a stage merely prefers to have is not listed.
        writes: slots that it fills or replaces; all others it hands on as they are.
    """

    @property
    def name(self) -> str:
        """In words, for timings and errors."""
        ...

    @property
    def reads(self) -> frozenset[str]:
        """Slots that must be filled."""
        ...

    @property
    def writes(self) -> frozenset[str]:
        """Slots that it fills or replaces."""
        ...

    def __call__(self, faces: Sequence[FaceState], tools: Tools, /) -> list[FaceState]:
        """The same faces in the same order, with ``writes`` filled."""
        ...


def face_by_face(
    function: Callable[[_S, FaceState, Tools], FaceState],
) -> Callable[[_S, Sequence[FaceState], Tools], list[FaceState]]:
    """Make a stage's ``__call__`` from a method that treats one face: ``(self, face, tools) -> face``."""

    @wraps(function)
    def call(self: _S, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        return [function(self, face, tools) for face in faces]

    return call


def faces_side_by_side(
    function: Callable[[_S, FaceState, Tools], FaceState],
) -> Callable[[_S, Sequence[FaceState], Tools], list[FaceState]]:
    """As :func:`face_by_face`, for a method that several threads may call at once: a few faces at a time.

    Worth its threads where the method releases the interpreter lock for most of its time (NumPy, torch, Numba with
    ``nogil``); see :func:`wholeface.core.threads.side_by_side`.
    """

    @wraps(function)
    def call(self: _S, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        from ..core.threads import side_by_side

        return side_by_side(lambda face: function(self, face, tools), faces)

    return call


class FunctionStage:
    """A stage made from a plain function; see :func:`stage`."""

    def __init__(
        self,
        function: Callable[[FaceState, Tools], FaceState],
        name: str,
        reads: frozenset[str],
        writes: frozenset[str],
    ) -> None:
        self.name = name
        self.reads = reads
        self.writes = writes
        self._function = function
        self.__doc__ = function.__doc__

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        """The function over the faces."""
        return [self._function(face, tools) for face in faces]

    def __repr__(self) -> str:
        return f"<stage {self.name!r}>"


def stage(
    *, reads: Sequence[str], writes: Sequence[str], name: str | None = None
) -> Callable[[Callable[Concatenate[FaceState, Tools, _P], FaceState]], FunctionStage]:
    """Turn a function ``(face, tools) -> face`` into a :class:`Stage`.

    Args:
        reads: slots that must be filled.
        writes: slots that it fills.
        name: in words; None takes the function's name.

    Example:
        >>> from wholeface.stages import stage
        >>> @stage(reads=["fit"], writes=["fit"])
        ... def neutral(face, tools):
        ...     parameters = face.fit.parameters
        ...     calm = parameters.with_(expression=parameters.expression * 0)
        ...     return face.with_(fit=face.fit.with_(parameters=calm))
        >>> neutral
        <stage 'neutral'>
    """

    def make(function: Callable[[FaceState, Tools], FaceState]) -> FunctionStage:
        words = name or getattr(function, "__name__", "stage").replace("_", " ").strip()
        return FunctionStage(function, words, frozenset(reads), frozenset(writes))

    return make

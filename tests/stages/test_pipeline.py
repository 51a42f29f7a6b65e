"""Lists of stages: refused when a slot is read that nobody wrote; one face's failure is its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from wholeface.core.errors import NoFaceError, StageError, UsageError
from wholeface.stages import (
    FaceState,
    MaskEstimate,
    Stage,
    Tools,
    Where,
    check_stages,
    face_by_face,
    run_stages,
    stage,
)

Faces = Callable[..., FaceState]


@stage(reads=["photo"], writes=["mask"])
def nothing_hidden(face: FaceState, tools: Tools) -> FaceState:
    """No occluder anywhere."""
    shape = face.photo.pixels.shape[:2]
    return face.with_(mask=MaskEstimate(np.zeros(shape, np.float32), np.ones(shape, bool)))


@stage(reads=["mask"], writes=["mask"], name="hide all")
def hide_all(face: FaceState, tools: Tools) -> FaceState:
    assert face.mask is not None
    return face.with_(mask=MaskEstimate(np.ones_like(face.mask.occluder), face.mask.face_region))


class NoSecondFace:
    """Refuses face number 2, whether alone or among others."""

    name = "no second face"
    reads = frozenset({"photo"})
    writes = frozenset({"mask"})

    def __init__(self) -> None:
        self.groups: list[int] = []

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        self.groups.append(len(faces))
        if any(face.face_number == 2 for face in faces):
            raise NoFaceError("the second face is no face")
        return nothing_hidden(faces, tools)


class Careless:
    """Changes what it does not say that it writes, or loses a face."""

    name = "careless"
    reads = frozenset({"photo"})
    writes = frozenset({"parsing"})

    def __init__(self, loses: bool) -> None:
        self.loses = loses

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        return list(faces)[1:] if self.loses else nothing_hidden(faces, tools)


def test_a_stage_made_from_a_function_or_a_method_is_a_stage() -> None:
    assert isinstance(nothing_hidden, Stage)
    assert isinstance(NoSecondFace(), Stage)
    assert (nothing_hidden.name, hide_all.name) == ("nothing hidden", "hide all")
    assert nothing_hidden.__doc__ == "No occluder anywhere."


def test_face_by_face_keeps_order_and_sees_each_face_once(face: Faces, tools: Tools) -> None:
    class Count:
        @face_by_face
        def __call__(self, one: FaceState, tools: Tools) -> FaceState:
            return one.warn(f"face {one.face_number}")

    done = Count()([face(3), face(1), face(2)], tools)
    assert [one.warnings for one in done] == [("face 3",), ("face 1",), ("face 2",)]


def test_a_list_is_taken_when_every_stage_finds_what_it_reads() -> None:
    assert check_stages([nothing_hidden, hide_all], method="mine", wanted=frozenset({"mask"})) == (
        nothing_hidden,
        hide_all,
    )


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([hide_all], "method 'mine': stage 'hide all' reads 'mask', which no stage before it writes$"),
        ([hide_all, nothing_hidden], "reads 'mask'.*; 'nothing hidden' writes it, but comes later"),
        (
            [stage(reads=["mesh"], writes=[])(lambda f, t: f)],
            "names the slot 'mesh', which a face does not have",
        ),
        ([lambda faces, tools: faces], "stage 1, .* has no 'name'"),
        ([], "method 'mine' ends without 'mask': none of its stages writes it"),
    ],
)
def test_a_list_that_cannot_work_is_refused_with_both_names(stages: list[Stage], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_stages(stages, method="mine", wanted=frozenset({"mask"}))


def test_one_face_that_is_refused_does_not_stop_the_others(face: Faces, tools: Tools) -> None:
    picky = NoSecondFace()
    done = run_stages([picky, hide_all], [face(1), face(2), face(3)], tools)
    assert picky.groups == [3, 1, 1, 1]
    assert isinstance(done[1], NoFaceError)
    for result in (done[0], done[2]):
        assert isinstance(result, FaceState)
        assert result.mask is not None
        assert result.mask.hidden_fraction == 1.0
        assert set(result.timings_ms) == {"no second face", "hide all"}


@pytest.mark.parametrize(
    ("loses", "message"),
    [
        (True, "'careless' was given 2 faces and returned 1"),
        (False, "'careless' changed 'mask', which is not among"),
    ],
)
def test_a_stage_must_do_what_it_says(face: Faces, tools: Tools, loses: bool, message: str) -> None:
    with pytest.raises(StageError, match=message):
        run_stages([Careless(loses)], [face(1), face(2)], tools)


def test_where_treats_only_those_that_it_is_for(face: Faces, tools: Tools) -> None:
    odd = Where(lambda one: one.face_number % 2 == 1, (hide_all,), name="odd ones")
    assert (odd.reads, odd.writes) == (frozenset({"mask"}), frozenset({"mask"}))
    done = run_stages([nothing_hidden, odd], [face(1), face(2), face(3)], tools)
    assert [r.mask.hidden_fraction for r in done if isinstance(r, FaceState) and r.mask] == [1.0, 0.0, 1.0]
    assert [("hide all" in r.timings_ms) for r in done if isinstance(r, FaceState)] == [True, False, True]


def test_where_reads_nothing_that_its_own_stages_write() -> None:
    both = Where(lambda one: True, (nothing_hidden, hide_all))
    assert (both.reads, both.writes) == (frozenset({"photo"}), frozenset({"mask"}))

"""What the picture is to be without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.perceive import OccluderKind, ParsingClass
from wholeface.perceive.face_parser import FaceParsing
from wholeface.photo import Patch, Similarity
from wholeface.stages import FaceState, MaskEstimate, Spectacles
from wholeface.stages.deocclude.remove import REMOVE, removed

HERE = Similarity()
FILLED = np.full((40, 40), 0.9, np.float32)


def _face(face: Callable[..., FaceState], *, spectacles: bool = False) -> FaceState:
    """Hair in the top quarter, spectacles below it, a hand at the bottom."""
    kind = np.zeros((len(OccluderKind), 40, 40), np.float32)
    kind[OccluderKind.HAIR, :10] = 1
    kind[OccluderKind.GLASSES if not spectacles else OccluderKind.NONE, 10:20] = 1
    kind[OccluderKind.HAND, 20:] = 1
    parsing = np.zeros((len(ParsingClass), 40, 40), np.float32)
    parsing[ParsingClass.SKIN] = 1
    found = FaceParsing(HERE, parsing, kind, np.ones((40, 40), np.float32))
    worn = np.zeros((60, 80), np.float32)
    worn[10:20, :40] = 1
    none = np.zeros_like(worn)
    patches = (Patch(part, 0, 0) for part in (worn, none, none))
    mask = MaskEstimate(none, none > 0, Spectacles(*patches, 60, 80, 1.0) if spectacles else None)
    return face().with_(parsing=found, mask=mask)


@pytest.mark.parametrize("spectacles", [False, True])
def test_each_choice_keeps_what_it_says(face: Callable[..., FaceState], spectacles: bool) -> None:
    state = _face(face, spectacles=spectacles)
    found = {choice: removed(FILLED, state, HERE, choice) for choice in REMOVE}
    np.testing.assert_array_equal(found["all"], FILLED)
    assert found["none"].max() == 0
    np.testing.assert_allclose(found["auto"][:9], 0, atol=1e-6)  # hair stays
    np.testing.assert_allclose(found["auto"][12:], 0.9, atol=1e-6)
    np.testing.assert_allclose(found["glasses"][12:18], 0.9, atol=1e-6)
    assert found["glasses"][:6].max() == 0
    assert found["glasses"][25:].max() == 0
    for values in found.values():
        assert values.dtype == np.float32
        assert (values <= FILLED).all()


def test_without_a_parsing_map_kinds_are_not_told_apart(face: Callable[..., FaceState]) -> None:
    np.testing.assert_array_equal(removed(FILLED, face(), HERE, "auto"), FILLED)

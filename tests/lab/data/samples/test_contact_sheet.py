"""Contact sheets show what the sample says."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.data.samples.contact_sheet import (
    OCCLUDER_COLOURS,
    PARSING_COLOURS,
    contact_sheet,
    sample_panel,
)
from wholeface.perceive import IGNORE, OccluderKind, ParsingClass


def test_every_class_has_its_own_colour() -> None:
    for colours, classes in ((PARSING_COLOURS, ParsingClass), (OCCLUDER_COLOURS, OccluderKind)):
        used = [tuple(colours[c]) for c in (*classes, IGNORE, 200)]
        assert len(set(used)) == len(used)


def test_the_four_tiles(fake_faces: ModuleType) -> None:
    sample = fake_faces.FakeFaces(1, 40).sample(0)
    flat = np.full((40, 40, 3), 50, np.uint8)
    points = np.full((68, 2), -9, np.float32)
    points[:3] = [[5, 5], [5, 30], [30, 5]]
    facing = np.ones(68, bool)
    facing[2] = False
    sample = sample.with_(image=flat, landmarks_68=points, facing_68=facing)
    panel = sample_panel(sample, 40)
    assert panel.shape == (40, 160, 3)
    dots, clean, parsing, occluder = (panel[:, 40 * i : 40 * i + 40] for i in range(4))
    visible, covered, turned = (tuple(dots[y, x]) for x, y in ((5, 5), (5, 30), (30, 5)))
    assert len({visible, covered, turned, (50, 50, 50)}) == 4
    assert visible[1] > 200
    assert covered[0] > 200
    assert turned[2] > 200
    np.testing.assert_array_equal(clean, sample.clean)
    blended = (0.4 * 50 + 0.6 * PARSING_COLOURS[sample.parsing]).astype(int)
    assert np.abs(parsing.astype(int) - blended).max() <= 1
    assert (occluder[25, 2] > 25).any()  # something there
    assert (occluder[2, 2] == 25).all()  # nothing there: darkened


def test_unknown_occluders_are_left_out(fake_faces: ModuleType) -> None:
    sample = fake_faces.FakeFaces(1, 40).sample(0).with_(known=frozenset())
    panel = sample_panel(sample, 40)
    for tile in (0, 2, 3):
        np.testing.assert_array_equal(panel[:, 40 * tile : 40 * tile + 40], sample.image)


def test_sheet() -> None:
    panels = [np.full((5, 8, 3), i, np.uint8) for i in range(5)]
    sheet = contact_sheet(panels, columns=2)
    assert sheet.shape == (3 * 9 + 4, 2 * 12 + 4, 3)
    assert [sheet[4 + 9 * (i // 2), 4 + 12 * (i % 2), 0] for i in range(5)] == [0, 1, 2, 3, 4]
    assert (sheet[-6, -6] == 255).all()
    assert contact_sheet(panels[:1], columns=3).shape == (13, 16, 3)
    with pytest.raises(UsageError, match="at least one"):
        contact_sheet([])
    with pytest.raises(UsageError, match="same size"):
        contact_sheet([*panels, np.zeros((4, 8, 3), np.uint8)])

"""Hard faces: what makes them hard is what the rows say, and recall counts what is found."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.bench.protocols.perception.conditions import (
    HardFace,
    condition_table,
    hard_faces,
    tone_limits,
)


@pytest.fixture(scope="module")
def faces() -> list[HardFace]:
    return hard_faces(None, 6, 3)


def test_the_two_series(faces: list[HardFace]) -> None:
    assert [face.small for face in faces] == [False] * 6 + [True] * 6
    poses, sizes = faces[:6], faces[6:]
    assert max(face.yaw for face in poses) > 45
    assert all(0 <= face.yaw <= 90.5 and 0 <= face.hidden <= 1 for face in faces)
    assert any(face.hidden > 0.2 for face in poses)
    assert min(face.pixels for face in sizes) < 40
    low, high = tone_limits()
    assert 0.02 < low < high < 0.6
    assert all(0.0 < face.tone < 1.0 for face in faces)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(faces[:1], hard_faces(None, 1, 3)))


def test_recall_by_condition(faces: list[HardFace]) -> None:
    known = {face.image.tobytes(): face.box for face in faces}
    table = condition_table(
        faces,
        [
            ("all", lambda pixels: [known[pixels.tobytes()]]),
            ("none", lambda pixels: []),
            ("wrong", lambda pixels: [known[pixels.tobytes()] + 500.0]),
        ],
    )
    rows = [dict(zip([name for name, _ in table.columns], row, strict=True)) for row in table.rows]
    assert {row["system"] for row in rows} == {"all", "none", "wrong"}
    for row in rows:
        assert row["recall"] == (1.0 if row["system"] == "all" else 0.0)
        assert row["false/image"] == (1.0 if row["system"] == "wrong" else 0.0)
    counted = [
        row["images"] for row in rows if row["system"] == "all" and "turned by" in row["rendered heads"]
    ]
    assert sum(counted) > 0

"""The verdict is the worst of its reasons."""

from __future__ import annotations

import pytest

from wholeface.result.quality import judge

_GOOD = {"face_px": 200.0, "landmark_error": 0.01, "hidden_fraction": 0.1, "yaw_deg": 5.0}


def test_good_has_no_reasons() -> None:
    verdict = judge(**_GOOD)
    assert (verdict.verdict, verdict.reasons) == ("good", ())


@pytest.mark.parametrize(
    ("change", "expected", "word"),
    [
        ({"face_px": 70.0}, "fair", "70 px"),
        ({"face_px": 40.0}, "poor", "40 px"),
        ({"landmark_error": 0.03}, "fair", "3.0%"),
        ({"hidden_fraction": 0.7}, "poor", "70%"),
        ({"yaw_deg": -50.0}, "fair", "50°"),
        ({"outside_fraction": 0.2}, "fair", "20% of the face lies outside"),
        ({"outside_fraction": 0.7}, "poor", "70% of the face lies outside"),
        ({"outside_fraction": 0.4, "hidden_fraction": 0.4}, "poor", "40% of the face lies outside"),
        ({"colour_spread": 1.5}, "fair", "colours"),
        ({"colour_spread": 2.5}, "poor", "colours"),
        ({"level": 46.0}, "fair", "level 46 of 255"),
        ({"level": 10.0}, "poor", "dark in this photo"),
        ({"level": 245.0}, "fair", "overexposed"),
        ({"certainty": 0.6}, "poor", "certainty 0.60"),
        ({"yaw_deg": 50.0, "face_px": 30.0}, "poor", "50°"),
    ],
)
def test_the_worst_reason_decides(change: dict[str, float], expected: str, word: str) -> None:
    verdict = judge(**{**_GOOD, **change})
    assert verdict.verdict == expected
    assert any(word in reason for reason in verdict.reasons)


def test_what_is_unseen_is_hidden_or_outside() -> None:
    assert judge(**_GOOD).unseen_fraction == pytest.approx(0.1)
    assert judge(**_GOOD, outside_fraction=0.5).unseen_fraction == pytest.approx(0.55)
    slightly = judge(**_GOOD, outside_fraction=0.03)
    assert (slightly.verdict, slightly.reasons) == ("good", ())

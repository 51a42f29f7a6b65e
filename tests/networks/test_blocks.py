"""Widths of networks."""

from __future__ import annotations

from wholeface.networks.blocks import widened


def test_channels_are_multiples_of_eight_and_at_least_eight() -> None:
    assert [widened(1.0)(n) for n in (16, 24, 96)] == [16, 24, 96]
    assert [widened(0.5)(n) for n in (8, 24, 96)] == [8, 16, 48]  # 12 is rounded to the nearest multiple, up
    assert widened(0.01)(640) == 8

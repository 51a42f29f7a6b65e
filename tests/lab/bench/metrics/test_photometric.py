"""Colour errors in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import UsageError
from wholeface.lab.bench.metrics.photometric import delta_e, lab_from_srgb, visible_mae, visible_rmse

Error = Callable[[NDArray[Any], NDArray[Any], NDArray[np.bool_]], float]


def check(rmse: Error) -> None:
    photo = np.full((4, 5, 3), 100, np.uint8)
    rendered = photo.copy()
    visible = np.zeros((4, 5), bool)
    visible[1, :4] = True
    rendered[1, 0] = (90, 100, 100)  # −10 in one of 12 values
    rendered[1, 1] = (100, 120, 100)  # +20: unsigned bytes must not wrap around
    rendered[3] = 0  # not visible
    assert rmse(photo, rendered, visible) == pytest.approx(np.sqrt((10**2 + 20**2) / 12))
    assert rmse(photo, photo, visible) == 0
    assert rmse(photo, photo + np.uint8(7), visible) == pytest.approx(7)


def test_rmse_by_hand() -> None:
    check(visible_rmse)


@pytest.mark.parametrize(
    "broken",
    [
        lambda p, r, m: visible_rmse(p, r, np.ones_like(m)),
        lambda p, r, m: visible_rmse(p, r, ~m),
        lambda p, r, m: visible_rmse(p, r, m) / 255,
        lambda p, r, m: float(np.sqrt(((p - r)[m] ** 2).mean())),  # in bytes
        visible_mae,
    ],
)
def test_broken_implementations_are_caught(broken: Error) -> None:
    with pytest.raises(AssertionError):
        check(broken)


def test_mae_by_hand() -> None:
    photo = np.zeros((1, 2, 3))
    rendered = np.array([[[3.0, 0, 0], [0, -6, 0]]])
    assert visible_mae(photo, rendered, np.ones((1, 2), bool)) == pytest.approx(1.5)
    # Never above the root mean square
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 256, (2, 9, 9, 3))
    assert visible_mae(one, two, np.ones((9, 9), bool)) < visible_rmse(one, two, np.ones((9, 9), bool))


def test_lab_of_known_colours() -> None:
    known = {
        (255, 255, 255): (100.0, 0.0, 0.0),
        (0, 0, 0): (0.0, 0.0, 0.0),
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 0, 255): (32.30, 79.19, -107.86),
        (119, 119, 119): (50.03, 0.0, 0.0),
    }
    for code, lab in known.items():
        assert lab_from_srgb(np.array(code)) == pytest.approx(lab, abs=0.02)


def test_delta_e() -> None:
    white, black = np.full((2, 3), 255, np.uint8), np.zeros((2, 3), np.uint8)
    assert delta_e(white, black) == pytest.approx([100, 100], abs=1e-6)
    assert delta_e(white, white) == pytest.approx([0, 0])
    grey = np.array([[119, 119, 119]])
    assert delta_e(grey, grey + 1)[0] == pytest.approx(0.39, abs=0.02)  # L* alone


def test_bad_images_are_refused_by_name() -> None:
    photo, mask = np.zeros((3, 3, 3)), np.ones((3, 3), bool)
    with pytest.raises(UsageError, match=r"a\.jpg: photo"):
        visible_rmse(photo, photo[:2], mask, "a.jpg")
    with pytest.raises(UsageError, match=r"a\.jpg: the mask must be bool"):
        visible_rmse(photo, photo, mask.astype(float), "a.jpg")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no visible pixels"):
        visible_rmse(photo, photo, ~mask)
    with pytest.raises(UsageError, match="not finite"):
        visible_rmse(photo, photo * np.nan, mask)

"""Images: the numbers behind them, their sizes, what they refuse."""

import sys

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.report.plots import (
    cumulative_curve,
    cumulative_shares,
    heat_colours,
    heat_map,
    lines_plot,
    roc_plot,
)


def test_cumulative_shares_by_hand():
    errors, shares = cumulative_shares([3.0, 1.0, 2.0, 2.0])
    assert errors.tolist() == [1, 2, 2, 3]
    assert shares.tolist() == [0.25, 0.5, 0.75, 1.0]


def test_failed_items_count_and_are_never_reached():
    errors, shares = cumulative_shares([1.0, np.nan, 2.0, np.inf])
    assert errors.tolist() == [1, 2]
    assert shares.tolist() == [0.25, 0.5]


@pytest.mark.parametrize("bad", [[], [[1.0]], 3.0])
def test_cumulative_shares_refuses(bad):
    with pytest.raises(UsageError, match="list of errors"):
        cumulative_shares(bad)


def _is_image(pixels):
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert (pixels != 255).any()
    assert (pixels == 255).any()


def test_curves_are_images_and_differ():
    pytest.importorskip("matplotlib")
    one = cumulative_curve({"a": [1.0, 2.0], "b": [np.nan, np.nan]}, "mm", "t")
    two = cumulative_curve({"a": [1.0, 3.0], "b": [np.nan, np.nan]}, "mm", "t")
    _is_image(one)
    assert one.shape == two.shape
    assert (one != two).any()
    _is_image(roc_plot({"a": ([0, 0.5, 1], [0, 0.9, 1])}, "t"))
    _is_image(
        lines_plot({"a": ([0, 1], [1, 2], [0.1, 0.2]), "b": ([0, 1], [2, np.nan], None)}, "x", "y", "t")
    )


def test_lines_and_rates_refuse():
    with pytest.raises(UsageError, match="line 'a'"):
        lines_plot({"a": ([0, 1], [1], None)}, "x", "y", "t")
    with pytest.raises(UsageError, match="line 'a'"):
        lines_plot({"a": ([0, 1], [1, 2], [1])}, "x", "y", "t")
    with pytest.raises(UsageError, match=r"rates must lie in \[0, 1\]"):
        roc_plot({"a": ([0, 2], [0, 1])}, "t")


def test_heat_colours_ends_and_grey():
    pytest.importorskip("matplotlib")
    colours = heat_colours([0.0, 2.0, 9.0, np.nan], 2.0)
    assert colours.shape == (4, 3)
    assert colours[0, 2] > colours[0, 1]  # dark blue
    assert colours[1, 0] > 0.9  # yellow
    np.testing.assert_array_equal(colours[1], colours[2])
    assert np.ptp(colours[3]) == 0


def test_heat_map_shows_the_hot_side_on_the_right_side(small_model):
    pytest.importorskip("matplotlib")
    vertices = small_model.mean.numpy()
    hot_left = (vertices[:, 0] > 0).astype(float)  # the face's own left = image right
    image = heat_map(vertices, small_model.triangles.numpy(), hot_left, "mm", 1.0, "t").astype(float)
    _is_image(image.astype(np.uint8))
    # yellow has far more red than the dark end of the scale; the middle head spans the middle third
    width = int(image.shape[1] * 0.91)
    middle = image[:, width // 3 : 2 * width // 3]
    half = middle.shape[1] // 2
    yellow = (middle[..., 0] > 180) & (middle[..., 2] < 120)
    assert yellow[:, half:].sum() > 20 * max(1, yellow[:, :half].sum())


def test_heat_map_refuses(small_model):
    vertices, triangles = small_model.mean.numpy(), small_model.triangles.numpy()
    values = np.zeros(len(vertices))
    with pytest.raises(UsageError, match="290 vertices, but values"):
        heat_map(vertices, triangles, values[:-1], "mm", 1.0, "t")
    with pytest.raises(UsageError, match="finite"):
        heat_map(np.full_like(vertices, np.nan), triangles, values, "mm", 1.0, "t")
    with pytest.raises(UsageError, match="F > 0"):
        heat_map(vertices, triangles[:0], values, "mm", 1.0, "t")
    with pytest.raises(UsageError, match="positive"):
        heat_map(vertices, triangles, values, "mm", 0.0, "t")


def test_without_matplotlib_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="pip install matplotlib"):
        cumulative_curve({"a": [1.0]}, "mm", "t")

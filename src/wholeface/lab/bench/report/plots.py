"""Images of measurements: cumulative error curves, ROC, lines, heat maps of heads. All return pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....core.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "cumulative_curve",
    "cumulative_shares",
    "heat_colours",
    "heat_map",
    "lines_plot",
    "roc_plot",
]

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_VIEWS = (-40.0, 0.0, 40.0)  # yaw of the heads in a heat map, degrees
_HEAD = 360  # edge of each of them, pixels
_NO_VALUE = (0.62, 0.62, 0.62)  # sRGB of what was not measured
_CURVES = 6  # curves that keep a colour of their own by the usual cycle


def cumulative_shares(errors: ArrayLike) -> tuple[Array, Array]:
    """The cumulative error curve: which share of the items has at most which error.

    Args:
        errors: (N,) any unit; NaN is an item that failed, which counts and is never reached.

    Returns:
        Errors (M,) sorted and finite, and shares (M,) in (0, 1].

    Raises:
        UsageError: not a list of numbers, or empty.
    """
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise UsageError(f"a cumulative curve needs a list of errors, got shape {values.shape}")
    reached = np.sort(values[np.isfinite(values)])
    return reached, np.arange(1, len(reached) + 1) / len(values)


def cumulative_curve(errors: Mapping[str, ArrayLike], unit: str, title: str) -> Pixels:
    """Cumulative error curves in one image.

    Args:
        errors: label -> (N,) errors in ``unit``; NaN counts as never reached.
        unit: of the errors.
        title: of the image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: matplotlib is not installed, or a curve has no errors.
    """
    curves = {label: cumulative_shares(values) for label, values in errors.items()}

    def draw(axes: Axes) -> None:
        for label, (reached, shares) in curves.items():
            axes.step([0, *reached], [0, *(100 * shares)], where="post", label=label)
        largest = [float(np.quantile(reached, 0.99)) for reached, _ in curves.values() if len(reached)]
        axes.set_xlim(0, max([*largest, 1e-12]) * 1.02)
        axes.set_ylim(0, 100)
        axes.set_xlabel(f"error ({unit})")
        axes.set_ylabel("items with at most this error (%)")

    return _image(draw, title, len(curves))


def roc_plot(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str) -> Pixels:
    """ROC curves in one image.

    Args:
        curves: label -> false and true positive rates, both (N,) in [0, 1], in the order of falling thresholds.
        title: of the image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: matplotlib is not installed, or rates that are not two lists of one length in [0, 1].
    """
    rates = {label: _pair(label, *pair) for label, pair in curves.items()}
    for label, (false, true) in rates.items():
        if not all(((r >= 0) & (r <= 1)).all() for r in (false, true)):
            raise UsageError(f"ROC curve {label!r}: rates must lie in [0, 1]")

    def draw(axes: Axes) -> None:
        for label, (false, true) in rates.items():
            axes.plot(false, true, label=label)
        axes.plot([0, 1], [0, 1], color="0.7", linestyle=":", linewidth=1)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
        axes.set_xlabel("different subjects taken for one (false positive rate)")
        axes.set_ylabel("true positive rate")

    return _image(draw, title, len(rates))


def lines_plot(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]], xlabel: str, ylabel: str, title: str
) -> Pixels:
    """Lines with a band of their spread.

    Args:
        lines: label -> x, y and half-width of the band or None, each (N,); NaN leaves a gap.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        title: of the image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: matplotlib is not installed, or lists of unequal lengths.
    """
    checked = {}
    for label, (x, y, spread) in lines.items():
        pair = _pair(label, x, y)
        checked[label] = (*pair, None if spread is None else _pair(label, x, spread)[1])

    def draw(axes: Axes) -> None:
        for label, (x, y, band) in checked.items():
            (line,) = axes.plot(x, y, marker="o", markersize=3.5, label=label)
            if band is not None:
                axes.fill_between(x, y - band, y + band, color=line.get_color(), alpha=0.18, linewidth=0)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)

    return _image(draw, title, len(checked))


def heat_colours(values: ArrayLike, top: float) -> Array:
    """(V, 3) sRGB in [0, 1] of per-vertex values: dark blue 0 over green to yellow at ``top``; NaN is grey.

    Args:
        values: (V,); everything from ``top`` on has the last colour.
        top: value at the bar's end, > 0.

    Raises:
        UsageError: matplotlib is not installed, or ``top`` is not positive.
    """
    values = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(top) and top > 0):
        raise UsageError(f"top of a heat map is {top}; it must be a positive number")
    colours = np.array(_matplotlib().colormaps["viridis"](np.clip(np.nan_to_num(values) / top, 0, 1)))[
        ..., :3
    ]
    colours[np.isnan(values)] = _NO_VALUE
    return colours


def heat_map(
    vertices: ArrayLike, triangles: ArrayLike, values: ArrayLike, unit: str, top: float, title: str
) -> Pixels:
    """A head in the colours of a value at each vertex, from three sides, with a colour bar.

    Args:
        vertices: (V, 3), +x the face's own left, +y up, +z out of the face.
        triangles: (F, 3).
        values: (V,) >= 0; NaN = not measured, grey.
        unit: of the values.
        top: value at the end of the bar.
        title: of the image.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UsageError: matplotlib is not installed, unequal counts, vertices that are not finite, or no triangles.
    """
    points = np.asarray(vertices, dtype=np.float64)
    faces = np.asarray(triangles, dtype=np.int64)
    heat = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise UsageError(f"heat map: vertices must be (V, 3) and finite, got {points.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0:
        raise UsageError(f"heat map: triangles must be (F, 3) with F > 0, got {faces.shape}")
    if heat.shape != points.shape[:1]:
        raise UsageError(f"heat map: {len(points)} vertices, but values of shape {heat.shape}")
    colours = heat_colours(heat, top)
    import torch

    from ....core.srgb_torch import srgb_to_linear
    from ....render import ambient_light, directional_light, render_view

    linear = srgb_to_linear(torch.from_numpy(colours).float())
    # Nearly flat, so that colours can be read off the bar; a little light from the front shows the shape.
    lamp = ambient_light(0.8) + directional_light((0.0, 0.3, 1.0), 0.2)
    heads = [
        render_view(
            points,
            faces,
            yaw_deg=yaw,
            size=_HEAD,
            vertex_colours=linear,
            light=lamp,
            background=(255, 255, 255),
        )
        for yaw in _VIEWS
    ]
    matplotlib = _matplotlib()
    figure = matplotlib.figure.Figure(figsize=(11.2, 4.0), dpi=100)
    axes = figure.add_axes((0.0, 0.0, 0.91, 0.92))
    axes.imshow(np.concatenate(heads, axis=1))
    axes.axis("off")
    bar = figure.add_axes((0.925, 0.12, 0.014, 0.72))
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, top), "viridis")
    extend = "max" if (np.nan_to_num(heat) > top).any() else "neither"
    figure.colorbar(scale, cax=bar, label=unit, extend=extend)
    figure.suptitle(title, fontsize=12)
    return _pixels(figure)


def _pair(label: str, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(
            f"line {label!r}: {a.shape} and {b.shape} values; two lists of one length are needed"
        )
    return a, b


def _image(draw: Callable[[Axes], None], title: str, count: int) -> Pixels:
    figure = _matplotlib().figure.Figure(figsize=(6.4, 4.8), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if count:
        axes.legend(frameon=False, fontsize=8 if count > _CURVES else 9)
    return _pixels(figure)


def _pixels(figure: Figure) -> Pixels:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _matplotlib() -> Any:
    """The package with the parts used here; without ``pyplot``, so that no global state is touched.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import matplotlib
        import matplotlib.cm
        import matplotlib.colors
        import matplotlib.figure
    except ImportError as error:
        raise UsageError("images need matplotlib: pip install matplotlib (or wholeface[bench])") from error
    return matplotlib

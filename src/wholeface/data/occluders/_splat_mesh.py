"""Kernels that draw small triangle meshes: depth only, with a z-buffer, and sorted with transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["depth_of_mesh", "draw_cards", "draw_mesh"]


@njit(cache=True, nogil=True, fastmath=False)
def _depth(pixels: Any, depth: Any, triangles: Any, out: Any) -> None:
    height, width = out.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0],
            pixels[a, 1],
            pixels[b, 0],
            pixels[b, 1],
            pixels[c, 0],
            pixels[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or not (area == area):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                w2 = 1.0 - w0 - w1
                if w0 >= -1e-6 and w1 >= -1e-6 and w2 >= -1e-6:
                    d = w0 * depth[a] + w1 * depth[b] + w2 * depth[c]
                    out[y, x] = min(d, out[y, x])


def depth_of_mesh(
    pixels: NDArray[Any], depth: NDArray[Any], triangles: NDArray[np.int32], size: int
) -> NDArray[np.float32]:
    """(size, size) float32 nearest depth, inf where nothing is.

    Args:
        pixels: (V, 2).
        depth: (V,) mm.
        triangles: (F, 3).
        size: edge of the map.
    """
    out = np.full((size, size), np.inf, np.float32)
    _depth(pixels.astype(np.float32), depth.astype(np.float32), triangles, out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _mesh(
    pixels: Any,
    depth: Any,
    normals: Any,
    uv: Any,
    triangles: Any,
    head: Any,
    head_scale: Any,
    x_start: Any,
    y_start: Any,
    samples: Any,
    slack: Any,
    nearest: Any,
    winner: Any,
    shade: Any,
) -> None:
    """Winner, and (normal, uv) of it, for each subpixel of a window; ``samples`` subpixels per pixel."""
    height, width = nearest.shape
    step = 1.0 / samples
    edge = head.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax = (pixels[a, 0] - x_start + 0.5) * samples - 0.5
        ay = (pixels[a, 1] - y_start + 0.5) * samples - 0.5
        bx = (pixels[b, 0] - x_start + 0.5) * samples - 0.5
        by = (pixels[b, 1] - y_start + 0.5) * samples - 0.5
        cx = (pixels[c, 0] - x_start + 0.5) * samples - 0.5
        cy = (pixels[c, 1] - y_start + 0.5) * samples - 0.5
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or not (area == area):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(height - 1, int(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                w2 = 1.0 - w0 - w1
                if w0 >= 0.0 and w1 >= 0.0 and w2 >= 0.0:
                    d = w0 * depth[a] + w1 * depth[b] + w2 * depth[c]
                    if d < nearest[y, x]:
                        px = (x + 0.5) * step - 0.5 + x_start
                        py = (y + 0.5) * step - 0.5 + y_start
                        hx = int((px + 0.5) * head_scale)
                        hy = int((py + 0.5) * head_scale)
                        if 0 <= hx < edge and 0 <= hy < edge:
                            allowed = slack[a] * w0 + slack[b] * w1 + slack[c] * w2
                            if d > head[hy, hx] + allowed:
                                continue
                        nearest[y, x] = d
                        winner[y, x] = t
                        for k in range(3):
                            shade[y, x, k] = w0 * normals[a, k] + w1 * normals[b, k] + w2 * normals[c, k]
                        for k in range(2):
                            shade[y, x, 3 + k] = w0 * uv[a, k] + w1 * uv[b, k] + w2 * uv[c, k]


def draw_mesh(
    pixels: NDArray[np.float32],
    depth: NDArray[np.float32],
    normals: NDArray[np.float32],
    uv: NDArray[np.float32],
    triangles: NDArray[np.int32],
    head: NDArray[np.float32],
    size: int,
    slack: NDArray[np.float32],
    samples: int = 3,
) -> tuple[tuple[int, int, int, int], NDArray[np.int32], NDArray[np.float32]] | None:
    """Rasterise a mesh with a z-buffer at ``samples``² subpixels per pixel, in the window that it covers.

    Args:
        pixels: (V, 2).
        depth: (V,) mm.
        normals: (V, 3) unit, camera space.
        uv: (V, 2) anything to interpolate.
        triangles: (F, 3) int32.
        head: (E, E) mm, depth of the head over the whole picture, inf = none.
        size: edge of the picture.
        slack: (V,) mm by which a point may lie behind the head's depth and still be seen.
        samples: subpixels along each side of a pixel.

    Returns:
        the window (x0, y0, x1, y1) in pixels, the winning triangle (h·samples, w·samples), −1 = none, and the
        interpolated normal and uv (h·samples, w·samples, 5); None where nothing falls into the picture.
    """
    used = pixels[triangles.ravel()]
    low = np.maximum(np.floor(used.min(0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(used.max(0)).astype(int) + 2, size)
    if (high <= low).any():
        return None
    x0, y0, x1, y1 = int(low[0]), int(low[1]), int(high[0]), int(high[1])
    shape = ((y1 - y0) * samples, (x1 - x0) * samples)
    nearest = np.full(shape, np.inf, np.float32)
    winner = np.full(shape, -1, np.int32)
    shade = np.zeros((*shape, 5), np.float32)
    _mesh(
        pixels,
        depth,
        normals,
        uv,
        triangles,
        head,
        head.shape[0] / size,
        x0,
        y0,
        samples,
        slack,
        nearest,
        winner,
        shade,
    )
    return (x0, y0, x1, y1), winner, shade


@njit(cache=True, nogil=True, fastmath=True)
def draw_cards(
    canvas: Any,
    pixels: Any,
    depth: Any,
    uv: Any,
    light: Any,
    triangles: Any,
    order: Any,
    texture: Any,
    colour: Any,
    head: Any,
    slack: Any,
) -> None:
    """Paint textured, half-transparent triangles back to front over a premultiplied canvas.

    Args:
        canvas: (S, S, 4) float32 premultiplied, 0..1, changed in place.
        pixels: (V, 2) float32.
        depth: (V,) float32 mm.
        uv: (V, 2) float32, texels are wrapped.
        light: (V,) float32 brightness factor.
        triangles: (F, 3) int32.
        order: (F,) int64 far to near.
        texture: (H, W, 2) float32: brightness and alpha, or (H, W, 4): RGB and alpha, 0..1.
        colour: (3,) float32 multiplies the brightness.
        head: (E, E) float32 mm.
        slack: (V,) float32 mm by which a vertex may lie behind the head and be seen.
    """
    size = canvas.shape[0]
    rows, columns, channels = texture.shape
    edge = head.shape[0]
    head_scale = edge / size
    for n in range(order.shape[0]):
        t = order[n]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0],
            pixels[a, 1],
            pixels[b, 0],
            pixels[b, 1],
            pixels[c, 0],
            pixels[c, 1],
        )
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0 or not (area == area):
            continue
        x0 = max(0, int(np.ceil(min(ax, bx, cx))))
        x1 = min(size - 1, int(np.floor(max(ax, bx, cx))))
        y0 = max(0, int(np.ceil(min(ay, by, cy))))
        y1 = min(size - 1, int(np.floor(max(ay, by, cy))))
        if x0 > x1 or y0 > y1:
            continue
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                w0 = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                w1 = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                w2 = 1.0 - w0 - w1
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                hx = int((x + 0.5) * head_scale)
                hy = int((y + 0.5) * head_scale)
                if (
                    w0 * (depth[a] - slack[a]) + w1 * (depth[b] - slack[b]) + w2 * (depth[c] - slack[c])
                    > head[hy, hx]
                ):
                    continue
                u = (w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]) * columns - 0.5
                v = (w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]) * rows - 0.5
                iu, iv = int(np.floor(u)), int(np.floor(v))
                fu, fv = u - iu, v - iv
                i0, i1 = iv % rows, (iv + 1) % rows
                j0, j1 = iu % columns, (iu + 1) % columns
                q00, q01 = (1 - fu) * (1 - fv), fu * (1 - fv)
                q10, q11 = (1 - fu) * fv, fu * fv
                last = channels - 1
                alpha = (
                    q00 * texture[i0, j0, last]
                    + q01 * texture[i0, j1, last]
                    + q10 * texture[i1, j0, last]
                    + q11 * texture[i1, j1, last]
                )
                if alpha <= 0.004:
                    continue
                bright = (w0 * light[a] + w1 * light[b] + w2 * light[c]) * alpha
                rest = 1.0 - alpha
                for k in range(3):
                    m = k if channels == 4 else 0
                    value = (
                        q00 * texture[i0, j0, m]
                        + q01 * texture[i0, j1, m]
                        + q10 * texture[i1, j0, m]
                        + q11 * texture[i1, j1, m]
                    )
                    canvas[y, x, k] = canvas[y, x, k] * rest + value * colour[k] * bright
                canvas[y, x, 3] = canvas[y, x, 3] * rest + alpha

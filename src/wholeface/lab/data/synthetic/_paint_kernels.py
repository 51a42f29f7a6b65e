"""Numba kernel that paints a synthetic face: one fused pass over the pixels, in one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.jit import njit

__all__ = ["paint_pixels"]

_NECK = 17
_F = np.float32
_R, _G, _B = np.uint64(0), np.uint64(1), np.uint64(2)  # unsigned indices spare the test for negative ones
_ONE = np.uint64(1)


@njit(forceinline=True)
def _log_albedo(texture: Any, u: Any, v: Any) -> Any:
    """Bilinear sample of (H, W, 3) at pixel coordinates, clamped to the border."""
    u = min(max(u, _F(0.0)), _F(texture.shape[1] - 1.001))
    v = min(max(v, _F(0.0)), _F(texture.shape[0] - 1.001))
    column, row = int(u), int(v)
    a, b = u - _F(column), v - _F(row)
    x, y = np.uint64(column), np.uint64(row)
    right, below = x + _ONE, y + _ONE
    w11 = a * b
    w10, w01 = b - w11, a - w11
    w00 = _F(1.0) - a - w10
    red = (w00 * texture[y, x, _R] + w01 * texture[y, right, _R]) + (
        w10 * texture[below, x, _R] + w11 * texture[below, right, _R]
    )
    green = (w00 * texture[y, x, _G] + w01 * texture[y, right, _G]) + (
        w10 * texture[below, x, _G] + w11 * texture[below, right, _G]
    )
    blue = (w00 * texture[y, x, _B] + w01 * texture[y, right, _B]) + (
        w10 * texture[below, x, _B] + w11 * texture[below, right, _B]
    )
    return red, green, blue


@njit(forceinline=True)
def _fetch_tile(tile: Any, u: Any, v: Any) -> Any:
    """Bilinear sample of a periodic (T, T) tile with T a power of two; u and v must not be negative."""
    mask = np.uint64(tile.shape[0] - 1)
    column, row = int(u), int(v)
    a, b = u - _F(column), v - _F(row)
    c0, r0 = np.uint64(column), np.uint64(row)
    c1, r1 = (c0 + _ONE) & mask, (r0 + _ONE) & mask
    c0, r0 = c0 & mask, r0 & mask
    upper = tile[r0, c0] + a * (tile[r0, c1] - tile[r0, c0])
    lower = tile[r1, c0] + a * (tile[r1, c1] - tile[r1, c0])
    return upper + b * (lower - upper)


@njit(forceinline=True)
def _weights(i: Any, j: Any, k: Any, px: Any, py: Any, xy: Any, inverse: Any) -> Any:
    """Perspective-correct barycentrics of a triangle at the grid point (px, py), clamped to the triangle."""
    zero = 0.0
    xi, yi = float(xy[i, _R]), float(xy[i, _G])
    xj, yj = float(xy[j, _R]) - px, float(xy[j, _G]) - py
    xk, yk = float(xy[k, _R]) - px, float(xy[k, _G]) - py
    xi, yi = xi - px, yi - py
    w0, w1, w2 = xj * yk - xk * yj, xk * yi - xi * yk, xi * yj - xj * yi
    if w0 + w1 + w2 < zero:
        w0, w1, w2 = -w0, -w1, -w2
    w0, w1, w2 = max(w0, zero) * inverse[i], max(w1, zero) * inverse[j], max(w2, zero) * inverse[k]
    scale = 1.0 / (w0 + w1 + w2)
    return _F(w0 * scale), _F(w1 * scale), _F(w2 * scale)


@njit(forceinline=True)
def _label(i: Any, j: Any, k: Any, w: Any, classes: Any) -> Any:
    """The class with the largest share of the barycentric weight."""
    c0, c1, c2 = int(classes[i]), int(classes[j]), int(classes[k])
    if c0 == c1 and c1 == c2:
        return c0
    s0 = w[0] + (w[1] if c1 == c0 else _F(0.0)) + (w[2] if c2 == c0 else _F(0.0))
    s1 = w[1] + (w[2] if c2 == c1 else _F(0.0))
    if s0 >= s1 and s0 >= w[2]:
        return c0
    return c1 if s1 >= w[2] else c2


@njit(forceinline=True)
def _exp(density: Any, exponential: Any) -> Any:
    """exp by the table over [−8, 2) in 4096 steps."""
    place = min(max((density + _F(8.0)) * _F(409.6), _F(0.0)), _F(4094.0))
    left = int(place)
    rest = place - _F(left)
    at = np.uint64(left)
    return exponential[at] + rest * (exponential[at + _ONE] - exponential[at])


@njit(forceinline=True)
def _mix(w: Any, attributes: Any, i: Any, j: Any, k: Any, column: Any) -> Any:
    """Attribute of a fragment."""
    c = np.uint64(column)
    return w[0] * attributes[i, c] + w[1] * attributes[j, c] + w[2] * attributes[k, c]


@njit(forceinline=True)
def _colour(
    t: Any,
    i: Any,
    j: Any,
    k: Any,
    w: Any,
    uv_triangles: Any,
    uv: Any,
    attributes: Any,
    mean: Any,
    offset: Any,
    skin_tile: Any,
    hair_tile: Any,
    tiling: Any,
    exponential: Any,
) -> Any:
    """Linear-light colour of one fragment.

    Attributes per vertex: see :func:`shade_vertices`.
    """
    a, b, c = np.uint64(uv_triangles[t, _R]), np.uint64(uv_triangles[t, _G]), np.uint64(uv_triangles[t, _B])
    u = w[0] * uv[a, _R] + w[1] * uv[b, _R] + w[2] * uv[c, _R]
    v = _F(1.0) - (w[0] * uv[a, _G] + w[1] * uv[b, _G] + w[2] * uv[c, _G])
    half = _F(0.5)
    skin, hair = _mix(w, attributes, i, j, k, 6), _mix(w, attributes, i, j, k, 7)
    noise, shine = _F(0.0), _F(1.0)
    if skin > _F(0.0):
        value = _fetch_tile(skin_tile, u * tiling[0] + tiling[1], v * tiling[0] + tiling[2])
        noise += skin * value
        shine = max(shine + _F(4.0) * skin * value, _F(0.0))
    if hair > _F(0.0):
        noise += hair * _fetch_tile(hair_tile, u * tiling[3] + tiling[4], v * tiling[3] + tiling[5])
    m0, m1, m2 = _log_albedo(mean, u * _F(mean.shape[1]) - half, v * _F(mean.shape[0]) - half)
    o0, o1, o2 = _log_albedo(offset, u * _F(offset.shape[1]) - half, v * _F(offset.shape[0]) - half)
    zero = _F(0.0)
    return (
        _exp(m0 + o0 + noise * tiling[6], exponential) * max(_mix(w, attributes, i, j, k, 0), zero)
        + _mix(w, attributes, i, j, k, 3) * shine,
        _exp(m1 + o1 + noise * tiling[7], exponential) * max(_mix(w, attributes, i, j, k, 1), zero)
        + _mix(w, attributes, i, j, k, 4) * shine,
        _exp(m2 + o2 + noise * tiling[8], exponential) * max(_mix(w, attributes, i, j, k, 2), zero)
        + _mix(w, attributes, i, j, k, 5) * shine,
    )


@njit(forceinline=True)
def _backdrop(row: Any, column: Any, background: Any, decoding: Any) -> Any:
    """Linear colour of a pixel of an sRGB image."""
    return (
        decoding[background[row, column, _R]],
        decoding[background[row, column, _G]],
        decoding[background[row, column, _B]],
    )


@njit(forceinline=True)
def _blend(below: Any, above: Any, cover: Any) -> Any:
    """below + cover · (above − below)."""
    return (
        below[0] + cover * (above[0] - below[0]),
        below[1] + cover * (above[1] - below[1]),
        below[2] + cover * (above[2] - below[2]),
    )


@njit(forceinline=True)
def _code(value: Any, encoding: Any) -> Any:
    """sRGB code of linear light by a table over [0, 4) in 16384 steps."""
    return encoding[np.uint64(min(max(value * _F(4096.0), _F(0.0)), _F(16383.0)))]


@njit(cache=True, nogil=True, fastmath={"contract"})
def paint_pixels(
    winner: Any,
    best: Any,
    xy: Any,
    inverse: Any,
    triangles: Any,
    uv_triangles: Any,
    uv: Any,
    attributes: Any,
    classes: Any,
    parts: Any,
    in_face: Any,
    mean: Any,
    offset: Any,
    skin_tile: Any,
    hair_tile: Any,
    tiling: Any,
    exponential: Any,
    decoding: Any,
    encoding: Any,
    shade: Any,
    background: Any,
    cloth: Any,
    cloth_colour: Any,
    cloth_class: Any,
    normals: Any,
    image: Any,
    parsing: Any,
    face: Any,
    depth_out: Any,
    normals_out: Any,
) -> None:
    """Image and labels at half the raster's resolution.

    A pixel whose four samples show one continuous surface is shaded once, at its centre; all others are shaded
    four times and averaged in linear light. ``cloth`` (S, S) uint8 coverage lies over the background and the
    neck, never over the face. ``encoding`` tabulates the tone curve over [0, 4) in 16384 steps; ``shade`` (S, S)
    scales the light that falls on the head; its shape (1, 1) stands for one everywhere. ``normals_out`` may be
    empty.
    """
    size = image.shape[0]
    shaded = shade.shape[0] == size
    votes = np.empty(4, np.int64)
    with_normals = normals_out.shape[0] > 0
    quarter = _F(0.25)
    for y in range(size):
        row = np.uint64(y)
        r, below = np.uint64(2 * y), np.uint64(2 * y + 1)
        for x in range(size):
            column = np.uint64(x)
            c, right = np.uint64(2 * x), np.uint64(2 * x + 1)
            t0, t1, t2, t3 = winner[r, c], winner[r, right], winner[below, c], winner[below, right]
            cover = _F(cloth[row, column]) * _F(1.0 / 255.0)
            if t0 < 0 and t1 < 0 and t2 < 0 and t3 < 0:
                depth_out[row, column] = np.inf
                rgb = _backdrop(row, column, background, decoding)
                if cover > _F(0.0):
                    rgb = _blend(rgb, _backdrop(row, column, cloth_colour, decoding), cover)
                parsing[row, column] = cloth_class[row, column] if cover > _F(0.5) else 0
                face[row, column] = False
                image[row, column, _R] = _code(rgb[0], encoding)
                image[row, column, _G] = _code(rgb[1], encoding)
                image[row, column, _B] = _code(rgb[2], encoding)
                continue
            light = shade[row, column] if shaded else _F(1.0)
            near = max(best[r, c], best[r, right], best[below, c], best[below, right])
            label, inside = 0, 0
            whole = t0 >= 0 and t1 >= 0 and t2 >= 0 and t3 >= 0
            if whole:
                part = parts[np.uint64(t0)]
                far = min(best[r, c], best[r, right], best[below, c], best[below, right])
                whole = parts[np.uint64(t1)] == part and parts[np.uint64(t2)] == part
                whole = whole and parts[np.uint64(t3)] == part and (near - far) < _F(3.0) * near * far
            depth_out[row, column] = _F(1.0) / near
            if whole:  # inverse depth is linear in the image: the mean is the centre's
                depth_out[row, column] = _F(4.0) / (
                    (best[r, c] + best[r, right]) + (best[below, c] + best[below, right])
                )
                t = np.uint64(t0)
                i, j, k = (
                    np.uint64(triangles[t, _R]),
                    np.uint64(triangles[t, _G]),
                    np.uint64(triangles[t, _B]),
                )
                w = _weights(i, j, k, float(512 * x + 128), float(512 * y + 128), xy, inverse)
                label = _label(i, j, k, w, classes)
                inside = 4 * _label(i, j, k, w, in_face)
                rgb = (_F(0.0), _F(0.0), _F(0.0))
                if cover < _F(1.0) or label != _NECK:
                    rgb = _colour(
                        t, i, j, k, w, uv_triangles, uv, attributes, mean, offset,
                        skin_tile, hair_tile, tiling, exponential,
                    )  # fmt: skip
                    rgb = (rgb[0] * light, rgb[1] * light, rgb[2] * light)
                if label == _NECK and cover > _F(0.0):
                    rgb = _blend(rgb, _backdrop(row, column, cloth_colour, decoding), cover)
                    if cover > _F(0.5):
                        label = int(cloth_class[row, column])
                if with_normals:
                    normals_out[row, column, _R] = _mix(w, normals, i, j, k, 0)
                    normals_out[row, column, _G] = _mix(w, normals, i, j, k, 1)
                    normals_out[row, column, _B] = _mix(w, normals, i, j, k, 2)
            else:
                red, green, blue = _F(0.0), _F(0.0), _F(0.0)
                for s in range(4):
                    sub_x, sub_y = 2 * x + s % 2, 2 * y + s // 2
                    t_s = winner[np.uint64(sub_y), np.uint64(sub_x)]
                    found = 0
                    if t_s >= 0:
                        t = np.uint64(t_s)
                        i, j, k = (
                            np.uint64(triangles[t, _R]),
                            np.uint64(triangles[t, _G]),
                            np.uint64(triangles[t, _B]),
                        )
                        w = _weights(i, j, k, float(256 * sub_x), float(256 * sub_y), xy, inverse)
                        found = _label(i, j, k, w, classes)
                        inside += _label(i, j, k, w, in_face)
                        part_rgb = _colour(
                            t, i, j, k, w, uv_triangles, uv, attributes, mean, offset,
                            skin_tile, hair_tile, tiling, exponential,
                        )  # fmt: skip
                        part_rgb = (part_rgb[0] * light, part_rgb[1] * light, part_rgb[2] * light)
                        if with_normals and best[np.uint64(sub_y), np.uint64(sub_x)] == near:
                            normals_out[row, column, _R] = _mix(w, normals, i, j, k, 0)
                            normals_out[row, column, _G] = _mix(w, normals, i, j, k, 1)
                            normals_out[row, column, _B] = _mix(w, normals, i, j, k, 2)
                    else:
                        part_rgb = _backdrop(row, column, background, decoding)
                    if (t_s < 0 or found == _NECK) and cover > _F(0.0):
                        part_rgb = _blend(part_rgb, _backdrop(row, column, cloth_colour, decoding), cover)
                        if cover > _F(0.5):
                            found = int(cloth_class[row, column])
                    votes[s] = found
                    red += quarter * min(part_rgb[0], _F(4.0))
                    green += quarter * min(part_rgb[1], _F(4.0))
                    blue += quarter * min(part_rgb[2], _F(4.0))
                rgb = (red, green, blue)
                most = 0
                for s in range(4):
                    same = 0
                    for o in range(4):
                        if votes[o] == votes[s]:
                            same += 1
                    if same > most:
                        most, label = same, votes[s]
            parsing[row, column] = label
            face[row, column] = inside >= 2
            image[row, column, _R] = _code(rgb[0], encoding)
            image[row, column, _G] = _code(rgb[1], encoding)
            image[row, column, _B] = _code(rgb[2], encoding)

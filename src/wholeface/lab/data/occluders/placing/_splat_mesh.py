"""Kernels that draw small triangle meshes: depth only, with a z-buffer, and sorted with transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit

__all__ = ["depth_of_mesh", "draw_cards", "draw_mesh", "fit_depth"]


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
        if not area < -1e-9:  # turned away, or NaN
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
    """(size, size) float32 nearest depth of the triangles that face the camera, inf where nothing is.

    Args:
        pixels: (V, 2).
        depth: (V,) mm.
        triangles: (F, 3).
        size: edge of the map.
    """
    out = np.full((size, size), np.inf, np.float32)
    _depth(pixels.astype(np.float32), depth.astype(np.float32), triangles, out)
    return out


@njit(cache=True, nogil=True)
def fit_depth(coarse: Any, parsing: Any, open_class: Any, middle: Any, out: Any) -> None:
    """Depth at an image's own size, its outline moved to where the parsing map has it.

    Args:
        coarse: (E, E) mm, inf = none.
        parsing: (S, S) uint8.
        open_class: (256,) int8 by class: 1 = here is no head, 2 = here is head, 0 = cannot say.
        middle: mm, depth where the map shows head and ``coarse`` has none.
        out: (S, S) float32, filled.
    """
    size, edge = parsing.shape[0], coarse.shape[0]
    scale = edge / size
    for row in range(size):
        for column in range(size):
            says = open_class[parsing[row, column]]
            value = coarse[int((row + 0.5) * scale), int((column + 0.5) * scale)]
            if says == 1:
                value = np.inf
            elif says == 2 and value > 1e9:
                value = middle
            out[row, column] = value


@njit(cache=True, nogil=True, fastmath=False)
def _mesh(
    pixels: Any,
    depth: Any,
    slack: Any,
    triangles: Any,
    layer: Any,
    wanted: Any,
    head: Any,
    x_start: Any,
    y_start: Any,
    size: Any,
    samples: Any,
    front: Any,
    nearest: Any,
    winner: Any,
    weights: Any,
) -> None:
    """Z-buffer of the triangles of one layer in a window; ``samples`` subpixels along each side of a pixel."""
    height, width = nearest.shape
    step = 1.0 / samples
    edge = head.shape[0]
    head_scale = edge / size
    for t in range(triangles.shape[0]):
        if layer[t] != wanted:
            continue
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax = (pixels[a, 0] - x_start + 0.5) * samples - 0.5
        ay = (pixels[a, 1] - y_start + 0.5) * samples - 0.5
        bx = (pixels[b, 0] - x_start + 0.5) * samples - 0.5
        by = (pixels[b, 1] - y_start + 0.5) * samples - 0.5
        cx = (pixels[c, 0] - x_start + 0.5) * samples - 0.5
        cy = (pixels[c, 1] - y_start + 0.5) * samples - 0.5
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not abs(area) > 1e-9:  # NaN, too
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
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                d = w0 * depth[a] + w1 * depth[b] + w2 * depth[c]
                if d >= nearest[y, x] or d > front[y, x]:
                    continue
                hx = int(((x + 0.5) * step + x_start) * head_scale)
                hy = int(((y + 0.5) * step + y_start) * head_scale)
                allowed = slack[a] * w0 + slack[b] * w1 + slack[c] * w2
                if 0 <= hx < edge and 0 <= hy < edge and d > head[hy, hx] + allowed:
                    continue
                nearest[y, x] = d
                winner[y, x] = t
                weights[y, x, 0] = w0
                weights[y, x, 1] = w1


@njit(cache=True, nogil=True, fastmath=True)
def _shade(
    winner: Any,
    weights: Any,
    samples: Any,
    triangles: Any,
    normals: Any,
    uv: Any,
    material: Any,
    materials: Any,
    texture: Any,
    light: Any,
    scene: Any,
    surroundings: Any,
    x_start: Any,
    y_start: Any,
    canvas: Any,
) -> None:
    """Shade each material of a pixel once, and blend it by its share onto the premultiplied canvas."""
    height, width = winner.shape
    rows, columns = surroundings.shape[0], surroundings.shape[1]
    texture_rows, texture_columns = texture.shape[0], texture.shape[1]
    share = 1.0 / (samples * samples)
    kinds = materials.shape[0]
    means = np.zeros((kinds, 6), np.float32)  # of normal, uv, and how many subpixels, by material
    for py in range(height // samples):
        for px in range(width // samples):
            red, green, blue, cover = 0.0, 0.0, 0.0, 0.0
            hits = 0
            for sy in range(samples):
                for sx in range(samples):
                    y, x = py * samples + sy, px * samples + sx
                    t = winner[y, x]
                    if t < 0:
                        continue
                    if hits == 0:
                        means[:] = 0.0
                    hits += 1
                    m = material[t]
                    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                    w0, w1 = weights[y, x, 0], weights[y, x, 1]
                    w2 = 1.0 - w0 - w1
                    sign = 1.0  # both sides are lit
                    if w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2] < 0.0:
                        sign = -1.0
                    for k in range(3):
                        means[m, k] += sign * (w0 * normals[a, k] + w1 * normals[b, k] + w2 * normals[c, k])
                    for k in range(2):
                        means[m, 3 + k] += w0 * uv[a, k] + w1 * uv[b, k] + w2 * uv[c, k]
                    means[m, 5] += 1.0
            if hits == 0:
                continue
            for m in range(kinds):
                many = means[m, 5]
                if many == 0.0:
                    continue
                nx, ny, nz = means[m, 0], means[m, 1], means[m, 2]
                norm = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-6)
                nx, ny, nz = nx * norm, ny * norm, nz * norm
                u, v = means[m, 3] / many, means[m, 4] / many
                # mirror direction of a viewer at +z, its place on the image of the surroundings
                mx, my = 2.0 * nz * nx, 2.0 * nz * ny
                column = (mx * 0.5 + 0.5) * (columns - 1.001)
                row = (0.5 - my * 0.5) * (rows - 1.001)
                j, i = int(column), int(row)
                fu, fv = column - j, row - i
                fresnel = 1.0 - nz
                fresnel = fresnel * fresnel * fresnel
                mirror = materials[m, 4] + (1.0 - materials[m, 4]) * fresnel * materials[m, 5]
                alpha = materials[m, 3] + (materials[m, 6] - materials[m, 3]) * min(1.0, max(0.0, v))
                shade_light = nx * light[0] + ny * light[1] + nz * light[2]
                glint = (
                    max(0.0, nx * light[3] + ny * light[4] + nz * light[5]) ** materials[m, 8]
                    * materials[m, 7]
                )
                diffuse = max(0.1, 0.55 + 0.5 * shade_light)
                if materials[m, 9] > 0.0:
                    ti = int((v - np.floor(v)) * texture_rows) % texture_rows
                    tj = int((u - np.floor(u)) * texture_columns) % texture_columns
                    diffuse *= 1.0 + materials[m, 9] * (texture[ti, tj] - 1.0)
                add = 0.0
                metal = materials[m, 10]
                for k in range(3):
                    seen = (
                        surroundings[i, j, k] * (1 - fu) * (1 - fv)
                        + surroundings[i, j + 1, k] * fu * (1 - fv)
                        + surroundings[i + 1, j, k] * (1 - fu) * fv
                        + surroundings[i + 1, j + 1, k] * fu * fv
                    )
                    tint = metal * materials[m, k] + 1.0 - metal
                    extra = seen * tint * mirror + glint * tint
                    add = max(add, extra)
                    value = (materials[m, k] * diffuse * scene[k] * alpha * (1.0 - mirror) + extra) * many
                    if k == 0:
                        red += value
                    elif k == 1:
                        green += value
                    else:
                        blue += value
                # What is mirrored hides what lies behind as far as it is bright.
                cover += many * min(1.0, alpha + (1.0 - alpha) * max(mirror * 0.5, min(1.0, add)))
            if cover <= 0.0:
                continue
            red, green, blue, cover = red * share, green * share, blue * share, cover * share
            rest = 1.0 - cover
            y, x = py + y_start, px + x_start
            canvas[y, x, 0] = canvas[y, x, 0] * rest + min(red, cover)
            canvas[y, x, 1] = canvas[y, x, 1] * rest + min(green, cover)
            canvas[y, x, 2] = canvas[y, x, 2] * rest + min(blue, cover)
            canvas[y, x, 3] = canvas[y, x, 3] * rest + cover


def draw_mesh(
    canvas: NDArray[np.float32],
    pixels: NDArray[np.float32],
    depth: NDArray[np.float32],
    normals: NDArray[np.float32],
    uv: NDArray[np.float32],
    triangles: NDArray[np.int32],
    material: NDArray[np.int32],
    materials: NDArray[np.float32],
    layer: NDArray[np.int32],
    slack: NDArray[np.float32],
    head: NDArray[np.float32],
    light: NDArray[np.float32],
    scene: NDArray[np.float32],
    surroundings: NDArray[np.float32],
    texture: NDArray[np.float32] | None = None,
    samples: int = 3,
) -> None:
    """Draw a mesh with a z-buffer, antialiased, over a premultiplied canvas; layer 1 (glass) over layer 0.

    Args:
        canvas: (S, S, 4) float32, changed in place.
        pixels: (V, 2).
        depth: (V,) mm.
        normals: (V, 3) unit, camera space.
        uv: (V, 2); v from 0 to 1 fades from a material's first opacity to its second.
        triangles: (F, 3) int32.
        material: (F,) int32.
        materials: (M, 11): red, green, blue, opacity at v ≤ 0, mirroring seen straight on, mirroring at grazing
            angles (0..1), opacity at v ≥ 1, strength and exponent of the highlight, strength of the texture,
            metalness.
        layer: (F,) int32, 0 opaque or 1 glass. Glass behind opaque parts is not drawn.
        slack: (V,) mm by which a point may lie behind the head's depth and still be seen.
        head: (E, E) mm, depth of the head over the whole image, inf = none.
        light: (3,) unit vector towards the light, camera space.
        scene: (3,) brightness of a white surface in full light.
        surroundings: (h, w, 3), what is mirrored: the half sphere behind the camera.
        texture: (h, w) brightness factors, or None.
        samples: subpixels along each side of a pixel.
    """
    size = canvas.shape[0]
    used = pixels[triangles.ravel()]
    low = np.maximum(np.floor(np.nan_to_num(used.min(0))).astype(int) - 1, 0)
    high = np.minimum(np.ceil(np.nan_to_num(used.max(0))).astype(int) + 2, size)
    if (high <= low).any():
        return
    shape = (int(high[1] - low[1]) * samples, int(high[0] - low[0]) * samples)
    front = np.full(shape, np.inf, np.float32)
    weights = np.empty((*shape, 2), np.float32)
    half = light + np.array([0.0, 0.0, 1.0], np.float32)
    lights = np.concatenate((light, half / np.linalg.norm(half))).astype(np.float32)
    if texture is None:
        texture = np.ones((1, 1), np.float32)
    for wanted in range(int(layer.max()) + 1):
        nearest = np.full(shape, np.inf, np.float32)
        winner = np.full(shape, -1, np.int32)
        _mesh(pixels, depth, slack, triangles, layer, wanted, head, low[0], low[1], size, samples, front, nearest,
              winner, weights)  # fmt: skip
        _shade(winner, weights, samples, triangles, normals, uv, material, materials, texture, lights, scene,
               surroundings, low[0], low[1], canvas)  # fmt: skip
        np.minimum(front, nearest, out=front)


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
        uv: (V, 2) float32; u is wrapped, v kept inside.
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
        if not abs(area) > 1e-9:  # NaN, too
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
                u = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
                u = (u - np.floor(u)) * columns
                v = (w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]) * rows - 0.5
                v = min(max(v, 0.0), rows - 1.001)
                j0, i0 = min(int(u), columns - 1), int(v)
                fu, fv = u - j0, v - i0
                i1 = i0 + 1
                j1 = j0 + 1 if j0 + 1 < columns else 0
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

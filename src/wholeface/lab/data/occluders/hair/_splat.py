"""Kernels for hair: guides grow over a head; thousands of strands around them are painted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .....core.jit import njit
from .....core.kernels import shading_at

__all__ = [
    "draw_dots",
    "draw_strands",
    "grow_guides",
    "place_guides",
]


@njit(cache=True, nogil=True, fastmath=True)
def _surface(table: Any, x: Any, y: Any, z: Any) -> float:
    """Radius of the head along a unit direction; bilinear."""
    rows, columns = table.shape
    theta = np.arccos(min(1.0, max(-1.0, y))) * ((rows - 1) / np.pi)
    phi = np.arctan2(x, z) / (2 * np.pi)
    phi = (phi - np.floor(phi)) * columns
    i = min(int(theta), rows - 2)
    j = int(phi) % columns
    k = (j + 1) % columns
    a = theta - i
    b = phi - np.floor(phi)
    upper = table[i, j] * (1 - b) + table[i, k] * b
    lower = table[i + 1, j] * (1 - b) + table[i + 1, k] * b
    return upper * (1 - a) + lower * a


@njit(cache=True, nogil=True, fastmath=True)
def grow_guides(
    roots: Any,
    directions: Any,
    lengths: Any,
    offsets: Any,
    pull: Any,
    stiffness: Any,
    wobble: Any,
    table: Any,
    centre: Any,
    out: Any,
) -> None:
    """Curves that start on the head along given directions, bend along a pull, and stay outside the head.

    Args:
        roots, directions: (N, 3) mm and unit.
        lengths, offsets: (N,) mm; ``offsets`` is how far above the skin the hair lies.
        pull: (N, 3) unit times strength: gravity or wind.
        stiffness: (N,) in [0, 1]: 1 never bends along the pull.
        wobble: (N, 3) slow random sideways drift.
        table: (T, P) radius of the head.
        centre: (3,) its centre.
        out: (N, K, 3) mm, filled.
    """
    count, points = out.shape[0], out.shape[1]
    for n in range(count):
        px, py, pz = roots[n, 0], roots[n, 1], roots[n, 2]
        dx, dy, dz = directions[n, 0], directions[n, 1], directions[n, 2]
        step = lengths[n] / (points - 1)
        bend = (1.0 - stiffness[n]) * min(1.0, step / 14.0)
        travelled = 0.0
        out[n, 0, 0], out[n, 0, 1], out[n, 0, 2] = px, py, pz
        for k in range(1, points):
            swing = 0.12 * np.sin(2.2 * k + 9.0 * wobble[n, 0]) if k > 2 else 0.0
            dx += bend * pull[n, 0] + (wobble[n, 0] + swing) * bend
            dy += bend * pull[n, 1] + wobble[n, 1] * bend
            dz += bend * pull[n, 2] + wobble[n, 2] * bend
            norm = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
            dx, dy, dz = dx / norm, dy / norm, dz / norm
            px, py, pz = px + dx * step, py + dy * step, pz + dz * step
            travelled += step
            ux, uy, uz = px - centre[0], py - centre[1], pz - centre[2]
            radius = np.sqrt(ux * ux + uy * uy + uz * uz) + 1e-9
            ux, uy, uz = ux / radius, uy / radius, uz / radius
            least = _surface(table, ux, uy, uz) + 1.0 + offsets[n] * min(1.0, travelled / 25.0)
            if radius < least and py > -90.0:
                px, py, pz = centre[0] + ux * least, centre[1] + uy * least, centre[2] + uz * least
                inward = dx * ux + dy * uy + dz * uz
                if inward < 0:
                    dx, dy, dz = dx - inward * ux, dy - inward * uy, dz - inward * uz
                    norm = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
                    dx, dy, dz = dx / norm, dy / norm, dz / norm
            out[n, k, 0], out[n, k, 1], out[n, k, 2] = px, py, pz


@njit(cache=True, nogil=True, fastmath=True)
def place_guides(
    curves: Any,
    order: Any,
    centre: Any,
    rotation: Any,
    translation: Any,
    intrinsics: Any,
    bend: Any,
    outside: Any,
    harmonics: Any,
    half: Any,
    gloss: Any,
    pixels: Any,
    depth: Any,
    light: Any,
    shine: Any,
) -> None:
    """Project guides, and light them as by :meth:`SceneLight.diffuse` and by Kajiya and Kay's highlight.

    Args:
        curves: (N, K, 3) mm, head space.
        order: (N,) which guide comes first.
        centre: (3,) of the head; its surface faces away from there.
        rotation, translation: (3, 3), (3,) head to camera.
        intrinsics: (3,) focal, cx, cy.
        bend, outside: (7, 2) and (3,), see :class:`HeadFrame`.
        harmonics: (9, 3) of the light.
        half: (3,) unit half vector of light and view.
        gloss: strength of the highlight.
        pixels, depth, light, shine: (N, K, 2), (N, K), (N, K, 3), (N, K), filled.
    """
    points = curves.shape[1]
    for n in range(curves.shape[0]):
        g = order[n]
        for k in range(points):
            x, y, z = curves[g, k, 0], curves[g, k, 1], curves[g, k, 2]
            cx = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]
            cy = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]
            cz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
            a = 0.01 * min(max(x, -outside[0]), outside[0])
            b = 0.01 * min(max(y, -outside[1]), outside[1])
            c = 0.01 * min(max(z, -outside[2]), outside[2])
            factor = intrinsics[0] / max(-cz, 50.0)
            for m in range(2):
                extra = bend[0, m] + a * bend[1, m] + b * bend[2, m] + c * bend[3, m]
                extra += b * (a * bend[4, m] + b * bend[5, m] + c * bend[6, m])
                plain = intrinsics[1] + factor * cx if m == 0 else intrinsics[2] - factor * cy
                pixels[n, k, m] = plain + extra
            depth[n, k] = -cz
            ox, oy, oz = x - centre[0], y - centre[1], z - centre[2]
            inverse = 1.0 / (np.sqrt(ox * ox + oy * oy + oz * oz) + 1e-6)
            ox, oy, oz = ox * inverse, oy * inverse, oz * inverse
            nx = rotation[0, 0] * ox + rotation[0, 1] * oy + rotation[0, 2] * oz
            ny = rotation[1, 0] * ox + rotation[1, 1] * oy + rotation[1, 2] * oz
            nz = rotation[2, 0] * ox + rotation[2, 1] * oy + rotation[2, 2] * oz
            for m in range(3):
                value = shading_at(nx, ny, nz, harmonics, m)
                light[n, k, m] = min(2.2, max(0.02, value)) ** (1.0 / 2.2)
            before, after = max(k - 1, 0), min(k + 1, points - 1)
            tx = curves[g, after, 0] - curves[g, before, 0]
            ty = curves[g, after, 1] - curves[g, before, 1]
            tz = curves[g, after, 2] - curves[g, before, 2]
            inverse = 1.0 / (np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-6)
            along = 0.0
            for m in range(3):
                along += half[m] * (rotation[m, 0] * tx + rotation[m, 1] * ty + rotation[m, 2] * tz) * inverse
            across = max(0.0, 1.0 - along * along)
            facing = max(0.0, nx * half[0] + ny * half[1] + nz * half[2])
            fourth = across * across
            fourth *= fourth
            shine[n, k] = gloss * fourth * fourth * fourth * facing * facing


@njit(cache=True, nogil=True, inline="always")
def _next(state: Any) -> Any:
    """One step of a 32-bit xorshift generator."""
    state ^= (state << np.uint32(13)) & np.uint32(0xFFFFFFFF)
    state ^= state >> np.uint32(17)
    state ^= (state << np.uint32(5)) & np.uint32(0xFFFFFFFF)
    return state


@njit(cache=True, nogil=True, fastmath=True)
def _segment(
    canvas: Any,
    x0: Any,
    y0: Any,
    x1: Any,
    y1: Any,
    radius: Any,
    alpha: Any,
    red: Any,
    green: Any,
    blue: Any,
    head: Any,
    behind: Any,
) -> None:
    """One antialiased piece of a strand, half open along its longer axis, blended over the canvas.

    Where ``head`` (E, E) is nearer than ``behind`` the piece is hidden; 0 means it is all in front.
    """
    size = canvas.shape[0]
    edge = head.shape[0]
    scale = edge / size
    steep = abs(y1 - y0) > abs(x1 - x0)
    if steep:
        a0, b0, a1, b1 = y0, x0, y1, x1
    else:
        a0, b0, a1, b1 = x0, y0, x1, y1
    if a0 > a1:
        a0, b0, a1, b1 = a1, b1, a0, b0
    run = a1 - a0
    if run < 1e-6:
        return
    slope = (b1 - b0) / run
    half = radius * np.sqrt(1.0 + slope * slope)
    first = max(0, int(np.ceil(a0)))
    last = min(size - 1, int(np.ceil(a1)) - 1)
    for a in range(first, last + 1):
        b = b0 + slope * (a - a0)
        low, high = b - half, b + half
        start = max(0, int(np.floor(low + 0.5)))
        stop = min(size - 1, int(np.ceil(high - 0.5)))
        for c in range(start, stop + 1):
            cover = min(c + 0.5, high) - max(c - 0.5, low)
            if cover <= 0.0:
                continue
            if steep:
                row, column = a, c
            else:
                row, column = c, a
            w = min(cover, 1.0) * alpha
            if behind > 0.0:
                covered = behind - head[int((row + 0.5) * scale), int((column + 0.5) * scale)]
                if covered > 4.0:
                    continue
                if covered > 0.0:
                    w *= 1.0 - 0.25 * covered
            rest = 1.0 - w
            canvas[row, column, 0] = canvas[row, column, 0] * rest + red * w
            canvas[row, column, 1] = canvas[row, column, 1] * rest + green * w
            canvas[row, column, 2] = canvas[row, column, 2] * rest + blue * w
            canvas[row, column, 3] = canvas[row, column, 3] * rest + w


@njit(cache=True, nogil=True, fastmath=True)
def draw_strands(
    canvas: Any,
    guides: Any,
    depth: Any,
    light: Any,
    shine: Any,
    root_colour: Any,
    tip_colour: Any,
    count: Any,
    radius: Any,
    spread: Any,
    clump: Any,
    curl: Any,
    turns: Any,
    variation: Any,
    opacity: Any,
    seeds: Any,
    head: Any,
    slack: Any,
) -> None:
    """Paint ``count`` strands around each guide, in the order of the guides.

    Args:
        canvas: (S, S, 4) float32 premultiplied RGBA in 0..1, changed in place.
        guides: (N, K, 2) float32 pixels.
        depth: (N, K) float32 mm.
        light: (N, K, 3) float32 brightness of the place.
        shine: (N, K) float32 strength of the highlight.
        root_colour, tip_colour: (N, 3) float32 in 0..1.
        count: strands per guide.
        radius: pixels, half the width of a strand.
        spread: (N,) pixels, standard distance of the strands from their guide.
        clump: how far the strands come together at the tip, 0..1.
        curl: (N,) pixels, amplitude of the waves.
        turns: (N,) waves along the strand.
        variation: how much strands differ in brightness.
        opacity: of a strand, 0..1.
        seeds: (N,) uint32, none 0.
        head: (E, E) float32 mm, depth of the head; inf where none.
        slack: (K,) float32 mm by which a strand may lie behind the head's depth and be seen.
    """
    total, points = guides.shape[0], guides.shape[1]
    size = canvas.shape[0]
    edge = head.shape[0]
    scale = edge / size
    unit = 1.0 / 4294967296.0
    hidden = np.empty(points, np.bool_)
    for n in range(total):
        state = np.uint32(seeds[n])
        reach = 0.0
        margin = 3.0 * spread[n] + curl[n] + radius
        unseen, partly = 0, 0
        for k in range(points):
            x, y = guides[n, k, 0], guides[n, k, 1]
            if k > 0:
                reach += np.sqrt((x - guides[n, k - 1, 0]) ** 2 + (y - guides[n, k - 1, 1]) ** 2)
            outside = x < -margin or y < -margin or x > size - 1 + margin or y > size - 1 + margin
            hidden[k] = False
            behind = depth[n, k] - slack[k]
            # Is any of the place around the guide covered by the head? All of it?
            some, every = False, True
            for corner in range(5):
                px = x + margin * ((corner & 1) * 2 - 1) * (corner < 4)
                py = y + margin * ((corner >> 1) * 2 - 1) * (corner < 4)
                hx, hy = int((px + 0.5) * scale), int((py + 0.5) * scale)
                if 0 <= hx < edge and 0 <= hy < edge and behind > head[hy, hx]:
                    some = True
                else:
                    every = False
            if some:
                partly += 1
            if outside or every:
                hidden[k] = True
                unseen += 1
        if unseen == points:
            continue
        pieces = int(min(80.0, max(3.0, reach / 4.5 + 5.0 * turns[n] * min(1.0, curl[n] / 1.5))))
        state = _next(state)
        phase0 = state * unit * 6.2832
        for c in range(count):
            state = _next(state)
            r1 = state * unit
            state = _next(state)
            r2 = state * unit
            state = _next(state)
            r3 = state * unit
            state = _next(state)
            r4 = state * unit
            offset = (r1 + r2 + r3 - 1.5) * 1.6 * spread[n] if count > 1 else 0.0
            layer = (c + 1.0) / count
            brightness = (0.72 + 0.28 * layer) * (1.0 + variation * (r4 - 0.5) * 2.0)
            glint = 0.4 + 1.2 * r2
            stop = 1.0 - 0.28 * r3 if count > 1 else 0.82
            phase = phase0 + (r2 - 0.5) * 1.6
            shift = (r4 - 0.5) * 2.0
            px, py = 0.0, 0.0
            for m in range(pieces + 1):
                t = m / pieces * stop
                at = t * (points - 1)
                k = min(int(at), points - 2)
                f = at - k
                k0, k3 = max(k - 1, 0), min(k + 2, points - 1)
                f2, f3 = f * f, f * f * f
                c0, c1 = -0.5 * f + f2 - 0.5 * f3, 1.0 - 2.5 * f2 + 1.5 * f3
                c2, c3 = 0.5 * f + 2.0 * f2 - 1.5 * f3, -0.5 * f2 + 0.5 * f3
                x = (
                    c0 * guides[n, k0, 0]
                    + c1 * guides[n, k, 0]
                    + c2 * guides[n, k + 1, 0]
                    + c3 * guides[n, k3, 0]
                )
                y = (
                    c0 * guides[n, k0, 1]
                    + c1 * guides[n, k, 1]
                    + c2 * guides[n, k + 1, 1]
                    + c3 * guides[n, k3, 1]
                )
                tx = guides[n, k + 1, 0] - guides[n, k, 0]
                ty = guides[n, k + 1, 1] - guides[n, k, 1]
                inverse = 1.0 / (np.sqrt(tx * tx + ty * ty) + 1e-3)
                tx, ty = tx * inverse, ty * inverse
                aside = offset * (1.0 - clump * t * t)
                swing = 0.0
                if curl[n] > 0.2:
                    angle = phase + 6.2832 * turns[n] * t
                    aside += curl[n] * min(1.0, 3.0 * t) * np.sin(angle)
                    swing = 0.3 * np.cos(angle) * min(1.0, 0.5 * curl[n])
                # Strands on foreshortened guides are moved along them, too.
                x += -ty * aside + shift * spread[n] * 0.35 * tx
                y += tx * aside + shift * spread[n] * 0.35 * ty
                if m > 0 and not (hidden[k] and hidden[k + 1]):
                    behind = 0.0
                    if partly > 0:
                        behind = (depth[n, k] - slack[k]) * (1 - f) + (depth[n, k + 1] - slack[k + 1]) * f
                    lift = brightness * (1.0 + swing)
                    gloss = (shine[n, k] * (1 - f) + shine[n, k + 1] * f) * glint
                    along = t / stop
                    width = radius * (1.0 - 0.75 * along * along * along * along)
                    if count == 1:
                        width = radius * min(1.0, 0.25 + 5.0 * along) * (1.0 - 0.9 * along * along)
                    alpha = opacity * min(1.0, 0.35 + 8.0 * t)
                    q = light[n, k, 0] * (1 - f) + light[n, k + 1, 0] * f
                    red = ((root_colour[n, 0] * (1 - t) + tip_colour[n, 0] * t) * lift + gloss) * q
                    q = light[n, k, 1] * (1 - f) + light[n, k + 1, 1] * f
                    green = ((root_colour[n, 1] * (1 - t) + tip_colour[n, 1] * t) * lift + gloss) * q
                    q = light[n, k, 2] * (1 - f) + light[n, k + 1, 2] * f
                    blue = ((root_colour[n, 2] * (1 - t) + tip_colour[n, 2] * t) * lift + gloss) * q
                    _segment(
                        canvas,
                        px,
                        py,
                        x,
                        y,
                        width,
                        alpha,
                        min(red, 1.0),
                        min(green, 1.0),
                        min(blue, 1.0),
                        head,
                        behind,
                    )
                px, py = x, y


@njit(cache=True, nogil=True, fastmath=True)
def draw_dots(
    canvas: Any, centres: Any, radius: Any, colours: Any, alpha: Any, behind: Any, head: Any, seed: Any
) -> None:
    """Soft round spots of hair seen from above its roots.

    Args:
        canvas: (S, S, 4) float32 premultiplied, changed in place.
        centres: (N, 2) pixels.
        radius: pixels.
        colours: (N, 3) in 0..1.
        alpha: opacity in the middle of a spot.
        behind: (N,) mm, depth less what it may lie behind the head.
        head: (E, E) mm.
        seed: of the jitter of opacity.
    """
    size = canvas.shape[0]
    edge = head.shape[0]
    scale = edge / size
    state = np.uint32(seed)
    for n in range(centres.shape[0]):
        state = _next(state)
        x, y = centres[n, 0], centres[n, 1]
        hx, hy = int((x + 0.5) * scale), int((y + 0.5) * scale)
        if 0 <= hx < edge and 0 <= hy < edge and behind[n] > head[hy, hx]:
            continue
        strength = alpha * (0.6 + 0.4 * state * (1.0 / 4294967296.0))
        inverse = 1.0 / (radius * radius)
        for row in range(max(0, int(y - radius) + 1), min(size - 1, int(y + radius)) + 1):
            for column in range(max(0, int(x - radius) + 1), min(size - 1, int(x + radius)) + 1):
                away = ((row - y) * (row - y) + (column - x) * (column - x)) * inverse
                if away >= 1.0:
                    continue
                w = strength * (1.0 - away)
                for k in range(3):
                    canvas[row, column, k] = canvas[row, column, k] * (1.0 - w) + colours[n, k] * w
                canvas[row, column, 3] = canvas[row, column, 3] * (1.0 - w) + w

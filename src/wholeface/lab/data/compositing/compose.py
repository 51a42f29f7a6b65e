"""Laying occluders over a face so that they look photographed with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.jit import njit
from ....core.luminance import BLUE, GREEN, RED, luminance
from ....core.spherical_harmonics import C0
from ....core.srgb import LINEAR_OF_BYTE, encode_srgb
from ....perceive import EyewearPart, OccluderKind
from ..samples.sample import FaceSample
from .layer import Layer

__all__ = ["SceneLight", "apply_layer", "box_blur", "encode", "scene_light"]

_SKIN_REFERENCE = np.array([0.42, 0.25, 0.18], np.float32)  # linear; mean of well exposed studio portraits
_FACE_ONLY = (OccluderKind.HAIR, OccluderKind.HAT)
# How much of the photo's exposure and tint a layer takes on, at most. Hands bring their own match with the skin,
# patches are arbitrary on purpose.
_MATCH = {OccluderKind.HAND: 0.0, OccluderKind.PATCH: 0.0, OccluderKind.HAIR: 0.6}


@dataclass(frozen=True)
class SceneLight:
    """What a photo's face tells about the light and the lens.

    Args:
        skin: (3,) linear colour of the visible skin, mean.
        deep: (3,) linear colour of its shaded parts (mean of the darker half).
        bright: (3,) linear colour of its lit parts (mean of the brighter half).
        gain: (3,) linear exposure and tint relative to a well exposed photo in white light.
        slope: (2,) change of log luminance per face height to the right and downwards.
        sigma: blur of the photo in pixels, about.
        grey: the photo has no colours.
    """

    skin: NDArray[np.float32]
    deep: NDArray[np.float32]
    bright: NDArray[np.float32]
    gain: NDArray[np.float32]
    slope: NDArray[np.float32]
    sigma: float
    grey: bool

    @property
    def direction(self) -> NDArray[np.float32]:
        """(3,) unit vector towards the light: right, down, out of the image."""
        side = np.clip(1.2 * self.slope, -1.2, 1.2)
        vector = np.array([side[0], side[1] - 0.35, 1.0], np.float32)
        return vector / np.float32(np.linalg.norm(vector))


def scene_light(sample: FaceSample) -> SceneLight:
    """Skin colour, exposure, light direction and sharpness of a sample, from its visible skin.

    Where the sample knows its light (``parameters["light"]``), exposure and tint come from there.
    """
    skin, deep, bright, slope, ratio, count = _statistics(
        sample.image, sample.parsing, sample.occluder, sample.face, LINEAR_OF_BYTE, max(1, sample.size // 128)
    )
    light = sample.parameters.get("light")
    if light is not None and light.shape == (9, 3):
        gain = np.clip(C0 * light[0] + 0.35 * light[2] + 0.4 * light[6], 0.05, 4.0)
    elif count < 20:
        gain = np.ones(3, np.float32)
    else:
        # Dark skin and little light look alike: take the square root of the exposure.
        level = float(luminance(skin)) / float(luminance(_SKIN_REFERENCE))
        tint = (skin / _SKIN_REFERENCE) / max(level, 1e-3)
        gain = np.sqrt(max(level, 0.02)) * np.clip(tint, 0.3, 3.0) ** 0.7
    sigma = float(np.interp(ratio, _RATIOS, _SIGMAS))
    grey = count >= 20 and float(np.ptp(skin)) < 0.02 * float(skin.max())
    return SceneLight(skin, deep, bright, np.asarray(gain, np.float32), slope, sigma, grey)


# Energy of second differences over 1 pixel relative to that over 2 pixels, for portraits blurred by so many pixels.
_RATIOS, _SIGMAS = (0.085, 0.1, 0.123, 0.19, 0.21), (1.6, 1.0, 0.7, 0.4, 0.0)


def apply_layer(sample: FaceSample, layer: Layer, rng: np.random.Generator) -> FaceSample:
    """Lay something over a face and update what is seen, not what is there.

    Changed: ``image``; ``parsing``, ``occluder`` and ``eyewear`` where the layer's alpha > 127, for spectacles where
    their frames and dark lenses are. ``clean``, ``face``, landmarks and geometry stay. Hair and hats mark
    ``occluder`` only inside ``face``; where they cover an earlier occluder outside the face, nothing of it is left
    to see, so it becomes NONE there.

    Args:
        sample: the face.
        layer: what to lay over it, in the frame of the sample.
        rng: randomness of the light direction, the colour match and the edges.

    Raises:
        UsageError: the layer has another size than the sample.
    """
    size = sample.size
    if layer.rgba.shape[0] != size or layer.rgba.shape[1] != size:
        raise UsageError(
            f"layer {layer.name} is {layer.rgba.shape[1]}×{layer.rgba.shape[0]}, the sample {size}×{size}; "
            "make it for this sample"
        )
    scale = size / 256.0
    light = scene_light(sample)
    match = float(rng.uniform(0.35, 1.0)) * _MATCH.get(layer.kind, 1.0)
    table = _colour_table(light.gain, match)
    slope = light.slope * float(rng.uniform(0.2, 0.8)) * (0.0 if layer.kind == OccluderKind.PATCH else 1.0)
    aside = light.direction[:2] + rng.normal(0.0, 0.35, 2)
    height = max(layer.height, 0.5) * float(rng.uniform(0.5, 1.5))
    shift = -aside / max(1.0, float(np.linalg.norm(aside))) * height
    strength = float(np.clip(layer.shadow, 0.0, 1.0)) * float(rng.uniform(0.6, 1.1))
    sigma = float(np.hypot(rng.uniform(0.3, 0.6) * scale, light.sigma * rng.uniform(0.6, 1.0)))
    if layer.kind == OccluderKind.PATCH and rng.random() < 0.5:
        sigma = 0.0
    rgba = _without_colour(layer.rgba) if light.grey else layer.rgba
    image = _blend(
        sample.image,
        rgba,
        sample.parsing,
        table,
        np.asarray(slope / size, np.float32),
        strength,
        np.asarray(shift, np.float32),
        float(height),
        float(layer.softness),
        sigma,
    )
    covered = layer.rgba[..., 3] > 127
    if layer.eyewear is not None:
        covered = np.isin(layer.eyewear, (EyewearPart.FRAME, EyewearPart.DARK_LENS))
    parsing, occluder = _relabel(
        sample.parsing,
        sample.occluder,
        sample.face,
        covered,
        layer.parsing_map if layer.parsing_map is not None else np.zeros((0, 0), np.uint8),
        np.uint8(layer.parsing),
        np.uint8(layer.kind),
        layer.kind in _FACE_ONLY,
    )
    eyewear = sample.eyewear
    if eyewear is not None:
        worn = np.uint8(EyewearPart.NONE) if layer.eyewear is None else layer.eyewear
        seen = covered if layer.eyewear is None else layer.eyewear != EyewearPart.NONE
        eyewear = np.where(seen, worn, eyewear)
    return sample.with_(image=image, parsing=parsing, occluder=occluder, eyewear=eyewear)


def _without_colour(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = rgba.copy()
    out[..., :3] = luminance(rgba[..., :3].astype(np.float32)).astype(np.uint8)[..., None]
    return out


def encode(linear: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Linear light in [0, 1] to sRGB in [0, 255]."""
    return (255.0 * encode_srgb(linear)).astype(np.float32)


def _colour_table(gain: NDArray[np.float32], match: float) -> NDArray[np.float32]:
    """(3, 256) sRGB value of each sRGB value under the photo's light; highlights roll off."""
    lit = LINEAR_OF_BYTE[None] * (np.clip(gain, 0.03, 2.0)[:, None] ** match)
    knee = np.where(lit > 0.8, 0.8 + 0.2 * (1.0 - np.exp(-(lit - 0.8) / 0.2)), lit)
    return encode(knee) if match > 0.0 else np.tile(np.arange(256, dtype=np.float32), (3, 1))


@njit(cache=True, nogil=True)
def _statistics(image, parsing, occluder, face, decode, step):  # type: ignore[no-untyped-def]
    """Means of the visible skin, the plane through its log luminance, and the ratio of second differences."""
    size = image.shape[0]
    skin = np.zeros(3, np.float64)
    low = np.zeros(3, np.float64)
    high = np.zeros(3, np.float64)
    moments = np.zeros((3, 4), np.float64)
    count = 0
    top, bottom = size, 0
    one = 0.0
    two = 0.0
    for attempt in range(2):  # first where the map says skin, then anywhere on the face
        for y in range(2, size - 2, step):
            for x in range(2, size - 2, step):
                if not face[y, x] or occluder[y, x] != 0:
                    continue
                label = parsing[y, x]
                if attempt == 0 and label not in (1, 2):
                    continue
                r = decode[image[y, x, 0]]
                g = decode[image[y, x, 1]]
                b = decode[image[y, x, 2]]
                skin[0] += r
                skin[1] += g
                skin[2] += b
                value = np.log(RED * r + GREEN * g + BLUE * b + 0.01)
                px = x / size - 0.5
                py = y / size - 0.5
                for i in range(3):
                    u = 1.0 if i == 0 else (px if i == 1 else py)
                    moments[i, 0] += u
                    moments[i, 1] += u * px
                    moments[i, 2] += u * py
                    moments[i, 3] += u * value
                top = min(top, y)
                bottom = max(bottom, y)
                count += 1
        if count >= 20:
            break
    if count == 0:
        grey = np.full(3, 0.2, np.float32)
        return grey, grey, grey, np.zeros(2, np.float32), 1.0, 0
    skin /= count
    middle = RED * skin[0] + GREEN * skin[1] + BLUE * skin[2]
    lows = 0
    highs = 0
    for y in range(2, size - 2, step):
        for x in range(2, size - 2, step):
            if not face[y, x] or occluder[y, x] != 0:
                continue
            c = float(image[y, x, 1])
            d1 = 2 * c - image[y, x - 1, 1] - image[y, x + 1, 1]
            e1 = 2 * c - image[y - 1, x, 1] - image[y + 1, x, 1]
            d2 = 2 * c - image[y, x - 2, 1] - image[y, x + 2, 1]
            e2 = 2 * c - image[y - 2, x, 1] - image[y + 2, x, 1]
            one += d1 * d1 + e1 * e1
            two += d2 * d2 + e2 * e2
            label = parsing[y, x]
            if label not in (1, 2):
                continue
            r = decode[image[y, x, 0]]
            g = decode[image[y, x, 1]]
            b = decode[image[y, x, 2]]
            if RED * r + GREEN * g + BLUE * b < middle:
                low[0] += r
                low[1] += g
                low[2] += b
                lows += 1
            else:
                high[0] += r
                high[1] += g
                high[2] += b
                highs += 1
    for i in range(3):
        low[i] = low[i] / lows if lows > 0 else skin[i]
        high[i] = high[i] / highs if highs > 0 else skin[i]
    slope = np.zeros(2, np.float32)
    for i in range(3):
        moments[i, i] += 0.002 * count
    plane = np.linalg.solve(moments[:, :3].copy(), moments[:, 3].copy())
    extent = max(bottom - top, 8) / size
    slope[0] = min(max(plane[1] * extent, -1.5), 1.5)
    slope[1] = min(max(plane[2] * extent, -1.5), 1.5)
    return (
        skin.astype(np.float32),
        low.astype(np.float32),
        high.astype(np.float32),
        slope,
        one / (two + 1e-6),
        count,
    )


@njit(cache=True, nogil=True)
def box_blur(plane, out, radius):  # type: ignore[no-untyped-def]
    """Mean over (2·radius + 1)² with zeros beyond the border, two running sums."""
    height, width = plane.shape
    rows = np.empty_like(plane)
    weight = np.float32(1.0 / (2 * radius + 1))
    for y in range(height):
        total = np.float32(0.0)
        for x in range(min(radius, width)):
            total += plane[y, x]
        for x in range(width):
            if x + radius < width:
                total += plane[y, x + radius]
            if x - radius - 1 >= 0:
                total -= plane[y, x - radius - 1]
            rows[y, x] = total * weight
    sums = np.zeros(width, np.float32)
    for y in range(min(radius, height)):
        for x in range(width):
            sums[x] += rows[y, x]
    for y in range(height):
        if y + radius < height:
            for x in range(width):
                sums[x] += rows[y + radius, x]
        if y - radius - 1 >= 0:
            for x in range(width):
                sums[x] -= rows[y - radius - 1, x]
        for x in range(width):
            out[y, x] = sums[x] * weight


@njit(cache=True, nogil=True)
def _shadow_plane(rgba, height, softness):  # type: ignore[no-untyped-def]
    """Coverage at half size, blurred as by a light of some breadth."""
    half = rgba.shape[0] // 2
    plane = np.empty((half, half), np.float32)
    for y in range(half):
        for x in range(half):
            total = (
                np.float32(rgba[2 * y, 2 * x, 3])
                + np.float32(rgba[2 * y, 2 * x + 1, 3])
                + np.float32(rgba[2 * y + 1, 2 * x, 3])
                + np.float32(rgba[2 * y + 1, 2 * x + 1, 3])
            )
            plane[y, x] = total / np.float32(1020.0)
    radius = max(1, int(np.rint(softness * height)))
    other = np.empty_like(plane)
    box_blur(plane, other, radius)
    box_blur(other, plane, radius)
    return plane


@njit(cache=True, nogil=True)
def _blend(image, rgba, parsing, table, slope, strength, shift, height, softness, sigma):  # type: ignore[no-untyped-def]
    size = image.shape[0]
    out = image.copy()
    # What the layer covers, with a margin for blur.
    top, bottom, left, right = size, -1, size, -1
    for y in range(size):
        for x in range(size):
            if rgba[y, x, 3] > 0:
                top = min(top, y)
                bottom = max(bottom, y)
                left = min(left, x)
                right = max(right, x)
    if bottom < 0:
        return out
    if strength > 0.01:
        plane = _shadow_plane(rgba, height, softness)
        half = plane.shape[0]
        reach = int(np.ceil(abs(shift[0]) + abs(shift[1]) + 1.5 * height)) + 4
        for y in range(max(0, top - reach), min(size, bottom + reach + 1)):
            for x in range(max(0, left - reach), min(size, right + reach + 1)):
                if rgba[y, x, 3] == 255:
                    continue
                sx = min(max((x - shift[0]) * 0.5 - 0.25, 0.0), half - 1.001)
                sy = min(max((y - shift[1]) * 0.5 - 0.25, 0.0), half - 1.001)
                ix = int(sx)
                iy = int(sy)
                fx = sx - ix
                fy = sy - iy
                dark = (plane[iy, ix] * (1 - fx) + plane[iy, ix + 1] * fx) * (1 - fy) + (
                    plane[iy + 1, ix] * (1 - fx) + plane[iy + 1, ix + 1] * fx
                ) * fy
                if dark <= 0.0:
                    continue
                far = 0.25 if parsing[y, x] == 0 else 1.0  # the background is far behind
                keep = 1.0 - 0.6 * strength * far * dark
                for c in range(3):
                    # light that leaks into shadows on skin is red
                    out[y, x, c] = np.uint8(out[y, x, c] * (keep if c > 0 else 1.0 - 0.85 * (1.0 - keep)))
    pad = int(np.ceil(2.5 * sigma)) if sigma > 0.05 else 0
    top = max(0, top - pad)
    left = max(0, left - pad)
    bottom = min(size - 1, bottom + pad)
    right = min(size - 1, right + pad)
    rows = bottom - top + 1
    columns = right - left + 1
    cut = np.empty((4, rows, columns), np.float32)
    centre_x = 0.5 * (left + right)
    centre_y = 0.5 * (top + bottom)
    shaded = abs(slope[0]) + abs(slope[1]) > 1e-6
    for y in range(rows):
        for x in range(columns):
            a = np.float32(rgba[y + top, x + left, 3]) / np.float32(255.0)
            lit = np.float32(1.0)
            if shaded and a > 0:
                t = 0.45 * (slope[0] * (x + left - centre_x) + slope[1] * (y + top - centre_y))
                t = min(max(t, -0.5), 0.35)
                lit = np.float32(1.0 + t + 0.5 * t * t)
            cut[3, y, x] = a
            for c in range(3):
                cut[c, y, x] = a * min(np.float32(255.0), lit * table[c, rgba[y + top, x + left, c]])
    if pad > 0:
        _blur(cut, sigma, pad)
    for y in range(rows):
        for x in range(columns):
            a = cut[3, y, x]
            if a <= 0.002:
                continue
            for c in range(3):
                value = out[y + top, x + left, c] * (np.float32(1.0) - a) + cut[c, y, x]
                out[y + top, x + left, c] = np.uint8(min(np.float32(255.0), value + np.float32(0.5)))
    return out


@njit(cache=True, nogil=True)
def _blur(planes, sigma, radius):  # type: ignore[no-untyped-def]
    taps = np.empty(radius + 1, np.float32)
    total = 0.0
    for i in range(radius + 1):
        taps[i] = np.exp(-0.5 * (i / sigma) ** 2)
        total += taps[i] * (1 if i == 0 else 2)
    taps /= np.float32(total)
    channels, rows, columns = planes.shape
    line = np.empty(columns + 2 * radius, np.float32)
    for c in range(channels):
        plane = planes[c]
        for y in range(rows):
            line[:] = 0.0
            for x in range(columns):
                line[x + radius] = plane[y, x]
            for x in range(columns):
                plane[y, x] = taps[0] * line[x + radius]
            for i in range(1, radius + 1):
                t = taps[i]
                for x in range(columns):
                    plane[y, x] += t * (line[x + radius - i] + line[x + radius + i])
        other = plane.copy()
        for y in range(rows):
            for x in range(columns):
                plane[y, x] = taps[0] * other[y, x]
            for i in range(1, radius + 1):
                t = taps[i]
                if y - i >= 0:
                    for x in range(columns):
                        plane[y, x] += t * other[y - i, x]
                if y + i < rows:
                    for x in range(columns):
                        plane[y, x] += t * other[y + i, x]


@njit(cache=True, nogil=True)
def _relabel(parsing, occluder, face, covered, classes, label, kind, face_only):  # type: ignore[no-untyped-def]
    new_parsing = parsing.copy()
    new_occluder = occluder.copy()
    mapped = classes.shape[0] > 0
    size = parsing.shape[0]
    for y in range(size):
        for x in range(size):
            if covered[y, x]:
                new_parsing[y, x] = classes[y, x] if mapped else label
                new_occluder[y, x] = kind if (face[y, x] or not face_only) else 0
    return new_parsing, new_occluder

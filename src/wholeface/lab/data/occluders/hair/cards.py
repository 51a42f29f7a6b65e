"""Hair as textured surfaces: ribbons along guides, and the avatars' hair meshes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compositing.layer import Split
from ..placing._splat_mesh import draw_cards
from ..placing.head import HeadFrame, head_shape
from ..placing.scene import SceneLight
from .textures import HairTexture, frayed

__all__ = ["WIGS", "Wig", "paint_ribbons", "paint_wig", "read_wig"]

Array = NDArray[np.float32]
WIGS: dict[str, Split] = {
    "AIAN_F_2": "train",
    "AIAN_M_2": "train",
    "Asian_F_2": "held_out",
    "Asian_F_3": "train",
    "Hispanic_F_3": "train",
    "MENA_F_2": "train",
    "White_F_1": "held_out",
    "White_F_3": "train",
}
"""Avatars with a hair mesh; the two held out have another haircut than the rest. (The short curls of ``Black_F_2``
are ten times as many triangles, and fall apart on other heads.)"""


@dataclass(frozen=True)
class Wig:
    """The hair mesh of an avatar, laid on the mean head.

    Args:
        vertices: (V, 3) mm, head space.
        uv: (V, 2), v runs from the roots down.
        triangles: (F, 3) int32.
        image: path of its texture.
    """

    vertices: Array
    uv: Array
    triangles: NDArray[np.int32]
    image: Path


@lru_cache(maxsize=16)
def read_wig(folder: Path, name: str) -> Wig:
    """Read an avatar's hair and bring its eyes to those of the mean head."""
    with np.load(folder / f"{name}.npz") as data:
        left, right = (data[f"{part}/vertices"].mean(0) for part in ("h_L_eye", "h_R_eye"))
        middle, apart = (left + right) / 2, float(np.linalg.norm(left - right))
        shape = head_shape()
        eyes = shape.landmarks_68[36:48].mean(0) - np.array([0, 0, 12], np.float32)
        ours = float(np.linalg.norm(shape.landmarks_68[42:48].mean(0) - shape.landmarks_68[36:42].mean(0)))
        vertices = (data["h_wig/vertices"] - middle) * (ours / apart) + eyes
        return Wig(
            vertices.astype(np.float32),
            data["h_wig/uv"].astype(np.float32),
            data["h_wig/triangles"].astype(np.int32),
            folder / str(data["h_wig/image"]),
        )


def paint_wig(
    canvas: Array,
    wig: Wig,
    texture: HairTexture,
    colour: Array,
    frame: HeadFrame,
    light: SceneLight,
    depth: Array,
    rng: np.random.Generator,
) -> None:
    """Paint an avatar's hair on this head, over a premultiplied canvas."""
    shape = frame.shape
    points = wig.vertices.copy()
    below = points[:, 1] < 0
    points[below, 1] *= np.float32(rng.uniform(0.35, 1.1))
    arms = points - shape.centre
    radius = np.linalg.norm(arms, axis=1)
    units = arms / radius[:, None]
    skin = shape.surface(units)
    volume = float(rng.uniform(2.0, 7.0))
    lifted = np.where(
        points[:, 1] > -40, np.maximum(radius, skin + volume + 0.3 * np.clip(radius - skin, -8, 8)), radius
    )
    points = shape.centre + units * lifted[:, None]
    pixels, cam = frame.project(points.astype(np.float32))
    bright = light.diffuse(units @ frame.rotation.T).mean(1) * (
        0.85 + 0.3 * wig.uv[:, 1] * float(rng.uniform(0, 1))
    )
    order = np.argsort(cam[wig.triangles, 2].mean(1))
    draw_cards(
        canvas,
        pixels,
        -cam[:, 2],
        wig.uv,
        bright.astype(np.float32),
        wig.triangles,
        order,
        frayed(texture, rng, float(rng.uniform(0.1, 0.4)), closed=0.75),
        colour,
        depth,
        np.full(len(points), 7.0, np.float32),
    )


def paint_ribbons(
    canvas: Array,
    curves: Array,
    width: Array,
    texture: HairTexture,
    colours: NDArray[np.floating[Any]],
    frame: HeadFrame,
    light: SceneLight,
    depth: Array,
    rng: np.random.Generator,
    fray: float,
) -> None:
    """Paint ribbons of textured hair along guides, over a premultiplied canvas.

    Args:
        canvas: (S, S, 4).
        curves: (N, K, 3) mm in head space, far ones first.
        width: (N,) mm, half of a ribbon.
        texture: of the hair.
        colours: (N, 3), only their brightness differs from ribbon to ribbon; the first one's hue serves all.
        frame: of the head.
        light: of the scene.
        depth: (E, E) mm of the head.
        rng: randomness.
        fray: see :func:`frayed`.
    """
    n, k = (int(edge) for edge in curves.shape[:2])
    flat = curves.reshape(-1, 3)
    pixels, cam = frame.project(flat)
    pixels = pixels.reshape(n, k, 2)
    along: Array = np.asarray(np.gradient(pixels, axis=1))
    across = np.stack((-along[..., 1], along[..., 0]), axis=-1)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-3)
    t = np.linspace(0, 1, k, dtype=np.float32)
    half = width[:, None] * frame.scale * (0.55 + 0.45 * np.sin(np.pi * np.clip(t * 1.2 + 0.1, 0, 1)))[None]
    left, right = pixels - across * half[..., None], pixels + across * half[..., None]
    out = flat - frame.shape.centre
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    bright = light.diffuse(out @ frame.rotation.T).mean(1).reshape(n, k)
    level = colours.mean(1) / max(float(colours.mean()), 1e-3)
    bright = bright * level[:, None] * rng.uniform(0.75, 1.1, (n, 1))
    start, share = rng.random(n), rng.uniform(0.25, 0.6, n)
    u0 = np.broadcast_to(start[:, None], (n, k))
    u1 = np.broadcast_to((start + share)[:, None], (n, k))
    v = np.broadcast_to(t * 0.985 + 0.005, (n, k))
    base = (np.arange(n)[:, None] * k + np.arange(k - 1)[None]).ravel()
    total = n * k
    triangles = np.stack(
        (
            np.stack((base, base + 1, base + total), 1),
            np.stack((base + 1, base + total + 1, base + total), 1),
        ),
        axis=1,
    ).reshape(-1, 3)
    distance = np.tile(-cam[:, 2], 2).astype(np.float32)
    draw_cards(
        canvas,
        np.concatenate((left.reshape(-1, 2), right.reshape(-1, 2))).astype(np.float32),
        distance,
        np.stack((np.concatenate((u0.ravel(), u1.ravel())), np.tile(v.ravel(), 2)), axis=1).astype(
            np.float32
        ),
        np.tile(bright.ravel(), 2).astype(np.float32),
        triangles.astype(np.int32),
        np.arange(len(triangles)),
        _reduced(
            frayed(texture, rng, fray),
            float(share.mean()) * texture.relative.shape[1] / (2 * float(half.mean())),
        ),
        colours.mean(0).astype(np.float32),
        depth,
        np.full(2 * total, 9.0, np.float32),
    )


def _reduced(texture: Array, factor: float) -> Array:
    """The texture (H, W, 4) averaged over as many columns as fall into one pixel, against glitter."""
    columns = texture.shape[1]
    step = 1
    while 2 * step <= factor * 1.2 and columns % (2 * step) == 0:
        step *= 2
    if step == 1:
        return texture
    blocks = texture.reshape(texture.shape[0] // step, step, columns // step, step, 4)
    alpha = blocks[..., 3:].mean((1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean((1, 3)) / np.maximum(alpha, 1e-3)
    result: Array = np.concatenate((np.where(alpha > 1e-3, colour, 1.0), alpha), axis=2).astype(np.float32)
    return result

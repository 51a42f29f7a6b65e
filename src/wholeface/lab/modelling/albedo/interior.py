"""Eyes, teeth and the inside of the mouth: colours that do not follow the skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ....core.srgb import decode_srgb
from ....morphable.model import MorphableModel
from .atlas import Atlas, sample_rows_cols

__all__ = ["Eyes", "learn_eyes", "mouth_colours", "paint_eyes"]

Array = NDArray[Any]
_RINGS, _SPOKES = 96, 128
_PUPIL, _LIMBUS = 0.36, 1.0  # radii in units of the iris
# Iris colours (sRGB) that avatars lack; people's eyes range from dark brown over hazel and green to blue
# and grey.
_IRIS_PALETTE = (
    ((58, 36, 24), 5.0),
    ((84, 54, 34), 4.0),
    ((104, 78, 50), 1.5),
    ((92, 92, 66), 0.7),
    ((84, 104, 120), 1.2),
    ((98, 108, 114), 0.8),
)


@dataclass(frozen=True)
class Eyes:
    """Eyeball in polar form: ring (angle from the gaze axis) × spoke (angle around it).

    Args:
        log_albedo: (R, P, 3) mean; the limbus lies at ring R / 3.
        iris_modes: (2, 3) log-colour offsets of the iris, one standard deviation each.
        iris_share: (R,) how much of each ring is iris, without the pupil.
    """

    log_albedo: Array
    iris_modes: Array
    iris_share: Array


def _sphere(points: Array) -> tuple[Array, float]:
    """Centre and radius of the sphere through points in the least-squares sense."""
    design = np.concatenate((2 * points, np.ones((len(points), 1))), axis=1)
    solution = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def _polar_directions(max_angle: float) -> Array:
    """(R, P, 3) unit directions; ring 0 lies on the axis +z."""
    theta = (np.arange(_RINGS) + 0.5) / _RINGS * max_angle
    phi = (np.arange(_SPOKES) + 0.5) / _SPOKES * 2 * np.pi
    s = np.sin(theta)[:, None]
    return np.stack((s * np.cos(phi), s * np.sin(phi), np.cos(theta)[:, None] + 0 * phi), axis=-1)


def _polar_eye(folder: Path, name: str, part: str) -> Array:
    """(R, P, 3) linear-light colours of the front half of an avatar's eye."""
    from PIL import Image
    from scipy.spatial import cKDTree

    with np.load(folder / f"{name}.npz") as data:
        points = data[f"{part}/vertices"].astype(np.float64)
        uv = data[f"{part}/uv"].astype(np.float64)
        triangles = data[f"{part}/triangles"].astype(np.int64)
        image = folder / str(data[f"{part}/image"])
    with Image.open(image) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    centre, _ = _sphere(points)
    # Dense points on the triangles carry UV to directions.
    steps = [(i, j, 8 - i - j) for i in range(9) for j in range(9 - i)]
    weights = np.array(steps) / 8
    dense = np.einsum("sk,fkc->fsc", weights, points[triangles]).reshape(-1, 3) - centre
    dense_uv = np.einsum("sk,fkc->fsc", weights, uv[triangles]).reshape(-1, 2)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    wanted = _polar_directions(np.pi / 2)
    distance, index = cKDTree(dense).query(wanted.reshape(-1, 3), k=4)
    share = 1 / (distance + 1e-3)
    at = (dense_uv[index] * share[..., None]).sum(1) / share.sum(1)[:, None]
    height, width = pixels.shape[:2]
    where = np.stack((at[:, 1] * height - 0.5, at[:, 0] * width - 0.5), axis=1)
    decoded = decode_srgb(np.arange(256) / 255).astype(np.float32)[pixels]
    return sample_rows_cols(decoded, where).reshape(_RINGS, _SPOKES, 3)


def _iris_rings(polar: Array) -> int:
    """Ring of the limbus: the strongest rise of brightness outwards between 12° and 45°."""
    profile = ndimage.gaussian_filter1d(np.log(polar.mean((1, 2)) + 1e-3), 1.5)
    rise = np.gradient(profile)
    low, high = int(_RINGS * 12 / 90), int(_RINGS * 45 / 90)
    return low + int(rise[low:high].argmax())


def learn_eyes(folder: Path, names: Sequence[str]) -> Eyes:
    """Eyes whose sclera has the avatars' median colour and whose irises follow a palette of human eyes.

    The avatars' painted irises carry highlights and shadows, so the iris is drawn: a dark limbal ring, radial
    fibres, a lighter collarette, a black pupil. The limbus lies at ring R / 3; beyond it the sclera.
    """
    eyes = []
    for name in names:
        polar = _polar_eye(folder, name, "h_L_eye")
        limbus = _iris_rings(polar)
        eyes.append(np.log(np.maximum(polar[limbus + 8 : limbus + 24], 2e-3)).reshape(-1, 3))
    # The painted sclera is shaded by lids that are not there; a healthy one is nearly white.
    painted = np.median(np.concatenate(eyes), axis=0)
    white = 0.35 * painted + 0.65 * np.log(decode_srgb(np.array([214, 205, 200]) / 255))
    ring = ((np.arange(_RINGS) + 0.5) / (_RINGS / 3))[:, None]
    spoke = np.arange(_SPOKES)[None] / _SPOKES * 2 * np.pi
    iris = 1 / (1 + np.exp((ring - _LIMBUS) / 0.025))
    share = iris / (1 + np.exp((_PUPIL - ring) / 0.02))
    fibres = np.zeros((_RINGS, _SPOKES))
    for k, phase in zip((9, 14, 23, 31, 46), np.random.default_rng(7).uniform(0, 2 * np.pi, 5)):
        fibres += 0.06 * np.cos(k * spoke + phase + 1.5 * np.sin(3 * ring + phase))
    fibres += 0.22 * np.exp(-(((ring - 0.5) / 0.1) ** 2)) - 0.9 * np.exp(-(((ring - 1.0) / 0.13) ** 2))
    weight = np.array([w for _, w in _IRIS_PALETTE])
    weight /= weight.sum()
    colours = np.log(decode_srgb(np.array([c for c, _ in _IRIS_PALETTE]) / 255.0))
    mean = weight @ colours
    pink = np.clip((ring - 1.3) / 1.2, 0, 1)[..., None] * np.array([-0.10, -0.28, -0.26])
    log_albedo = (
        share[..., None] * (mean + fibres[..., None])
        + (iris - share)[..., None] * np.log(0.012)
        + (1 - iris)[..., None] * (white + pink)
    )
    spread = (colours - mean) * np.sqrt(weight)[:, None]
    _, scale, axes = np.linalg.svd(spread, full_matrices=False)
    modes = axes[:2] * scale[:2, None]
    modes *= np.where(modes.sum(1) >= 0, 1, -1)[:, None]
    return Eyes(log_albedo, modes, share[:, 0])


def paint_eyes(model: MorphableModel, atlas: Atlas, eyes: Eyes) -> tuple[NDArray[np.bool_], Array, Array]:
    """Eyeballs on an atlas.

    Args:
        model: with the region ``eyeballs`` and, if known, the extra mask ``iris``.
        atlas: of the model.
        eyes: from :func:`learn_eyes`.

    Returns:
        Texels painted (S, S) bool, their log albedo (P, 3), and the share of the iris modes (P,).
    """
    texels = atlas.regions["eyeballs"]
    position = atlas.texels(model.mean.double().numpy()).astype(np.float64)[texels]
    vertices = model.mean.double().numpy()
    log_albedo = np.zeros((len(position), 3))
    share = np.zeros(len(position))
    for side in (1, -1):
        on_mesh = model.regions["eyeballs"].numpy() & (vertices[:, 0] * side > 0)
        centre, _ = _sphere(vertices[on_mesh])
        mine = position[:, 0] * side > 0
        axis, limbus = np.array([0.0, 0.0, 1.0]), np.deg2rad(29.0)
        if "iris" in model.extras:
            iris = vertices[on_mesh & model.extras["iris"].numpy().astype(bool)] - centre
            axis = iris.mean(0) / np.linalg.norm(iris.mean(0))
            limbus = float(np.arccos(np.clip(iris @ axis / np.linalg.norm(iris, axis=1), -1, 1)).max())
        direction = position[mine] - centre
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        theta = np.arccos(np.clip(direction @ axis, -1, 1))
        phi = np.arctan2(direction[:, 1], direction[:, 0] * side)
        third = _RINGS / 3
        ring = np.where(
            theta < limbus,
            theta / limbus * third,
            third + (theta - limbus) / (np.pi / 2 - limbus) * 2 * third,
        )
        ring = np.clip(ring - 0.5, 0, _RINGS * 0.85)
        spoke = (phi / (2 * np.pi) % 1) * _SPOKES - 0.5
        wrapped = np.concatenate((eyes.log_albedo[:, -1:], eyes.log_albedo, eyes.log_albedo[:, :1]), axis=1)
        log_albedo[mine] = sample_rows_cols(wrapped, np.stack((ring, spoke + 1), axis=1))
        share[mine] = np.interp(ring, np.arange(_RINGS), eyes.iris_share)
    return texels, log_albedo, share


def mouth_colours(model: MorphableModel, atlas: Atlas) -> Array:
    """(S, S, 3) log albedo of teeth, gums, tongue and the mouth's lining; darker towards the back."""
    position = atlas.texels(model.mean.double().numpy())
    depth = np.clip((position[..., 2].max() - position[..., 2] - 30.0) / 40.0, 0, 1)

    def colour(r: int, g: int, b: int) -> Array:
        value: Array = np.log(decode_srgb(np.array([r, g, b]) / 255.0))
        return value

    lining = colour(150, 72, 68) + np.clip(depth, 0, 1)[..., None] * (
        colour(46, 16, 16) - colour(150, 72, 68)
    )
    result = np.array(lining)
    for name, rgb in (("gums", (176, 98, 92)), ("tongue", (172, 92, 90))):
        if name in model.extras:
            texels = (
                atlas.texels(model.extras[name].numpy().astype(np.float64)[:, None])[..., 0] > 0.5
            ) & atlas.covered
            result[texels] = colour(*rgb) - 0.5 * depth[texels][:, None]
    if "teeth" in atlas.regions:
        teeth = atlas.regions["teeth"]
        result[teeth] = colour(214, 204, 186) - 0.7 * depth[teeth][:, None]
    return result

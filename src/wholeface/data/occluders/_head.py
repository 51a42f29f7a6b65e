"""Where a sample's head is in space: the frame in which hair, glasses and hats are built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..sample import FaceSample
from ._splat_mesh import depth_of_mesh

__all__ = ["HeadFrame", "HeadShape", "head_frame", "head_shape"]

Array = NDArray[np.float32]
_DISTANCE = 900.0  # mm from the camera where a photo does not say
_CENTRE = np.array([0.0, 40.0, 5.0], np.float32)  # of the skull, mm
_TABLE = (48, 96)
_DEPTH_EDGE = 112
_OUTSIDE = np.array([95.0, 150.0, 132.0], np.float32)


@dataclass(frozen=True)
class HeadShape:
    """The mean head, prepared once.

    Args:
        vertices: (V, 3) mm.
        triangles: (F, 3) int32 of the skin.
        dense: (600, 3) mm, the dense landmarks on it.
        landmarks_68: (68, 3) mm.
        scalp: (N, 3) mm, points spread evenly over the hairy part and a little beyond.
        radius: (T, P) mm, distance of the (ear-less, smoothed) surface from the centre by polar angle from +y and
            azimuth from +z towards +x.
        centre: (3,) mm.
    """

    vertices: Array
    triangles: NDArray[np.int32]
    dense: Array
    landmarks_68: Array
    scalp: Array
    radius: Array
    centre: Array

    def surface(self, directions: Array) -> Array:
        """(N,) distance of the surface from the centre along unit directions (N, 3)."""
        rows, columns = self.radius.shape
        theta = np.arccos(np.clip(directions[:, 1], -1, 1)) * ((rows - 1) / np.pi)
        phi = (np.arctan2(directions[:, 0], directions[:, 2]) / (2 * np.pi) % 1.0) * columns
        i = np.minimum(theta.astype(np.int64), rows - 2)
        j = phi.astype(np.int64) % columns
        a, b = theta - i, phi - np.floor(phi)
        k = (j + 1) % columns
        r = self.radius
        value = (r[i, j] * (1 - b) + r[i, k] * b) * (1 - a) + (r[i + 1, j] * (1 - b) + r[i + 1, k] * b) * a
        return value.astype(np.float32)


@dataclass(frozen=True)
class HeadFrame:
    """Camera and pose of one sample's head, with what the mean head leaves unexplained as a smooth bend.

    Convention: as everywhere, camera space is R · model + t, looking along −z.

    Args:
        rotation: (3, 3).
        translation: (3,) mm.
        focal, cx, cy: pixels.
        bend: (F, 2) coefficients of the correction in pixels.
        size: edge of the picture.
        error: median distance in pixels between the dense points and where the frame puts them.
    """

    rotation: Array
    translation: Array
    focal: float
    cx: float
    cy: float
    bend: Array
    size: int
    error: float

    @property
    def yaw(self) -> float:
        """Degrees; positive towards the face's own left."""
        return float(np.degrees(np.arctan2(self.rotation[0, 2], self.rotation[2, 2])))

    @property
    def pitch(self) -> float:
        """Degrees; positive upwards."""
        forward = self.rotation[:, 2]
        return float(np.degrees(np.arctan2(forward[1], np.hypot(forward[0], forward[2]))))

    @property
    def scale(self) -> float:
        """Pixels per millimetre at the face."""
        return self.focal / float(-(self.rotation @ _CENTRE + self.translation)[2])

    def camera(self, points: Array) -> Array:
        """(N, 3) mm in camera space."""
        return points @ self.rotation.T + self.translation

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (N, 2) and camera-space points (N, 3) of head-space points (N, 3)."""
        cam = self.camera(points)
        pixels = self._pinhole(cam) + _features(points) @ self.bend
        return pixels.astype(np.float32), cam

    def _pinhole(self, cam: Array) -> Array:
        factor = self.focal / np.maximum(-cam[:, 2], 50.0)
        return np.stack((self.cx + factor * cam[:, 0], self.cy - factor * cam[:, 1]), axis=1)

    def depth_map(self) -> Array:
        """(E, E) float32 depth in mm of the mean head in this pose, E about 112; inf where there is none."""
        shape = head_shape()
        factor = _DEPTH_EDGE / self.size
        pixels, cam = self.project(shape.vertices)
        pixels = (pixels + 0.5) * factor - 0.5
        return depth_of_mesh(pixels.astype(np.float32), -cam[:, 2], shape.triangles, _DEPTH_EDGE)


def _features(points: Array) -> Array:
    """(N, 7) smooth functions of the place on the head, bounded outside it."""
    x, y, z = np.clip(points / 100.0, -_OUTSIDE / 100.0, _OUTSIDE / 100.0).T
    return np.stack((np.ones_like(x), x, y, z, x * y, y * y, y * z), axis=1).astype(np.float32)


def head_frame(sample: FaceSample) -> HeadFrame | None:
    """The frame of a sample's head, or None where the points are no head at all.

    The truth of renderings is used where it fits the points; otherwise the mean head is laid under the points in
    scaled orthographic projection (Bregler's POS) and given a camera at an arm's length.
    """
    shape = head_shape()
    model, seen = _pairs(sample, shape)
    if len(model) < 12:
        return None
    weight = np.where(model[:, 1] < -15, 0.2, 1.0).astype(np.float32)
    truth = _frame_of_truth(sample)
    if truth is not None:
        frame = _bent(truth, model, seen, weight, sample.size)
        extent = float(np.ptp(seen, axis=0).max())
        if frame.error < 0.1 * extent:
            return frame
    found = _scaled_orthographic(model, seen, weight)
    if found is None:
        return None
    rotation, scale, offset = found
    focal = scale * _DISTANCE
    translation = np.array([0.0, 0.0, -_DISTANCE], np.float32) - rotation @ _CENTRE
    plain = HeadFrame(
        rotation,
        translation,
        focal,
        float(offset[0]),
        float(offset[1]),
        np.zeros((7, 2), np.float32),
        sample.size,
        0.0,
    )
    frame = _bent(plain, model, seen, weight, sample.size)
    extent = float(np.ptp(seen, axis=0).max())
    return frame if extent > 12 and frame.error < 0.12 * extent else None


def _pairs(sample: FaceSample, shape: HeadShape) -> tuple[Array, Array]:
    """Points of the mean head (N, 3) and where the sample shows them (N, 2)."""
    model, seen = shape.landmarks_68, sample.landmarks_68
    if len(sample.dense) == len(shape.dense):
        model = np.concatenate((model, shape.dense[::4]))
        seen = np.concatenate((seen, sample.dense[::4]))
    fine = np.isfinite(seen).all(1)
    return model[fine], seen[fine].astype(np.float32)


def _frame_of_truth(sample: FaceSample) -> HeadFrame | None:
    known = sample.parameters
    if not all(name in known for name in ("rotation", "translation", "focal", "cx", "cy")):
        return None
    return HeadFrame(
        _rotation(known["rotation"]),
        np.asarray(known["translation"], np.float32).reshape(3),
        float(np.ravel(known["focal"])[0]),
        float(np.ravel(known["cx"])[0]),
        float(np.ravel(known["cy"])[0]),
        np.zeros((7, 2), np.float32),
        sample.size,
        0.0,
    )


def _rotation(axis_angle: NDArray[Any]) -> Array:
    """(3, 3) by Rodrigues' formula."""
    vector = np.asarray(axis_angle, np.float64).reshape(3)
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).astype(np.float32)


def _bent(frame: HeadFrame, model: Array, seen: Array, weight: Array, size: int) -> HeadFrame:
    """The same frame with the ridge-regressed bend that brings the mean head's points to the seen ones."""
    rest = seen - frame._pinhole(frame.camera(model))
    features = _features(model)
    weighted = features * weight[:, None]
    ridge = np.diag(np.array([1e-3, 0.02, 0.02, 0.02, 0.1, 0.1, 0.1])) * float(weight.sum())
    bend = np.linalg.solve(features.T @ weighted + ridge, weighted.T @ rest)
    error = float(np.median(np.linalg.norm(rest - features @ bend, axis=1)))
    return HeadFrame(
        frame.rotation,
        frame.translation,
        frame.focal,
        frame.cx,
        frame.cy,
        bend.astype(np.float32),
        size,
        error,
    )


def _scaled_orthographic(model: Array, seen: Array, weight: Array) -> tuple[Array, float, Array] | None:
    """Rotation, pixels per mm, and the pixel of the skull's centre."""
    points = (model - _CENTRE).astype(np.float64)
    design = np.concatenate((points, np.ones((len(points), 1))), axis=1)
    weighted = design * weight[:, None]
    image = seen.astype(np.float64) * (1, -1)
    try:
        affine = np.linalg.solve(design.T @ weighted, weighted.T @ image).T  # (2, 4)
    except np.linalg.LinAlgError:
        return None
    u, s, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    if s[1] < 0.3 * s[0] or s[0] < 1e-3:
        return None
    rows = u @ vt
    rotation = np.stack((rows[0], rows[1], np.cross(rows[0], rows[1])))
    offset = affine[:, 3] * (1, -1)
    return rotation.astype(np.float32), float(s.mean()), offset.astype(np.float32)


@lru_cache(maxsize=1)
def head_shape() -> HeadShape:
    """The mean of the shipped model as a :class:`HeadShape`."""
    from ...morphable import dense_embedding, load_model

    model = load_model("wholeface")
    assert model.landmarks_68 is not None
    vertices = model.mean.numpy().astype(np.float32)
    triangles = model.triangles.numpy().astype(np.int32)
    inner = np.zeros(len(vertices), bool)
    for name in ("teeth", "inner_mouth"):
        inner |= model.regions[name].numpy()
    outer = triangles[~inner[triangles].all(1)]
    scalp = model.regions["scalp"].numpy()
    smooth = ~inner & ~model.regions["ears"].numpy() & ~model.regions["eyeballs"].numpy()
    return HeadShape(
        vertices,
        np.ascontiguousarray(outer),
        dense_embedding(model).points(model.mean, model.triangles).numpy().astype(np.float32),
        model.landmarks_68.points(model.mean, model.triangles).numpy().astype(np.float32),
        _spread(vertices, triangles[scalp[triangles].any(1)]),
        _radius_table(vertices[smooth]),
        _CENTRE,
    )


def _spread(vertices: Array, triangles: NDArray[Any], count: int = 6000) -> Array:
    """(count, 3) points evenly over the area of triangles, the same ones always."""
    corners = vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(triangles), count, p=area / area.sum())
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack((1 - root, root * (1 - along), root * along), axis=1)
    return np.einsum("nk,nkc->nc", weights, corners[chosen]).astype(np.float32)


def _radius_table(vertices: Array) -> Array:
    """Smoothed distance of the surface from the centre by direction."""
    rows, columns = _TABLE
    theta = np.linspace(0, np.pi, rows)[:, None]
    phi = np.arange(columns)[None] * (2 * np.pi / columns)
    grid = np.stack(
        (np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi, np.sin(theta) * np.cos(phi)), axis=-1
    ).reshape(-1, 3)
    arms = vertices - _CENTRE
    radius = np.linalg.norm(arms, axis=1)
    units = arms / radius[:, None]
    table = np.empty(len(grid), np.float32)
    for start in range(0, len(grid), 512):
        near = np.exp(((grid[start : start + 512] @ units.T) - 1) / 0.004)
        near *= np.exp(radius / 8.0)[None]  # the outermost layer counts
        table[start : start + 512] = (near @ radius) / np.maximum(near.sum(1), 1e-30)
    return np.maximum(table.reshape(rows, columns), 40.0)

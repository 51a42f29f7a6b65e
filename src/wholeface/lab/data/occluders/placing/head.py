"""Where a sample's head is in space: the frame in which hair, glasses and hats are built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....perceive import FACE_CLASSES, ParsingClass
from ...samples.sample import FaceSample
from ._splat_mesh import depth_of_mesh, fit_depth

__all__ = ["OUTSIDE", "HeadFrame", "HeadShape", "head_frame", "head_shape"]

Array = NDArray[np.float32]
_DISTANCE = 900.0  # mm from the camera where a photo does not say
_CENTRE = np.array([0.0, 40.0, 5.0], np.float32)  # of the skull, mm
_TABLE = (48, 96)
_DEPTH_EDGE = 144
OUTSIDE = np.array([95.0, 150.0, 132.0], np.float32)  # the bend of a frame grows no more beyond this box


def _where() -> NDArray[np.int8]:
    """(256,) by parsing class: 1 = there is no head, 2 = there is, 0 = cannot say."""
    table = np.zeros(256, np.int8)
    table[[ParsingClass.BACKGROUND, ParsingClass.CLOTH]] = 1
    table[[*FACE_CLASSES, ParsingClass.NECK, ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR]] = 2
    return table


_WHERE = _where()


@dataclass(frozen=True)
class HeadShape:
    """A head without expression: the mean, or one person's.

    Args:
        vertices: (V, 3) mm, of the mean head; see :meth:`moved_vertices`.
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

    def anchors(self) -> Array:
        """(P, 3) mm, the points by which a head is laid under an image: 68, then every fourth dense one."""
        return np.concatenate((self.landmarks_68, self.dense[::4]))

    def moved_vertices(self) -> Array:
        """(V, 3) mm, the mean's vertices moved in and out as the radius says."""
        mean = head_shape()
        if self.radius is mean.radius:
            return self.vertices
        cells, shares, outward = _vertex_cells()
        change = ((self.radius - mean.radius).ravel()[cells] * shares).sum(0)
        moved: Array = self.vertices + outward * change[:, None]
        return moved

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
        size: edge of the image.
        error: median distance in pixels between the dense points and where the frame puts them.
        shape: the head.
        depth: (S, S) mm, true depth of a rendering, or None.
        parsing: (S, S) the sample's map where it is known, or None.
    """

    rotation: Array
    translation: Array
    focal: float
    cx: float
    cy: float
    bend: Array
    size: int
    error: float
    shape: HeadShape
    depth: Array | None
    parsing: NDArray[np.uint8] | None

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
        """(E, E) float32 depth in mm of the head over the whole image; inf where there is none."""
        if self.depth is not None:
            return self.depth
        factor = _DEPTH_EDGE / self.size
        pixels, cam = self.project(self.shape.moved_vertices())
        pixels = ((pixels + 0.5) * factor - 0.5).astype(np.float32)
        coarse = depth_of_mesh(pixels, -cam[:, 2], self.shape.triangles, _DEPTH_EDGE)
        if self.parsing is None:
            return coarse
        fine = np.empty(self.parsing.shape, np.float32)
        middle = float(-(self.rotation @ _CENTRE + self.translation)[2])
        fit_depth(coarse, self.parsing, _WHERE, middle, fine)
        return fine


def _features(points: Array) -> Array:
    """(N, 7) smooth functions of the place on the head, bounded outside it."""
    scaled = np.clip(points, -OUTSIDE, OUTSIDE) * np.float32(0.01)
    result = np.empty((len(points), 7), np.float32)
    result[:, 0] = 1
    result[:, 1:4] = scaled
    result[:, 4:] = scaled[:, 1:2] * scaled
    return result


def head_frame(sample: FaceSample) -> HeadFrame | None:
    """The frame of a sample's head, or None where the points are no head at all.

    The truth of renderings is used where it fits the points; otherwise the mean head is laid under the points in
    scaled orthographic projection and given a camera at an arm's length.
    """
    truth = _frame_of_truth(sample)
    if truth is not None:
        model, seen, weight = _pairs(sample, truth.shape)
        frame = _bent(truth, model, seen, weight)
        if frame.error < 0.06 * max(float(np.ptp(seen, axis=0).max()), 1.0):
            return frame
    shape = head_shape()
    model, seen, weight = _pairs(sample, shape)
    if len(model) < 12:
        return None
    found = _scaled_orthographic(model, seen, weight)
    if found is None:
        return None
    rotation, scale, offset = found
    plain = HeadFrame(
        rotation=rotation,
        translation=np.array([0.0, 0.0, -_DISTANCE], np.float32) - rotation @ _CENTRE,
        focal=scale * _DISTANCE,
        cx=float(offset[0]),
        cy=float(offset[1]),
        bend=np.zeros((7, 2), np.float32),
        size=sample.size,
        error=0.0,
        shape=shape,
        depth=None,
        parsing=sample.parsing if "parsing" in sample.known else None,
    )
    frame = _bent(plain, model, seen, weight)
    extent = float(np.ptp(seen, axis=0).max())
    return frame if extent > 12 and frame.error < 0.12 * extent else None


def _pairs(sample: FaceSample, shape: HeadShape) -> tuple[Array, Array, Array]:
    """Points of the head (N, 3), where the sample shows them (N, 2), and weights (N,)."""
    model, seen = shape.landmarks_68, sample.landmarks_68
    if len(sample.dense) == len(shape.dense):
        model, seen = shape.anchors(), np.concatenate((seen, sample.dense[::4]))
    fine = np.isfinite(seen).all(1)
    # The jaw moves with the expression.
    return (
        model[fine],
        seen[fine].astype(np.float32),
        np.where(model[fine, 1] < -15, 0.2, 1.0).astype(np.float32),
    )


def _frame_of_truth(sample: FaceSample) -> HeadFrame | None:
    known = sample.parameters
    if not all(name in known for name in ("rotation", "translation", "focal", "cx", "cy")):
        return None
    focal, cx, cy = (float(np.ravel(known[name])[0]) for name in ("focal", "cx", "cy"))
    return HeadFrame(
        rotation=_rotation(known["rotation"]),
        translation=np.asarray(known["translation"], np.float32).reshape(3),
        focal=focal,
        cx=cx,
        cy=cy,
        bend=np.zeros((7, 2), np.float32),
        size=sample.size,
        error=0.0,
        shape=_person(known["identity"]) if "identity" in known else head_shape(),
        depth=sample.depth,
        parsing=sample.parsing if "parsing" in sample.known else None,
    )


def _rotation(axis_angle: NDArray[Any]) -> Array:
    """(3, 3) by Rodrigues' formula."""
    vector = np.asarray(axis_angle, np.float64).reshape(3)
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).astype(np.float32)


def _bent(frame: HeadFrame, model: Array, seen: Array, weight: Array) -> HeadFrame:
    """The same frame with the ridge-regressed bend that brings the head's points to the seen ones."""
    rest = seen - frame._pinhole(frame.camera(model))
    features = _features(model)
    weighted = features * weight[:, None]
    ridge = np.diag(np.array([1e-3, 0.02, 0.02, 0.02, 0.1, 0.1, 0.1])) * float(weight.sum())
    bend = np.linalg.solve(features.T @ weighted + ridge, weighted.T @ rest)
    error = float(np.median(np.linalg.norm(rest - features @ bend, axis=1)))
    return replace(frame, bend=bend.astype(np.float32), error=error)


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


_FIRST_MODES = 80  # of samples that know the model's first modes alone


def _person(identity: NDArray[Any]) -> HeadShape:
    """The head with these identity coefficients; its ``vertices`` stay those of the mean."""
    return _cached_person(np.asarray(identity, np.float32).tobytes())


@lru_cache(maxsize=8)  # several layers are made for one person
def _cached_person(identity: bytes) -> HeadShape:
    mean, basis = head_shape(), _identity_basis()
    weights = np.frombuffer(identity, np.float32)
    if len(weights) not in (len(basis), _FIRST_MODES):
        return mean
    moved = weights @ basis[: len(weights)]
    points = 3 * len(mean.dense)
    radius = np.maximum(mean.radius + moved[points + 204 :].reshape(mean.radius.shape), 40.0)
    shape = replace(
        mean,
        dense=mean.dense + moved[:points].reshape(-1, 3),
        landmarks_68=mean.landmarks_68 + moved[points : points + 204].reshape(-1, 3),
        radius=radius,
    )
    arms = mean.scalp - mean.centre
    lengths = np.linalg.norm(arms, axis=1, keepdims=True)
    units = arms / lengths
    grown = lengths[:, 0] + shape.surface(units) - _scalp_radius()
    return replace(shape, scalp=mean.centre + units * grown[:, None])


@lru_cache(maxsize=1)
def _vertex_cells() -> tuple[NDArray[np.int64], Array, Array]:
    """For each vertex of the mean: four cells of the radius table (4, V), their shares, and its direction (V, 3)."""
    shape = head_shape()
    arms = shape.vertices - shape.centre
    units = arms / np.linalg.norm(arms, axis=1, keepdims=True)
    rows, columns = shape.radius.shape
    theta = np.arccos(np.clip(units[:, 1], -1, 1)) * ((rows - 1) / np.pi)
    phi = (np.arctan2(units[:, 0], units[:, 2]) / (2 * np.pi) % 1.0) * columns
    i, j = np.minimum(theta.astype(np.int64), rows - 2), phi.astype(np.int64) % columns
    a, b, k = theta - i, phi - np.floor(phi), (j + 1) % columns
    cells = np.stack((i * columns + j, i * columns + k, (i + 1) * columns + j, (i + 1) * columns + k))
    shares = np.stack(((1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b))
    return cells, shares.astype(np.float32), units.astype(np.float32)


@lru_cache(maxsize=1)
def _scalp_radius() -> Array:
    shape = head_shape()
    arms = shape.scalp - shape.centre
    return shape.surface(arms / np.linalg.norm(arms, axis=1, keepdims=True))


def _parts() -> tuple[Any, NDArray[np.bool_], NDArray[np.bool_]]:
    """The shipped model; which vertices lie inside the mouth; which make the smooth outer surface."""
    from .....morphable import load_model

    model = load_model("wholeface")
    inner = np.zeros(model.vertex_count, bool)
    for name in ("teeth", "inner_mouth"):
        inner |= model.regions[name].numpy()
    return model, inner, ~inner & ~model.regions["ears"].numpy() & ~model.regions["eyeballs"].numpy()


@lru_cache(maxsize=1)
def head_shape() -> HeadShape:
    """The mean of the shipped model."""
    from .....morphable import dense_embedding

    model, inner, smooth = _parts()
    vertices = model.mean.numpy().astype(np.float32)
    triangles = model.triangles.numpy().astype(np.int32)
    outer = triangles[~inner[triangles].all(1)]
    scalp = model.regions["scalp"].numpy()
    table, _ = _radius_table(vertices[smooth], None)
    return HeadShape(
        vertices,
        np.ascontiguousarray(outer),
        dense_embedding(model).points(model.mean, model.triangles).numpy().astype(np.float32),
        model.landmarks_68.points(model.mean, model.triangles).numpy().astype(np.float32),
        _spread(vertices, triangles[scalp[triangles].any(1)]),
        table,
        _CENTRE,
    )


@lru_cache(maxsize=1)
def _identity_basis() -> Array:
    """(K, 3·600 + 3·68 + T·P): how each coefficient moves dense points, landmarks and the radius table."""
    from .....morphable import dense_embedding

    model, _, smooth = _parts()
    offsets = model.identity
    dense = dense_embedding(model).points(offsets, model.triangles).numpy()
    landmarks = model.landmarks_68.points(offsets, model.triangles).numpy()
    _, table = _radius_table(model.mean.numpy()[smooth], offsets.numpy()[:, smooth])
    assert table is not None
    k = len(offsets)
    return np.concatenate((dense.reshape(k, -1), landmarks.reshape(k, -1), table), axis=1).astype(np.float32)


def _spread(vertices: Array, triangles: NDArray[Any], count: int = 6000) -> Array:
    """(count, 3) points evenly over the area of triangles, the same ones always."""
    corners = vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(triangles), count, p=area / area.sum())
    root, along = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack((1 - root, root * (1 - along), root * along), axis=1)
    return np.einsum("nk,nkc->nc", weights, corners[chosen]).astype(np.float32)


def _radius_table(vertices: Array, offsets: Array | None) -> tuple[Array, Array | None]:
    """Smoothed distance of the surface from the centre by direction, and how offsets (K, V, 3) change it."""
    rows, columns = _TABLE
    theta = np.linspace(0, np.pi, rows)[:, None]
    phi = np.arange(columns)[None] * (2 * np.pi / columns)
    grid = np.stack(
        (np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi, np.sin(theta) * np.cos(phi)), axis=-1
    ).reshape(-1, 3)
    arms = vertices - _CENTRE
    radius = np.linalg.norm(arms, axis=1)
    units = arms / radius[:, None]
    outward = None if offsets is None else np.einsum("kvc,vc->vk", offsets, units)
    table = np.empty(len(grid), np.float32)
    moves = None if offsets is None else np.empty((len(offsets), len(grid)), np.float32)
    for start in range(0, len(grid), 512):
        part = slice(start, start + 512)
        near = np.exp(
            ((grid[part] @ units.T) - 1) / 0.004 + (radius / 8.0)[None]
        )  # the outermost layer counts
        near /= np.maximum(near.sum(1, keepdims=True), 1e-30)
        table[part] = near @ radius
        if moves is not None:
            moves[:, part] = (near @ outward).T
    return np.maximum(table.reshape(rows, columns), 40.0), moves

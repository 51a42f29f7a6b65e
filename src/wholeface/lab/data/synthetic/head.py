"""What the synthetic faces need to know about the shipped head: labels, weights of regions, self-shadows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.smoothstep import smoothstep
from ....perceive.labels import ParsingClass

if TYPE_CHECKING:
    from ....morphable import MorphableModel

__all__ = ["REGIONS", "Head", "build_head"]

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_DIRECTIONS = 64
_TILE = 16
REGIONS = (
    "skin", "dry_skin", "lips", "brows", "beard", "moustache", "whiskers", "shadow", "cheeks",
    "iris", "pupil", "sclera", "teeth", "mouth", "scalp", "hairy_skin",
)  # fmt: skip
"""Columns of :attr:`Head.regions`: ``weights``, and ``dry_skin`` (less on the lips), ``whiskers`` (beard or
moustache), ``hairy_skin`` (skin of the scalp)."""
_PART_SKIN, _PART_MOUTH, _PART_EYE, _PART_TEETH = 0, 1, 2, 3


@dataclass(frozen=True)
class Head:
    """The model as plain arrays, and static facts about its surface.

    Args:
        mean: (3V,) float32 mm.
        identity: (K, 3V) float32.
        expression: (E, 3V) float32.
        names: of the expressions.
        triangles: (F, 3) int32, triangles with nothing but hidden inner parts included.
        uv: (U, 2) float32.
        uv_triangles: (F, 3) int32.
        classes: (V,) uint8, :class:`ParsingClass` of each vertex; ``buzzed_classes`` with hair on the scalp.
        parts: (F,) uint8, pieces of surface between which antialiasing looks for edges.
        in_face: (V,) uint8, 1 on the amodal face and on what lies inside its outline.
        face: (V,) bool, the region ``face``; ``face_index`` and ``neck_index`` its and the neck's vertices.
        weights: name -> (V,) float32 in [0, 1]: ``beard``, ``moustache``, ``lips``, ``shadow``, ``cheeks``,
            ``brows``, ``iris``, ``pupil``, ``sclera``, ``teeth``, ``mouth``, ``scalp``, ``skin``.
        eyes: two times (V,) bool, eyeball of the person's right and left.
        albedo_mean: (S, S, 3) float32, logarithm of linear light.
        albedo_basis: (tiles, 3, A, tt) int8 and ``albedo_scale`` (A, 3): tiles of t × t texels, by rows.
        albedo_size: s.
        tile_edge: t.
        tiles_of: tiles that each triangle touches, those of triangle f from ``tile_start[f]`` to
            ``tile_start[f + 1]``.
        regions: (V, R) float32, columns named by :data:`REGIONS`.
        surface: (V,) uint8, which highlight: 0 skin, 1 eyes and teeth, 2 lips.
        iris_mean: (3,) mean log albedo of the iris; ``face_mean``, ``neck_mean`` likewise.
        middle_modes: (A, 3) what each mode adds in the middle of the face; ``neck_modes`` likewise.
        directions: (D, 3) unit vectors, model space.
        sees: (2, D, V) uint8, 1 where nothing of the head hides the direction: mouth closed, mouth open.
        openness: (2, V) float32, cosine-weighted share of the hemisphere that is free.
        landmark_triangles: (68 + D,), with ``landmark_corners`` and barycentric ``landmark_weights`` (68 + D, 3):
            iBUG, then dense.
        mouth_open: index of ``jawOpen``.
    """

    mean: Floats
    identity: Floats
    expression: Floats
    names: tuple[str, ...]
    triangles: NDArray[np.int32]
    uv: Floats
    uv_triangles: NDArray[np.int32]
    classes: Bytes
    buzzed_classes: Bytes
    parts: Bytes
    in_face: Bytes
    face: NDArray[np.bool_]
    face_index: NDArray[np.int64]
    neck_index: NDArray[np.int64]
    weights: dict[str, Floats]
    eyes: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    albedo_mean: Floats
    albedo_basis: NDArray[np.int8]
    albedo_scale: Floats
    albedo_size: int
    tile_edge: int
    tiles_of: NDArray[np.int32]
    tile_start: NDArray[np.int32]
    regions: Floats
    surface: Bytes
    iris_mean: Floats
    face_mean: Floats
    neck_mean: Floats
    middle_modes: Floats
    neck_modes: Floats
    directions: Floats
    sees: Bytes
    openness: Floats
    landmark_triangles: NDArray[np.int64]
    landmark_corners: NDArray[np.int64]
    landmark_weights: Floats
    mouth_open: int

    @property
    def count(self) -> int:
        """Number of vertices."""
        return len(self.mean) // 3


@lru_cache(maxsize=2)
def _shipped_head() -> Head:
    from ....morphable import load_model

    return _build(load_model("wholeface"))


def build_head(model: MorphableModel | None) -> Head:
    """The arrays of a model (None: the shipped one, built once per process).

    Raises:
        UsageError: a model without the shipped head's mesh, regions or albedo.
    """
    return _shipped_head() if model is None else _build(model)


def _build(model: MorphableModel) -> Head:
    from ....morphable import dense_embedding

    dense = dense_embedding(model)
    albedo, ibug = model.albedo, model.landmarks_68
    if albedo is None or albedo.mean_texture is None or albedo.basis_texture is None or albedo.space != "log":
        raise UsageError(f"synthetic faces need a model with log albedo in UV space; {model.name!r} has none")
    if ibug is None or model.uv is None or model.uv_triangles is None:
        raise UsageError(f"synthetic faces need landmarks and UV; {model.name!r} lacks them")
    points = model.mean.numpy().astype(np.float32)
    region = {name: mask.numpy() for name, mask in model.regions.items()}
    extra = {name: model.extras[name].numpy() for name in ("iris", "pupil", "tongue", "gums")}
    triangles = model.triangles.numpy().astype(np.int32)
    anchors = ibug.points(model.mean, model.triangles).numpy()
    classes = _classes(points, region, anchors)
    basis = albedo.basis_texture.numpy()  # (A, 3, s, s)
    s = basis.shape[-1]
    scale = np.abs(basis).max(axis=(2, 3)) / 127 + 1e-12
    packed = np.rint(basis / scale[:, :, None, None]).astype(np.int8)
    directions = _sphere(_DIRECTIONS)
    closed = model.vertices()
    opened = model.vertices(None, model.expression_vector({"jawOpen": 0.6}))
    sees, openness = zip(*(_self_shadows(v, model.triangles, directions) for v in (closed, opened)))
    mask = region["face"] | region["inner_mouth"] | region["teeth"] | region["eyeballs"]
    mask |= (region["lids"] | region["nose"]) & ~region["ears"]
    part = np.full(len(points), _PART_SKIN, np.uint8)
    part[region["inner_mouth"]] = _PART_MOUTH
    part[region["teeth"]] = _PART_TEETH
    part[region["eyeballs"]] = _PART_EYE
    vertex_albedo = albedo.mean.numpy()
    marks = np.concatenate([ibug.triangle.numpy(), dense.triangle.numpy()])
    weights = _region_weights(points, region, extra, anchors)
    regions, surface = _features(weights)
    uv, uv_triangles = model.uv.numpy().astype(np.float32), model.uv_triangles.numpy().astype(np.int32)
    edge = _TILE if basis.shape[-1] % _TILE == 0 else basis.shape[-1]
    tiles_of, tile_start = _tiles(uv, uv_triangles, basis.shape[-1], edge)
    across = basis.shape[-1] // edge
    packed = packed.reshape(len(packed), 3, across, edge, across, edge).transpose(2, 4, 1, 0, 3, 5)
    return Head(
        mean=points.reshape(-1),
        identity=np.ascontiguousarray(model.identity.flatten(1).numpy().astype(np.float32)),
        expression=np.ascontiguousarray(model.expression.flatten(1).numpy().astype(np.float32)),
        names=model.expression_names,
        triangles=triangles,
        uv=uv,
        uv_triangles=uv_triangles,
        classes=classes,
        buzzed_classes=np.where(
            (weights["scalp"] > 0.5) & ~region["face"], np.uint8(ParsingClass.HAIR), classes
        ),
        parts=part[triangles].max(axis=1),
        in_face=mask.astype(np.uint8),
        face=region["face"],
        face_index=np.flatnonzero(region["face"]),
        neck_index=np.flatnonzero(classes == ParsingClass.NECK),
        weights=weights,
        eyes=(region["eyeballs"] & (points[:, 0] < 0), region["eyeballs"] & (points[:, 0] > 0)),
        albedo_mean=np.ascontiguousarray(albedo.mean_texture.permute(1, 2, 0).numpy().astype(np.float32)),
        albedo_basis=np.ascontiguousarray(packed.reshape(across * across, 3, -1, edge * edge)),
        albedo_scale=scale.astype(np.float32),
        albedo_size=basis.shape[-1],
        tile_edge=edge,
        tiles_of=tiles_of,
        tile_start=tile_start,
        regions=regions,
        surface=surface,
        iris_mean=vertex_albedo[extra["iris"] & ~extra["pupil"]].mean(axis=0).astype(np.float32),
        face_mean=vertex_albedo[region["face"]].mean(axis=0).astype(np.float32),
        neck_mean=vertex_albedo[region["neck"]].mean(axis=0).astype(np.float32),
        middle_modes=_mode_means(basis, slice(s // 4, s * 3 // 5), slice(s * 35 // 100, s * 65 // 100)),
        neck_modes=_mode_means(
            basis, slice(int(0.82 * s), int(0.82 * s) + 1), slice(s * 25 // 64, s * 39 // 64)
        ),
        directions=directions,
        sees=np.stack(sees).astype(np.uint8),
        openness=np.stack(openness),
        landmark_triangles=marks,
        landmark_corners=triangles[marks].astype(np.int64),
        landmark_weights=np.concatenate([ibug.barycentric.numpy(), dense.barycentric.numpy()]).astype(
            np.float32
        ),
        mouth_open=model.expression_names.index("jawOpen"),
    )


def _classes(points: Floats, region: dict[str, NDArray[np.bool_]], anchors: Floats) -> Bytes:
    """(V,) parsing class of each vertex."""
    own_left = points[:, 0] > 0
    classes = np.full(len(points), ParsingClass.SKIN, np.uint8)
    classes[region["neck"]] = ParsingClass.NECK
    classes[region["nose"]] = ParsingClass.NOSE
    # The seam between the lips: through the corners and the middles of the inner pairs
    seam = anchors[[60, 61, 62, 63, 64]].copy()
    for k, (upper, lower) in enumerate(((61, 67), (62, 66), (63, 65))):
        seam[k + 1] = (anchors[upper] + anchors[lower]) / 2
    upper_lip = points[:, 1] > np.interp(points[:, 0], seam[:, 0], seam[:, 1])
    classes[region["lips"] & upper_lip] = ParsingClass.UPPER_LIP
    classes[region["lips"] & ~upper_lip] = ParsingClass.LOWER_LIP
    for name, right, left in (
        ("ears", ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR),
        ("brows", ParsingClass.LEFT_BROW, ParsingClass.RIGHT_BROW),
        ("eyeballs", ParsingClass.LEFT_EYE, ParsingClass.RIGHT_EYE),
    ):
        classes[region[name] & ~own_left] = right
        classes[region[name] & own_left] = left
    inner_lids = region["lids"] & ~region["skin"]
    classes[inner_lids & ~own_left] = ParsingClass.LEFT_EYE
    classes[inner_lids & own_left] = ParsingClass.RIGHT_EYE
    classes[region["inner_mouth"] | region["teeth"]] = ParsingClass.INNER_MOUTH
    return classes


def _region_weights(
    points: Floats,
    region: dict[str, NDArray[np.bool_]],
    extra: dict[str, NDArray[np.bool_]],
    anchors: Floats,
) -> dict[str, Floats]:
    """Soft weights on the mean head of what make-up, hair and colour may change."""
    x, y, z = points.T
    skin = region["skin"].astype(np.float32)
    lips = region["lips"].astype(np.float32)
    nose_y, mouth_y, chin_y = anchors[33, 1], anchors[[48, 54], 1].mean(), anchors[8, 1]
    corner_x = abs(anchors[54, 0])
    out_of_mouth = np.hypot(x / corner_x, (y - mouth_y) / 22)
    jaw = smoothstep(-(mouth_y + 6), -(mouth_y - 14), -y) * smoothstep(-85, -72, -np.abs(x) * 1.0)
    sideburn = smoothstep(52, 62, np.abs(x)) * smoothstep(-36, -10, -y) * smoothstep(5, 25, z)
    chin = smoothstep(chin_y - 26, chin_y - 2, y) * smoothstep(0, 25, z)
    beard = np.maximum(jaw, sideburn) * chin * smoothstep(0.95, 1.25, out_of_mouth)
    moustache = (
        np.exp(-(((y - (nose_y + anchors[51, 1]) / 2) / 7.0) ** 2))
        * smoothstep(-corner_x - 6, -corner_x + 8, -np.abs(x))
        * (y < nose_y + 1)
        * (z > 70)
    )
    lids_above = np.zeros(len(points), np.float32)
    cheeks = np.zeros(len(points), np.float32)
    for sign, eye, in_cheek in ((-1, (36, 39), 1), (1, (42, 45), 15)):
        middle = (anchors[eye[0]] + anchors[eye[1]]) / 2
        lids_above += np.exp(-(((x - middle[0]) / 17) ** 2) - ((y - middle[1] - 8) / 7) ** 2) * smoothstep(
            60, 75, z
        )
        target = np.array([sign * 42.0, (anchors[in_cheek, 1] + anchors[33, 1]) / 2 + 6])
        cheeks += np.exp(-(((x - target[0]) / 18) ** 2) - ((y - target[1]) / 15) ** 2) * smoothstep(40, 60, z)
    gentle = skin * (1 - lips) * (1 - region["brows"])
    return {
        "skin": skin,
        "lips": lips,
        "brows": region["brows"].astype(np.float32),
        "beard": (beard * gentle * (1 - region["ears"])).astype(np.float32),
        "moustache": (moustache * gentle * (1 - region["nose"])).astype(np.float32),
        "shadow": (lids_above * gentle).astype(np.float32),
        "cheeks": (cheeks * gentle).astype(np.float32),
        "iris": (extra["iris"] & ~extra["pupil"]).astype(np.float32),
        "pupil": extra["pupil"].astype(np.float32),
        "sclera": (region["eyeballs"] & ~extra["iris"] & ~extra["pupil"]).astype(np.float32),
        "teeth": region["teeth"].astype(np.float32),
        "mouth": region["inner_mouth"].astype(np.float32),
        "scalp": (region["scalp"] & ~region["ears"]).astype(np.float32),
    }


def _features(weights: dict[str, Floats]) -> tuple[Floats, Bytes]:
    """Weights as columns (V, R), products among them; and the kind of highlight (V,)."""
    skin, scalp = weights["skin"], weights["scalp"]
    more = {
        "dry_skin": skin * (1 - np.float32(0.6) * weights["lips"]),
        "whiskers": np.maximum(weights["beard"], weights["moustache"]),
        "hairy_skin": skin * scalp * (scalp > 0.5),
    }
    surface = np.zeros(len(skin), np.uint8)
    surface[sum(weights[name] for name in ("sclera", "iris", "pupil", "teeth")) > 0] = 1
    surface[weights["lips"] > 0] = 2
    both = {**weights, **more}
    return np.ascontiguousarray(np.stack([both[name] for name in REGIONS], axis=1), np.float32), surface


def _mode_means(basis: Floats, rows: slice, columns: slice) -> Floats:
    """(A, 3) mean of the modes (A, 3, s, s) over a part of the texture."""
    return np.ascontiguousarray(basis[:, :, rows, columns].mean((2, 3)), np.float32)


def _tiles(
    uv: Floats, uv_triangles: NDArray[np.int32], size: int, edge: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Tiles (edge × edge texels of size × size) that bilinear samples in each triangle touch, and where its begin."""
    place = np.stack([uv[:, 0] * size - 0.5, (1 - uv[:, 1]) * size - 0.5], axis=1)[uv_triangles]  # (F, 3, 2)
    low = np.clip(np.floor(place.min(1)), 0, size - 1).astype(np.int64) // edge
    high = np.clip(np.floor(place.max(1)) + 1, 0, size - 1).astype(np.int64) // edge
    found: list[int] = []
    start = [0]
    for (x0, y0), (x1, y1) in zip(low, high):
        for row in range(y0, y1 + 1):
            found.extend(row * (size // edge) + column for column in range(x0, x1 + 1))
        start.append(len(found))
    return np.array(found, np.int32), np.array(start, np.int32)


def _sphere(count: int) -> Floats:
    """(count, 3) unit vectors, evenly spread (Fibonacci)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1).astype(np.float32)


def _self_shadows(vertices: object, triangles: object, directions: Floats) -> tuple[Floats, Floats]:
    """(D, V) which directions each vertex sees, and (V,) the free share of its hemisphere."""
    import torch

    from ....render import Camera, rasterize, to_camera, vertex_normals, visible_points

    assert isinstance(vertices, torch.Tensor)
    assert isinstance(triangles, torch.Tensor)
    distance, size = 5000.0, 224
    camera = Camera(size * distance / 330.0, (size - 1) / 2, (size - 1) / 2, size, size)
    centred = vertices - (vertices.amin(0) + vertices.amax(0)) / 2
    normals = vertex_normals(vertices, triangles).numpy()
    sees = np.ones((len(directions), len(vertices)), np.float32)
    for d, direction in enumerate(directions):
        up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
        right = np.cross(up, direction)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(direction, right), direction]).astype(np.float32)
        points = to_camera(centred, torch.from_numpy(rotation), torch.tensor([0.0, 0.0, -distance]))
        fragments = rasterize(points, triangles, camera)
        sees[d] = visible_points(points, fragments, camera, tolerance=2.5)[0].numpy()
    cosine = np.maximum(normals @ directions.T, 0).T  # (D, V)
    free = (cosine * sees).sum(0) / np.maximum(cosine.sum(0), 1e-6)
    sees[cosine <= 0.02] = 1.0
    return sees, free.astype(np.float32)

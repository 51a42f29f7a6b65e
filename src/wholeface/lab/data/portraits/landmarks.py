"""Where points and surface of the head lie in a portrait: the teacher's points, less its habits, on our mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....morphable import Embedding, MorphableModel, Parameters, dense_embedding
from ....render import Camera, rotation_matrix, to_camera, vertex_normals

if TYPE_CHECKING:
    from ....perceive import LandmarkDetector
    from ....stages.shape import LandmarkFit

__all__ = ["PortraitGeometry", "Surface478", "fitted_head", "make_surface", "place_head", "teacher_offset"]

Array = NDArray[Any]

_OPEN = 0.8  # the jaw is opened while lips are told apart
_LENGTHS = ((28.0, 3.0), (7.0, 2.2))  # mm: length and standard deviation of what the fit leaves
_NOISE, _NOISE_OUTER = 0.7, 3.0  # mm: of the teacher on eyes, brows, nose and lips, and towards the outline
_OUTER = (
    45.0,
    75.0,
)  # mm from the middle of the eyes and mouth: where the outline's noise begins and is reached
_DEPTH_SIZE, _DEPTH_TOLERANCE = 480, 2.0  # pixels, mm: of the test which points the head itself hides
_SIZE = 0.8  # spread of the albedo of the heads on which the teacher's habits are measured


@dataclass(frozen=True)
class Surface478:
    """What carries the teacher's 478 points to the whole mesh.

    Args:
        model: the shipped model.
        warp: (V + 600 + 68, 478) float32, from residuals of the 478 points to vertices, dense and 68 points.
        offset: (478, 2) the teacher's mean offset from the mesh's points, along the face's own x (image right) and y
            (down), over the outer-eye distance.
    """

    model: MorphableModel
    warp: NDArray[np.float32]
    offset: NDArray[np.float64]


@dataclass(frozen=True)
class PortraitGeometry:
    """The head in one portrait, photo pixels.

    Args:
        vertices: (V, 3) float32 camera space, moved so that they project to where the portrait shows them.
        normals: (V, 3) float32 camera space.
        camera: of the photo.
        rotation: (3,) axis-angle.
        translation: (3,) mm.
        landmarks_68: (68, 2) float32.
        facing_68: (68,) bool.
        dense: (600, 2) float32.
        facing_dense: (600,) bool.
        residual: (478,) distance of the fitted model's points from the teacher's, over the outer-eye distance.
        corrected: (478,) the same between the moved points and the teacher's.
    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    camera: Camera
    rotation: NDArray[np.float32]
    translation: NDArray[np.float32]
    landmarks_68: NDArray[np.float32]
    facing_68: NDArray[np.bool_]
    dense: NDArray[np.float32]
    facing_dense: NDArray[np.bool_]
    residual: NDArray[np.float32]
    corrected: NDArray[np.float32]


def make_surface(model: MorphableModel, offset: Array | None = None) -> Surface478:
    r"""Gaussian-process regression from the 478 points to the mesh.

    .. math:: d = K_{vl} (K_{ll} + \Sigma)^{-1} r

    with Gaussian kernels of two lengths on the mean face with its mouth opened, so that the lips move apart.

    Args:
        model: the shipped model.
        offset: (478, 2), see :class:`Surface478`; None for none.
    """
    assert model.landmarks_478 is not None
    assert model.landmarks_68 is not None
    jaw = {name: _OPEN for name in model.expression_names if name == "jawOpen"}
    vertices = model.vertices(None, model.expression_vector(jaw)).double()
    known = model.landmarks_478.points(vertices, model.triangles).numpy()
    wanted = np.concatenate(
        [vertices.numpy()]
        + [e.points(vertices, model.triangles).numpy() for e in (dense_embedding(model), model.landmarks_68)]
    )
    inner = known[[33, 263, 61, 291]].mean(0)
    away = np.linalg.norm((known - inner)[:, :2], axis=1)
    outer = np.clip((away - _OUTER[0]) / (_OUTER[1] - _OUTER[0]), 0, 1)
    noise = _NOISE + (_NOISE_OUTER - _NOISE) * outer
    inverse = np.linalg.inv(_kernel(known, known) + np.diag(noise**2))
    warp = (_kernel(wanted, known) @ inverse).astype(np.float32)
    return Surface478(model, warp, np.zeros((478, 2)) if offset is None else offset)


def _kernel(a: Array, b: Array) -> Array:
    squared = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)
    return np.asarray(sum(s**2 * np.exp(-0.5 * squared / length**2) for length, s in _LENGTHS))


def place_head(surface: Surface478, points: Array, width: int, height: int) -> PortraitGeometry:
    """Fit the model to the teacher's points of a clean portrait, and move it to where they lie.

    The fit gives pose, depth and what the teacher does not mark; the teacher, less its mean offset, gives eyes,
    brows, nose and lips, where it is nearer to the truth than the fit; towards the outline both count.

    Args:
        surface: from :func:`make_surface`.
        points: (478, 2) photo pixels.
        width: of the photo.
        height: of the photo.

    Raises:
        UsageError: the points cannot be fitted.
    """
    model = surface.model
    assert model.landmarks_68 is not None
    fit, vertices, pixels = fitted_head(surface, points, width, height)
    p, camera = fit.parameters, fit.camera
    embeddings = (dense_embedding(model), model.landmarks_68)
    count = model.vertex_count
    plain = pixels[count : count + 478]
    axes, scale = _face_axes(p, pixels[count + 600 :])
    residual = points - scale * surface.offset @ axes - plain
    moved = (pixels + surface.warp @ residual).astype(np.float32)
    placed = camera.unproject(torch.from_numpy(moved[:count]), -vertices[:, 2])
    normals = vertex_normals(placed, model.triangles)
    dense, marks = moved[count : count + 600], moved[count + 600 :]
    facing_dense, facing_68 = (_self_visible(placed, normals, model, e, camera) for e in embeddings)
    return PortraitGeometry(
        vertices=placed.numpy(),
        normals=normals.numpy(),
        camera=camera,
        rotation=p.rotation.numpy(),
        translation=p.translation.numpy(),
        landmarks_68=marks,
        facing_68=facing_68,
        dense=dense,
        facing_dense=facing_dense,
        residual=(np.linalg.norm(points - plain, axis=1) / scale).astype(np.float32),
        corrected=(np.linalg.norm(points - dense[:478], axis=1) / scale).astype(np.float32),
    )


def fitted_head(
    surface: Surface478, points: Array, width: int, height: int
) -> tuple[LandmarkFit, torch.Tensor, NDArray[np.float64]]:
    """The fit to the teacher's points alone.

    Returns:
        The fit; vertices (V, 3) in camera space; pixels (V + 600 + 68, 2) of vertices, dense and 68 points.
    """
    from ....perceive import FaceLandmarks
    from ....stages.shape import fit_landmarks

    model = surface.model
    assert model.landmarks_68 is not None
    fit = fit_landmarks(
        model, FaceLandmarks.from_points(points, "mediapipe478"), width, height, occluded=np.zeros(478)
    )
    p = fit.parameters
    vertices = to_camera(model.vertices(p.identity, p.expression), p.rotation, p.translation)
    embeddings = (dense_embedding(model), model.landmarks_68)
    places = [vertices] + [e.points(vertices, model.triangles) for e in embeddings]
    return fit, vertices, fit.camera.project(torch.cat(places)).double().numpy()


def teacher_offset(
    model: MorphableModel,
    detector: LandmarkDetector,
    portraits: Sequence[tuple[NDArray[np.uint8], Array]],
    seed: int = 0,
) -> NDArray[np.float64]:
    """How far the teacher puts its points from ours on average, measured where the truth is known.

    Each portrait's fitted head is drawn over the portrait with random skin and light, at the portrait's resolution,
    and found by the detector. The median over the heads, mirror-symmetric, is the offset.

    Args:
        model: with albedo statistics.
        detector: the teacher.
        portraits: images (H, W, 3) uint8 and the teacher's points (478, 2).
        seed: of skin and light.

    Returns:
        (478, 2), see :class:`Surface478`.
    """
    from ....perceive.mediapipe.mirror import MIRROR_478

    plain = make_surface(model)
    rng = torch.Generator().manual_seed(seed)
    found = []
    for pixels, points in portraits:
        offset = _offset_on_rendering(plain, detector, pixels, points, rng)
        if offset is not None:
            found += [offset, offset[MIRROR_478] * np.array([-1.0, 1.0])]
    return np.asarray(np.median(found, axis=0)) if len(found) >= 10 else np.zeros((478, 2))


def _offset_on_rendering(
    surface: Surface478,
    detector: LandmarkDetector,
    pixels: NDArray[np.uint8],
    points: Array,
    rng: torch.Generator,
) -> Array | None:
    from PIL import Image

    from ....perceive import FaceLandmarks
    from ....render import ambient_light, render_parameters
    from ....stages.shape import fit_landmarks

    model = surface.model
    assert model.landmarks_478 is not None
    assert model.landmarks_68 is not None
    height, width = pixels.shape[:2]
    landmarks = FaceLandmarks.from_points(points, "mediapipe478")
    fit = fit_landmarks(model, landmarks, width, height, occluded=np.zeros(478))
    p = fit.parameters
    light = ambient_light() + 0.25 * torch.randn((9, 1), generator=rng)
    p = Parameters(
        identity=p.identity / 0.6,  # the fit's shrinkage undone: heads as diverse as subjects
        expression=p.expression,
        albedo=_SIZE * torch.randn(model.albedo_size, generator=rng),
        light=light,
        rotation=p.rotation,
        translation=p.translation,
    )
    camera = fit.camera.scaled(2)
    drawn = render_parameters(model, p, camera)
    rgb = (255 * drawn.image[0].permute(1, 2, 0).clamp(0, 1) ** (1 / 2.2)).byte().numpy()
    behind = np.asarray(Image.fromarray(pixels).resize((camera.width, camera.height)))
    mask = drawn.mask.reshape(camera.height, camera.width, 1).numpy()
    image = Image.fromarray(np.where(mask, rgb, behind)).resize((width, height), Image.Resampling.BOX)
    faces = detector.detect(np.asarray(image))
    if not faces:
        return None
    vertices = to_camera(model.vertices(p.identity, p.expression), p.rotation, p.translation)
    truth = fit.camera.project(model.landmarks_478.points(vertices, model.triangles)).double().numpy()
    marks = fit.camera.project(model.landmarks_68.points(vertices, model.triangles)).double().numpy()
    axes, scale = _face_axes(p, marks)
    offset: Array = (faces[0].points - truth) @ axes.T / scale
    return offset if float(np.median(np.linalg.norm(offset, axis=1))) < 0.1 else None


def _face_axes(p: Parameters, marks: Array) -> tuple[Array, float]:
    """Rows: the face's own x and (downward) y axis in the image; and the outer-eye distance in pixels."""
    across = rotation_matrix(p.rotation).double().numpy()[:2, 0] * np.array([1.0, -1.0])
    across = across / np.linalg.norm(across)
    return np.stack([across, [-across[1], across[0]]]), float(np.linalg.norm(marks[36] - marks[45]))


def _self_visible(
    vertices: torch.Tensor, normals: torch.Tensor, model: MorphableModel, embedding: Embedding, camera: Camera
) -> NDArray[np.bool_]:
    """Points whose surface is turned to the camera and not hidden by the head itself."""
    from ....render import rasterize, visible_points

    # As in the synthetic faces: turned to the camera, and not behind the mesh.
    at = embedding.points(vertices, model.triangles)
    normal = embedding.points(normals, model.triangles)
    turned = -(normal * at).sum(1) > 0
    enlarged = camera.scaled(_DEPTH_SIZE / max(camera.width, camera.height))
    fragments = rasterize(vertices, model.triangles, enlarged)
    free = visible_points(at, fragments, enlarged, tolerance=_DEPTH_TOLERANCE)[0]
    pixel = enlarged.project(at)
    last = pixel.new_tensor([enlarged.width - 0.5, enlarged.height - 0.5])
    outside = ((pixel < -0.5) | (pixel > last)).any(1)
    return np.asarray((turned & (free | outside)).numpy())

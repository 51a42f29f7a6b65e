"""Random photo-like renderings of a head whose parameters are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import UsageError
from ....core.srgb_torch import linear_to_srgb
from ....morphable.model import MorphableModel
from ....render import (
    Camera,
    Fragments,
    ambient_light,
    directional_light,
    interpolate,
    rasterize,
    rotation_from_degrees,
    rotation_matrix,
    shade,
    to_camera,
    vertex_normals,
)
from .occluders import Occlusion, draw_occluder
from .paint import paint

Array = NDArray[np.float64]

_SUPERSAMPLING = 2


@dataclass(frozen=True)
class ViewSettings:
    """How the views vary.

    Args:
        size: image edge in pixels.
        yaw: standard deviation in degrees, cut at ±45.
        pitch: standard deviation in degrees, cut at ±28.
        roll: standard deviation in degrees.
        identity: standard deviation of the identity coefficients.
        neutral: share of faces without expression.
        occluded: share of faces behind an occluder.
        jaw: range of the weight of ``jawOpen``, whatever else the face does; None = as the expression has it.
    """

    size: int = 288
    yaw: float = 20.0
    pitch: float = 10.0
    roll: float = 8.0
    identity: float = 1.0
    neutral: float = 0.3
    occluded: float = 0.0
    jaw: tuple[float, float] | None = None


@dataclass(frozen=True)
class View:
    """One rendering and its truth.

    Args:
        pixels: (size, size, 3) uint8 sRGB.
        identity: (K,).
        expression: (E,).
        rotation: (3,) axis-angle, radians.
        translation: (3,) mm.
        camera: of the image.
        fragments: of the image at its own size.
        occlusion: what was drawn in front, or None.
        yaw: degrees.
    """

    pixels: NDArray[np.uint8]
    identity: Tensor
    expression: Tensor
    rotation: Tensor
    translation: Tensor
    camera: Camera
    fragments: Fragments
    occlusion: Occlusion | None
    yaw: float

    def to_camera(self, vertices: Tensor) -> Tensor:
        """(V, 3) camera space."""
        return to_camera(vertices, self.rotation, self.translation)


def random_view(model: MorphableModel, rng: np.random.Generator, settings: ViewSettings) -> View:
    """One random person in a random pose, expression, light and camera."""
    like = model.mean
    identity = like.new_tensor(settings.identity * rng.normal(size=model.identity_size))
    expression = random_expression(model, rng, settings.neutral)
    if settings.jaw is not None:
        expression[model.expression_names.index("jawOpen")] = float(rng.uniform(*settings.jaw))
    yaw = float(np.clip(rng.normal(0, settings.yaw), -45, 45))
    pitch = float(np.clip(rng.normal(0, settings.pitch), -28, 28))
    colours = like.new_tensor(paint(model, rng))
    vertices = model.vertices(identity, expression)
    rotation, translation, camera = random_camera(vertices, model, rng, settings, yaw, pitch)
    pixels, fragments = render_head(vertices, model.triangles, colours, rotation, translation, camera, rng)
    occlusion = None
    if rng.random() < settings.occluded and model.landmarks_68 is not None:
        anchors = camera.project(
            to_camera(model.landmarks_68.points(vertices, model.triangles), rotation, translation)
        )
        occlusion = draw_occluder(pixels, anchors.double().numpy(), rng)
        pixels = occlusion.pixels
    return View(pixels, identity, expression, rotation, translation, camera, fragments, occlusion, yaw)


def random_camera(
    vertices: Tensor,
    model: MorphableModel,
    rng: np.random.Generator,
    settings: ViewSettings,
    yaw: float,
    pitch: float,
) -> tuple[Tensor, Tensor, Camera]:
    """Axis-angle, translation and camera that show the face at about half the image's size."""
    size = settings.size
    rotation = rotation_from_degrees(yaw, pitch, float(rng.normal(0, settings.roll))).to(vertices)
    distance = float(np.exp(rng.normal(np.log(900.0), 0.5)).clip(350, 3500))
    face = vertices[model.regions["face"]] if "face" in model.regions else vertices
    middle = rotation_matrix(rotation) @ (face.amin(0) + face.amax(0)) / 2
    extent = float((face.amax(0) - face.amin(0)).max())
    focal = size * rng.uniform(0.5, 0.62) * distance / extent
    shift = rng.uniform(-0.06, 0.06, 2) * size * distance / focal
    target = vertices.new_tensor([shift[0], shift[1], -distance])
    camera = Camera(focal, (size - 1) / 2, (size - 1) / 2, size, size)
    return rotation, target - middle, camera


def random_expression(model: MorphableModel, rng: np.random.Generator, neutral: float) -> Tensor:
    """(E,) weights as faces in photos show them: often neutral, smiling or talking, rarely anything else."""
    weights: dict[str, float] = {}

    def both(name: str, value: float) -> None:
        for side in ("_L", "_R"):
            weights[name + side] = float(np.clip(value * rng.normal(1.0, 0.1), 0.0, 1.0))

    if rng.random() > neutral:
        kind = rng.random()
        if kind < 0.45:
            smile = rng.uniform(0.15, 0.95)
            both("mouthSmile", smile)
            both("cheekSquint", smile * rng.uniform(0.2, 0.7))
            both("eyeSquint", smile * rng.uniform(0.0, 0.5))
            weights["jawOpen"] = float(rng.uniform(0, 0.25))
            both("mouthUpperUp", smile * rng.uniform(0.0, 0.4))
        elif kind < 0.75:
            weights["jawOpen"] = float(rng.uniform(0.05, 0.6))
            weights["mouthFunnel"] = float(max(0.0, rng.normal(0, 0.25)))
            both("mouthLowerDown", max(0.0, rng.normal(0, 0.25)))
        else:
            for _ in range(int(rng.integers(1, 4))):
                weights[model.expression_names[int(rng.integers(model.expression_size))]] = float(
                    rng.uniform(0, 0.6)
                )
        if rng.random() < 0.25:
            both(str(rng.choice(["browDown", "browOuterUp"])), rng.uniform(0.1, 0.8))
        if rng.random() < 0.2:
            weights["browInnerUp_L"] = weights["browInnerUp_R"] = float(rng.uniform(0.1, 0.8))
        if rng.random() < 0.15:
            both("eyeBlink", rng.uniform(0.2, 1.0))
    if rng.random() < 0.5:
        sideways = float(rng.normal(0, 0.25))
        left, right = ("Out", "In") if sideways > 0 else ("In", "Out")
        weights[f"eyeLook{left}_L"] = weights[f"eyeLook{right}_R"] = abs(sideways)
        vertical = float(rng.normal(0, 0.2))
        both("eyeLookUp" if vertical > 0 else "eyeLookDown", abs(vertical))
    known = {name: value for name, value in weights.items() if name in model.expression_names}
    return model.expression_vector(known).clamp(0, 1)


def random_light(rng: np.random.Generator) -> Tensor:
    """(9, 3) ambient light with one or two lamps in front."""
    tint = 1 + 0.12 * rng.normal(size=3)
    light = ambient_light(float(rng.uniform(0.35, 0.8))) * torch.tensor(tint, dtype=torch.float32)
    for _ in range(int(rng.integers(1, 3))):
        direction = np.array([rng.normal(0, 0.8), rng.normal(0.5, 0.5), rng.uniform(0.3, 1.0)])
        level = rng.uniform(0.15, 0.9) * (1 + 0.12 * rng.normal(size=3))
        light = light + directional_light(tuple(direction), tuple(float(x) for x in level))
    return light


def render_head(
    vertices: Tensor,
    triangles: Tensor,
    colours: Tensor | None,
    rotation: Tensor,
    translation: Tensor,
    camera: Camera,
    rng: np.random.Generator,
    *,
    colour_at: Any = None,
) -> tuple[NDArray[np.uint8], Fragments]:
    """Antialiased image in random light before a random backdrop, with sensor noise; and its fragments.

    Args:
        colours: (V, 3) linear-light albedo, or None with ``colour_at``.
        colour_at: function from fragments to (1, H, W, 3) linear-light albedo.
    """
    points = to_camera(vertices, rotation, translation)
    big = camera.scaled(_SUPERSAMPLING)
    fine = rasterize(points, triangles, big)
    normals = torch.nn.functional.normalize(
        interpolate(vertex_normals(points, triangles), triangles, fine), dim=-1
    )
    if colour_at is not None:
        albedo = colour_at(fine)
    elif colours is not None:
        albedo = interpolate(colours, triangles, fine)
    else:
        raise UsageError("render_head needs colours or colour_at")
    shaded = shade(albedo, normals, random_light(rng).to(points)).clamp(0, 1)
    backdrop = _backdrop(big.width, rng).to(points)
    image = torch.where(fine.mask[..., None], shaded, backdrop)[0].permute(2, 0, 1)[None]
    image = torch.nn.functional.avg_pool2d(image, _SUPERSAMPLING)[0]
    blur = rng.uniform(0, 0.8)
    encoded = linear_to_srgb(image)
    if blur > 0.3:
        kernel = torch.exp(-0.5 * (torch.arange(-2, 3) / blur) ** 2).to(points)
        kernel = kernel / kernel.sum()
        for shape in ((1, 1, 5, 1), (1, 1, 1, 5)):
            pad = (0, 0, 2, 2) if shape[2] == 5 else (2, 2, 0, 0)
            padded = torch.nn.functional.pad(encoded[:, None], pad, mode="replicate")
            encoded = torch.nn.functional.conv2d(padded, kernel.view(shape))[:, 0]
    noisy = encoded.permute(1, 2, 0).double().numpy() * 255 + rng.normal(
        0, rng.uniform(0, 4), (camera.height, camera.width, 1)
    )
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8), rasterize(points, triangles, camera)


def _backdrop(size: int, rng: np.random.Generator) -> Tensor:
    """(size, size, 3) linear: a smooth random pattern."""
    coarse = torch.from_numpy(rng.uniform(0.0, 0.8, (1, 3, 5, 5)) ** 2).float()
    smooth = torch.nn.functional.interpolate(coarse, (40, 40), mode="bicubic", align_corners=True)
    smooth = torch.nn.functional.interpolate(smooth, (size, size), mode="bilinear", align_corners=True)
    return smooth[0].permute(1, 2, 0).clamp(0, 1)

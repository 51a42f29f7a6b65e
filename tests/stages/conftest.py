"""Face states on which stages can be tried without a photo of a face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from wholeface.morphable import MorphableModel, Parameters, linear_to_srgb
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.render import (
    Camera,
    ambient_light,
    directional_light,
    interpolate,
    rasterize,
    rotation_from_degrees,
    sh_basis,
    to_camera,
    vertex_normals,
)
from wholeface.stages import FaceState, Tools


@pytest.fixture
def tools(small_model: MorphableModel) -> Tools:
    return Tools(model=small_model)


@pytest.fixture
def face() -> Callable[..., FaceState]:
    """A state of a grey photo, with landmarks on a grid; ``face(number)``."""

    def make(number: int = 1) -> FaceState:
        photo = read_photo(np.full((60, 80, 3), 100 + number, np.uint8))
        points = np.stack(np.meshgrid(np.linspace(20, 60, 17), np.linspace(10, 50, 4)), -1).reshape(-1, 2)
        return FaceState(photo, FaceLandmarks.from_points(points, "ibug68"), face_number=number)

    return make


MAGENTA = (255, 0, 255)


@dataclass(frozen=True)
class Scene:
    """One rendered photo and everything that is true about it."""

    model: MorphableModel
    parameters: Parameters
    camera: Camera
    clean: np.ndarray  # (H, W, 3) uint8 without occluder
    photo: np.ndarray  # (H, W, 3) uint8
    mask: np.ndarray  # (H, W) float32
    albedo: np.ndarray  # (V, 3) linear

    @property
    def points(self) -> torch.Tensor:
        shape = self.model.vertices(self.parameters.identity, self.parameters.expression)
        return to_camera(shape, self.parameters.rotation, self.parameters.translation)


def _spot(
    albedo: torch.Tensor, mean: torch.Tensor, centre: tuple[float, float, float], factor: float
) -> None:
    direction = torch.nn.functional.normalize(mean, dim=1)
    centre_ = torch.nn.functional.normalize(torch.tensor(centre), dim=0)
    albedo *= 1 + (factor - 1) * torch.exp(-((direction - centre_) ** 2).sum(1) / (2 * 0.05**2))[:, None]


def make_scene(
    model: MorphableModel,
    *,
    yaw: float = 0.0,
    boxes: tuple[tuple[int, int, int, int], ...] = (),
    mole: bool = False,
    size: int = 360,
    lamp: tuple[float, float, float] = (0.5, 0.3, 0.9),
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0),
    grey: bool = False,
) -> Scene:
    """Boxes are (top, bottom, left, right) pixels of the occluder."""
    assert model.albedo is not None
    coefficients = torch.tensor([0.5, -0.3, 0.4, 0.2])
    light = 0.45 * ambient_light() + 0.5 * directional_light(lamp)
    light = light * torch.tensor(colour)
    parameters = Parameters(
        identity=torch.tensor([0.3, -0.5, 0.2, 0.1, 0.4, -0.2]),
        expression=torch.zeros(5),
        albedo=coefficients,
        light=light,
        rotation=rotation_from_degrees(yaw, 4.0, 2.0),
        translation=torch.tensor([3.0, -2.0, -900.0]),
    )
    camera = Camera.of_photo(size, size, 900 * size / 270)
    albedo = model.albedo.vertices(coefficients)
    for x in (-1.0, 1.0):
        _spot(albedo, model.mean, (0.35 * x, -0.2, 0.9), 0.6)
        _spot(albedo, model.mean, (0.3 * x, 0.45, 0.85), 1.2)
    if mole:
        _spot(albedo, model.mean, (0.25, -0.35, 0.9), 0.4)
    scene = Scene(model, parameters, camera, np.zeros(0), np.zeros(0), np.zeros(0), albedo.numpy())
    points = scene.points
    fragments = rasterize(points, model.triangles, camera.scaled(3))
    normals = torch.nn.functional.normalize(
        interpolate(vertex_normals(points, model.triangles), model.triangles, fragments)[0], dim=-1
    )
    image = interpolate(albedo, model.triangles, fragments)[0] * (sh_basis(normals) @ light)
    if grey:
        image = (image @ torch.tensor([0.2126, 0.7152, 0.0722]))[..., None].expand_as(image)
    back = torch.tensor([0.1, 0.4, 0.1])
    image = torch.where(fragments.mask[0][..., None], image, back.mean() if grey else back)
    image = torch.nn.functional.avg_pool2d(image.permute(2, 0, 1)[None], 3)[0].permute(1, 2, 0)
    clean = (linear_to_srgb(image).clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    mask, photo = np.zeros((size, size), np.float32), clean.copy()
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = 1
        photo[top:bottom, left:right] = MAGENTA
    return replace(scene, clean=clean, photo=photo, mask=mask)


@pytest.fixture(scope="session")
def head(egg: Callable[[int, int], MorphableModel]) -> MorphableModel:
    """A finer egg without eyeballs and teeth, so that all of its front is skin."""
    model = egg(40, 80)
    none = torch.zeros(model.vertex_count, dtype=torch.bool)
    face = model.region("face", "eyeballs", "teeth")
    regions = {
        **model.regions,
        "face": face,
        "skin": ~none,
        "eyeballs": none,
        "teeth": none,
        "inner_mouth": none,
    }
    return replace(model, regions=regions)


@pytest.fixture(scope="session")
def scene_of() -> Callable[..., Scene]:
    return make_scene

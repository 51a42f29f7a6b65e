"""The occluder mask on rendered faces, whose truth is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from wholeface.core.errors import UsageError
from wholeface.morphable import Parameters, load_model
from wholeface.morphable.albedo import linear_to_srgb
from wholeface.render import (
    Camera,
    ambient_light,
    directional_light,
    interpolate,
    rasterize,
    render_parameters,
    sh_basis,
)
from wholeface.stages.mask import OccluderSettings, estimate_occluder
from wholeface.stages.mask.synthesis.light import fit_light, illuminate, robust_start
from wholeface.stages.mask.synthesis.view import face_view, photo_content
from wholeface.stages.mask.synthesis.zones import ZONES, face_zones
from wholeface.stages.posed import PosedFace

SIZE = 240


@pytest.fixture(scope="module")
def model():
    return load_model("wholeface")


@dataclass(frozen=True)
class Scene:
    pixels: np.ndarray
    parameters: Parameters
    camera: Camera
    zones: dict


def make_scene(model, *, light=None, seed=3, size=SIZE, beard=None, yaw=0.15) -> Scene:
    """A face of the model before a bluish wall, with sensor noise; ``beard`` multiplies the beard zone."""
    g = torch.Generator().manual_seed(seed)
    if light is None:
        light = ambient_light(0.5) + directional_light((0.3, 0.4, 1.0), 0.5)
    parameters = Parameters(
        0.7 * torch.randn(model.identity_size, generator=g),
        torch.zeros(model.expression_size),
        0.5 * torch.randn(model.albedo_size, generator=g),
        light,
        torch.tensor([0.05, yaw, 0.0]),
        torch.tensor([0.0, 0.0, -700.0]),
    )
    camera = Camera.of_photo(size, size, 2.0 * size)
    rendering = render_parameters(model, parameters, camera)
    fragments = rasterize(rendering.points_cam, model.triangles, camera)
    drawn = interpolate(face_zones(model).attributes, model.triangles, fragments)[0].numpy()
    zones = {name: drawn[..., i] for i, name in enumerate(ZONES)}
    image = rendering.image[0].clone()
    if beard is not None:
        grown = torch.from_numpy(ndimage.gaussian_filter(zones["beard"], 1.5))
        speckle = 1 + 0.15 * torch.randn(size, size, generator=g)
        image = image * (1 - grown * (1 - beard * speckle)).clamp(min=0.02)
    wall = torch.tensor([0.25, 0.33, 0.5])[:, None, None]
    srgb = torch.where(rendering.mask[0], linear_to_srgb(image.clamp(0, 1)), wall)
    srgb = srgb + 0.01 * torch.randn(srgb.shape, generator=g)
    pixels = (srgb.clamp(0, 1).permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    return Scene(pixels, parameters, camera, zones)


def neutral(scene: Scene) -> Parameters:
    """What a landmark fit knows: geometry, but no albedo and no light."""
    p = scene.parameters
    return p.with_(albedo=torch.zeros_like(p.albedo), light=ambient_light())


def occlude(pixels, mask, colour, seed=0):
    noise = np.random.default_rng(seed).normal(0, 4, (*mask.shape, 3))
    painted = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    return np.where(mask[..., None], painted, pixels)


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


def grid(size=SIZE):
    return np.mgrid[:size, :size]


SIDE_LIGHT = ambient_light(0.15) + directional_light((1.0, 0.1, 0.25), 0.9)


@pytest.mark.parametrize("colour", [(30, 160, 60), (235, 235, 230), (20, 20, 24)])
def test_occluder_of_a_foreign_colour_is_found(model, colour):
    scene = make_scene(model)
    y, x = grid()
    occluder = (np.abs(x - 150) < 34) & (y > 125) & (y < 240)  # stands before cheek, mouth and chin
    estimate = estimate_occluder(occlude(scene.pixels, occluder, colour), model, neutral(scene), scene.camera)
    assert iou(estimate.mask, occluder & estimate.face_region) > 0.85


def test_cloth_over_the_lower_face_is_found(model):
    scene = make_scene(model, seed=5)
    y, _ = grid()
    cloth = y > 130
    pixels = occlude(scene.pixels, cloth, (70, 110, 190))
    estimate = estimate_occluder(pixels, model, neutral(scene), scene.camera)
    assert iou(estimate.mask, cloth & estimate.face_region) > 0.85


@pytest.mark.parametrize("colour", [(150, 175, 235), (170, 225, 190), (245, 240, 225)])
def test_bright_mask_is_not_taken_for_skin(model, colour):
    """A pastel mask is smoother and brighter than skin: only its light would have to be an unusual one."""
    scene = make_scene(model, seed=7)
    y, _ = grid()
    cloth = y > 122
    estimate = estimate_occluder(occlude(scene.pixels, cloth, colour), model, neutral(scene), scene.camera)
    assert iou(estimate.mask, cloth & estimate.face_region) > 0.8


def test_sunglasses_are_found_and_named(model):
    scene = make_scene(model)
    lenses = scene.zones["lens"] > 0.35
    estimate = estimate_occluder(
        occlude(scene.pixels, lenses, (16, 15, 18)), model, neutral(scene), scene.camera
    )
    assert estimate.sunglasses > 0.9
    assert iou(estimate.mask, lenses & estimate.face_region) > 0.8
    assert estimate_occluder(scene.pixels, model, neutral(scene), scene.camera).sunglasses < 0.1


@pytest.mark.parametrize(
    ("light", "beard"), [(None, None), (SIDE_LIGHT, None), (None, 0.07), (None, 0.3), (SIDE_LIGHT, 0.3)]
)
def test_clean_faces_have_no_occluder(model, light, beard):
    scene = make_scene(model, light=light, beard=beard)
    estimate = estimate_occluder(scene.pixels, model, neutral(scene), scene.camera)
    assert estimate.occluded_fraction < 0.03
    if beard is not None and light is None:
        assert estimate.beard > 0.8


def test_grey_photo(model):
    scene = make_scene(model)
    y, x = grid()
    occluder = (np.abs(x - 150) < 34) & (y > 125)
    colour = occlude(scene.pixels, occluder, (25, 25, 25))
    grey = np.repeat(colour.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    estimate = estimate_occluder(grey, model, neutral(scene), scene.camera)
    assert iou(estimate.mask, occluder & estimate.face_region) > 0.75
    clean = np.repeat(scene.pixels.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    assert estimate_occluder(clean, model, neutral(scene), scene.camera).occluded_fraction < 0.05


def test_what_the_photo_does_not_show_counts_as_occluded(model):
    scene = make_scene(model)
    cut = 90  # rows of black bar across the forehead
    pixels = scene.pixels.copy()
    pixels[:cut] = 0
    assert photo_content(pixels) == (0, cut, SIZE, SIZE)
    estimate = estimate_occluder(pixels, model, neutral(scene), scene.camera)
    above = np.zeros((SIZE, SIZE), dtype=bool)
    above[:cut] = True
    assert iou(estimate.mask, above & estimate.face_region) > 0.95


def test_result_is_consistent_and_deterministic(model):
    scene = make_scene(model)
    y, x = grid()
    pixels = occlude(scene.pixels, (np.abs(x - 150) < 34) & (y > 125), (30, 160, 60))
    first = estimate_occluder(pixels, model, neutral(scene), scene.camera)
    again = estimate_occluder(pixels.copy(), model, neutral(scene), scene.camera)
    np.testing.assert_array_equal(first.probability, again.probability)
    assert torch.equal(first.parameters.light, again.parameters.light)
    assert first.probability.dtype == np.float32
    assert first.probability.shape == pixels.shape[:2]
    assert first.probability.min() >= 0
    assert first.probability.max() <= 1
    assert not first.probability[~first.face_region].any()
    np.testing.assert_array_equal(first.mask, first.probability > 0.5)
    np.testing.assert_array_equal(first.visible, first.face_region & ~first.mask)
    assert torch.equal(first.parameters.identity, scene.parameters.identity)


def test_mask_scales_with_the_photo(model):
    small, large = make_scene(model), make_scene(model, size=2 * SIZE)
    y, x = grid(2 * SIZE)
    occluder = (np.abs(x - 300) < 68) & (y > 250)
    pixels = occlude(large.pixels, occluder, (30, 160, 60))
    estimate = estimate_occluder(pixels, model, neutral(large), large.camera)
    assert iou(estimate.mask, occluder & estimate.face_region) > 0.85
    plain = estimate_occluder(small.pixels, model, neutral(small), small.camera)
    assert iou(plain.face_region, estimate.face_region[::2, ::2]) > 0.97


def test_region_is_the_facial_skin(model):
    scene = make_scene(model, yaw=0.0)
    estimate = estimate_occluder(scene.pixels, model, neutral(scene), scene.camera)
    region = estimate.face_region
    assert ndimage.label(region)[1] == 1
    np.testing.assert_array_equal(region, ndimage.binary_fill_holes(region))
    assert iou(region, scene.zones["region"] > 0) > 0.95


def test_light_of_the_visible_skin_is_recovered(model):
    """The returned light explains the visible skin, whatever the occluder's colour."""
    scene = make_scene(model)
    y, x = grid()
    occluder = (np.abs(x - 150) < 34) & (y > 125)
    estimate = estimate_occluder(
        occlude(scene.pixels, occluder, (230, 30, 30)),
        model,
        scene.parameters.with_(light=ambient_light()),
        scene.camera,
    )
    truth = render_parameters(model, scene.parameters, scene.camera).image[0].numpy()
    found = render_parameters(model, estimate.parameters, scene.camera).image[0].numpy()
    skin = estimate.face_region & (truth.min(axis=0) > 0.02)
    assert np.median(np.abs(found - truth)[:, skin] / truth[:, skin]) < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_light_step_solves_a_known_light(seed):
    g = torch.Generator().manual_seed(seed)
    normals = torch.nn.functional.normalize(
        torch.randn(3000, 3, generator=g) + torch.tensor([0.0, 0.0, 1.5]), dim=1
    )
    normals = normals[normals[:, 2] > 0]
    basis = sh_basis(normals).numpy()
    albedo = (0.2 + 0.3 * torch.rand(len(basis), 3, generator=g)).numpy()
    light = (ambient_light(0.6) + directional_light((0.6, 0.3, 1.0), (0.5, 0.4, 0.35))).numpy()
    colour = illuminate(basis, albedo, light)
    found = fit_light(basis, albedo, colour, np.ones(len(basis)), iterations=4)
    np.testing.assert_allclose(illuminate(basis, albedo, found), colour, rtol=0.05)


def test_start_is_not_misled_by_a_occluded_third():
    """A third of the face shows something green; the consensus still explains the rest."""
    g = torch.Generator().manual_seed(4)
    place = torch.rand(4000, 3, generator=g).numpy() * np.array([140, 180, 1]) - np.array([70, 90, 0])
    bulge = np.stack([place[:, 0] / 90, place[:, 1] / 120, np.ones(len(place))], axis=1)
    normals = torch.nn.functional.normalize(torch.from_numpy(bulge).float(), dim=1)
    basis = sh_basis(normals).numpy()
    albedo = np.full((len(basis), 3), 0.3, np.float32)
    light = (ambient_light(0.5) + directional_light((0.5, 0.2, 1.0), 0.5)).numpy()
    truth = illuminate(basis, albedo, light)
    hidden = place[:, 0] > 70 - 140 / 3
    colour = np.where(hidden[:, None], np.array([0.1, 0.6, 0.1], np.float32), truth)

    def error(found):
        return np.median(np.abs(illuminate(basis, albedo, found) / truth - 1)[~hidden])

    robust = error(robust_start(basis, albedo, colour, np.ones(len(basis)), place))
    assert robust < 0.1
    assert robust < 0.5 * error(fit_light(basis, albedo, colour, np.ones(len(basis))))


def test_zones_are_symmetric_and_in_place(model):
    zones = face_zones(model)
    assert face_zones(model) is zones
    values = zones.attributes
    mirrored = values[model.mirror]
    count = len(ZONES)
    # The 68 points are marked by hand, so left and right agree only to about a millimetre.
    assert (values[:, 1:count] - mirrored[:, 1:count]).abs().mean() < 0.02
    column = {name: values[:, i] for i, name in enumerate(ZONES)}
    assert column["mouth"][model.regions["lips"]].mean() > 0.5
    assert column["brows"][model.regions["brows"]].mean() > 0.5
    assert column["beard"][model.mean[:, 1] > zones.eye_height].max() < 0.2
    assert (column["region"][model.regions["ears"]] < 0).float().mean() > 0.8


def test_view_of_a_model_without_albedo_returns_light_on_grey(model):
    """The renderer assumes grey 0.5 where a model has no albedo; the returned light must suit that."""
    bare = replace(model, albedo=None)
    scene = make_scene(model)
    p = neutral(scene).with_(albedo=torch.zeros(0))
    estimate = estimate_occluder(scene.pixels, bare, p, scene.camera)
    rendered = render_parameters(bare, estimate.parameters, scene.camera).image[0].numpy()
    photo = render_parameters(model, scene.parameters, scene.camera).image[0].numpy()
    visible = estimate.visible & (rendered.min(axis=0) > 0.01)
    assert 0.8 < np.median(rendered[:, visible] / photo[:, visible]) < 1.25


def test_face_partly_outside_the_photo(model):
    scene = make_scene(model)
    camera = scene.camera.cropped(110, 0, SIZE - 110, SIZE)
    pixels = np.ascontiguousarray(scene.pixels[:, 110:])
    estimate = estimate_occluder(pixels, model, neutral(scene), camera)
    whole = estimate_occluder(scene.pixels, model, neutral(scene), scene.camera)
    assert iou(estimate.face_region, whole.face_region[:, 110:]) > 0.98
    assert estimate.occluded_fraction < 0.05


def test_bad_input_is_refused_clearly(model, small_model):
    scene = make_scene(model)
    p, camera = neutral(scene), scene.camera
    with pytest.raises(UsageError, match="uint8"):
        estimate_occluder(scene.pixels.astype(np.float32), model, p, camera)
    with pytest.raises(UsageError, match="camera is of a 240×240"):
        estimate_occluder(scene.pixels[:100], model, p, camera)
    with pytest.raises(UsageError, match="one face at a time"):
        estimate_occluder(scene.pixels, model, p.with_(identity=p.identity[None]), camera)
    with pytest.raises(UsageError, match="68 landmarks"):
        estimate_occluder(scene.pixels, replace(model, landmarks_68=None), p, camera)
    with pytest.raises(UsageError, match="outside the photo"):
        estimate_occluder(
            scene.pixels, model, p.with_(translation=torch.tensor([900.0, 0.0, -700.0])), camera
        )


def test_any_model_with_68_landmarks_serves(small_model):
    """An egg with a nose is no face, but the chain runs and stays within its bounds."""
    p = Parameters(
        torch.zeros(small_model.identity_size),
        torch.zeros(small_model.expression_size),
        torch.zeros(small_model.albedo_size),
        ambient_light(0.8),
        torch.zeros(3),
        torch.tensor([0.0, 0.0, -700.0]),
    )
    p = Parameters(**{k: v.to(small_model.mean.dtype) for k, v in vars(p).items()})
    camera = Camera.of_photo(160, 160, 320)
    image = render_parameters(small_model, p, camera).image[0].clamp(0, 1)
    pixels = (linear_to_srgb(image).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    estimate = estimate_occluder(pixels, small_model, p, camera, settings=OccluderSettings(iterations=2))
    assert estimate.face_region.any()
    assert np.isfinite(estimate.probability).all()


def test_view_margin_and_size(model):
    scene = make_scene(model)
    view = face_view(
        scene.pixels,
        PosedFace.of(model, scene.parameters),
        scene.parameters,
        scene.camera,
        face_zones(model),
        100,
        0.2,
    )
    rows, columns = np.nonzero(view.region)
    longer = max(np.ptp(rows), np.ptp(columns))
    assert 90 < longer <= 101
    assert abs(min(view.region.shape[0] - longer, view.region.shape[1] - longer)) < 60

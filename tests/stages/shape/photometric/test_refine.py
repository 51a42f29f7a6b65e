"""Photometric refinement: derivatives, descent, and truth on rendered faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import Parameters, load_model
from wholeface.morphable.albedo import linear_to_srgb, srgb_to_linear
from wholeface.perceive import FaceLandmarks
from wholeface.render import (
    Camera,
    ambient_light,
    directional_light,
    render_parameters,
    rotation_matrix,
    sh_basis,
    to_camera,
)
from wholeface.stages.posed import PosedFace
from wholeface.stages.shape import PhotometricSettings, refine_photometric
from wholeface.stages.shape.photometric.priors import GeometryPrior, LightPrior
from wholeface.stages.shape.photometric.problem import PhotometricProblem, State, sh_with_gradient
from wholeface.stages.shape.photometric.refine import _minimise
from wholeface.stages.shape.photometric.samples import SmoothPhoto, face_samples

SIZE = 240
LIGHT = ambient_light(0.45) + directional_light((0.7, 0.4, 1.0), (0.5, 0.45, 0.4))


@pytest.fixture(scope="module")
def model():
    return load_model("wholeface")


def truth_of(model, seed=1):
    g = torch.Generator().manual_seed(seed)
    return Parameters(
        torch.cat([0.8 * torch.randn(30, generator=g), torch.zeros(model.identity_size - 30)]),
        torch.zeros(model.expression_size),
        torch.cat([torch.randn(20, generator=g), torch.zeros(model.albedo_size - 20)]),
        LIGHT,
        torch.tensor([0.05, 0.2, -0.05]),
        torch.tensor([3.0, -2.0, -700.0]),
    )


def photo_of(model, parameters, camera, noise=0.005):
    rendering = render_parameters(model, parameters, camera)
    srgb = torch.where(rendering.mask[0], linear_to_srgb(rendering.image[0].clamp(0, 1)), torch.tensor(0.4))
    srgb = srgb + noise * torch.randn(srgb.shape, generator=torch.Generator().manual_seed(0))
    pixels = (srgb.clamp(0, 1).permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    triangle = rendering.fragments.triangle[0].long()
    skin = model.regions["face"][model.triangles].all(dim=1)
    return pixels, ((triangle >= 0) & skin[triangle.clamp(min=0)]).numpy()


@pytest.fixture(scope="module")
def scene(model):
    truth, camera = truth_of(model), Camera.of_photo(SIZE, SIZE, 2.0 * SIZE)
    pixels, visible = photo_of(model, truth, camera)
    return truth, camera, pixels, visible


def landmarks_of(model, parameters, camera, sigma=4.0):
    points = model.landmarks_68.points(
        to_camera(
            model.vertices(parameters.identity, parameters.expression),
            parameters.rotation,
            parameters.translation,
        ),
        model.triangles,
    )
    return FaceLandmarks.from_points(camera.project(points).numpy(), "ibug68", sigma=sigma)


def perturbed(truth):
    g = torch.Generator().manual_seed(9)
    return truth.with_(
        albedo=torch.zeros_like(truth.albedo),
        light=ambient_light(0.8),
        rotation=truth.rotation + torch.tensor([0.02, -0.025, 0.01]),
        translation=truth.translation + torch.tensor([1.5, -1.0, 0.0]),
        identity=truth.identity
        + torch.cat([0.3 * torch.randn(30, generator=g), torch.zeros(len(truth.identity) - 30)]),
    )


def projected(model, parameters, camera):
    points = to_camera(
        model.vertices(parameters.identity, parameters.expression),
        parameters.rotation,
        parameters.translation,
    )
    return camera.project(points[model.regions["face"]])


def albedo_error(model, found, truth):
    difference = (model.albedo.vertices(found).log() - model.albedo.vertices(truth).log())[
        model.regions["face"]
    ]
    return float((difference - difference.mean(dim=0)).square().mean().sqrt())


def make_problem(model, scene, sizes=(10, 8, 5), space=None):
    truth, camera, pixels, visible = scene
    if space is not None:  # the same albedo, its sums taken in another space
        mean = model.albedo.vertices(torch.zeros(1))
        change = model.albedo.basis * mean * 0.5
        if space == "srgb":
            mean = linear_to_srgb(mean)
        albedo = replace(
            model.albedo, space=space, mean=mean, basis=change, mean_texture=None, basis_texture=None
        )
        model = replace(model, albedo=albedo)
    samples = face_samples(pixels, PosedFace.of(model, truth), camera, visible, 140, 700)
    problem = PhotometricProblem(model, samples, sizes, 0.1)
    state = State.of(perturbed(truth).with_(light=LIGHT))  # light from the side: normals matter
    problem.start(state)
    return problem, state


@pytest.mark.parametrize("space", [None, "srgb", "linear"])
def test_jacobian_by_central_differences(model, scene, space):
    problem, state = make_problem(model, scene, space=space)
    residual, jacobian = problem.linearised(state)
    np.testing.assert_allclose(residual, problem.residual(state), atol=1e-12)
    state = State(
        **{**vars(state), "expression": state.expression + 0.3}
    )  # away from its bounds, where only one side may move
    residual, jacobian = problem.linearised(state)
    steps = {"albedo": 1e-3, "light": 1e-3, "identity": 1e-3, "expression": 1e-3, "rotation": 1e-5}
    for name, block in problem.blocks.items():
        for index in {block.start, (block.start + block.stop) // 2, block.stop - 1}:
            step = np.zeros(problem.size)
            step[index] = steps.get(name, 1e-2)
            ahead, behind = (
                problem.residual(state.moved(s, problem.blocks, problem.expression_range))
                for s in (step, -step)
            )
            numeric = (ahead - behind) / (2 * step[index])
            error = np.linalg.norm(numeric - jacobian[..., index]) / max(np.linalg.norm(numeric), 1e-9)
            assert error < 2e-3, f"{name} {index}: {error}"


def test_spherical_harmonics_agree_with_the_renderer():
    normals = torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    basis, gradient = sh_with_gradient(normals.double().numpy())
    np.testing.assert_allclose(basis, sh_basis(normals.double()).numpy(), atol=1e-6)
    n = normals.double().requires_grad_()
    for b in range(9):
        (by_torch,) = torch.autograd.grad(sh_basis(n)[:, b].sum(), n, retain_graph=True)
        np.testing.assert_allclose(gradient[:, b], by_torch.numpy(), atol=1e-5)


def test_residual_vanishes_at_the_truth(model, scene):
    """The problem's colours are those that the renderer draws."""
    truth, camera, pixels, visible = scene
    samples = face_samples(pixels, PosedFace.of(model, truth), camera, visible, 200, 2000)
    problem = PhotometricProblem(model, samples, (0, 0, 0), 1.0)
    problem.start(State.of(truth))
    residual = problem.residual(State.of(truth))
    assert np.median(np.abs(residual)) < 0.02
    assert abs(np.median(residual)) < 0.005


def test_smooth_photo_interpolates_with_exact_derivatives(rng):
    image = torch.rand(12, 15, 3, generator=rng, dtype=torch.float64).numpy()
    photo = SmoothPhoto(image, np.ones((12, 15), bool), Camera.of_photo(15, 12))
    points = 1.6 + torch.rand(40, 2, generator=rng, dtype=torch.float64).numpy() * 7.5
    colour, slope = photo.at(points)
    assert colour.shape == (40, 3)
    for axis in (0, 1):
        h = np.zeros(2)
        h[axis] = 1e-6
        numeric = (photo.at(points + h)[0] - photo.at(points - h)[0]) / 2e-6
        np.testing.assert_allclose(slope[..., axis], numeric, atol=1e-6)
    # A linear image is reproduced exactly.
    y, x = np.mgrid[:12, :15]
    ramp = SmoothPhoto(np.stack([2.0 * x + y] * 3, axis=-1), photo.valid, photo.camera)
    np.testing.assert_allclose(ramp.at(points)[0][:, 0], 2 * points[:, 0] + points[:, 1], atol=1e-12)


def test_loss_falls_and_truth_is_approached(model, scene):
    truth, camera, pixels, visible = scene
    start = perturbed(truth)
    fit = refine_photometric(
        pixels,
        model,
        start,
        camera,
        visible,
        landmarks_of(model, start, camera),
        settings=PhotometricSettings(iterations=15),
    )
    assert len(fit.loss) > 2
    assert (np.diff(fit.loss) < 0).all()
    assert fit.loss[-1] < 0.5 * fit.loss[0]
    before = (projected(model, start, camera) - projected(model, truth, camera)).norm(dim=1).mean()
    after = (projected(model, fit.parameters, camera) - projected(model, truth, camera)).norm(dim=1).mean()
    assert after < 0.6 * before
    found = albedo_error(model, fit.parameters.albedo, truth.albedo)
    assert found < 0.4 * albedo_error(model, start.albedo, truth.albedo)
    rendered = render_parameters(model, fit.parameters, camera).image[0].permute(1, 2, 0)[visible]
    photo = srgb_to_linear(torch.from_numpy(pixels[visible]).float() / 255)
    assert float(((rendered - photo).abs() / (photo + 0.02)).median()) < 0.05
    assert float((sh_basis(torch.eye(3)) @ fit.parameters.light).min()) > -0.05


class _Overshooting:
    """½x² whose curvature is underestimated twentyfold, so that undamped steps go wrong."""

    class problem:
        blocks = None
        expression_range = np.zeros((2, 0))

    def value(self, state):
        return 0.5 * state.x**2

    def model(self, state):
        return np.array([state.x]), np.array([[0.05]])


class _Line:
    expression = ()

    def __init__(self, x):
        self.x = x

    def moved(self, step, blocks, expression_range):
        return _Line(self.x + step[0])


def test_only_steps_that_lower_the_loss_are_taken():
    state, loss, _ = _minimise(_Overshooting(), _Line(3.0), PhotometricSettings(iterations=60, tolerance=0.0))
    assert (np.diff(loss) < 0).all()
    assert abs(state.x) < 0.1


def test_hidden_pixels_have_no_influence_at_all(model, scene):
    truth, camera, pixels, visible = scene
    hidden = visible.copy()
    hidden[:, : SIZE // 2 - 5] = False
    settings = PhotometricSettings(iterations=3)
    first = refine_photometric(pixels, model, perturbed(truth), camera, hidden, settings=settings)
    noise = np.random.default_rng(0).integers(0, 255, pixels.shape).astype(np.uint8)
    other = np.where(hidden[..., None], pixels, noise)
    second = refine_photometric(other, model, perturbed(truth), camera, hidden, settings=settings)
    assert torch.equal(first.parameters.flat(), second.parameters.flat())
    assert first.loss == second.loss


def tint_of_light(model, scene, tint, settings):
    """How the ambient light changes, over its red, when the same face is seen under tinted light."""
    truth, camera, pixels, visible = scene
    tinted, _ = photo_of(model, truth.with_(light=truth.light * tint), camera)
    plain, warm = (
        refine_photometric(image, model, truth, camera, visible, settings=settings).parameters
        for image in (pixels, tinted)
    )
    ratio = warm.light[0] / plain.light[0]
    return ratio / ratio[0], albedo_error(model, warm.albedo, plain.albedo)


def test_white_balance_mostly_belongs_to_the_light(model, scene):
    tint = torch.tensor([1.0, 0.8, 0.6])
    usual = PhotometricSettings(iterations=10, identity_modes=0)
    found, _ = tint_of_light(model, scene, tint, usual)
    assert (found[1:].log() / tint[1:].log() > 0.55).all()
    free, albedo_change = tint_of_light(model, scene, tint, replace(usual, exposure_sigma=float("inf")))
    assert torch.allclose(free, tint, rtol=0.05)
    assert albedo_change < 0.05


def test_switches(model, scene):
    truth, camera, pixels, visible = scene
    start = perturbed(truth)
    settings = PhotometricSettings(iterations=3, identity_modes=0, albedo_modes=0)
    fit = refine_photometric(pixels, model, start, camera, visible, settings=settings)
    assert torch.equal(fit.parameters.identity, start.identity)
    assert torch.equal(fit.parameters.albedo, start.albedo)
    assert torch.equal(fit.parameters.expression, start.expression)
    assert not torch.equal(fit.parameters.light, start.light)
    with_expression = replace(settings, expression_modes=10)
    moved = refine_photometric(
        pixels, model, start, camera, visible, settings=with_expression
    ).parameters.expression
    assert moved[:10].abs().max() > 0
    assert (moved >= 0).all()
    assert (moved <= 1).all()


def test_model_without_albedo(model, scene):
    truth, camera, pixels, visible = scene
    bare = replace(model, albedo=None)
    start = perturbed(truth).with_(albedo=torch.zeros(0))
    fit = refine_photometric(pixels, bare, start, camera, visible)
    assert fit.parameters.albedo.shape == (0,)
    assert (np.diff(fit.loss) < 0).all()


def test_result_is_deterministic_and_keeps_its_form(model, scene):
    truth, camera, pixels, visible = scene
    start = perturbed(truth)
    settings = PhotometricSettings(iterations=2)
    a, b = (refine_photometric(pixels, model, start, camera, visible, settings=settings) for _ in range(2))
    assert torch.equal(a.parameters.flat(), b.parameters.flat())
    for name in ("identity", "expression", "albedo", "light", "rotation", "translation"):
        assert getattr(a.parameters, name).shape == getattr(start, name).shape
        assert getattr(a.parameters, name).dtype == torch.float32
    assert a.camera == camera
    assert a.samples > 1000


def test_geometry_prior_is_the_landmarks_curvature(model, scene):
    """H about the start equals the reprojection error's second differences."""
    truth, camera, _, _ = scene
    state = State.of(truth)
    landmarks = landmarks_of(model, truth, camera, sigma=3.0)
    prior = GeometryPrior.of(
        model,
        state,
        camera,
        landmarks,
        (6, 0),
        landmark_weight=1.0,
        identity_precision=np.zeros(6),
        expression_precision=0.0,
    )
    embedding = model.landmarks_68

    def reprojection(step):
        turn = rotation_matrix(torch.from_numpy(step[6:9]))
        identity = truth.identity.double().clone()
        identity[:6] += torch.from_numpy(step[:6])
        points = embedding.points(model.to(dtype=torch.float64).vertices(identity), model.triangles)
        rotated = points @ (turn @ rotation_matrix(truth.rotation.double())).T
        moved = camera.project(rotated + truth.translation.double() + torch.from_numpy(step[9:]))
        return moved.numpy() / 3.0

    base = reprojection(np.zeros(12))
    for index, h in ((0, 1e-4), (5, 1e-4), (7, 1e-6), (11, 1e-3)):
        step = np.zeros(12)
        step[index] = h
        slope = (reprojection(step) - base) / h
        assert prior.precision[index, index] == pytest.approx((slope**2).sum(), rel=0.01)
    assert prior.value_and_gradient(state)[0] == pytest.approx(0.0, abs=1e-9)


def test_light_prior_derivatives_and_floor(rng):
    light = ambient_light(0.5).double().numpy()
    assert LightPrior(light, (0.5, 0.2), level=np.log(0.5)).value(light) == pytest.approx(0.0, abs=1e-6)
    tinted = light * np.array([1.2, 1.0, 0.8])
    usual, free = LightPrior(light, (0.5, 0.2), -0.3), LightPrior(light, (0.5, 0.2), -0.3, 1e3, 1e3)
    assert usual.value(tinted) > usual.value(light) > 0.1
    assert free.value(tinted) == pytest.approx(0.0, abs=1e-4)
    for prior in (usual, LightPrior(light, (0.5, 0.2))):
        check_light_prior(prior, light)


def check_light_prior(prior, light):
    plain = prior.value(light)
    harsh = light + 1.2 * directional_light((1.0, 0.0, 0.0)).double().numpy() - 0.35 * light
    gradient, curvature = prior.derivatives(harsh)
    assert np.linalg.eigvalsh(curvature).min() > -1e-9
    for index in (0, 3, 11, 26):
        step = np.zeros(27)
        step[index] = 1e-6
        numeric = (prior.value(harsh + step.reshape(9, 3)) - prior.value(harsh - step.reshape(9, 3))) / 2e-6
        assert gradient[index] == pytest.approx(numeric, rel=1e-4, abs=1e-6)
    assert prior.value(harsh) > plain


def test_bad_input_is_refused_clearly(model, scene):
    truth, camera, pixels, visible = scene
    with pytest.raises(UsageError, match="uint8"):
        refine_photometric(pixels / 255.0, model, truth, camera, visible)
    with pytest.raises(UsageError, match="same height and width"):
        refine_photometric(pixels, model, truth, camera, visible[:50])
    with pytest.raises(UsageError, match="one face at a time"):
        refine_photometric(pixels, model, truth.with_(identity=truth.identity[None]), camera, visible)
    with pytest.raises(UsageError, match="68 landmarks"):
        refine_photometric(pixels, replace(model, landmarks_68=None), truth, camera, visible)
    with pytest.raises(UsageError, match="visible"):
        refine_photometric(pixels, model, truth, camera, np.zeros_like(visible))

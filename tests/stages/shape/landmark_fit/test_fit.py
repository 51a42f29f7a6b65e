"""The landmark fit: derivatives, recovery, invariances, bounds, robustness, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import Embedding, ExpressionPrior
from wholeface.perceive import FaceLandmarks
from wholeface.render import Camera, rotation_from_degrees, rotation_matrix, to_camera
from wholeface.stages.shape.landmark_fit.basis import landmark_basis
from wholeface.stages.shape.landmark_fit.contour import slide
from wholeface.stages.shape.landmark_fit.fit import LandmarkFitSettings, fit_landmarks
from wholeface.stages.shape.landmark_fit.problem import POSE, State, exponential, jacobian, predict
from wholeface.stages.shape.landmark_fit.solver import bounded_step

SIZE = 640
# No noise in the data, so next to none in the model, and priors too weak to matter.
EXACT = LandmarkFitSettings(
    noise_scale=1e-4,
    identity_shrinkage=1.0,
    noise_inflation=1.0,
    identity_prior_weight=1e-9,
    expression_prior_weight=1e-9,
    dof=float("inf"),
    slide_contour=False,
    iterations=200,
    tolerance=1e-12,
    focal_sigma=30.0,
    distance_sigma=30.0,
)
# The noise as it is, and the posterior's own identity.
PLAIN = LandmarkFitSettings(noise_scale=1.0, identity_shrinkage=1.0, noise_inflation=1.0)
_LEFT_TO_RIGHT = (27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
_MOUTH = (54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65)
IBUG_MIRROR = np.array([*range(16, -1, -1), *range(26, 16, -1), *_LEFT_TO_RIGHT, *_MOUTH])


@pytest.fixture(scope="module")
def symmetric_model(small_model):
    """The egg in double precision, with 68 landmarks whose left and right mirror each other."""
    front = (small_model.mean[:, 2] > 25).nonzero()[:, 0]
    left = front[small_model.mean[front, 0] > 1]
    middle = front[small_model.mean[front, 0].abs() < 1e-4]
    vertex, used = torch.zeros(68, dtype=torch.long), 0
    for i, j in enumerate(IBUG_MIRROR):
        if i == j:
            vertex[i] = middle[i % len(middle)]
        elif i < j:
            vertex[j] = left[used * 5 % len(left)]
            vertex[i], used = small_model.mirror[vertex[j]], used + 1
    triangle = torch.stack([(small_model.triangles == v).any(1).nonzero()[0, 0] for v in vertex])
    weights = (small_model.triangles[triangle] == vertex[:, None]).double()
    return replace(small_model.to(dtype=torch.float64), landmarks_68=Embedding(triangle, weights))


def truth(
    model, generator, *, yaw=15.0, pitch=-8.0, focal=900.0, expression=(0.4, 0.3, 0.1, 0.0, 0.6), roll=0.0
):
    """Landmarks of a random face without noise, and what made them."""
    identity = torch.randn(model.identity_size, generator=generator, dtype=torch.float64)
    weights = torch.tensor(expression, dtype=torch.float64)
    rotation = rotation_from_degrees(yaw, pitch, roll).double()
    translation = torch.tensor([12.0, -7.0, -700.0], dtype=torch.float64)
    camera = Camera.of_photo(SIZE, SIZE, focal)
    vertices = model.vertices(identity, weights)
    points = camera.project(
        to_camera(model.landmarks_68.points(vertices, model.triangles), rotation, translation)
    )
    return FaceLandmarks.from_points(points.numpy(), "ibug68"), identity, weights, rotation, translation


def shape(model, fit):
    return model.vertices(fit.parameters.identity.double(), fit.parameters.expression.double())


def in_camera(model, fit):
    """The fitted face where the camera sees it."""
    return to_camera(shape(model, fit), fit.parameters.rotation.double(), fit.parameters.translation.double())


def moved(landmarks, points):
    low, high = points.min(0), points.max(0)
    return replace(landmarks, points=points, box=np.concatenate([low, high]))


@pytest.mark.parametrize("focal_free", [True, False])
def test_jacobian_equals_central_differences(symmetric_model, focal_free):
    basis = landmark_basis(symmetric_model, "ibug68")
    generator = np.random.default_rng(0)
    size, modes = basis.basis.shape[2], basis.modes.shape[2]
    state = State(
        rotation=exponential(np.array([0.3, -0.5, 0.2])),
        pose=np.array([0.05, -0.03, np.log(600.0), np.log(800.0)]),
        coefficients=generator.uniform(0.1, 0.9, size),
        nuisance=np.zeros(modes),  # their scale and roll are not differentiated: exact at zero
    )
    principal, choice = np.array([319.5, 319.5]), np.arange(len(basis.contour)) % 4
    left = generator.normal(size=(68, 2, 2))
    endless = np.repeat([[-np.inf], [np.inf]], size, axis=1)
    exact = jacobian(basis, state, predict(basis, state, principal, choice), left, focal_free)
    assert exact.shape == (68, 2, POSE + size + modes)
    for column in range(POSE + size + modes):
        if column == 6 and not focal_free:
            continue  # left out where the focal length is given
        step = np.zeros(POSE + size + modes)
        step[column] = 1e-5
        ahead, behind = (
            predict(basis, state.moved(sign * step, endless, focal_free), principal, choice).pixels
            for sign in (1, -1)
        )
        numeric = (left @ ((ahead - behind) / 2e-5)[..., None])[..., 0]
        np.testing.assert_allclose(exact[:, :, column], numeric, rtol=1e-6, atol=1e-5)


def test_gaussian_modes_take_any_sign_and_size_and_blendshapes_do_not(symmetric_model, rng):
    """The prior belongs to the model: what lies outside [0, 1] is found where the model allows it."""
    wanted = (-0.8, 1.7, -0.4, 0.9, -1.2)
    gaussian = replace(symmetric_model, expression_prior=ExpressionPrior.gaussian(torch.ones(5)))
    landmarks, identity, weights, rotation, translation = truth(gaussian, rng, expression=wanted)
    fit = fit_landmarks(gaussian, landmarks, SIZE, SIZE, focal=900.0, settings=EXACT)
    # The egg's identity holds its size, and a larger head farther away gives the same image: all is known up to
    # one factor, by which the expression grows as well. It is no shrinkage: the distance tells the factor.
    expected = to_camera(gaussian.vertices(identity, weights), rotation, translation)
    found = in_camera(gaussian, fit)
    scale = float(translation[2] / fit.parameters.translation[2])
    torch.testing.assert_close(scale * found, expected, rtol=0, atol=2e-3)
    torch.testing.assert_close(scale * fit.parameters.expression, weights, rtol=1e-4, atol=0)
    # Where the distance is known there is no such factor.
    known = replace(EXACT, distance=-float(translation[2]), distance_sigma=1e-6)
    fit = fit_landmarks(gaussian, landmarks, SIZE, SIZE, focal=900.0, settings=known)
    torch.testing.assert_close(fit.parameters.expression, weights, rtol=1e-4, atol=0)
    torch.testing.assert_close(fit.parameters.identity, identity, rtol=1e-3, atol=0)
    plain = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE, focal=900.0, settings=EXACT)
    assert 0.0 <= float(plain.parameters.expression.min()) <= float(plain.parameters.expression.max()) <= 1.0


def test_a_changed_model_has_a_basis_of_its_own(symmetric_model):
    before = landmark_basis(symmetric_model, "ibug68")
    larger = replace(symmetric_model, mean=symmetric_model.mean * 1.5)
    assert landmark_basis(symmetric_model, "ibug68") is before
    np.testing.assert_allclose(landmark_basis(larger, "ibug68").mean, 1.5 * before.mean, rtol=1e-6)


@pytest.mark.parametrize("yaw", [0.0, 15.0, -50.0])
@pytest.mark.parametrize("given", [True, False])
def test_exact_recovery_without_noise(symmetric_model, rng, yaw, given):
    landmarks, identity, weights, rotation, translation = truth(symmetric_model, rng, yaw=yaw)
    fit = fit_landmarks(
        symmetric_model, landmarks, SIZE, SIZE, focal=900.0 if given else None, settings=EXACT
    )
    assert fit.rms < 1e-3
    assert float(fit.camera.focal) == pytest.approx(900.0, rel=1e-12 if given else 0.05)
    # A larger head farther away gives the same image: equal up to a scaling about the camera.
    expected = to_camera(symmetric_model.vertices(identity, weights), rotation, translation)
    found = in_camera(symmetric_model, fit)
    scale = float(expected[:, 2].mean() / found[:, 2].mean())
    assert 0.8 < scale < 1.25
    if given:
        torch.testing.assert_close(scale * found, expected, atol=0.1, rtol=0)
        torch.testing.assert_close(scale * fit.parameters.expression, weights, atol=5e-3, rtol=0)
        turned = rotation_matrix(fit.parameters.rotation)
        torch.testing.assert_close(turned, rotation_matrix(rotation), atol=1e-3, rtol=0)
    else:  # perspective tells little: only nearly
        torch.testing.assert_close((scale * found)[:, :2], expected[:, :2], atol=2.0, rtol=0)


def test_image_scale_and_translation_leave_the_shape(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    fit = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE)
    larger = moved(landmarks, (landmarks.points + 0.5) * 3 - 0.5)
    # The quarter pixel of rounding that every landmark is given does not grow with the image.
    other = fit_landmarks(symmetric_model, larger, 3 * SIZE, 3 * SIZE)
    torch.testing.assert_close(shape(symmetric_model, other), shape(symmetric_model, fit), atol=0.15, rtol=0)
    assert float(other.camera.focal) == pytest.approx(3 * float(fit.camera.focal), rel=1e-2)
    shifted = moved(landmarks, landmarks.points + np.array([40.0, -25.0]))
    middle = ((SIZE - 1) / 2 + 40.0, (SIZE - 1) / 2 - 25.0)
    same = fit_landmarks(symmetric_model, shifted, SIZE, SIZE, principal_point=middle)
    torch.testing.assert_close(
        in_camera(symmetric_model, same), in_camera(symmetric_model, fit), atol=1e-3, rtol=0
    )


def test_turned_photo_gives_turned_face(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    fit = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE)
    points = landmarks.points
    # A quarter turn clockwise on screen: (u, v) -> (H − 1 − v, u)
    turned = moved(landmarks, np.stack([SIZE - 1 - points[:, 1], points[:, 0]], axis=1))
    other = fit_landmarks(symmetric_model, turned, SIZE, SIZE)
    quarter = rotation_matrix(torch.tensor([0.0, 0.0, -torch.pi / 2], dtype=torch.float64))
    torch.testing.assert_close(
        in_camera(symmetric_model, other), in_camera(symmetric_model, fit) @ quarter.T, atol=0.05, rtol=0
    )


def test_mirrored_landmarks_give_the_mirrored_face(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng, yaw=25.0)
    fit = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE)
    points = landmarks.points[IBUG_MIRROR].copy()
    points[:, 0] = SIZE - 1 - points[:, 0]
    other = fit_landmarks(symmetric_model, moved(landmarks, points), SIZE, SIZE)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    expected = in_camera(symmetric_model, fit)[symmetric_model.mirror] * flip
    torch.testing.assert_close(in_camera(symmetric_model, other), expected, atol=0.05, rtol=0)


def test_expressions_stay_in_bounds(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng, expression=(1.6, -0.8, 1.4, -0.5, 0.5))
    fit = fit_landmarks(
        symmetric_model, landmarks, SIZE, SIZE, focal=900.0, settings=replace(EXACT, noise_scale=0.01)
    )
    weights = fit.parameters.expression
    assert float(weights.min()) >= 0.0
    assert float(weights.max()) <= 1.0
    assert float(weights[0]) == pytest.approx(1.0, abs=1e-6)
    assert float(weights[3]) == pytest.approx(0.0, abs=1e-6)


def test_gross_outliers_do_not_matter(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    clean = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE, settings=PLAIN)
    points = landmarks.points.copy()
    wrong = [3, 20, 31, 40, 50, 62]
    points[wrong] += np.random.default_rng(1).choice([-1, 1], (6, 2)) * 90.0
    robust = fit_landmarks(symmetric_model, moved(landmarks, points), SIZE, SIZE, settings=PLAIN)
    gaussian = fit_landmarks(
        symmetric_model, moved(landmarks, points), SIZE, SIZE, settings=replace(PLAIN, dof=float("inf"))
    )

    def error(fit):
        return float(
            (in_camera(symmetric_model, fit) - in_camera(symmetric_model, clean))[:, :2].norm(dim=1).mean()
        )

    assert robust.weights[wrong].max() < 0.05
    assert np.median(robust.weights) > 0.8
    assert error(robust) < 1.0
    assert error(gaussian) > 4 * error(robust)


def test_neutral_unless_the_evidence_says_otherwise(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng, expression=(0.0,) * 5)
    noisy = moved(landmarks, landmarks.points + 0.8 * np.random.default_rng(2).normal(size=(68, 2)))
    fit = fit_landmarks(symmetric_model, noisy, SIZE, SIZE)
    assert float(fit.parameters.expression.max()) < 0.06


def test_hidden_landmarks_take_no_part(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    hidden = np.zeros(68)
    hidden[48:68] = 1.0
    points = landmarks.points.copy()
    points[48:68] += 30.0
    with_noise = fit_landmarks(symmetric_model, moved(landmarks, points), SIZE, SIZE, occluded=hidden)
    without = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE, occluded=hidden)
    assert (with_noise.weights[48:68] == 0).all()
    torch.testing.assert_close(with_noise.parameters.flat(), without.parameters.flat(), atol=1e-9, rtol=0)
    # An occluder leaves the identity less certain.
    clean = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE, occluded=np.zeros(68))
    assert (without.identity_sigma >= clean.identity_sigma - 1e-9).all()
    assert (clean.identity_sigma <= 1.0 + 1e-6).all()


def test_shrinkage_scales_the_identity_and_fits_the_rest_again(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    full = fit_landmarks(symmetric_model, landmarks, SIZE, SIZE, settings=PLAIN)
    half = fit_landmarks(
        symmetric_model, landmarks, SIZE, SIZE, settings=replace(PLAIN, identity_shrinkage=0.5)
    )
    torch.testing.assert_close(half.parameters.identity, 0.5 * full.parameters.identity, atol=1e-9, rtol=0)
    assert not torch.equal(half.parameters.translation, full.parameters.translation)


def test_contour_slides_to_the_silhouette():
    candidates = np.array([[[10.0, 0.0], [12.0, 0.0], [11.0, 5.0]], [[0.0, 9.0], [0.0, 8.0], [3.0, 7.0]]])
    assert slide(candidates, np.zeros(2)).tolist() == [1, 0]


def test_far_jaw_follows_the_silhouette_of_a_turned_head(symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng, yaw=35.0)
    basis = landmark_basis(symmetric_model, "ibug68")
    assert basis.contour.tolist() == list(range(17))
    np.testing.assert_allclose(basis.candidate_mean[:, 0], basis.mean[:17])
    # Towards the front of the face, never behind the landmark's own place.
    assert (basis.candidate_mean[:, 1:, 2].max(axis=1) >= basis.candidate_mean[:, 0, 2] - 15.0).all()
    assert np.isfinite(fit_landmarks(symmetric_model, landmarks, SIZE, SIZE).rms)


def test_bounded_step_solves_the_quadratic_programme():
    generator = np.random.default_rng(3)
    root = generator.normal(size=(6, 6))
    system, gradient = root @ root.T + np.eye(6), 5 * generator.normal(size=6)
    low, high = np.full(6, -0.4), np.full(6, 0.4)
    step = bounded_step(system, gradient, low, high, rounds=10)
    assert (step >= low).all()
    assert (step <= high).all()
    slope = system @ step + gradient
    free = (step > low) & (step < high)
    np.testing.assert_allclose(slope[free], 0.0, atol=1e-9)
    np.testing.assert_allclose(
        bounded_step(system, gradient, low - np.inf, high + np.inf),
        -np.linalg.solve(system, gradient),
        rtol=1e-9,
    )


def test_478_points_without_a_place_take_no_part(small_model, rng):
    model = small_model.to(dtype=torch.float64)
    points = torch.nan_to_num(model.landmarks_478.points(model.mean, model.triangles))
    camera = Camera.of_photo(SIZE, SIZE, 900.0)
    pixels = camera.project(points + torch.tensor([0.0, 0.0, -700.0], dtype=torch.float64)).numpy()
    fit = fit_landmarks(model, FaceLandmarks.from_points(pixels, "mediapipe478"), SIZE, SIZE, focal=900.0)
    assert (fit.weights[[10, 200, 477]] == 0).all()
    assert fit.rms < 0.5
    assert float(fit.parameters.identity.norm()) < 0.3


def test_refusals(small_model, symmetric_model, rng):
    landmarks, *_ = truth(symmetric_model, rng)
    with pytest.raises(UsageError, match="no embedding of the ibug68"):
        fit_landmarks(replace(small_model, landmarks_68=None), landmarks, SIZE, SIZE)
    with pytest.raises(UsageError, match="size must be positive"):
        fit_landmarks(small_model, landmarks, 0, SIZE)
    for focal in (0.0, -5.0, float("nan")):
        with pytest.raises(UsageError, match="focal length"):
            fit_landmarks(small_model, landmarks, SIZE, SIZE, focal=focal)
    with pytest.raises(UsageError, match="only 5 landmarks"):
        fit_landmarks(small_model, landmarks, SIZE, SIZE, visibility=(np.arange(68) < 5).astype(float))
    with pytest.raises(UsageError, match="one value per landmark"):
        fit_landmarks(small_model, landmarks, SIZE, SIZE, occluded=np.zeros(67))
    for points in (np.full((68, 2), 50.0), np.linspace(0, 300, 68)[:, None] * np.array([1.0, 0.5])):
        with pytest.raises(UsageError, match="do not spread over a face"):
            fit_landmarks(small_model, FaceLandmarks.from_points(points, "ibug68"), SIZE, SIZE)


def _estimated(sigma: float, identity_sigma: float):
    """Points of the mean head that tell next to nothing where ``sigma`` is large, and an estimate of the person."""
    from wholeface.morphable import dense_embedding, load_model

    model = load_model("wholeface")
    camera = Camera.of_photo(SIZE, SIZE, 900.0)
    placed = to_camera(model.mean, rotation_from_degrees(0.0, 0.0, 0.0), torch.tensor([0.0, 0.0, -700.0]))
    embeddings = (model.landmarks_68, dense_embedding(model))
    points = torch.cat([camera.project(e.points(placed, model.triangles)) for e in embeddings])
    person = np.linspace(-1.5, 1.5, model.identity_size)
    landmarks = replace(
        FaceLandmarks.from_points(points.double().numpy(), "wholeface668", sigma=sigma),
        modes=np.zeros((0, 668, 2)),
        identity=person,
        identity_sigma=np.full(len(person), identity_sigma),
    )
    return model, landmarks, person


def test_the_detectors_own_estimate_of_the_person_is_the_prior() -> None:
    model, landmarks, person = _estimated(sigma=500.0, identity_sigma=0.5)
    plain = LandmarkFitSettings(identity_shrinkage=1.0, noise_inflation=1.0)
    found = fit_landmarks(model, landmarks, SIZE, SIZE, settings=plain).parameters.identity.double().numpy()
    np.testing.assert_allclose(found, person, atol=0.02)
    # Half the weight: precision 1 + 3/2 instead of 4, and the mean by as much nearer to that of all subjects.
    half = fit_landmarks(model, landmarks, SIZE, SIZE, settings=replace(plain, identity_estimate_weight=0.5))
    np.testing.assert_allclose(half.parameters.identity.double().numpy(), person * 2 / 2.5, atol=0.02)
    np.testing.assert_allclose(half.identity_sigma, 2.5**-0.5, atol=0.01)
    none = fit_landmarks(model, landmarks, SIZE, SIZE, settings=replace(plain, identity_estimate_weight=0.0))
    assert none.parameters.identity.abs().max() < 0.05  # what such points tell
    unknown = replace(landmarks, identity=None, identity_sigma=None)
    blank = fit_landmarks(model, unknown, SIZE, SIZE, settings=plain)
    torch.testing.assert_close(blank.parameters.identity, none.parameters.identity)


def test_good_points_outweigh_the_estimate_of_the_person() -> None:
    model, landmarks, person = _estimated(sigma=0.05, identity_sigma=0.9)
    plain = LandmarkFitSettings(identity_shrinkage=1.0, noise_inflation=1.0)
    found = fit_landmarks(model, landmarks, SIZE, SIZE, settings=plain).parameters.identity.double().numpy()
    wrong = model.vertices(torch.from_numpy(person).float()) - model.mean
    left = model.vertices(torch.from_numpy(found).float()) - model.mean
    face = model.regions["face"]
    assert float(left[face].norm(dim=1).mean()) < 0.25 * float(wrong[face].norm(dim=1).mean())


def test_an_estimate_without_its_sigma_is_refused() -> None:
    _, landmarks, _ = _estimated(sigma=1.0, identity_sigma=0.5)
    with pytest.raises(UsageError, match="identity and identity_sigma of landmarks come together"):
        replace(landmarks, identity_sigma=None)
    with pytest.raises(UsageError, match="identity_sigma of wholeface668 landmarks must be positive"):
        replace(landmarks, identity_sigma=np.zeros(len(landmarks.identity)))
    with pytest.raises(UsageError, match=r"identity_sigma .* shape \(112,\), got \(3,\)"):
        replace(landmarks, identity_sigma=np.ones(3))

"""From landmarks to pose, focal length, identity and expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....core.threads import one_thread
from ....morphable import MorphableModel, Parameters, has_dense
from ....perceive.landmarks import FaceLandmarks
from ....render import Camera, ambient_light, axis_angle
from .basis import NoiseKind, landmark_basis
from .problem import POSE, predict, roll_axes
from .solver import Problem, Solution, information_of, initial_state, solve

__all__ = ["LandmarkFit", "LandmarkFitSettings", "fit_landmarks", "shrinkage_of"]

_MISFIT = 4.0  # mm, how far landmarks of faces lie from the mean face's
_TOUCHED = 0.01  # share of hidden landmarks from which on a face counts as occluded
_ENOUGH = 0.2  # least share of visible landmarks on which a fit is based alone
_MINIMUM = 12  # landmarks without which no face is fitted


_USUAL = (0.6, 3.0)  # shrinkage of the identity, noise inflation while it is fitted
_BY_SCHEME = {"wholeface668": (0.75, 6.0)}  # by the landmarks' scheme


@dataclass(frozen=True)
class LandmarkFitSettings:
    """Weights of the priors and limits of the solver.

    Args:
        identity_prior_weight: multiplies the precision of the identity prior (1 = the model's own statistics).
        identity_shrinkage: factor on the fitted identity; pose and expression are fitted again after it. None: by
            the detector. Chosen, like ``noise_inflation``, by measurement on held-out heads (``wholeface bench
            shrinkage`` and ``perception``): mediapipe's points bear 0.6, ours 0.75 (1 on
            renderings alone; heads of other statistics and repeated frames of subjects speak for less).
        identity_estimate_weight: weight of the detector's own estimate of the identity, where it has one; 0
            leaves it out.
        expression_prior_weight: multiplies the expression prior.
        noise_scale: multiplies the standard deviations of the landmarks.
        noise_inflation: multiplies the noise further while identity is fitted; pose and expression are fitted again
            without it. None: by the detector, 3 for mediapipe's points and 6 for ours, whose estimate of the person
            counts beside.
        dof: degrees of freedom of the robust Student-t likelihood; small = more robust, infinite = Gaussian.
        focal_ratio: prior mean of the focal length over the longer side of the photo.
        focal_sigma: its standard deviation in log f.
        distance: prior mean of the distance between camera and face, mm.
        distance_sigma: its standard deviation in log d.
        minimum_visibility: landmarks seen less than this take no part.
        hidden_threshold: landmarks whose ``occluded`` value exceeds it count as hidden.
        slide_contour: whether contour landmarks follow the silhouette.
        iterations: limit of the full fit's steps.
        tolerance: least worthwhile drop of the negative log posterior.
    """

    identity_prior_weight: float = 1.0
    identity_shrinkage: float | None = None
    identity_estimate_weight: float = 1.0
    expression_prior_weight: float = 1.0
    noise_scale: float = 1.0
    noise_inflation: float | None = None
    dof: float = 6.0
    focal_ratio: float = 1.3
    focal_sigma: float = 0.4
    distance: float = 900.0
    distance_sigma: float = 0.6
    minimum_visibility: float = 0.15
    hidden_threshold: float = 0.5
    slide_contour: bool = True
    iterations: int = 15
    tolerance: float = 0.1


@dataclass(frozen=True)
class LandmarkFit:
    """Result of :func:`fit_landmarks`.

    Args:
        parameters: identity, expression and pose, with neutral albedo and white ambient light; float32.
        camera: the camera of the photo, with the fitted (or given) focal length.
        scheme: landmark scheme that was fitted.
        predicted: (L, 2) photo pixels, where the fit puts the landmarks (the detector's known bias included).
        residual: (L, 2) photo pixels, predicted minus observed.
        weights: (L,) robust weights times participation; 0 = took no part, about 1 = fits well.
        identity_sigma: (K,) posterior standard deviations of the identity coefficients.
        identity_information: (K, K) posterior precision of the identity, all other unknowns marginalised.
        rms: root mean square residual of the landmarks that took part, photo pixels, robustly weighted.
        cost: negative log posterior up to a constant.
        iterations: steps of the last stage.
        converged: whether the solver stopped by itself.
    """

    parameters: Parameters
    camera: Camera
    scheme: str
    predicted: NDArray[np.float64]
    residual: NDArray[np.float64]
    weights: NDArray[np.float64]
    identity_sigma: NDArray[np.float64]
    identity_information: NDArray[np.float64]
    rms: float
    cost: float
    iterations: int
    converged: bool

    __repr__ = short_repr


def fit_landmarks(
    model: MorphableModel,
    landmarks: FaceLandmarks,
    width: int,
    height: int,
    *,
    focal: float | None = None,
    principal_point: tuple[float, float] | None = None,
    visibility: NDArray[np.floating[Any]] | None = None,
    occluded: NDArray[np.floating[Any]] | None = None,
    identity: NDArray[np.floating[Any]] | None = None,
    settings: LandmarkFitSettings | None = None,
) -> LandmarkFit:
    r"""Maximum a posteriori pose, focal length, identity and expression from landmarks.

    .. math:: \min \sum_l \rho\big(\|Σ_l^{-1/2}(π(R\,p_l(α, ε) + t; f) + N_l z - x_l)\|\big)
        + \tfrac12 \|α\|^2_{Λ} + r^T ε + \tfrac12 \|ε\|^2_P + \tfrac12\|z\|^2 + \text{priors of } f, t_z

    Gauss–Newton steps with Levenberg–Marquardt damping and analytic Jacobians; ρ is a Student-t likelihood by
    iterated reweighting. Landmarks do not err one by one: their common errors N z are fitted along, with unit
    prior, so that they are not mistaken for identity. Expression coefficients stay where the model's prior allows
    them (blendshape weights in [0, 1], Gaussian modes anywhere). Contour landmarks slide to the silhouette. Noise
    and biases are those that the model carries for its detector
    (``extras["landmarks_478_…"]``), else plain defaults.

    Convention: camera point = R · model point + t; u = cx + f x/(−z), v = cy − f y/(−z); pixel (0, 0) is the
    centre of the top-left pixel.

    Args:
        model: face model with an embedding of the landmarks' scheme.
        landmarks: what the detector found, photo pixels.
        width: photo width, pixels.
        height: photo height, pixels.
        focal: focal length in pixels, e.g. from EXIF; None to estimate it.
        principal_point: pixels; None for the photo's middle.
        visibility: (L,) in [0, 1], replaces the landmarks' own.
        occluded: (L,) in [0, 1], how surely each landmark lies behind an occluder. Those that do take no part
            (unless hardly any others are left), and the others get the noise that was measured beside occluders.
            All zeros says that there is no occluder; None that it is not known, and the noise is that of a
            mixture of both.
        identity: (K,) the person's coefficients, where they are known: pose and expression alone are fitted, and
            ``identity_information`` still says what these landmarks tell of the identity.
        settings: prior weights and limits.

    Returns:
        The fit; see :class:`LandmarkFit`.

    Raises:
        UsageError: too few or degenerate landmarks, a focal length or size that is not positive, a wrong shape,
            or a model without these landmarks.

    Source: Levenberg 1944, Marquardt 1963; robust reweighting after Lange, Little & Taylor 1989.
    """
    settings = _for_detector(settings or LandmarkFitSettings(), landmarks.scheme)
    landmarks, visibility, occluded = _suited(model, landmarks, visibility, occluded)
    with one_thread():
        problem = _problem(
            model, landmarks, width, height, focal, principal_point, visibility, occluded, settings
        )
        known = None if identity is None else _checked_identity(identity, problem)
        solution, information = _fit(problem, settings, known)
        return _result(model, landmarks, width, height, problem, solution, information)


def _suited(
    model: MorphableModel,
    landmarks: FaceLandmarks,
    visibility: NDArray[np.floating[Any]] | None,
    occluded: NDArray[np.floating[Any]] | None,
) -> tuple[FaceLandmarks, NDArray[np.floating[Any]] | None, NDArray[np.floating[Any]] | None]:
    """The landmarks that have a place on the model: all 668 on ours, the 478 or the 68 among them on others."""
    if landmarks.scheme != "wholeface668" or has_dense(model):
        return landmarks, visibility, occluded
    smaller = landmarks.as_scheme("mediapipe478" if model.landmarks_478 is not None else "ibug68")
    part = slice(68, 546) if smaller.scheme == "mediapipe478" else slice(0, 68)
    return (
        smaller,
        None if visibility is None else np.asarray(visibility)[part],
        None if occluded is None else np.asarray(occluded)[part],
    )


def _problem(
    model: MorphableModel,
    landmarks: FaceLandmarks,
    width: int,
    height: int,
    focal: float | None,
    principal_point: tuple[float, float] | None,
    visibility: NDArray[np.floating[Any]] | None,
    occluded: NDArray[np.floating[Any]] | None,
    settings: LandmarkFitSettings,
) -> Problem:
    if width < 1 or height < 1:
        raise UsageError(f"the photo's size must be positive, got {width}×{height}")
    if focal is not None and not (np.isfinite(focal) and focal > 0):
        raise UsageError(f"the focal length must be a positive number of pixels, got {focal}")
    count = len(landmarks.points)
    seen = landmarks.visibility if visibility is None else np.asarray(visibility, dtype=np.float64)
    hidden = np.zeros(count) if occluded is None else np.asarray(occluded, dtype=np.float64)
    for name, values in (("visibility", seen), ("occluded", hidden)):
        if values.shape != (count,):
            raise UsageError(f"{name} must have one value per landmark, shape ({count},), got {values.shape}")
    behind = hidden > settings.hidden_threshold
    kind: NoiseKind = "any" if occluded is None else "occluded" if behind.mean() > _TOUCHED else "clean"
    own_account = landmarks.modes is not None  # the detector knows how reliable hidden and turned points are
    basis = landmark_basis(model, landmarks.scheme, "none" if own_account else kind)
    use = basis.valid & (seen >= settings.minimum_visibility)
    if own_account:
        use = basis.valid.copy()
    elif (use & ~behind).sum() >= _ENOUGH * use.sum():
        use &= ~behind  # what the detector says of hidden points it knows from the visible ones
    else:
        basis = landmark_basis(model, landmarks.scheme, "any")
    if use.sum() < _MINIMUM:
        raise UsageError(f"only {int(use.sum())} landmarks are visible; a face fit needs at least {_MINIMUM}")
    # A point that is turning away is less certain, by the same token as it is less visible.
    turned = np.sqrt(np.clip(seen, settings.minimum_visibility, 1.0))[:, None]
    basis = replace(basis, modes=settings.noise_scale * basis.modes)
    sigma = settings.noise_scale * basis.sigma / turned
    log_focal = (
        (float(np.log(focal)), 0.0)
        if focal is not None
        else (float(np.log(settings.focal_ratio * max(width, height))), settings.focal_sigma)
    )
    principal = principal_point or ((width - 1) / 2, (height - 1) / 2)
    prior_mean, prior_precision = _identity_prior(model, landmarks, basis.identity_size, settings)
    problem = Problem(
        basis=basis,
        observed=landmarks.points,
        use=use,
        principal=np.array(principal, dtype=np.float64),
        sigma=sigma,
        sigma_pixels=np.full(count, 0.25),
        dof=settings.dof,
        log_focal=log_focal,
        log_distance=(float(np.log(settings.distance)), settings.distance_sigma),
        identity_mean=prior_mean,
        identity_precision=prior_precision,
        expression_rate=settings.expression_prior_weight * basis.expression_rate,
        expression_precision=settings.expression_prior_weight * basis.expression_precision,
        slide=settings.slide_contour,
    )
    return _with_own_noise(problem, landmarks, settings.noise_scale) if own_account else problem


def _identity_prior(
    model: MorphableModel, landmarks: FaceLandmarks, size: int, settings: LandmarkFitSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and precision (K,) of the identity before the points are looked at.

    A detector's own estimate with variance s² is what the population's prior makes of evidence with precision
    1/s² − 1; that evidence counts ``identity_estimate_weight`` times, because the points stem from the same image.
    """
    mean = np.zeros(size)
    precision = settings.identity_prior_weight * model.identity_prior.precision[:size].double().numpy()
    if landmarks.identity is None or landmarks.identity_sigma is None or not has_dense(model):
        return mean, precision
    k = min(size, len(landmarks.identity))
    posterior = 1.0 / landmarks.identity_sigma[:k] ** 2
    precision[:k] += settings.identity_estimate_weight * np.maximum(posterior - 1.0, 0.0)
    mean[:k] = settings.identity_estimate_weight * posterior * landmarks.identity[:k] / precision[:k]
    return mean, precision


def _with_own_noise(problem: Problem, landmarks: FaceLandmarks, scale: float) -> Problem:
    """The problem with the noise that the detector states for this very photo, brought from pixels to mm."""
    state = initial_state(replace(problem, basis=problem.basis.rigid()))
    to_face = np.linalg.inv(roll_axes(state) * state.scale)
    modes = np.zeros((0, len(landmarks.points), 2)) if landmarks.modes is None else landmarks.modes
    return replace(
        problem,
        sigma=np.repeat(scale * landmarks.sigma[:, None] / state.scale, 2, axis=1),
        sigma_pixels=np.full(len(landmarks.points), 0.05),
        basis=replace(problem.basis, modes=np.moveaxis(scale * modes @ to_face.T, 0, -1)),
    )


def shrinkage_of(settings: LandmarkFitSettings | None, scheme: str) -> float:
    """The factor on the fitted identity that these settings mean for landmarks of a scheme."""
    found = _for_detector(settings or LandmarkFitSettings(), scheme).identity_shrinkage
    assert found is not None
    return found


def _for_detector(settings: LandmarkFitSettings, scheme: str) -> LandmarkFitSettings:
    """The settings with what nobody chose filled in."""
    shrinkage, inflation = _BY_SCHEME.get(scheme, _USUAL)
    if settings.identity_shrinkage is not None:
        shrinkage = settings.identity_shrinkage
    if settings.noise_inflation is not None:
        inflation = settings.noise_inflation
    return replace(settings, identity_shrinkage=shrinkage, noise_inflation=inflation)


def _checked_identity(identity: NDArray[np.floating[Any]], problem: Problem) -> NDArray[np.float64]:
    known = np.asarray(identity, dtype=np.float64)
    if known.shape != (problem.basis.identity_size,) or not np.isfinite(known).all():
        raise UsageError(
            f"identity must be {problem.basis.identity_size} finite coefficients, got shape {known.shape}"
        )
    return known


def _fit(
    problem: Problem, settings: LandmarkFitSettings, known: NDArray[np.float64] | None = None
) -> tuple[Solution, NDArray[np.float64]]:
    """Pose of the mean face; then everything, warily; then pose and expression of the person that was found.

    Args:
        problem: what to fit.
        settings: prior weights and limits.
        known: (K,) identity that replaces the one found.

    Returns:
        The solution, and the normal matrix of the stage that estimated the identity.
    """
    basis = problem.basis
    k, inflation, shrinkage = basis.identity_size, settings.noise_inflation, settings.identity_shrinkage
    assert inflation is not None
    assert shrinkage is not None
    # The mean face misses by more than the noise: its pose is fitted with all of the expected misfit as noise.
    misfit = np.sqrt(problem.sigma**2 + (basis.modes**2).sum(axis=2) + _MISFIT**2)
    rough = _without_coefficients(replace(problem, sigma=misfit, basis=basis.rigid()))
    start = solve(rough, initial_state(rough), free=_free(rough), iterations=4, tolerance=0.5).state
    start = replace(
        start, coefficients=np.zeros(basis.basis.shape[2]), nuisance=np.zeros(basis.modes.shape[2])
    )
    careful = problem
    if inflation != 1.0:
        careful = replace(
            problem, sigma=problem.sigma * inflation, basis=replace(basis, modes=basis.modes * inflation)
        )
    most, least = settings.iterations, settings.tolerance
    solution = solve(careful, start, free=_free(careful), iterations=most, tolerance=least)
    information = information_of(careful, solution)
    if shrinkage == 1.0 and inflation == 1.0 and known is None:
        return solution, information
    identity = shrinkage * solution.state.coefficients[:k] if known is None else known
    none = np.zeros(0)
    person = replace(problem, basis=basis.of_person(identity), identity_mean=none, identity_precision=none)
    start = replace(
        solution.state,
        coefficients=solution.state.coefficients[k:].copy(),
        nuisance=solution.state.nuisance * inflation,
    )
    found = solve(person, start, free=_free(person), iterations=most, tolerance=least)
    state = replace(found.state, coefficients=np.concatenate([identity, found.state.coefficients]))
    return replace(found, state=state), information


def _free(problem: Problem) -> NDArray[np.bool_]:
    """Which unknowns move: all, but for the scale where the focal length is given."""
    free = np.ones(POSE + problem.basis.basis.shape[2] + problem.basis.modes.shape[2], dtype=bool)
    free[6] = problem.focal_free
    return free


def _without_coefficients(problem: Problem) -> Problem:
    """The problem of a rigid basis: no priors of coefficients that are not there."""
    return replace(
        problem,
        identity_mean=np.zeros(0),
        identity_precision=np.zeros(0),
        expression_rate=np.zeros(0),
        expression_precision=np.zeros((0, 0)),
    )


def _result(
    model: MorphableModel,
    landmarks: FaceLandmarks,
    width: int,
    height: int,
    problem: Problem,
    solution: Solution,
    identity_information: NDArray[np.float64],
) -> LandmarkFit:
    state = solution.state
    k = problem.basis.identity_size
    predicted = predict(problem.basis, state, problem.principal, solution.choice).pixels
    residual = predicted - problem.observed
    squared = (residual**2).sum(axis=1)
    rms = float(np.sqrt((solution.weights * squared).sum() / max(solution.weights.sum(), 1e-9)))
    information = _marginal(identity_information, slice(POSE, POSE + k), problem.focal_free)
    like = model.mean.new_tensor

    parameters = Parameters(
        identity=like(state.coefficients[:k]),
        expression=like(state.coefficients[k:]),
        albedo=like(np.zeros(model.albedo_size)),
        light=ambient_light().to(model.mean),
        rotation=axis_angle(torch.from_numpy(state.rotation)).to(model.mean),
        translation=like(state.translation),
    )
    return LandmarkFit(
        parameters=parameters,
        camera=Camera(state.focal, float(problem.principal[0]), float(problem.principal[1]), width, height),
        scheme=landmarks.scheme,
        predicted=predicted,
        residual=residual,
        weights=solution.weights,
        identity_sigma=np.sqrt(np.diag(np.linalg.inv(information))),
        identity_information=information,
        rms=rms,
        cost=solution.cost,
        iterations=solution.iterations,
        converged=solution.converged,
    )


def _marginal(information: NDArray[np.float64], block: slice, focal_free: bool) -> NDArray[np.float64]:
    """Precision of one block of unknowns when the others are marginalised (Schur complement)."""
    rest = np.ones(len(information), dtype=bool)
    rest[block] = False
    rest[6] = focal_free
    others = information[np.ix_(rest, rest)]
    others = others + 1e-9 * np.diag(np.diag(others) + 1e-9)
    cross = information[block][:, rest]
    return np.asarray(information[block, block] - cross @ np.linalg.solve(others, cross.T))

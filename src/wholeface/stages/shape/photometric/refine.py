"""Refinement of a fitted face by the colours of its visible skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....core.threads import one_thread
from ....morphable import MorphableModel, Parameters
from ....perceive.landmarks import FaceLandmarks
from ....render import Camera, axis_angle
from ...mask.synthesis.light import fit_light, log_difference, split
from ...posed import PosedFace
from .priors import GeometryPrior, LightPrior
from .problem import PhotometricProblem, State
from .samples import face_samples

__all__ = ["PhotometricFit", "PhotometricSettings", "refine_photometric"]

_F64 = NDArray[np.float64]


@dataclass(frozen=True)
class PhotometricSettings:
    """Size and prior weights of the photometric refinement.

    Args:
        face_size: longer side of the face at working size, pixels.
        samples: points compared.
        iterations: most Levenberg–Marquardt steps.
        tolerance: relative drop of the loss below which the search ends.
        albedo_modes: albedo coefficients solved for.
        identity_modes: identity coefficients solved for; 0 leaves the shape.
        expression_modes: expression coefficients solved for; 0 leaves the expression.
        noise: relative standard deviation of a colour about the model.
        dof: degrees of freedom of the robust Student-t likelihood.
        correlation: how many samples share one independent error: shading that the model cannot explain is
            smooth, so neighbours err together.
        albedo_prior_weight: multiplies the albedo prior.
        light_sigma: standard deviations of light bands 1 and 2 over the ambient one.
        skin_brightness: mean log radiance, over the channels, of skin of average tone in a usual portrait. With
            ``exposure_sigma`` it decides how much of a dark or bright face is skin and how much is light.
        exposure_sigma: standard deviation of the log exposure; infinity leaves tone to the albedo prior alone.
        tint_sigma: standard deviation of the log colour of the light, per channel.
        landmark_weight: weight of the landmarks' own standard deviations; below 1, because they err together.
        identity_prior_weight: precision of the identity about the landmark fit, times the model's own.
        expression_sigma: standard deviation of expression weights about the landmark fit.
    """

    face_size: int = 160
    samples: int = 2500
    iterations: int = 6
    tolerance: float = 1e-3
    albedo_modes: int = 40
    identity_modes: int = 30
    expression_modes: int = 0
    noise: float = 0.12
    dof: float = 4.0
    correlation: float = 50.0
    albedo_prior_weight: float = 1.0
    light_sigma: tuple[float, float] = (0.55, 0.22)
    skin_brightness: float = -1.9
    exposure_sigma: float = 0.3
    tint_sigma: float = 0.4
    landmark_weight: float = 0.01
    identity_prior_weight: float = 15.0
    expression_sigma: float = 0.1


@dataclass(frozen=True)
class PhotometricFit:
    """Result of :func:`refine_photometric`.

    Args:
        parameters: refined parameters, dtype and device of the given ones.
        camera: the photo's camera (unchanged: focal length and distance are one unknown to shading).
        loss: objective at the start (light already fitted) and after each accepted step; never rises.
        residual: robust relative error of the visible skin's colours at the end.
        samples: number of points compared.
        converged: whether the search ended by itself.
    """

    parameters: Parameters
    camera: Camera
    loss: tuple[float, ...]
    residual: float
    samples: int
    converged: bool

    __repr__ = short_repr


@one_thread()
def refine_photometric(
    photo_pixels: NDArray[np.uint8],
    model: MorphableModel,
    parameters: Parameters,
    camera: Camera,
    visible: NDArray[np.bool_],
    landmarks: FaceLandmarks | None = None,
    *,
    posed: PosedFace | None = None,
    settings: PhotometricSettings | None = None,
) -> PhotometricFit:
    r"""Refine light, albedo, identity and pose by the colours of the visible skin.

    .. math:: \min \frac1\kappa\sum_p \rho(r_p) + \tfrac12\|c\|^2
        + \tfrac12 (g - g_0)^T H (g - g_0) + E(\gamma)

    with relative colour errors r at fixed surface points, a Student-t ρ, albedo coefficients c, geometry g
    (identity, expression, pose) tied to the landmark fit g₀ by its own curvature H, and the light's prior E.
    Levenberg–Marquardt with analytic Jacobians. Level and tint of the image are shared between light and
    albedo as their priors say: white balance mostly belongs to the light, skin tone to both.

    Args:
        photo_pixels: (H, W, 3) uint8, sRGB.
        model: face model; without albedo statistics only light and geometry are refined.
        parameters: one face from the landmark fit.
        camera: of the photo.
        visible: (H, W) bool, pixels that show the face; the others have no influence whatsoever.
        landmarks: those that the parameters were fitted to; None ties the pose to the 68 points.
        posed: the face in camera space before it is refined, where it is known already; None poses it.
        settings: None takes the defaults.

    Returns:
        The refined fit.

    Raises:
        UsageError: shapes that do not fit, a batch of parameters, a model without 68 landmarks, or too little
            of the face visible.

    Source: Blanz & Vetter 1999 and 2003; Romdhani & Vetter 2005 for the least-squares formulation.
    """
    settings = settings or PhotometricSettings()
    pixels = np.asarray(photo_pixels)
    visible = np.asarray(visible, dtype=bool)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise UsageError(f"the photo must be (H, W, 3) uint8, got {pixels.dtype} {pixels.shape}")
    if not pixels.shape[:2] == visible.shape == (camera.height, camera.width):
        raise UsageError(
            f"photo {pixels.shape[:2]}, visible mask {visible.shape} and camera "
            f"{camera.height, camera.width} must have the same height and width"
        )
    if parameters.identity.ndim != 1:
        raise UsageError("refine_photometric takes one face at a time, not a batch of parameters")
    if model.landmarks_68 is None:
        raise UsageError(
            f"the model {model.name!r} has no 68 landmarks, which hold the pose during refinement"
        )
    with torch.no_grad():
        head = PosedFace.of(model, parameters, posed)
        samples = face_samples(pixels, head, camera, visible, settings.face_size, settings.samples)
        state = State.of(_padded(parameters, model))
        sizes = (
            min(settings.albedo_modes, model.albedo_size),
            min(settings.identity_modes, len(state.identity)),
            min(settings.expression_modes, len(state.expression)),
        )
        problem = PhotometricProblem(model, samples, sizes, settings.noise)
        problem.start(state)
        state = _lit(problem, state)
        geometry = GeometryPrior.of(
            model,
            state,
            camera,
            landmarks,
            sizes[1:],
            landmark_weight=settings.landmark_weight,
            identity_precision=settings.identity_prior_weight
            * model.identity_prior.precision[: sizes[1]].double().numpy(),
            expression_precision=1 / settings.expression_sigma**2,
        )
        light = LightPrior(
            state.light,
            settings.light_sigma,
            _expected_level(model, settings),
            settings.exposure_sigma,
            settings.tint_sigma,
        )
        objective = _Objective(problem, geometry, light, settings)
        state, loss, converged = _minimise(objective, state, settings)
    result = Parameters(
        identity=_like(state.identity, parameters.identity),
        expression=_like(state.expression, parameters.expression),
        albedo=torch.from_numpy(state.albedo).to(parameters.identity),
        light=_like(state.light, parameters.light),
        rotation=_like(axis_angle(torch.from_numpy(state.rotation)).numpy(), parameters.rotation),
        translation=_like(state.translation, parameters.translation),
    )
    residual = settings.noise * float(np.median(np.abs(problem.residual(state)))) * 1.4826
    return PhotometricFit(result, camera, tuple(loss), residual, len(samples.corners), converged)


def _expected_level(model: MorphableModel, settings: PhotometricSettings) -> float | None:
    """Log shading that gives skin of the model's mean albedo its usual brightness; None without an albedo."""
    if model.albedo is None or not np.isfinite(settings.exposure_sigma):
        return None
    albedo = model.albedo.vertices(model.albedo.basis.new_zeros(1))
    skin = albedo[model.regions["face"]] if "face" in model.regions else albedo
    return settings.skin_brightness - float(skin.clamp(min=1e-3).log().mean())


def _padded(parameters: Parameters, model: MorphableModel) -> Parameters:
    """With as many albedo coefficients as the model has modes."""
    albedo = parameters.translation.new_zeros(model.albedo_size)
    albedo[: parameters.albedo.shape[-1]] = parameters.albedo[: model.albedo_size]
    return parameters.with_(albedo=albedo)


def _like(values: _F64, old: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(values[: old.shape[0]] if values.ndim == 1 else values).to(old)


def _lit(problem: PhotometricProblem, state: State) -> State:
    """With a light fitted robustly to the samples: what came before may be a neutral one."""
    basis, albedo, colour = problem.colours(state)
    weight: _F64 = np.ones(len(basis))
    light = state.light
    for _ in range(3):
        light = np.asarray(fit_light(basis, np.maximum(albedo, 1e-3), colour, weight), np.float64)
        luminance, chroma = split(log_difference(colour, np.maximum(albedo * (basis @ light), 1e-4)))
        weight = 1 / (1 + np.square(luminance / 0.25) + np.square(chroma).sum(axis=1) / 0.12**2)
    return State(state.albedo, light, state.identity, state.expression, state.rotation, state.translation)


class _Objective:
    """The whole objective with its Gauss–Newton model."""

    def __init__(
        self,
        problem: PhotometricProblem,
        geometry: GeometryPrior,
        light: LightPrior,
        settings: PhotometricSettings,
    ) -> None:
        self.problem, self.geometry, self.light, self.settings = problem, geometry, light, settings

    def value(self, state: State) -> float:
        squared = np.square(self.problem.residual(state))
        dof = self.settings.dof
        data = 0.5 * (dof + 1) * float(np.log1p(squared / dof).sum()) / self.settings.correlation
        return data + self._priors(state)

    def _priors(self, state: State) -> float:
        albedo = state.albedo[: self.problem.albedo_size]
        return (
            0.5 * self.settings.albedo_prior_weight * float(albedo @ (self.problem.albedo_precision * albedo))
            + self.geometry.value_and_gradient(state)[0]
            + self.light.value(state.light)
        )

    def model(self, state: State) -> tuple[_F64, _F64]:
        """Gradient (n,) and Gauss–Newton curvature (n, n)."""
        settings, problem = self.settings, self.problem
        residual, jacobian = problem.linearised(state)
        weight = (settings.dof + 1) / (settings.dof + np.square(residual)) / settings.correlation
        rows = jacobian.reshape(-1, problem.size)
        root = np.sqrt(weight).astype(np.float32).reshape(-1, 1)
        weighted = rows * root
        curvature = (weighted.T @ weighted).astype(np.float64)
        gradient = (rows.T @ (weight * residual).astype(np.float32).ravel()).astype(np.float64)
        blocks = problem.blocks
        albedo = np.arange(blocks["albedo"].start, blocks["albedo"].stop)
        precision = settings.albedo_prior_weight * problem.albedo_precision
        gradient[albedo] += precision * state.albedo[: len(albedo)]
        curvature[albedo, albedo] += precision
        light_gradient, light_curvature = self.light.derivatives(state.light)
        gradient[blocks["light"]] += light_gradient
        curvature[blocks["light"], blocks["light"]] += light_curvature
        rest = slice(blocks["identity"].start, problem.size)
        gradient[rest] += self.geometry.value_and_gradient(state)[1]
        curvature[rest, rest] += self.geometry.precision
        return gradient, curvature


def _minimise(
    objective: _Objective, state: State, settings: PhotometricSettings
) -> tuple[State, list[float], bool]:
    """Levenberg–Marquardt; a step is taken only when it lowers the objective."""
    problem, loss = objective.problem, [objective.value(state)]
    damping = 1e-3
    for _ in range(settings.iterations):
        gradient, curvature = objective.model(state)
        diagonal = np.diag(curvature).copy()
        for _ in range(5):
            damped = curvature + np.diag(damping * diagonal + 1e-12)
            step = np.asarray(-np.linalg.solve(damped, gradient), np.float64)
            candidate = state.moved(step, problem.blocks, problem.expression_range)
            value = objective.value(candidate)
            if np.isfinite(value) and value < loss[-1]:
                break
            damping *= 10
        else:
            return state, loss, True
        state, drop = candidate, loss[-1] - value
        loss.append(value)
        damping = max(damping / 10, 1e-6)
        if drop < settings.tolerance * abs(value):
            return state, loss, True
    return state, loss, False

"""Levenberg–Marquardt with robust weights and bounds for the landmark fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ....core.errors import UsageError
from .basis import LandmarkBasis
from .contour import slide
from .problem import POSE, Array, Prediction, State, jacobian, predict, project, roll_axes


@dataclass(frozen=True)
class Problem:
    """One fit.

    Args:
        basis: the model's landmarks.
        observed: (L, 2) pixels.
        use: (L,) bool, landmarks that take part.
        principal: (2,) pixels.
        sigma: (L, 2) mm, noise along the face's own axes.
        sigma_pixels: (L,) further noise in pixels.
        dof: degrees of freedom of Student's t; infinite for a Gaussian.
        log_focal: prior mean and sigma of log f; sigma 0 means that f is given.
        log_distance: prior mean and sigma of log d (mm).
        identity_mean: (K,) of the Gaussian prior.
        identity_precision: (K,) of the same.
        expression_rate: (E,).
        expression_precision: (E, E).
        bounds: whether expression coefficients keep to the basis' ``expression_range``.
        slide: whether contour landmarks slide.
    """

    basis: LandmarkBasis
    observed: Array
    use: NDArray[np.bool_]
    principal: Array
    sigma: Array
    sigma_pixels: Array
    dof: float
    log_focal: tuple[float, float]
    log_distance: tuple[float, float]
    identity_mean: Array
    identity_precision: Array
    expression_rate: Array
    expression_precision: Array
    bounds: bool = True
    slide: bool = True

    @property
    def focal_free(self) -> bool:
        """Whether the focal length is estimated."""
        return self.log_focal[1] > 0


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped: its state, the robust weights (L,) and the contour choice (C,)."""

    state: State
    weights: Array
    choice: NDArray[np.int64]
    cost: float
    iterations: int
    converged: bool


def initial_state(problem: Problem) -> State:
    """Scaled orthographic pose of the mean face, robustly, lifted to perspective.

    Raises:
        UsageError: the landmarks do not determine a pose.
    """
    basis, use = problem.basis, problem.use
    model = basis.mean[use] - basis.centre
    image = (problem.observed[use] - problem.principal) * np.array([1.0, -1.0])
    weights = np.ones(len(model))
    affine = np.zeros((4, 2))
    design = np.concatenate([model, np.ones((len(model), 1))], axis=1)
    for _ in range(6):
        weighted = design * weights[:, None]
        affine = np.linalg.lstsq(weighted.T @ design, weighted.T @ image, rcond=None)[0]
        error = np.linalg.norm(design @ affine - image, axis=1)
        weights = 1.0 / (1.0 + (error / (1.5 * np.median(error) + 1e-9)) ** 2) ** 2
    u, s, vt = np.linalg.svd(affine[:3].T, full_matrices=False)
    scale = float(s.mean())
    extent = float(np.ptp(image, axis=0).max())
    if not np.isfinite(scale) or extent < 2.0 or s[1] < 0.02 * s[0]:
        raise UsageError(
            "the landmarks do not spread over a face (all in one place or on one line); no pose fits them"
        )
    rows = u @ vt
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    log_focal = problem.log_focal[0]
    distance = np.exp(log_focal) / scale
    # scale · (R c + t_xy) = offset at the centre c of the landmarks
    shift = affine[3] / scale - (rotation @ basis.centre)[:2]
    depth = max(distance + (rotation @ basis.centre)[2], 1.0)
    return State(
        rotation=rotation,
        pose=np.array([shift[0] / depth, shift[1] / depth, np.log(depth), log_focal]),
        coefficients=np.zeros(basis.basis.shape[2]),
        nuisance=np.zeros(basis.modes.shape[2]),
    )


def choose(problem: Problem, state: State) -> NDArray[np.int64]:
    """(C,) contour candidates on the silhouette of the state."""
    basis = problem.basis
    if not problem.slide or len(basis.contour) == 0:
        return np.zeros(len(basis.contour), dtype=np.int64)
    points = basis.candidate_mean + basis.candidate_basis @ state.coefficients
    return slide(project(points, state, problem.principal), project(basis.centre, state, problem.principal))


def _whitener(problem: Problem, state: State) -> Array:
    """(L, 2, 2) maps from pixel residuals to standard deviations; 0 for landmarks that take no part."""
    axes = roll_axes(state)
    sigma = np.sqrt((problem.sigma * state.scale) ** 2 + problem.sigma_pixels[:, None] ** 2)
    return np.asarray((axes.T[None] / sigma[:, :, None]) * problem.use[:, None, None])


def _turned(before: State, after: State) -> bool:
    """Whether scale or roll of two states differ enough (0.2 %) to matter for the noise."""
    change = roll_axes(after) * after.scale - roll_axes(before) * before.scale
    return bool(np.abs(change).max() > 2e-3 * before.scale)


def _log_likelihood(problem: Problem, squared: Array) -> tuple[float, Array]:
    """Robust cost (half squared standard deviations) and IRLS weights of squared Mahalanobis residuals (L,)."""
    if not np.isfinite(problem.dof):
        return 0.5 * float(squared.sum()), np.ones_like(squared)
    dof = problem.dof
    # Two-dimensional Student's t: −log p = (ν + 2)/2 · log(1 + m²/ν)
    return 0.5 * (dof + 2) * float(np.log1p(squared / dof).sum()), (dof + 2) / (dof + squared)


def _prior(problem: Problem, state: State) -> tuple[float, Array]:
    """Negative log prior and its gradient over (pose, coefficients, nuisance)."""
    k = problem.basis.identity_size
    size = len(state.coefficients)
    gradient = np.zeros(POSE + size + len(state.nuisance))
    cost = 0.0
    for value, (mean, sigma), unknowns in _pose_priors(problem, state):
        offset = (value - mean) / sigma
        cost += 0.5 * offset * offset
        gradient[unknowns] += offset / sigma
    identity, expression = state.coefficients[:k], state.coefficients[k:]
    away = identity - problem.identity_mean
    gradient[POSE : POSE + k] = problem.identity_precision * away
    pulled = problem.expression_precision @ expression
    gradient[POSE + k : POSE + size] = pulled + problem.expression_rate
    gradient[POSE + size :] = state.nuisance
    cost += 0.5 * float(problem.identity_precision @ away**2)
    cost += 0.5 * float(expression @ pulled) + float(problem.expression_rate @ expression)
    cost += 0.5 * float(state.nuisance @ state.nuisance)
    return cost, gradient


def _pose_priors(problem: Problem, state: State) -> list[tuple[float, tuple[float, float], list[int]]]:
    """Value, (mean, sigma) and the unknowns that move it, of the priors of log d and log f that apply."""
    priors = (
        (float(state.pose[2]), problem.log_distance, [5]),
        (float(state.pose[3]), problem.log_focal, [5, 6]),
    )
    return [p for p in priors if p[1][1] > 0 and np.isfinite(p[1][1])]


def _prior_hessian(problem: Problem, state: State) -> Array:
    """Second derivatives of the negative log prior; constant."""
    k, size = problem.basis.identity_size, len(state.coefficients)
    total = POSE + size + len(state.nuisance)
    diagonal = np.zeros(total)
    diagonal[POSE : POSE + k] = problem.identity_precision
    diagonal[POSE + size :] = 1.0
    hessian = np.diag(diagonal)
    for _, (_, sigma), unknowns in _pose_priors(problem, state):
        hessian[np.ix_(unknowns, unknowns)] += 1 / sigma**2
    hessian[POSE + k : POSE + size, POSE + k : POSE + size] = problem.expression_precision
    return hessian


@dataclass(frozen=True)
class _Evaluation:
    """A state with its cost, whitened residuals (L, 2), robust weights (L,) and prior gradient."""

    state: State
    prediction: Prediction
    cost: float
    white: Array
    weights: Array
    prior_gradient: Array


def _evaluate(problem: Problem, state: State, choice: NDArray[np.int64], whitener: Array) -> _Evaluation:
    prediction = predict(problem.basis, state, problem.principal, choice)
    white = (whitener @ (prediction.pixels - problem.observed)[..., None])[..., 0]
    cost, weights = _log_likelihood(problem, (white * white).sum(axis=1))
    prior, gradient = _prior(problem, state)
    return _Evaluation(state, prediction, cost + prior, white, weights, gradient)


def cost_of(problem: Problem, state: State, choice: NDArray[np.int64], whitener: Array) -> float:
    """Negative log posterior, up to a constant."""
    return _evaluate(problem, state, choice, whitener).cost


def _rows(problem: Problem, at: _Evaluation, whitener: Array) -> tuple[Array, Array]:
    """Whitened, weighted Jacobian (2L, n) of the landmarks in use, and residuals (2L,)."""
    root = np.sqrt(at.weights)[:, None]
    rows = jacobian(problem.basis, at.state, at.prediction, whitener * root[..., None], problem.focal_free)
    return rows.reshape(-1, rows.shape[2]), (at.white * root).ravel()


def _bounds(problem: Problem) -> Array:
    """(2, K + E) smallest and largest coefficients."""
    bounds = np.repeat([[-np.inf], [np.inf]], problem.basis.basis.shape[2], axis=1)
    if problem.bounds:
        bounds[:, problem.basis.identity_size :] = problem.basis.expression_range
    return bounds


def _room(state: State, bounds: Array, total: int) -> Array:
    """(2, total) how far each unknown may move down and up."""
    room = np.stack([np.full(total, -np.inf), np.full(total, np.inf)])
    room[:, POSE : POSE + bounds.shape[1]] = bounds - state.coefficients
    return room


def bounded_step(system: Array, gradient: Array, low: Array, high: Array, rounds: int = 5) -> Array:
    """Minimise ½ sᵀ A s + gᵀ s with low ≤ s ≤ high, approximately: unknowns that overstep are put on their bound
    and the others solved again, a few times; what still oversteps is clipped."""
    step = np.zeros(len(gradient))
    fixed = np.zeros(len(gradient), dtype=bool)
    for _ in range(rounds):
        open_ = np.nonzero(~fixed)[0]
        target = -gradient[open_] - (system[np.ix_(open_, fixed)] @ step[fixed] if fixed.any() else 0.0)
        factor = scipy.linalg.cho_factor(system[np.ix_(open_, open_)], check_finite=False)
        step[open_] = scipy.linalg.cho_solve(factor, target, check_finite=False)
        over = (step < low) | (step > high)
        if not over.any():
            break
        step = np.clip(step, low, high)
        fixed |= over
    return step


def solve(
    problem: Problem, state: State, *, free: NDArray[np.bool_], iterations: int, tolerance: float
) -> Solution:
    """Minimise the negative log posterior.

    Args:
        problem: what to fit.
        state: where to start.
        free: (7 + K + E + Q,) bool, unknowns that may move.
        iterations: at most this many accepted or refused steps.
        tolerance: stop when a step lowers the cost by less.
    """
    size = problem.basis.basis.shape[2]
    bounds = _bounds(problem)
    prior_hessian = _prior_hessian(problem, state)
    choice = choose(problem, state)
    whitener = _whitener(problem, state)
    at = _evaluate(problem, state, choice, whitener)
    damping, converged, done = 1e-5, False, 0
    while done < iterations:
        done += 1
        rows, white = _rows(problem, at, whitener)
        gradient = at.prior_gradient.copy()
        gradient[: rows.shape[1]] += rows.T @ white
        moving = free.copy()
        # Coefficients on a bound that want to leave the interval stay where they are.
        values, slope = at.state.coefficients, gradient[POSE : POSE + size]
        held = ((values <= bounds[0]) & (slope > 0)) | ((values >= bounds[1]) & (slope < 0))
        moving[POSE : POSE + size] &= ~held
        index = np.nonzero(moving)[0]
        active = rows[:, index]
        system = active.T @ active + prior_hessian[np.ix_(index, index)]
        trial = None
        for _ in range(8):
            step = np.zeros(len(gradient))
            damped = system + np.diag(damping * np.diag(system) + 1e-9)
            room = _room(at.state, bounds, len(gradient))[:, index]
            step[index] = bounded_step(damped, gradient[index], room[0], room[1])
            largest = float(np.abs(step[:POSE]).max())
            if largest > 0.6:  # keep a wild step inside the region where the linearisation means something
                step *= 0.6 / largest
            trial = _evaluate(problem, at.state.moved(step, bounds, problem.focal_free), choice, whitener)
            if trial.cost <= at.cost:
                break
            trial, damping = None, max(10 * damping, 1e-3)
        if trial is None:
            converged = True
            break
        gain = at.cost - trial.cost
        damping = max(damping / 10, 1e-7)
        # The silhouette and the noise's scale and roll follow the pose between steps.
        chosen = choose(problem, trial.state)
        if _turned(at.state, trial.state) or (chosen != choice).any():
            choice, whitener = chosen, _whitener(problem, trial.state)
            trial = _evaluate(problem, trial.state, choice, whitener)
        at = trial
        if gain < tolerance:
            converged = True
            break
    return Solution(at.state, at.weights * problem.use, choice, at.cost, done, converged)


def information_of(problem: Problem, solution: Solution) -> Array:
    """Normal matrix (n, n) of the negative log posterior over all unknowns where the solver stopped."""
    whitener = _whitener(problem, solution.state)
    at = _evaluate(problem, solution.state, solution.choice, whitener)
    rows, _ = _rows(problem, at, whitener)
    return np.asarray(_prior_hessian(problem, solution.state) + rows.T @ rows)


__all__ = ["Problem", "Solution", "choose", "cost_of", "information_of", "initial_state", "solve"]

"""Levenberg–Marquardt with robust weights and bounds for the landmark fit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..errors import UsageError
from ._landmark_basis import LandmarkBasis
from ._landmark_contour import slide
from ._landmark_problem import POSE, Array, State, predict, project, roll_axes, slid


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
        identity_precision: (K,) of the Gaussian prior.
        expression_rate: (E,).
        expression_precision: (E, E).
        bounds: whether expression weights are bounded to [0, 1].
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
    identity_precision: Array
    expression_rate: Array
    expression_precision: Array
    bounds: bool = True
    slide: bool = True


@dataclass(frozen=True)
class Solution:
    """Where the solver stopped: its state, the robust weights (L,), the contour choice and the normal matrix."""

    state: State
    weights: Array
    choice: NDArray[np.int64]
    information: Array
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
        root = np.sqrt(weights)[:, None]
        affine = np.linalg.lstsq(design * root, image * root, rcond=None)[0]
        error = np.linalg.norm(design @ affine - image, axis=1)
        weights = 1.0 / (1.0 + (error / (1.5 * np.median(error) + 1e-9)) ** 2) ** 2
    u, s, vt = np.linalg.svd(affine[:3].T, full_matrices=False)
    scale = float(s.mean())
    extent = float(np.ptp(image, axis=0).max())
    if not np.isfinite(scale) or extent < 2.0 or s[1] < 0.02 * s[0]:
        raise UsageError("the landmarks do not spread over a face (all in one place or on one line); no pose fits them")
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


def _log_likelihood(problem: Problem, squared: Array) -> tuple[float, Array]:
    """Robust cost (half squared standard deviations) and IRLS weights of squared Mahalanobis residuals (L,)."""
    if not np.isfinite(problem.dof):
        return 0.5 * float(squared.sum()), np.ones_like(squared)
    dof = problem.dof
    # Two-dimensional Student's t: −log p = (ν + 2)/2 · log(1 + m²/ν)
    return 0.5 * (dof + 2) * float(np.log1p(squared / dof).sum()), (dof + 2) / (dof + squared)


def _prior(problem: Problem, state: State) -> tuple[float, Array, Array]:
    """Negative log prior, its gradient and its Hessian over (pose, coefficients, nuisance)."""
    k = problem.basis.identity_size
    size = len(state.coefficients)
    total = POSE + size + len(state.nuisance)
    gradient, hessian = np.zeros(total), np.zeros((total, total))
    cost = 0.0
    for index, value, (mean, sigma) in (
        (5, state.pose[2], problem.log_distance),
        (6, state.pose[3], problem.log_focal),
    ):
        if sigma > 0 and np.isfinite(sigma):
            offset = (value - mean) / sigma
            cost += 0.5 * offset * offset
            gradient[index] = offset / sigma
            hessian[index, index] = 1 / sigma**2
    identity, expression = state.coefficients[:k], state.coefficients[k:]
    cost += 0.5 * float(problem.identity_precision @ identity**2)
    gradient[POSE : POSE + k] = problem.identity_precision * identity
    diagonal = np.arange(POSE, POSE + k)
    hessian[diagonal, diagonal] = problem.identity_precision
    pulled = problem.expression_precision @ expression
    cost += 0.5 * float(expression @ pulled) + float(problem.expression_rate @ expression)
    block = slice(POSE + k, POSE + size)
    gradient[block] = pulled + problem.expression_rate
    hessian[block, block] = problem.expression_precision
    cost += 0.5 * float(state.nuisance @ state.nuisance)
    gradient[POSE + size :] = state.nuisance
    tail = np.arange(POSE + size, total)
    hessian[tail, tail] = 1.0
    return cost, gradient, hessian


def cost_of(problem: Problem, state: State, choice: NDArray[np.int64], whitener: Array) -> tuple[float, Array]:
    """Negative log posterior and robust weights (L,)."""
    predicted, _ = predict(problem.basis, state, problem.principal, choice, jacobian=False)
    white = np.einsum("lij,lj->li", whitener, predicted - problem.observed)
    cost, weights = _log_likelihood(problem, np.einsum("li,li->l", white, white))
    return cost + _prior(problem, state)[0], weights


def solve(problem: Problem, state: State, *, free: NDArray[np.bool_], iterations: int, tolerance: float) -> Solution:
    """Minimise the negative log posterior.

    Args:
        problem: what to fit.
        state: where to start.
        free: (7 + K + E + Q,) bool, unknowns that may move.
        iterations: at most this many accepted or refused steps.
        tolerance: stop when a step lowers the cost by less.
    """
    k = problem.basis.identity_size
    size = problem.basis.basis.shape[2]
    low = POSE + k
    bounded = slice(k, size) if problem.bounds else slice(0, 0)
    choice = choose(problem, state)
    whitener = _whitener(problem, state)
    cost, _ = cost_of(problem, state, choice, whitener)
    damping, converged, done = 1e-4, False, 0
    for done in range(1, iterations + 1):
        predicted, jacobian = predict(problem.basis, state, problem.principal, choice, jacobian=True)
        assert jacobian is not None
        white = np.einsum("lij,lj->li", whitener, predicted - problem.observed)
        _, weights = _log_likelihood(problem, np.einsum("li,li->l", white, white))
        root = np.sqrt(weights)[:, None]
        rows = ((whitener * root[..., None]) @ jacobian).reshape(-1, jacobian.shape[2])
        _, gradient, hessian = _prior(problem, state)
        hessian += rows.T @ rows
        gradient += rows.T @ (white * root).ravel()
        moving = free.copy()
        if problem.bounds:
            expression = state.coefficients[k:]
            slope = gradient[low : POSE + size]
            moving[low : POSE + size] &= ~(((expression <= 0) & (slope > 0)) | ((expression >= 1) & (slope < 0)))
        index = np.nonzero(moving)[0]
        system, slope = hessian[np.ix_(index, index)], gradient[index]
        accepted = False
        for _ in range(8):
            step = np.zeros(len(gradient))
            damped = system + damping * np.diag(np.diag(system) + 1e-9)
            step[index] = -scipy.linalg.solve(damped, slope, assume_a="pos", check_finite=False)
            largest = float(np.abs(step[:POSE]).max())
            if largest > 0.6:  # keep a wild step inside the region where the linearisation means something
                step *= 0.6 / largest
            trial = state.moved(step, bounded)
            trial_cost, _ = cost_of(problem, trial, choice, whitener)
            if trial_cost <= cost:
                accepted = True
                break
            damping = max(10 * damping, 1e-3)
        if not accepted:
            converged = True
            break
        gain, state = cost - trial_cost, trial
        damping = max(damping / 10, 1e-7)
        # The silhouette and the noise's scale and roll follow the pose between steps.
        choice = choose(problem, state)
        whitener = _whitener(problem, state)
        cost, _ = cost_of(problem, state, choice, whitener)
        if gain < tolerance:
            converged = True
            break
    predicted, jacobian = predict(problem.basis, state, problem.principal, choice, jacobian=True)
    assert jacobian is not None
    white = np.einsum("lij,lj->li", whitener, predicted - problem.observed)
    _, weights = _log_likelihood(problem, np.einsum("li,li->l", white, white))
    rows = ((whitener * np.sqrt(weights)[:, None, None]) @ jacobian).reshape(-1, jacobian.shape[2])
    information = rows.T @ rows + _prior(problem, state)[2]
    return Solution(state, weights * problem.use, choice, information, cost, done, converged)


def with_choice_fixed(problem: Problem) -> Problem:
    """The same problem with every contour landmark on its own place."""
    return replace(problem, slide=False)


__all__ = ["Problem", "Solution", "choose", "cost_of", "initial_state", "slid", "solve", "with_choice_fixed"]

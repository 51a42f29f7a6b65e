"""Further modes and directions of age on small heads whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.lab.modelling.geometry.origins_stage import with_room
from wholeface.lab.modelling.geometry.second_origin import (
    Faces,
    age_directions,
    coefficients_of,
    further_modes,
    reconstruction_error,
)


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    half = rng.normal(0, 40, (60, 3))
    half[:, 0] = np.abs(half[:, 0]) + 1
    mean = np.concatenate([half, half * [-1, 1, 1]])
    ones = np.ones(120)
    return Faces(mean, ones, ones, (np.arange(120) + 60) % 120)


def _mode(faces: Faces, seed: int, strength: float) -> np.ndarray:
    field = np.random.default_rng(seed).normal(size=faces.mean.shape)
    field = field + field[faces.mirror] * [-1, 1, 1]
    return strength * field / np.sqrt((field**2).sum(axis=1).mean())


def test_further_modes_are_what_the_first_ones_leave_over(faces: Faces) -> None:
    first, other = _mode(faces, 1, 3.0), _mode(faces, 2, 2.0)
    other -= first * (other * first).sum() / (first**2).sum()
    rng = np.random.default_rng(3)
    z = rng.normal(size=(400, 2))
    heads = faces.mean + np.tensordot(z, np.stack([first, other]), axes=1)
    (mode,) = further_modes(heads, first[None], faces, 1, share=0.25)
    mode *= np.sign((mode * other).sum())
    np.testing.assert_allclose(mode, 0.5 * other * np.sqrt((z[:, 1] ** 2).mean()), atol=0.08)
    both = np.stack([first, mode])
    settings = {"points": None, "noise": 0.05, "seed": 0}
    assert reconstruction_error(heads[:20], first[None], faces, **settings) > 0.8
    assert reconstruction_error(heads[:20], both, faces, **settings) < 0.02


def test_coefficients_are_shrunk_towards_the_prior_by_the_stated_variance(faces: Faces) -> None:
    mode = _mode(faces, 1, 2.0)
    head = faces.mean + 1.5 * mode
    assert coefficients_of(head[None], mode[None], faces, 1e-9)[0, 0] == pytest.approx(1.5)
    # 1.5 s² / (s² + v) with s² = 4 mm²
    assert coefficients_of(head[None], mode[None], faces, 1.0)[0, 0] == pytest.approx(1.5 * 4 / 5)


def test_error_ignores_pose_and_size(faces: Faces) -> None:
    turn = np.array([[np.cos(0.02), -np.sin(0.02), 0], [np.sin(0.02), np.cos(0.02), 0], [0, 0, 1]])
    head = 1.1 * faces.mean @ turn.T + [3, -2, 5]
    none = np.zeros((1, *faces.mean.shape))
    assert reconstruction_error(head[None], none, faces, points=None, noise=1.0, seed=0) < 0.05


def test_age_is_found_where_it_is_and_only_there() -> None:
    rng = np.random.default_rng(0)
    years = rng.uniform(1, 80, 900)
    c = rng.normal(0, 0.3, (900, 5))
    c[:, 2] += np.maximum(years - 18, 0) / 10 * 0.4
    c[:, 4] += np.maximum(18 - years, 0) * 0.2
    held = np.arange(900) % 3 == 0
    directions, correlations = age_directions(c, years, held)
    np.testing.assert_allclose(directions["age"], [0, 0, 0.4, 0, 0], atol=0.03)
    np.testing.assert_allclose(directions["childhood"], [0, 0, 0, 0, 0.2], atol=0.03)
    assert min(correlations.values()) > 0.8
    _, none = age_directions(rng.permutation(c), years, held)
    assert max(abs(value) for value in none.values()) < 0.3


def test_a_detectors_response_keeps_to_the_modes_that_it_was_measured_for() -> None:
    """Constant, first identity modes and expression stay; further identity modes have none."""
    measured = torch.arange(1.0, 1 + 1 + 80 + 5).expand(3, 3, -1)
    widened = with_room(measured, 80, 112)
    assert widened.shape == (3, 3, 1 + 112 + 5)
    assert torch.equal(widened[..., :81], measured[..., :81])
    assert torch.equal(widened[..., -5:], measured[..., -5:])
    assert not widened[..., 81:-5].any()
    assert torch.equal(with_room(widened, 112, 112), widened)

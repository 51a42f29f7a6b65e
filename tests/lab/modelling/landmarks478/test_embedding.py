"""Calibration of the 478 points: embedding, mirror images, factor analysis, response, nearest surface points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.core.nearest import Surface
from wholeface.lab.modelling.landmarks478.embedding import embed_478
from wholeface.lab.modelling.landmarks478.noise import (
    NoiseSettings,
    detector_residuals,
    factor_analysis,
    fit_response,
    predict_response,
)
from wholeface.lab.modelling.landmarks478.occluders import OCCLUDER_KINDS, draw_occluder
from wholeface.lab.modelling.landmarks478.samples import DetectionSet, expression_mirror, identity_mirror
from wholeface.render import rotation_from_degrees, rotation_matrix


@pytest.fixture(scope="module")
def model(small_model):
    """The egg, with every one of its 478 points in place."""
    weights = torch.nan_to_num(small_model.landmarks_478.barycentric, nan=1 / 3)
    return replace(small_model, landmarks_478=replace(small_model.landmarks_478, barycentric=weights))


def samples_of(model, count, rng, shift=None):
    """Perfect detections (moved by ``shift`` (N, 478, 3) mm in head space) of random faces."""
    embedding = model.landmarks_478
    identity = rng.normal(size=(count, model.identity_size))
    expression = rng.uniform(0, 1, (count, model.expression_size))
    angles = rng.normal(0, 12, (count, 2))
    rotation = np.stack([rotation_matrix(rotation_from_degrees(*a)).double().numpy() for a in angles])
    translation = np.array([0.0, 0.0, -800.0]) + rng.normal(0, 5, (count, 3))
    vertices = model.vertices(torch.tensor(identity).float(), torch.tensor(expression).float())
    points = embedding.points(vertices, model.triangles).double().numpy()
    points = points + (0.0 if shift is None else shift(identity, expression))
    camera = np.einsum("nij,nlj->nli", rotation, points) + translation[:, None]
    pixels = 149.5 + 700.0 * camera[..., :2] * np.array([1, -1]) / -camera[..., 2:]
    return DetectionSet(
        points=pixels,
        sigma=np.ones((count, 478)),
        visibility=np.ones((count, 478)),
        occluded=np.zeros((count, 478), dtype=bool),
        triangle=np.tile(embedding.triangle.numpy(), (count, 1)),
        barycentric=np.tile(embedding.barycentric.double().numpy(), (count, 1, 1)),
        identity=identity,
        expression=expression,
        rotation=rotation,
        translation=translation,
        camera=np.tile([700.0, 149.5, 149.5], (count, 1)),
        size=np.full(count, 300),
        has_occluder=np.zeros(count, dtype=bool),
    )


def test_perfect_detections_leave_no_residual(model):
    samples = samples_of(model, 5, np.random.default_rng(0))
    assert np.abs(detector_residuals(model, samples)).max() < 1e-3


def test_mirrored_detections_are_those_of_mirrored_subjects(model):
    np.testing.assert_allclose(identity_mirror(model) @ identity_mirror(model), np.eye(6), atol=1e-6)
    assert expression_mirror(model).tolist() == [0, 2, 1, 4, 3]
    samples = samples_of(model, 4, np.random.default_rng(1))
    twice = samples.mirrored(model).mirrored(model)
    np.testing.assert_allclose(twice.points, samples.points, atol=1e-9)
    np.testing.assert_allclose(twice.identity, samples.identity, atol=1e-5)
    np.testing.assert_allclose(twice.rotation, samples.rotation, atol=1e-12)
    # A mirrored vertex projects to the mirrored pixel.
    mirrored = samples.mirrored(model)
    vertices = model.vertices(
        torch.tensor(samples.identity).float(), torch.tensor(samples.expression).float()
    )
    other = model.vertices(torch.tensor(mirrored.identity).float(), torch.tensor(mirrored.expression).float())
    flip = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(other, vertices[:, model.mirror] * flip, atol=1e-3, rtol=0)


def test_saved_sets_come_back(model, tmp_path):
    samples = samples_of(model, 3, np.random.default_rng(2))
    samples.save(tmp_path / "set.npz")
    again = DetectionSet.load(tmp_path / "set.npz")
    np.testing.assert_array_equal(again.points, samples.points)
    assert len(DetectionSet.concatenate([again, samples[:2]])) == 5


def test_votes_become_a_symmetric_embedding_on_the_surface(model):
    samples = samples_of(model, 30, np.random.default_rng(3))
    calibrated = embed_478(model, samples)
    points = calibrated.embedding.points(model.mean, model.triangles).numpy()
    placed = np.isfinite(points).all(axis=1)
    assert placed.any()
    np.testing.assert_allclose(calibrated.embedding.barycentric[placed].sum(1), 1.0, atol=1e-5)
    # All votes for one point agree, so nothing spreads.
    assert np.nanmax(calibrated.spread) < 1e-6
    assert calibrated.votes.max() >= 20  # those of heads turned by less than 24 degrees


def test_response_is_found(model):
    rng = np.random.default_rng(4)
    constant, slope = rng.normal(0, 1.0, (478, 3)), rng.normal(0, 0.3, (6, 478, 3))

    def shift(identity, expression):
        return constant + np.einsum("nk,kli->nli", identity, slope)

    settings = NoiseSettings(noise=0.05, identity_response=1.0)
    samples = samples_of(model, 120, rng, shift)
    residual = detector_residuals(model, samples)
    response = fit_response(residual, np.ones((120, 478), dtype=bool), samples, settings)
    left = residual - predict_response(response, samples)
    assert np.sqrt((left**2).mean()) < 0.05 * np.sqrt((residual**2).mean())
    # Depth is seen only through the head's turns: compare across the image.
    np.testing.assert_allclose(response[:, :2, 0], constant[:, :2], atol=0.4)


def test_factor_analysis_recovers_covariance_with_missing_points():
    rng = np.random.default_rng(5)
    loadings, noise = rng.normal(0, 1.5, (20, 2, 3)), rng.uniform(0.3, 0.8, (20, 2))
    data = rng.normal(size=(3000, 3)) @ loadings.reshape(40, 3).T
    data = data.reshape(3000, 20, 2) + noise * rng.normal(size=(3000, 20, 2))
    seen = rng.random((3000, 20)) > 0.03
    data[~seen] = 99.0  # must not be looked at
    modes, sigma = factor_analysis(data, seen, 3, rounds=30)
    expected = loadings.reshape(40, 3) @ loadings.reshape(40, 3).T
    found = modes.reshape(40, 3) @ modes.reshape(40, 3).T
    assert np.abs(found - expected).max() < 0.12 * np.abs(expected).max()
    np.testing.assert_allclose(sigma, noise, rtol=0.15)


def test_nearest_surface_points_agree_with_brute_force(model):
    rng = np.random.default_rng(6)
    vertices, triangles = model.mean.double().numpy(), model.triangles.numpy()
    queries = vertices[rng.integers(len(vertices), size=40)] * rng.uniform(0.95, 1.05, (40, 1))
    surface = Surface(vertices, triangles)
    position, (triangle, weights) = surface.nearest(queries)[0], surface.barycentric(queries)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-12)
    assert weights.min() >= -1e-12
    np.testing.assert_allclose(
        (weights[..., None] * vertices[triangles[triangle]]).sum(1), position, atol=1e-9
    )
    fine = rng.dirichlet((1, 1, 1), 400)
    dense = (fine[:, None, :, None] * vertices[triangles][None]).sum(2).reshape(-1, 3)
    for query, found in zip(queries, position):
        best = np.sqrt(((dense - query) ** 2).sum(1).min())
        assert np.linalg.norm(found - query) <= best + 1e-9


@pytest.mark.parametrize("kind", OCCLUDER_KINDS)
def test_occluders_change_what_their_mask_says(kind):
    rng = np.random.default_rng(7)
    angle = np.linspace(0, np.pi, 17)
    jaw = 100 + 60 * np.stack([-np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([np.linspace(60, 140, 51), np.linspace(70, 140, 51)], axis=1)
    points = np.concatenate([jaw, inner])
    points[36:42], points[42:48], points[27], points[30] = (80, 90), (120, 90), (100, 90), (100, 115)
    pixels = np.full((200, 200, 3), 128, dtype=np.uint8)
    occlusion = draw_occluder(pixels, points, rng, kind)
    assert occlusion.kind == kind
    assert 0.001 < occlusion.mask.mean() < 0.9
    far = ~occlusion.mask
    changed = (occlusion.pixels != pixels).any(axis=2)
    assert changed[occlusion.mask].mean() > 0.9
    assert changed[far].mean() < 0.2


def test_an_uncalibrated_model_is_refused(model):
    samples = samples_of(model, 2, np.random.default_rng(8))
    with pytest.raises(UsageError, match="calibrate it first"):
        detector_residuals(replace(model, landmarks_478=None), samples)

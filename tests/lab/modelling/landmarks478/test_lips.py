"""The lower lip's inner edge: told from the upper lip, measured with open jaws, nothing else touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.modelling import __main__ as command
from wholeface.lab.modelling.landmarks478 import lips
from wholeface.lab.modelling.landmarks478.samples import DetectionSet
from wholeface.lab.modelling.landmarks478.views import ViewSettings, random_view
from wholeface.morphable import Embedding
from wholeface.morphable.loaders.wholeface import read_asset
from wholeface.perceive.mediapipe.mirror import MIRROR_478
from wholeface.render import rotation_from_degrees, rotation_matrix

ROWS = list(lips.LOWER_INNER_LIP)
UPPER = [191, 80, 81, 82, 13, 312, 311, 310, 415]
OTHERS = [i for i in range(478) if i not in ROWS]


@pytest.fixture(scope="module")
def model():
    return read_asset()


@pytest.fixture(scope="module")
def mistaken(model):
    """The shipped model with its lower inner lip on the upper lip, and the response that goes with it."""
    old = model.landmarks_478
    triangle, barycentric = old.triangle.clone(), old.barycentric.clone()
    triangle[ROWS], barycentric[ROWS] = triangle[UPPER], barycentric[UPPER]
    return lips.with_lips(model, Embedding(triangle, barycentric))


def falls(model, rows):
    """(N,) mm by which an opening jaw lowers points."""
    jaw = model.expression[model.expression_names.index("jawOpen")]
    return -model.landmarks_478.points(jaw, model.triangles)[rows, 1].numpy()


def predicted(model, rows):
    """Mean and modes of the detected points: those of the surface plus the detector's response."""
    blocks = torch.cat([model.mean[None], model.identity, model.expression]).double()
    own = model.landmarks_478.points(blocks, model.triangles)[:, rows].permute(1, 2, 0)
    return (own + model.extras["landmarks_478_response"][rows].double()).numpy()


def open_mouths(model, count, rng):
    """Detections where the shipped embedding says, on faces with open mouths; no noise."""
    embedding = model.landmarks_478
    expression = torch.zeros(count, model.expression_size)
    expression[:, model.expression_names.index("jawOpen")] = torch.tensor(
        rng.uniform(0.1, 0.6, count)
    ).float()
    identity = torch.tensor(0.5 * rng.normal(size=(count, model.identity_size))).float()
    angles = rng.normal(0, 5, (count, 2))
    rotation = np.stack([rotation_matrix(rotation_from_degrees(*a)).double().numpy() for a in angles])
    translation = np.tile([0.0, 0.0, -800.0], (count, 1))
    points = embedding.points(model.vertices(identity, expression), model.triangles).double().numpy()
    camera = np.einsum("nij,nlj->nli", rotation, points) + translation[:, None]
    return DetectionSet(
        points=149.5 + 700.0 * camera[..., :2] * np.array([1, -1]) / -camera[..., 2:],
        sigma=np.ones((count, 478)),
        visibility=np.ones((count, 478)),
        occluded=np.zeros((count, 478), dtype=bool),
        triangle=np.tile(embedding.triangle.numpy(), (count, 1)),
        barycentric=np.tile(embedding.barycentric.double().numpy(), (count, 1, 1)),
        identity=identity.double().numpy(),
        expression=expression.double().numpy(),
        rotation=rotation,
        translation=translation,
        camera=np.tile([700.0, 149.5, 149.5], (count, 1)),
        size=np.full(count, 300),
        has_occluder=np.zeros(count, dtype=bool),
    )


def test_the_shipped_lips_part(model):
    assert falls(model, UPPER).max() < 8.0
    assert falls(model, ROWS).min() > 20.0
    points = model.landmarks_478.points(model.mean, model.triangles).numpy()
    np.testing.assert_allclose(points[MIRROR_478][ROWS], (points * [-1, 1, 1])[ROWS], atol=0.1)
    # The lower lip's inner edge runs in order, below the upper one's.
    assert (np.diff(points[ROWS, 0]) > 2).all()
    assert (points[ROWS, 1] < points[UPPER, 1] - 0.5).all()


def test_the_lower_face_is_the_jaws_half(model):
    lower = lips.lower_face(model)
    triangles = model.triangles.numpy()
    middle = model.mean.numpy()[triangles].mean(axis=1)
    front = (middle[:, 2] > 90) & (np.abs(middle[:, 0]) < 15)
    assert lower[front & (middle[:, 1] < -50)].all()
    assert not lower[front & (middle[:, 1] > -25)].any()
    flipped = np.sort(model.mirror.numpy()[triangles], axis=1)
    of = {tuple(t): i for i, t in enumerate(np.sort(triangles, axis=1).tolist())}
    pairs = np.array([of[tuple(t)] for t in flipped.tolist()])
    np.testing.assert_array_equal(lower[pairs], lower)


def test_lips_are_put_back_from_detections_with_open_mouths(model, mistaken):
    assert falls(mistaken, ROWS).max() < 8.0
    samples = open_mouths(model, 40, np.random.default_rng(0))
    # A third of the detections falls into the mouth: no votes, but they count for where the points lie.
    samples.triangle[::3, ROWS] = -1
    found = lips.embed_lips(mistaken, samples)
    assert (found.votes[ROWS] >= 20).all()
    mended = lips.with_lips(mistaken, found.embedding)
    places = [m.landmarks_478.points(m.mean, m.triangles)[ROWS].numpy() for m in (model, mended)]
    np.testing.assert_allclose(places[1], places[0], atol=0.2)
    np.testing.assert_allclose(falls(mended, ROWS), falls(model, ROWS), atol=1.0)


def test_votes_for_the_upper_lip_do_not_count(model, mistaken):
    samples = open_mouths(model, 40, np.random.default_rng(1))
    samples.triangle[:25, ROWS] = mistaken.landmarks_478.triangle[ROWS].numpy()
    samples.barycentric[:25, ROWS] = mistaken.landmarks_478.barycentric[ROWS].numpy()
    found = lips.embed_lips(mistaken, samples)
    np.testing.assert_array_equal(found.votes[ROWS], 15)
    assert falls(lips.with_lips(mistaken, found.embedding), ROWS).min() > 20.0
    samples.triangle[:, ROWS] = -1
    with pytest.raises(UsageError, match="too few detections on the lower lip"):
        lips.embed_lips(mistaken, samples)


def test_nothing_but_the_lips_changes(model, mistaken):
    np.testing.assert_allclose(predicted(mistaken, ROWS), predicted(model, ROWS), atol=0.02)  # float16
    for name in ("mean", "identity", "expression", "triangles", "uv", "mirror"):
        assert getattr(mistaken, name) is getattr(model, name)
    assert mistaken.albedo is model.albedo
    for name in ("triangle", "barycentric"):
        a, b = (getattr(m.landmarks_478, name)[OTHERS] for m in (model, mistaken))
        assert torch.equal(a, b)
    a, b = (m.extras["landmarks_478_response"] for m in (model, mistaken))
    assert torch.equal(a[OTHERS], b[OTHERS])
    assert a.dtype == b.dtype
    assert all(b is model.extras[k] for k, b in mistaken.extras.items() if not k.endswith("response"))


def test_the_stage_measures_on_open_jaws(model, mistaken, monkeypatch):
    asked = {}

    def detections(used, detector, count, seed, settings):
        asked.update(count=count, seed=seed, settings=settings)
        return open_mouths(model, 30, np.random.default_rng(seed))

    monkeypatch.setattr(lips, "detections", detections)
    mended, report = lips.measure_lips(mistaken, None, count=40)
    assert asked["settings"].jaw is not None
    assert falls(mended, ROWS).min() > 20.0
    assert report["points"] == ROWS
    assert report["views"] == 30
    assert min(report["moved_mm"]) > 0.5
    with pytest.raises(UsageError, match="found only 30 of 100"):
        lips.measure_lips(mistaken, None, count=100)
    assert list(command.STAGES) == ["geometry", "origins", "landmarks", "lips", "albedo", "noise"]


def test_views_open_the_jaw_and_change_nothing_else(small_model):
    plain, opened = (
        random_view(small_model, np.random.default_rng(3), ViewSettings(size=64, neutral=1.0, jaw=jaw))
        for jaw in (None, (0.4, 0.4))
    )
    jaw = small_model.expression_names.index("jawOpen")
    assert float(opened.expression[jaw]) == pytest.approx(0.4)
    rest = torch.arange(small_model.expression_size) != jaw
    torch.testing.assert_close(opened.expression[rest], plain.expression[rest])
    torch.testing.assert_close(opened.identity, plain.identity)


def test_models_whose_lips_cannot_be_told_apart_are_refused(model):
    with pytest.raises(UsageError, match="68 landmarks"):
        lips.lower_face(replace(model, landmarks_68=None))
    with pytest.raises(UsageError, match="calibrate it first"):
        lips.with_lips(replace(model, landmarks_478=None), model.landmarks_478)

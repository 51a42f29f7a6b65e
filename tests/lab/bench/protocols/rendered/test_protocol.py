"""Rendered truth: which points are seen, hidden and turned away; systems that know everything, something, nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols.rendered import protocol as rendered_truth
from wholeface.lab.bench.protocols.rendered.protocol import truth_of
from wholeface.lab.bench.protocols.rendered.sweep import FACTORS, best_factor, verdict
from wholeface.lab.bench.systems import HeadPrediction
from wholeface.lab.bench.systems.own import model_head
from wholeface.lab.data.synthetic.faces import SyntheticFaces, SyntheticSettings
from wholeface.morphable import load_model


@pytest.fixture(scope="module")
def faces() -> SyntheticFaces:
    return SyntheticFaces(seed=5, split="test", settings=SyntheticSettings(geometry=True))


def test_parts_follow_the_occluder(faces: SyntheticFaces) -> None:
    model, bare = load_model(), faces.sample(1)
    clean = truth_of(model, bare, 3000, 0)
    assert clean.parts["hidden"].sum() == 0
    assert clean.parts["seen"].sum() > 300
    occluded = bare.occluder.copy()
    occluded[bare.face] = 1
    behind = truth_of(model, bare.with_(occluder=occluded), 3000, 0)
    np.testing.assert_array_equal(behind.scan.vertices, clean.scan.vertices)
    np.testing.assert_array_equal(behind.parts["turned away"], clean.parts["turned away"])
    assert behind.parts["hidden"].sum() > 0.9 * clean.parts["seen"].sum()
    half = np.zeros_like(bare.occluder)
    half[:, : bare.size // 2] = 1
    left = truth_of(model, bare.with_(occluder=half), 3000, 0)
    np.testing.assert_array_equal(left.parts["seen"] | left.parts["hidden"], clean.parts["seen"])
    for a, b in (("seen", "hidden"), ("seen", "turned away"), ("hidden", "turned away")):
        assert not (left.parts[a] & left.parts[b]).any()


def test_hidden_points_project_into_the_mask(faces: SyntheticFaces) -> None:
    """The wrong side of the mask would be caught here."""
    model, sample = load_model(), faces.sample(2)
    mask = np.zeros_like(sample.occluder)
    mask[: int(sample.landmarks_68[30, 1])] = 1  # everything above the nose tip
    truth = truth_of(model, sample.with_(occluder=mask), 3000, 0)
    told = {k: torch.from_numpy(np.array(v)) for k, v in sample.parameters.items()}
    neutral = model.vertices(told["identity"]).double().numpy()
    heights = (neutral[truth.corners] * truth.weights[..., None]).sum(1)[:, 1]
    tip = model.landmarks_68.points(torch.from_numpy(neutral), model.triangles).numpy()[30, 1]
    assert heights[truth.parts["hidden"]].mean() > tip > heights[truth.parts["seen"]].mean()


def test_truth_needs_geometry() -> None:
    with pytest.raises(UsageError, match="geometry"):
        truth_of(load_model(), SyntheticFaces(seed=5, split="test").sample(0), 500, 0)


def _no_image(*_: object) -> np.ndarray:
    raise UsageError("images need matplotlib")


class Told:
    """A system that is told the identity (in the image's order), scaled, or a stranger's."""

    def __init__(self, name: str, identities: list[np.ndarray]) -> None:
        self.name, self._identities, self._calls = name, identities, 0

    def predict(self, pixels: np.ndarray, path: Path | None = None) -> HeadPrediction:
        self._calls += 1
        identity = self._identities[(self._calls - 1) // 2]
        return model_head(load_model(), torch.from_numpy(identity), None)


def test_sweep_tells_who_has_learned_something(monkeypatch: pytest.MonkeyPatch) -> None:
    from wholeface.lab.data.engine import EngineSettings, FaceEngine

    settings = EngineSettings(portraits=0.0, clean=0.0, synthetic=SyntheticSettings(geometry=True))
    engine = FaceEngine(None, seed=rendered_truth._SEED, size=128, split="held_out", settings=settings)
    truth = [np.asarray(engine.sample(i).parameters["identity"]) for i in range(2)]
    systems = [
        Told("mean face", [np.zeros_like(t) for t in truth]),
        Told("knows", truth),
        Told("invents", [-t for t in truth]),
    ]
    monkeypatch.setattr(rendered_truth, "load_systems", lambda names, **_: systems)
    monkeypatch.setattr(rendered_truth, "_heat_map", _no_image)
    report = rendered_truth.run(RunOptions(count=2), points=600, size=128)
    assert not report.missing
    best = {(m.system, m.group): m.value for m in report.metrics if m.name == "best identity factor"}
    for image in ("clean", "occluded"):
        assert best["knows", image] == 1.0
        assert best["invents", image] == 0.0
    notes = "\n".join(report.tables[1].notes)
    assert "invents, clean: best factor 0: has learned nothing about identity" in notes
    medians = {
        (m.system, m.group): m for m in report.metrics if m.name == "scan distance, median, similarity"
    }
    assert medians["knows", "clean, whole"].value < 1e-3
    assert medians["knows", "clean, whole"].count == 2
    assert medians["mean face", "occluded, whole"].value > 0.3
    assert medians["mean face", "occluded, whole"].value == medians["mean face", "clean, whole"].value


def test_verdicts() -> None:
    zero, one = FACTORS.index(0.0), FACTORS.index(1.0)
    assert zero == 0
    table = np.ones((20, len(FACTORS)))
    assert best_factor(table, FACTORS) == 0.0
    assert "nothing about identity" in verdict(table, FACTORS, 0)[0]
    assert "too few" in verdict(table[:4], FACTORS, 0)[0]
    table[:, one] = 0.5
    said, gain, half = verdict(table, FACTORS, 0)
    assert said.startswith("best factor 1,")
    assert (gain, half) == (0.5, 0.0)
    table[:, 1], table[:, one] = 0.9, 1.2
    assert "worse than the mean face" in verdict(table, FACTORS, 0)[0]
    table[:, one] = np.where(np.arange(20) % 2, 0.2, 1.75)
    assert "not told apart" in verdict(table, FACTORS, 0)[0]


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="factor 0"):
        rendered_truth.run(RunOptions(), factors=(1.0,))

"""The identity protocol with systems whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench import systems as baselines
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols.identity import protocol as identity
from wholeface.lab.bench.sets.identity import PersonPhoto
from wholeface.lab.bench.systems import HeadPrediction
from wholeface.lab.bench.systems.own import model_head
from wholeface.morphable import MorphableModel, load_model

SUBJECTS, PHOTOS, POINTS = 16, 3, 60
BETWEEN, WITHIN = 3.0, 1.5


class _Shapes:
    """Shapes with known spreads; the person is the image's grey level, 0 shows nobody."""

    def __init__(self, name: str, scale: float = 1.0) -> None:
        self.name, self._scale = name, scale
        self._count = 0
        self._mean = 60 * np.random.default_rng(0).normal(size=(POINTS, 3))

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        person = round(float(np.median(pixels)) / 10)
        if person == 0:
            raise NoFaceError("no face found")
        self._count += 1
        noise = np.random.default_rng([7, self._count]).normal(size=(POINTS, 3)) / np.sqrt(3)
        own = np.random.default_rng([8, person]).normal(size=(POINTS, 3)) / np.sqrt(3)
        shape = self._mean + BETWEEN * own + WITHIN * noise
        if self.name == "constant":
            shape = self._mean
        landmarks = np.zeros((68, 3))
        landmarks[45, 0] = 90 * self._scale
        return HeadPrediction(
            vertices=shape * self._scale + self._count * self._scale,  # its own origin every time
            triangles=np.array([[0, 1, 2]]),
            landmarks=landmarks,
            neutral=None if self.name == "without" else shape * self._scale + self._count * self._scale,
            metric=self._scale == 1.0,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person in range(1, SUBJECTS + 1):
        for k in range(PHOTOS):
            path = tmp_path / "set" / f"p{person:02d}" / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40, 3), 10 * person, np.uint8)).save(path)
    return tmp_path / "set"


def _use(monkeypatch: pytest.MonkeyPatch, *systems: object) -> None:
    monkeypatch.setattr(baselines, "load_systems", lambda names: list(systems))


def _value(report: Report, system: str, name: str) -> float:
    (metric,) = [m for m in report.metrics if (m.system, m.name) == (system, name)]
    return metric.value


def test_known_spreads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _Shapes("metric"), _Shapes("metres", 0.001), _Shapes("constant"))
    report = identity.run(RunOptions(systems=("metric", "metres", "constant"), data=folder))
    for system in ("metric", "metres"):
        # Moving shapes onto their mean takes six of 180 degrees of freedom away.
        assert _value(report, system, "identity spread between subjects") == pytest.approx(BETWEEN, rel=0.12)
        assert _value(report, system, "identity spread within subjects") == pytest.approx(WITHIN, rel=0.08)
        assert _value(report, system, "identity spread, between over within") == pytest.approx(2, rel=0.15)
        assert _value(report, system, "verification by shape, accuracy") > 95
    for system in ("mean face", "constant"):
        assert _value(report, system, "identity spread, between over within") == 0.0
        assert _value(report, system, "verification by shape, nAUC") == 50.0
    (table,) = report.tables  # without truth no sweep
    assert [row[0] for row in table.rows] == ["mean face", "metric", "metres", "constant"]
    assert set(report.images) == {"identity_roc"}
    assert not report.missing


def test_failures_and_systems_without_neutral_heads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in (1, 2):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / f"p{person:02d}" / "0.png")
    _use(monkeypatch, _Shapes("metric"), _Shapes("without"))
    report = identity.run(RunOptions(systems=("metric", "without"), data=folder))
    assert report.tables[0].rows[1][2] == f"{SUBJECTS * PHOTOS - 2} of {SUBJECTS * PHOTOS}"
    assert report.tables[0].rows[2][2] == f"0 of {SUBJECTS * PHOTOS}"
    assert {m.reason for m in report.missing if m.system == "metric"} == {"no_face: no face found"}
    assert any(m.item == "all photos" and m.system == "without" for m in report.missing)
    assert not [m for m in report.metrics if m.system == "without"]
    metric = next(m for m in report.metrics if m.system == "metric")
    assert (metric.count, metric.total) == (SUBJECTS * PHOTOS - 2, SUBJECTS * PHOTOS)
    assert "metric" in report.tables[0].text()


class _Rendered:
    """Stands in for the rendered subjects: an image's first pixel is its number."""

    name = "synthetic subjects"

    def __init__(self, subjects: int, photos: int, seed: int = 0) -> None:
        self.photos = [
            PersonPhoto(f"{p} {k}", f"{p:04d}", None, str(k)) for p in range(subjects) for k in range(photos)
        ]
        self._each = photos

    def sample(self, index: int) -> None:
        return None

    def pixels(self, index: int) -> NDArray[np.uint8]:
        return np.full((4, 4, 3), index // self._each, np.uint8)

    def identity(self, index: int) -> NDArray[np.float32]:
        return _truth(index // self._each)


def _truth(person: int) -> NDArray[np.float32]:
    model = load_model()
    return np.random.default_rng([3, person]).normal(size=model.identity_size).astype(np.float32)


class _Knows:
    """Knows a share of the truth."""

    def __init__(self, name: str, model: MorphableModel, share: float) -> None:
        self.name, self._model, self._share = name, model, share

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        return model_head(self._model, torch.from_numpy(_truth(int(pixels[0, 0, 0]))) * self._share, None)


def test_the_sweep_says_who_has_learned_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model()
    monkeypatch.setattr(identity, "SyntheticSubjects", _Rendered)
    monkeypatch.setattr("wholeface.lab.bench.protocols.identity.sweep._ENOUGH", 3)
    monkeypatch.setattr("wholeface.lab.bench.protocols.identity.sweep._SCAN_POINTS", 120)
    monkeypatch.setattr(identity, "FACTORS", (0.0, 1.0))
    for name in ("sweep_system", "judge_sweep"):
        work = getattr(identity, name)
        monkeypatch.setattr(identity, name, lambda *a, _work=work, **k: _work(*a, **k, factors=(0.0, 1.0)))
    _use(monkeypatch, _Knows("perfect", model, 1.0), _Knows("opposite", model, -0.5))
    report = identity.run(RunOptions(systems=("perfect", "opposite"), count=4), photos=2, sweep=3)
    spread, sweep = report.tables
    assert len(spread.rows) == 3
    words = {row[0]: row[-1] for row in sweep.rows}
    assert words == {"perfect": "beats the mean face", "opposite": "has learned nothing about identity"}
    assert len(sweep.rows) == 12
    best = {(m.system, m.group): m.value for m in report.metrics if m.name == "best identity factor"}
    assert {v for (system, _), v in best.items() if system == "perfect"} == {1.0}
    assert {v for (system, _), v in best.items() if system == "opposite"} == {0.0}
    assert "identity_sweep" in report.images
    assert "has learned nothing about identity" in sweep.text()


def test_wrong_options(folder: Path) -> None:
    with pytest.raises(UsageError, match="at least 4 subjects"):
        identity.run(RunOptions(data=folder, count=3))
    with pytest.raises(UsageError, match="at least 2"):
        identity.run(RunOptions(data=folder), photos=1)


def test_it_is_a_protocol() -> None:
    import argparse

    protocol = load_protocol("identity")
    assert protocol.add_arguments is not None
    parser = argparse.ArgumentParser()
    protocol.add_arguments(parser)
    assert vars(parser.parse_args([])) == identity.run.__kwdefaults__

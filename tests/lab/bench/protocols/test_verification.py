"""The verification protocol on miniature sets with systems whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench import systems as baselines
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols import verification
from wholeface.lab.bench.systems import HeadPrediction

SUBJECTS = 12


class _Reader:
    """Reads the person off the image's grey level; 0 shows nobody."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[float] = []

    def predict(self, pixels: NDArray[np.uint8], path: Path | None = None) -> HeadPrediction:
        grey = float(np.median(pixels))
        self.seen.append(float(pixels.std()))
        if grey < 4:
            raise NoFaceError("no face found")
        person = round(grey / 10)
        identity = {
            "perfect": np.eye(SUBJECTS + 1)[person],
            "constant": np.ones(16),
        }.get(self.name, np.random.default_rng([person, len(self.seen)]).normal(size=16))
        return HeadPrediction(
            vertices=np.zeros((3, 3)),
            triangles=np.array([[0, 1, 2]]),
            landmarks=np.zeros((68, 3)),
            identity=None if self.name == "without" else identity,
        )


@pytest.fixture
def systems(monkeypatch: pytest.MonkeyPatch) -> dict[str, _Reader]:
    made: dict[str, _Reader] = {}

    def load(names: Sequence[str]) -> list[_Reader]:
        return [made.setdefault(name, _Reader(name)) for name in names]

    monkeypatch.setattr(baselines, "load_systems", load)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person in range(1, SUBJECTS + 1):
        for k in range(3):
            path = tmp_path / "set" / f"p{person:02d}" / f"p{person:02d}_{k + 1:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((50, 50, 3), 10 * person, np.uint8)).save(path)
    return tmp_path / "set"


def _value(report: Report, system: str, name: str = "accuracy", group: str = "clean") -> float:
    (metric,) = [m for m in report.metrics if (m.system, m.name, m.group) == (system, name, group)]
    return metric.value


def test_known_systems(folder: Path, systems: dict[str, _Reader]) -> None:
    options = RunOptions(systems=("mean face", "perfect", "constant"), data=folder)
    report = verification.run(options)
    for name in ("accuracy", "100 %−EER", "nAUC"):
        assert _value(report, "mean face", name) == 50.0
        assert _value(report, "constant", name) == 50.0
        assert _value(report, "perfect", name) == 100.0
    assert not report.missing
    assert len(systems["perfect"].seen) == report.settings["photos"] == 3 * SUBJECTS
    (table,) = report.tables
    assert [row[:2] for row in table.rows] == [
        ("mean face", "clean"),
        ("perfect", "clean"),
        ("constant", "clean"),
    ]
    assert all(m.count == m.total == report.settings["pairs"] for m in report.metrics)
    assert report.images["verification_roc"].shape[2] == 3
    lines = report.files["pairs.csv"].splitlines()
    assert len(lines) == 1 + report.settings["pairs"]
    assert sum(line.split(",")[2] == "1" for line in lines[1:]) == report.settings["pairs"] / 2


def test_a_system_that_guesses_is_near_chance(folder: Path, systems: dict[str, _Reader]) -> None:
    report = verification.run(RunOptions(systems=("guess",), data=folder))
    assert abs(_value(report, "guess", "nAUC") - 50) < 25
    assert _value(report, "mean face") == 50.0  # always there


def test_failures_count_against_a_system(folder: Path, systems: dict[str, _Reader]) -> None:
    for person in (1, 2, 3):
        path = folder / f"p{person:02d}" / f"p{person:02d}_0001.png"
        Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(path)
    options = RunOptions(systems=("perfect",), data=folder)
    counted = verification.run(options)
    assert {m.item for m in counted.missing} == {f"p0{p}/p0{p}_0001.png" for p in (1, 2, 3)}
    assert all("no face found" in m.reason and m.system == "perfect" for m in counted.missing)
    metric = next(m for m in counted.metrics if m.system == "perfect")
    assert 0 < metric.count < metric.total
    assert f"{metric.count} of {metric.total}" in counted.tables[0].text()
    # Two of three pairs of these subjects fail and are taken for two subjects; all other decisions are right.
    same = metric.total // 2
    lost = 3 * 2
    assert _value(counted, "perfect") == pytest.approx(100 * (1 - lost / same / 2))
    assert _value(counted, "mean face") == 50.0
    left_out = verification.run(options, failures="leave-out")
    assert _value(left_out, "perfect") == 100.0
    assert next(m for m in left_out.metrics if m.system == "perfect").count == metric.count


def test_a_system_without_coefficients_says_so(folder: Path, systems: dict[str, _Reader]) -> None:
    report = verification.run(RunOptions(systems=("without",), data=folder), failures="leave-out")
    assert np.isnan(_value(report, "without"))
    assert "no such representation" in {m.reason for m in report.missing}
    assert report.tables[0].rows[1][-1] == f"0 of {report.settings['pairs']}"


@pytest.mark.parametrize("which", ["both", "one"])
def test_hands_cover_both_photos_or_one(folder: Path, systems: dict[str, _Reader], which: str) -> None:
    options = RunOptions(systems=("perfect",), data=folder, count=40)
    report = verification.run(options, occluder="hands", occluded_photos=which)
    seen = np.array(systems["perfect"].seen)
    clean, occluded = seen[: report.settings["photos"]], seen[report.settings["photos"] :]
    assert (clean == 0).all()
    assert (occluded > 0).all()
    assert (len(occluded) == len(clean)) == (which == "both")
    assert [row[:2] for row in report.tables[0].rows] == [
        (system, group) for group in ("clean", "hands") for system in ("mean face", "perfect")
    ]
    assert _value(report, "mean face", group="hands") == 50.0
    assert report.settings["pairs"] == 36  # six folds, three pairs of each kind


def test_lfw_pairs_are_used_as_they_are(folder: Path, systems: dict[str, _Reader]) -> None:
    for path in folder.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
    rows = ["10\t1"]
    for fold in range(10):
        rows += [f"p{fold + 1:02d}\t1\t2", f"p{fold + 1:02d}\t1\tp{fold + 2:02d}\t3"]
    (folder / "pairs.txt").write_text("\n".join(rows) + "\n")
    report = verification.run(RunOptions(systems=("perfect",), data=folder))
    assert (report.settings["data"], report.settings["pairs"], report.settings["folds"]) == ("LFW", 20, 10)
    assert _value(report, "perfect") == 100.0


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"occluder": "scarf"}, "--occluder scarf: choose from none, hands, glasses"),
        ({"occluded_photos": "none"}, "choose from both, one"),
        ({"representation": "bump"}, "choose from identity"),
        ({"failures": "ignore"}, "choose from different, leave-out"),
    ],
)
def test_wrong_options(folder: Path, own: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        verification.run(RunOptions(data=folder), **own)  # type: ignore[arg-type]


def test_it_is_a_protocol() -> None:
    import argparse

    protocol = load_protocol("verification")
    assert protocol.add_arguments is not None
    parser = argparse.ArgumentParser()
    protocol.add_arguments(parser)
    given = vars(parser.parse_args(["--occluder", "hands", "--whole"]))
    assert given["occluder"] == "hands"
    assert set(given) == set(verification.run.__kwdefaults__)
    assert given | {"occluder": "none", "whole": False} == verification.run.__kwdefaults__

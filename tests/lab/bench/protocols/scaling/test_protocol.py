"""Speed and memory: how the numbers of the measuring processes become tables, metrics and the curve."""

import json
import subprocess

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import UsageError, WholeFaceError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols.scaling import protocol as scaling
from wholeface.lab.bench.protocols.scaling.child import _timed
from wholeface.lab.bench.protocols.scaling.protocol import curve, run, stage_rows


def photo(since, total, peak=500.0, **stages):
    return {"stages": stages, "total": total, "since_start": since, "peak_mib": peak}


PHOTOS = [
    photo(5.0, 3000.0, photo=100.0, perceive=900.0, refine=0.0, save=50.0),
    photo(6.0, 1000.0, photo=10.0, perceive=300.0, refine=0.0, save=30.0),
    photo(7.5, 1200.0, photo=20.0, perceive=500.0, refine=0.0, save=40.0),
    photo(8.0, 800.0, 640.0, photo=60.0, perceive=100.0, refine=0.0, save=20.0),
]


def test_cold_is_the_first_and_warm_the_median_of_the_others():
    rows = {name: (cold, warm) for name, cold, warm in stage_rows(PHOTOS)}
    assert rows["photo reading"] == (100.0, 20.0)
    assert rows["detection and landmarks"] == (900.0, 300.0)
    assert rows["one photo"] == (3000.0, 1000.0)
    assert "refinement" not in rows  # nobody was there
    assert list(rows)[-2:] == ["export", "one photo"]


def test_curve_counts_from_the_start_of_the_process():
    assert curve(PHOTOS) == [(1, 5.0, 0.2, 500.0), (2, 6.0, 2 / 6, 500.0), (4, 8.0, 0.5, 640.0)]
    assert [row[0] for row in curve([*PHOTOS, PHOTOS[-1]])] == [1, 2, 4, 5]


def test_halves_of_the_detector_add_up():
    watch = {}
    work = _timed(lambda x: x + 1, "landmarks", watch)
    assert [work(1), work(2)] == [2, 3]
    assert watch["landmarks"] >= 0


@pytest.fixture
def children(monkeypatch):
    """Measuring processes replaced by made-up answers; what they were told is kept."""
    told = []
    answers = {
        "photos": {
            "ready": 2.0,
            "photos": PHOTOS,
            "faceless": ["face_004.png"],
            "detector": "MediapipeDetector",
            "networks": [{"network": "parsing", "size": [160, 160], "1": 30.0, "32": 12.0}],
        },
        "systems": {
            "wholeface": {"samples": [900.0, 1100.0, 1000.0], "faceless": [], "error": ""},
            "eos": {"samples": [], "faceless": [], "error": "pip install eos-py"},
        },
    }

    def start(command, **options):
        told.append((command[3:], options["env"]))
        return subprocess.CompletedProcess(command, 0, f"noise\n{json.dumps(answers[command[3]])}\n", "")

    monkeypatch.setattr(scaling.subprocess, "run", start)
    monkeypatch.setattr(scaling.os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    return answers, told


@pytest.fixture
def folder(tmp_path):
    for i in range(5):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(tmp_path / f"face_{i:03d}.png")
    return tmp_path


def test_report(children, folder):
    report = run(RunOptions(systems=("wholeface", "eos"), data=folder, count=5))
    first = report.metrics[0]
    assert (first.name, first.system, first.group) == ("shape from a photo, warm", "wholeface", "1 thread")
    assert (first.value, first.count, first.total) == (1000.0, 3, 5)
    found = {(m.name, m.group): m for m in report.metrics}
    assert found["one photo, cold", "2 threads"].value == 3000.0
    assert found["one photo, warm", "2 threads"].count == 4
    assert found["one photo, warm", "2 threads"].total == 5
    assert found["speed, 4 photos", "1 thread"].better == "higher"
    assert found["peak memory, 4 photos", "1 thread"].value == 640.0
    stages, over_photos, networks, systems = (table.record()["rows"] for table in report.tables)
    assert stages[0] == {
        "stage": "start: imports, loading",
        "1 thread, cold ms": 2000.0,
        "1 thread, warm ms": None,
        "2 threads, cold ms": 2000.0,
        "2 threads, warm ms": None,
    }
    assert over_photos[2]["photos/s"] == 0.5
    assert networks[0]["ms per crop, batch 32"] == 12.0
    assert [row["system"] for row in systems] == ["wholeface"]
    missing = {(m.item, m.system): m.reason for m in report.missing}
    assert missing["time per photo", "eos"] == "pip install eos-py"
    assert missing["face_004.png", "wholeface, 2 threads"] == "no face found"
    for table in report.tables:
        assert table.text()


def test_what_the_processes_are_told(children, folder):
    _, told = children
    run(RunOptions(systems=("wholeface", "mean face"), data=folder, count=4), detector="mediapipe")
    assert [words[0] for words, _ in told] == ["photos", "photos", "systems"]
    words, environment = told[1]
    assert {"--detector=mediapipe", "--batch=32"} <= set(words)
    assert words[words.index("--threads") + 1] == "2"
    assert environment["OMP_NUM_THREADS"] == environment["NUMBA_NUM_THREADS"] == "2"
    assert sum(word.endswith(".png") for word in words) == 4
    assert {"--system=wholeface", "--system=mean face"} <= set(told[2][0])


def test_more_threads_than_cores_are_said(children, folder):
    report = run(RunOptions(systems=("wholeface",), data=folder, count=4), threads="1,64")
    assert report.missing[0].item == "64 threads"
    assert "2 cores" in report.missing[0].reason
    with pytest.raises(UsageError, match="lends 2 cores"):
        run(RunOptions(data=folder), threads="64")


@pytest.mark.parametrize("threads", ["", "0", "two", "1,1"])
def test_wrong_threads(threads):
    with pytest.raises(UsageError, match="--threads"):
        run(RunOptions(), threads=threads)


def test_wrong_counts_detectors_and_folders(children, folder, tmp_path):
    with pytest.raises(UsageError, match="--count 1: at least 2 photos"):
        run(RunOptions(count=1))
    with pytest.raises(UsageError, match="--detector eye: choose"):
        run(RunOptions(), detector="eye")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="empty: at least two photos"):
        run(RunOptions(data=empty))
    answers, _ = children
    answers["photos"]["photos"] = PHOTOS[:1]
    with pytest.raises(UsageError, match="fewer than two photos with a face"):
        run(RunOptions(data=folder))


def test_a_failing_process_is_one_line(monkeypatch, folder):
    failed = subprocess.CompletedProcess([], 2, "", "Traceback\nthe weights are missing\n")
    monkeypatch.setattr(scaling.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(WholeFaceError, match=r"^the weights are missing$"):
        run(RunOptions(data=folder), threads="1")


def test_rendered_photos_differ_and_follow_the_seed(tmp_path, small_model, monkeypatch):
    from types import SimpleNamespace

    from wholeface.lab.modelling.landmarks478 import views

    def draw(model, rng, settings):
        return SimpleNamespace(pixels=rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))

    monkeypatch.setattr(views, "random_view", draw)
    monkeypatch.setattr("wholeface.morphable.load_model", lambda: small_model)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = [p.read_bytes() for p in scaling._photos(None, 3, 1, tmp_path / "a")]
    again = [p.read_bytes() for p in scaling._photos(None, 3, 1, tmp_path / "b")]
    assert first == again
    assert len(set(first)) == 3

"""``bench all``: the summary line of a record, and that one failure does not stop the others."""

import json
import os
import subprocess
import sys

import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench import all_protocols
from wholeface.lab.bench.all_protocols import headline, run_all, usual_systems
from wholeface.lab.bench.protocol import PROTOCOL_MODULES, load_protocol


def metric(system, value, *, name="distance", group="all", unit="mm", count=5, total=5):
    return {
        "name": name, "system": system, "group": group, "value": value, "unit": unit, "better": "lower",
        "spread": None, "spread_kind": "", "count": count, "total": total,
    }  # fmt: skip


def record(*metrics, missing=()):
    return {"schema": 1, "metrics": list(metrics), "missing": list(missing)}


def test_headline_is_the_first_metric_of_every_system():
    head = headline(
        record(
            metric("mean face", 1.5),
            metric("mean face", 9.0, name="mean"),
            metric("wholeface", 1.2, count=4),
            metric("wholeface", 7.0, group="occlusion"),
            metric("mediapipe", 50.0, count=0),  # chance, without a single item
        )
    )
    assert head.metric == "distance, mm"
    assert head.values == {"mean face": 1.5, "wholeface": 1.2, "mediapipe": None}
    assert (head.count, head.total) == (4, 5)
    nothing = headline(record(metric("mean face", None, count=0)))
    assert (nothing.values, nothing.count, nothing.total) == ({"mean face": None}, 0, 5)
    assert headline(record()) is None
    assert headline(record(metric("a", 1, group="seen", unit="1"))).metric == "distance (seen)"


@pytest.fixture
def processes(monkeypatch):
    """Every protocol's process replaced by what this mapping says: records, or an error's text."""
    answers, started = {}, []

    def run(command, **options):
        name = command[command.index("bench") + 1]
        started.append((name, command, options))
        answer = answers.get(name, record(metric("mean face", 1.5), metric("wholeface network", 1.25)))
        if isinstance(answer, str):
            return subprocess.CompletedProcess(command, 2, "", f"noise\nwholeface: {answer}\n")
        with open(command[command.index("--json") + 1], "w") as file:
            json.dump(answer, file)
        return subprocess.CompletedProcess(command, 0, f"table of {name}\n", "")

    monkeypatch.setattr(all_protocols.subprocess, "run", run)
    monkeypatch.setattr(all_protocols, "gather", lambda seed: _about(seed))
    return answers, started


def _about(seed):
    from wholeface.lab.bench.report.provenance import Provenance

    return Provenance("1", "abc", "a machine", "linux", "3", "2", "1", 1, "cpu", "mediapipe", {}, seed, "now")


def test_one_failure_is_reported_and_the_rest_goes_on(processes, tmp_path):
    answers, _ = processes
    answers["florence"] = "the scans are missing"
    answers["segmentation"] = record(metric("finds nothing", 0.82), metric("both", None, count=0))
    answers["now"] = record(
        metric("mean face", 1.5, count=4), missing=[{"item": "a", "system": "", "reason": "b"}]
    )
    said = []
    result = run_all(
        quick=True, systems=["mean face", "wholeface"], out=tmp_path / "out", progress=said.append
    )
    ran = [name for name in PROTOCOL_MODULES if not load_protocol(name).needs_data]
    assert "occluders" not in ran
    assert [run.name for run in result.runs] == ran
    assert result.failed == ["florence"]
    assert sorted(line.partition(":")[0] for line in said) == sorted(ran)
    rows = {row["protocol"]: row for row in result.table().record()["rows"]}
    assert rows["florence"]["first number of its table"] == "FAILED"
    assert rows["now"]["n of m"] == "4 of 5"
    assert rows["now"]["wholeface"] is None
    assert rows["landmarks"]["wholeface"] == 1.25  # a part of that system
    text = result.text()
    assert "segmentation, other rows: finds nothing 0.82; both -" in text
    assert "florence failed: the scans are missing" in text
    assert "items left out: 1;" in text
    assert f"{len(ran) - 1} of {len(ran)} protocols ran" in text
    whole = result.record()
    json.dumps(whole, allow_nan=False)
    assert whole["failed"] == {"florence": "the scans are missing"}
    assert "florence" not in whole["protocols"]
    assert (tmp_path / "out" / "now" / "now.txt").read_text() == "table of now\n"
    assert json.loads((tmp_path / "out" / "now" / "now.json").read_text()) == answers["now"]


def test_a_protocol_whose_package_is_missing_is_left_out(processes, tmp_path, monkeypatch):
    real = all_protocols.importlib.util.find_spec
    monkeypatch.setattr(
        all_protocols.importlib.util, "find_spec", lambda name: None if name == "dlib" else real(name)
    )
    said = []
    result = run_all(
        quick=True, data=tmp_path, systems=["mean face"], only=["likeness", "now"], progress=said.append
    )
    assert [run.name for run in result.runs] == ["now"]
    (line,) = [line for line in said if line.startswith("likeness")]
    assert "needs dlib" in line
    assert "wholeface bench likeness" in line


def test_what_each_process_is_told(processes):
    _, started = processes
    run_all(quick=True, systems=["mean face", "folder:MICA=a b"], seed=3, jobs=2, only=["scaling", "now"])
    assert [name for name, *_ in started] == ["now", "scaling"]  # what measures time comes last, alone
    (_, command, options), (_, _, alone) = started
    assert command[:5] == [sys.executable, "-m", "wholeface.app.cli", "bench", "now"]
    assert command[command.index("--systems") + 1] == "mean face,folder:MICA=a b"
    assert command[command.index("--seed") + 1] == "3"
    assert "--quick" in command
    assert options["env"]["OMP_NUM_THREADS"] == "1"
    assert alone["env"] == dict(os.environ)


def test_source_material_reaches_the_protocols_that_can_use_it(processes, tmp_path):
    _, started = processes
    (tmp_path / "real_occluded").mkdir()
    run_all(
        quick=True, data=tmp_path, systems=["mean face"], only=["occluders", "now", "shrinkage", "perception"]
    )
    given = {
        name: command[command.index("--data") + 1] for name, command, _ in started if "--data" in command
    }
    assert given == {"occluders": str(tmp_path / "real_occluded"), "perception": str(tmp_path)}
    assert {name for name, *_ in started} == {"occluders", "now", "shrinkage", "perception"}


def test_a_protocol_that_does_not_end_is_stopped(monkeypatch, processes):
    def run(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(all_protocols.subprocess, "run", run)
    result = run_all(quick=True, systems=["mean face"], only=["now"])
    assert result.runs[0].error == "stopped after 600 s"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["nothing"]}, "--only: no protocol nothing; there are: now"),
        ({"only": []}, "--only: no protocol"),
        ({"seed": -1}, "--seed -1"),
        ({"jobs": 0}, "--jobs 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        run_all(quick=True, **options)


def test_mean_face_and_ours_are_always_there():
    assert usual_systems()[:2] == ["mean face", "wholeface"]

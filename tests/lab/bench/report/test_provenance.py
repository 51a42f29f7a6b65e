"""The record of a measurement: complete, plain JSON, without the machine's folders."""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np

from wholeface.lab.bench.protocol import Metric, Missing, Protocol, Report, RunOptions
from wholeface.lab.bench.report.provenance import commit, gather, plain, report_record, weight_hashes
from wholeface.lab.bench.report.table import Table


def test_weight_hashes_are_of_the_files(tmp_path):
    (tmp_path / "b.safetensors").write_bytes(b"two")
    (tmp_path / "a.safetensors").write_bytes(b"one")
    (tmp_path / "a.json").write_bytes(b"card")
    hashes = weight_hashes(tmp_path)
    assert list(hashes) == ["a.safetensors", "b.safetensors"]
    assert hashes["b.safetensors"] == hashlib.sha256(b"two").hexdigest()


def test_the_shipped_weights_and_the_model_are_named():
    found = gather(7)
    assert {"face_model.safetensors", "detector.safetensors", "landmarks.safetensors"} <= set(found.weights)
    assert all(len(value) == 64 for value in found.weights.values())
    assert found.seed == 7
    assert found.detector in ("mediapipe", "wholeface")
    assert found.time.endswith("+00:00")


def test_commit_of_a_tree_and_of_none(tmp_path):
    assert commit(tmp_path) == ""
    words = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*words, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*words, "add", "file"], check=True)
    subprocess.run([*words, "commit", "-qm", "one"], check=True)
    clean = commit(tmp_path)
    assert len(clean) == 12
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == clean + "+"


def test_plain_values():
    given = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "int": np.int64(3),
        "array": np.array([[1.0, np.nan]]),
        "path": Path("some/folder/set"),
        "tuple": (1, "a", None, True),
        4: {2},
        "other": 1 + 2j,
    }
    assert plain(given) == {
        "nan": None,
        "inf": None,
        "int": 3,
        "array": [[1.0, None]],
        "path": "set",
        "tuple": [1, "a", None, True],
        "4": [2],
        "other": "(1+2j)",
    }


def test_record_has_every_number_and_no_folder():
    report = Report(
        tables=[Table("t", [("system", ""), ("mm", ".2f")], [("mean face", float("nan"))])],
        metrics=[Metric("distance", "mean face", "all", 1.5, "mm", count=2, total=3)],
        images={"curve": np.zeros((2, 2, 3), np.uint8)},
        missing=[Missing("photo_3", "", "no face found")],
        settings={"radius": 95.0, "scans": Path("long/way/scans")},
        files={"items.csv": "a,b\n"},
    )
    protocol = Protocol("demo", "Demo", "shows", "A. U. Thor 2020", lambda options: report)
    options = RunOptions(systems=("mean face", "folder:MICA=long/way/mica"), data=Path("long/way/set"))
    record = report_record(protocol, options, {"radius": 95.0}, report, 1.234, gather(0))
    text = json.dumps(record, allow_nan=False)
    assert "long" not in text
    assert record["schema"] == 1
    assert record["options"]["systems"] == ["mean face", "folder:MICA=mica"]
    assert record["options"]["data"] == "set"
    assert record["options"]["radius"] == 95.0
    assert record["metrics"][0]["value"] == 1.5
    assert record["metrics"][0]["spread"] is None
    assert record["tables"][0]["rows"] == [{"system": "mean face", "mm": None}]
    assert record["missing"] == [{"item": "photo_3", "system": "", "reason": "no face found"}]
    assert record["images"] == ["curve"]
    assert record["files"] == ["items.csv"]
    assert record["seconds"] == 1.23

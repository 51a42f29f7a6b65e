import dataclasses
import enum
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wholeface.core.errors import UsageError
from wholeface.export import plain_json, write_json


class Verdict(enum.Enum):
    GOOD = "good"


@dataclasses.dataclass
class Pose:
    yaw: float
    points: np.ndarray


def test_everything_becomes_plain(tmp_path):
    record = {
        "z": np.float32(0.1),
        "a": torch.tensor([[1.0, 2.0], [3.0, np.nan]], requires_grad=True),
        "pose": Pose(1 / 3, np.arange(3)),
        "verdict": Verdict.GOOD,
        "path": Path("a") / "b",
        "flags": (True, None, np.bool_(False), np.int64(7)),
        "names": {"b", "a"},
        "empty": {},
        "none": [],
        "text": "Größe\n",
    }
    path = write_json(tmp_path / "face.json", record)
    loaded = json.loads(path.read_text("utf-8"))
    assert list(loaded) == ["schema_version", *record]
    assert loaded == {
        "schema_version": 1,
        "z": 0.1,
        "a": [[1.0, 2.0], [3.0, None]],
        "pose": {"yaw": 0.3333333, "points": [0, 1, 2]},
        "verdict": "good",
        "path": str(Path("a") / "b"),
        "flags": [True, None, False, 7],
        "names": ["a", "b"],
        "empty": {},
        "none": [],
        "text": "Größe\n",
    }


def test_layout_is_readable(tmp_path):
    path = write_json(tmp_path / "x.json", {"schema_version": 3, "p": np.eye(2), "n": {"k": [1, 2]}})
    assert path.read_text() == (
        '{\n  "schema_version": 3,\n  "p": [\n    [1.0, 0.0],\n    [0.0, 1.0]\n  ],\n'
        '  "n": {\n    "k": [1, 2]\n  }\n}\n'
    )


def test_schema_version_comes_first_wherever_it_was(tmp_path):
    path = write_json(tmp_path / "x.json", {"a": 1, "schema_version": 9})
    assert list(json.loads(path.read_text()).items()) == [("schema_version", 9), ("a", 1)]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_keep_seven_digits(value):
    assert plain_json(value, digits=7) == pytest.approx(value, rel=5e-7, abs=0)
    assert plain_json(value) == value


def test_no_negative_zero():
    assert json.dumps(plain_json([-0.0], digits=7)) == "[0.0]"


@pytest.mark.parametrize("value", [object(), 1j, {1.5: 2}, {None: 1}, b"bytes"])
def test_the_rest_is_refused(value):
    with pytest.raises(UsageError):
        plain_json(value)

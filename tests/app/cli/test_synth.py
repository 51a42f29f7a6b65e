"""``wholeface synth`` with a stand-in for the data engine."""

from __future__ import annotations

import importlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wholeface.app.cli import synth as _synth
from wholeface.app.cli.command import main
from wholeface.core.errors import UsageError
from wholeface.lab.data import read_shards
from wholeface.lab.data.engine import FaceEngine
from wholeface.lab.data.occluders import DEFAULT_WEIGHTS
from wholeface.perceive import OccluderKind

_HERE = Path(__file__).resolve().parents[2] / "lab" / "data"


@pytest.fixture
def made_from(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replaces the data engine; holds what the command asked for."""
    monkeypatch.syspath_prepend(str(_HERE))
    fake = importlib.import_module("fake_faces")
    asked: list[Any] = []

    def make(recipe: Any) -> Any:
        asked.append(recipe)
        return partial(fake.FakeFaces, recipe.seed, recipe.size)

    monkeypatch.setattr(_synth._Recipe, "make", property(make))
    return asked


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_folders_and_contact_sheet(
    made_from: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["synth", "--count", "3", "-o", str(tmp_path / "out"), "--size", "32", "--seed", "4"]) == 0
    written = files(tmp_path / "out")
    parts = ["clean.png", "face.png", "labels.json", "occluder.png", "parsing.png", "photo.png"]
    assert sorted(written) == [f"{i:08d}/{part}" for i in range(3) for part in parts] + ["contact_sheet.png"]
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size == (2 * (4 * 192 + 4) + 4, 2 * 196 + 4)
    assert made_from[0] == _synth._Recipe(None, 4, 32, False, 0.25, ())
    out = capsys.readouterr().out
    assert "3 samples in" in out
    assert "contact_sheet.png" in out


def test_any_number_of_workers_writes_the_same(made_from: list[Any], tmp_path: Path) -> None:
    words = ["synth", "--count", "7", "--size", "32", "--geometry"]
    for workers in ("1", "2"):
        for extra in ([], ["--shards", "--per-shard", "3"]):
            out = tmp_path / f"{workers}{len(extra)}"
            assert main([*words, "-o", str(out), "--workers", workers, *extra]) == 0
    assert files(tmp_path / "10") == files(tmp_path / "20")
    assert files(tmp_path / "13") == files(tmp_path / "23")
    assert len(files(tmp_path / "13")) == 4  # three shards and the contact sheet


def test_start_goes_on(made_from: list[Any], tmp_path: Path) -> None:
    for out, count, start in (("all", 5, 0), ("two", 2, 3)):
        words = ["--count", str(count), "--start", str(start), "--size", "32"]
        assert main(["synth", *words, "-o", str(tmp_path / out)]) == 0
        assert main(["synth", *words, "-o", str(tmp_path / (out + "_tar")), "--shards"]) == 0
    whole, rest = files(tmp_path / "all"), files(tmp_path / "two")
    del rest["contact_sheet.png"]
    assert len(rest) == 12
    assert rest.items() <= whole.items()
    a, b = list(read_shards(tmp_path / "all_tar")), list(read_shards(tmp_path / "two_tar"))
    np.testing.assert_array_equal([s.image for s in a[3:]], [s.image for s in b])


def test_options_reach_the_engine(made_from: list[Any], tmp_path: Path) -> None:
    words = ["--data", str(tmp_path), "--held-out", "--clean", "0.5", "--occluders", "hands=2, hair=0"]
    assert main(["synth", "--count", "1", "-o", str(tmp_path / "out"), *words]) == 0
    recipe = made_from[0]
    weights = dict(DEFAULT_WEIGHTS) | {"hands": 2 * DEFAULT_WEIGHTS["hands"], "hair": 0}
    assert dict(recipe.occluders) == weights
    assert (recipe.data, recipe.held_out, recipe.clean) == (tmp_path, True, 0.5)


def test_occluder_weights() -> None:
    assert _synth._occluder_weights(()) == ()
    only = dict(_synth._occluder_weights((("masks", 3.0), ("others", 0.0))))
    assert {name: w for name, w in only.items() if w} == {"masks": 3 * DEFAULT_WEIGHTS["masks"]}
    with pytest.raises(UsageError, match=r"unknown occluder 'hand'; known are .*hands"):
        _synth._occluder_weights((("hand", 1.0),))
    with pytest.raises(UsageError, match="--clean 1"):
        _synth._occluder_weights((("others", 0.0),))


def test_the_engine_is_made() -> None:
    engine = _synth._Recipe(None, 4, 64, True, 0.5, (("masks", 1.0),)).make()
    assert isinstance(engine, FaceEngine)
    assert (engine.root, engine.seed, engine.size, engine.split) == (None, 4, 64, "held_out")
    assert engine.settings.clean == 0.5
    assert engine.settings.occluders == {"masks": 1.0}
    assert not engine.settings.synthetic.geometry
    assert _synth._Recipe(None, 4, 64, True, 0.5, (), True).make().settings.synthetic.geometry


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "0"], "1 or more"),
        (["--count", "many"], "1 or more"),
        (["--count", "1", "--size", "8"], "32 or more"),
        (["--count", "1", "--clean", "2"], "from 0 to 1"),
        (["--count", "1", "--occluders", "hands"], "hands=2,hair=0"),
        (["--count", "1", "--occluders", "hands=-1"], "hands=2,hair=0"),
        (["--count", "1", "--occluders", "a=1,a=2"], "each kind once"),
        ([], "--count"),
    ],
)
def test_bad_words(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["synth", "-o", str(tmp_path), *words])
    assert message in capsys.readouterr().err


def test_bad_folders(made_from: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["synth", "--count", "1", "-o", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err
    assert main(["synth", "--count", "1", "-o", str(tmp_path), "--data", str(tmp_path / "away")]) == 2
    assert "no such folder" in capsys.readouterr().err
    words = ["synth", "--count", "1", "--size", "32", "-o", str(tmp_path / "out"), "--shards"]
    assert [main(words), main(words)] == [0, 2]
    assert "there already" in capsys.readouterr().err


def test_the_real_engine_in_two_processes(tmp_path: Path) -> None:
    words = [
        "synth",
        "--count",
        "4",
        "--size",
        "64",
        "--occluders",
        "masks=1,patches=1,others=0",
        "--clean",
        "0",
    ]
    assert main([*words, "-o", str(tmp_path / "one"), "--workers", "1"]) == 0
    assert main([*words, "-o", str(tmp_path / "two"), "--workers", "2"]) == 0
    written = files(tmp_path / "one")
    assert written == files(tmp_path / "two")
    kinds = set(np.unique([np.array(Image.open(p)) for p in tmp_path.rglob("one/0*/occluder.png")]))
    assert kinds & {OccluderKind.MASK, OccluderKind.PATCH}
    assert not kinds & {OccluderKind.HAND, OccluderKind.HAT, OccluderKind.GLASSES}
    labels = json.loads(written["00000002/labels.json"])
    assert labels["seed"] == [0, 2]
    assert set(labels["known"]) == {"parsing", "occluder", "landmarks", "geometry"}

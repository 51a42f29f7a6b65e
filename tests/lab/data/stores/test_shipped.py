"""The stores behind the shipped networks can be made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from wholeface.lab.data.stores import SampleStore
from wholeface.lab.data.stores.shipped import STORES, main


def test_training_and_held_out_samples_are_kept_apart() -> None:
    assert {name for name, plan in STORES.items() if plan.split != "train"} == {
        "c1",
        "cal",
        "ev",
        "shape_check",
        "heads_check",
    }
    assert len({plan.seed for plan in STORES.values()}) == len(STORES)


def test_a_store_of_rendered_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()  # rendered faces without hair need no material
    words = [
        str(tmp_path / "out"),
        "--data",
        str(tmp_path / "data"),
        "--only",
        "s0",
        "--count",
        "3",
        "--workers",
        "1",
    ]
    assert main(words) == 0
    store = SampleStore(tmp_path / "out" / "s0")
    assert len(store) == 3
    assert store[2]["image"].shape == (224, 224, 3)
    assert (store[0]["image"] == store[0]["clean"]).all()
    assert main(words) == 0  # whole already


@pytest.mark.parametrize(
    ("words", "message"), [(["--only", "s0,zz"], "zz"), (["--count", "0"], "at least 1")]
)
def test_wrong_words_are_refused(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--data", str(tmp_path), *words]) == 2
    assert message in capsys.readouterr().err


def test_portraits_need_the_portraits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "o"), "--data", str(tmp_path), "--only", "p1", "--count", "1"]) == 2
    assert "portraits" in capsys.readouterr().err

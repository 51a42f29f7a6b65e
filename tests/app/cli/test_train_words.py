"""The words of ``wholeface train``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wholeface.app.cli.command import main
from wholeface.lab.train import load_checkpoint

pytest.importorskip("lightning_fabric")
TOY = str(Path(__file__).parents[2] / "lab" / "train" / "toy_recipe.py")


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    from wholeface.lab.train import recipe_names

    assert main(["train", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == recipe_names()
    assert main(["train", TOY, "--list"]) == 0
    assert "noise: float = 0.1   of the augmentation, in units of the inputs." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "say which recipe"),
        (["train", "nothing"], "no recipe 'nothing'; there are:"),
        (["train", "nothing.py"], "no such recipe file"),
        (["train", __file__], "no RECIPE"),
        (["train", TOY, "--set", "widht=3"], "unknown setting 'widht'"),
        (["train", TOY, "--out", TOY], "is a file"),
    ],
)
def test_errors_are_one_line_and_code_2(
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [["--minutes", "0"], ["--steps", "x"], ["--workers", "-1"], ["--device", "tpu"], ["--precision", "8"]],
)
def test_bad_flags(words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", TOY, *words])
    assert caught.value.code == 2


def test_resuming_keeps_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", TOY, "--device", "cpu"]
    assert main([*words, "--steps", "9", "--set", "noise=0.3", "--set", "width=5"]) == 0
    folder = tmp_path / "runs" / "toy"
    assert load_checkpoint(folder / "last.safetensors").settings["noise"] == 0.3
    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume", "--steps", "12"]) == 0
    checkpoint = load_checkpoint(folder / "last.safetensors")
    assert (checkpoint.step, checkpoint.settings["noise"], checkpoint.settings["width"]) == (12, 0.3, 5)
    out = capsys.readouterr().out
    assert "going on at step 9 of 12" in out
    assert "finished: step 12" in out


def test_a_broken_run_ends_with_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", TOY, "--device", "cpu", "--out", str(tmp_path / "r"), "--set", "poison=3"]
    assert main(words) == 2
    assert "recipe toy, step" in capsys.readouterr().err


def test_two_processes_train_like_one_that_sees_all(tmp_path: Path) -> None:
    """Gradients are averaged: without batch statistics and noise, halves of batches give what whole batches give."""
    # Fabric starts the second process by running the same command again, so it must be a real one.
    program = tmp_path / "command.py"
    program.write_text("import sys; from wholeface.app.cli import main; sys.exit(main(sys.argv[1:]))")
    plain = ["--set", "noise=0", "--set", "plain=true", "--threads", "1", "--device", "cpu", "--steps", "6"]
    words = ["train", TOY, *plain, "--out"]
    assert main([*words, str(tmp_path / "1")]) == 0
    together = [sys.executable, str(program), *words, str(tmp_path / "2"), "--devices", "2"]
    subprocess.run(together, check=True, timeout=120, capture_output=True)
    assert load_checkpoint(tmp_path / "2" / "last.safetensors").finished
    one, two = (
        [float(word) for word in (tmp_path / n / "validation.csv").read_text().splitlines()[-1].split(",")]
        for n in ("1", "2")
    )
    assert one[0] == two[0] == 6
    assert one[2] == pytest.approx(two[2], rel=1e-5)

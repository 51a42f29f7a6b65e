"""The command's words: flags, help, names, exit codes; no model is loaded."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from wholeface.app.cli import reconstruct as _reconstruct
from wholeface.app.cli.command import build_parser, main
from wholeface.result.files import RESULT_FILES


def _exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["reconstruct", "--help"],
        ["bench", "--help"],
        ["view", "--help"],
        ["serve", "--help"],
        ["--version"],
    ],
)
def test_help_exits_with_0(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(*words) == 0
    assert "wholeface" in capsys.readouterr().out


def test_reconstruct_help_names_every_file_that_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    _exit_code("reconstruct", "--help")
    text = capsys.readouterr().out
    for name in RESULT_FILES:
        if name not in ("face.obj", "face.mtl", "face_texture.png", "face_normals.png", "face.ply"):
            assert name in text, name
    assert "exit code: 0" in text
    assert "in metres" in text
    assert "in millimetres" in text


def test_help_loads_neither_torch_nor_mediapipe() -> None:
    code = (
        "import sys\nfrom wholeface.app.cli import build_parser\nbuild_parser().format_help()\n"
        "print([m for m in ('torch', 'mediapipe', 'numba', 'PIL', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["reconstruct"],
        ["reconstruct", "photo.jpg"],
        ["reconstruct", "photo.jpg", "-o", "out", "--format", "fbx"],
        ["reconstruct", "photo.jpg", "-o", "out", "--format", ","],
        ["reconstruct", "photo.jpg", "-o", "out", "--texture-size", "10"],
        ["reconstruct", "photo.jpg", "-o", "out", "--texture-size", "1e3"],
        ["reconstruct", "photo.jpg", "-o", "out", "--face", "0"],
        ["reconstruct", "photo.jpg", "-o", "out", "--max-faces", "0"],
        ["reconstruct", "photo.jpg", "-o", "out", "--expression-names", "apple"],
        ["reconstruct", "photo.jpg", "-o", "out", "--detail", "fine"],
        ["reconstruct", "photo.jpg", "-o", ""],
        ["reconstruct", "photo.jpg", "-o", "out", "--device", "tpu"],
        ["reconstruct", "photo.jpg", "-o", "out", "--detector", "dlib"],
        ["reconstruct", "photo.jpg", "-o", "out", "--backend", "tensorrt"],
        ["weights", "onnx"],
        ["unknown"],
    ],
)
def test_bad_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(*words) == 2
    assert "usage:" in capsys.readouterr().err


def test_formats_are_a_set_in_the_order_given() -> None:
    options = build_parser().parse_args(["reconstruct", "a.jpg", "-o", "out", "--format", "PLY, glb,ply"])
    assert options.formats == ("ply", "glb")


def test_every_missing_photo_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = [str(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    assert main(["reconstruct", *missing, "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert missing[0] in error
    assert "no such file" in error
    assert not (tmp_path / "out").exists()


def test_out_must_not_be_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    assert main(["reconstruct", str(out), "-o", str(out)]) == 2
    assert "is a file" in capsys.readouterr().err
    assert out.read_text() == "mine"


@pytest.mark.parametrize("text", ["63", "4097", "-1", "", "a"])
def test_texture_size_outside_the_range_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="64 to 4096"):
        _reconstruct._texture_size(text)


def test_the_front_end_by_default() -> None:
    options = build_parser().parse_args(["reconstruct", "a.jpg", "-o", "out"])
    assert (options.detector, options.backend, options.weights) == ("auto", "torch", None)


def test_wrong_weights_are_said_once_for_all_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [tmp_path / f"{i}.png" for i in range(2)]
    for photo in photos:
        Image.new("RGB", (64, 64)).save(photo)
    words = [
        "reconstruct",
        *map(str, photos),
        "-o",
        str(tmp_path / "out"),
        "--weights",
        str(tmp_path / "none"),
    ]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "weights of the detector network are missing" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["reconstruct", "", "-o", "out"],
        ["reconstruct", "a.jpg", "-o", "out", "--weights", ""],
        ["reconstruct", "a.jpg", "-o", "out", "--model", " "],
        ["synth", "--count", "1", "-o", ""],
        ["train", "detector", "--out", ""],
        ["bench", "occluders", "--data", "", "-o", "out"],
        ["bench", "all", "--out", ""],
        ["bench", "now", "--out", ""],
        ["weights", "verify", ""],
        ["weights", "export", "checkpoint", "-o", ""],
        ["view", ""],
        ["serve", "--store", ""],
    ],
)
def test_an_empty_name_never_means_the_current_folder(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code(*words) == 2
    assert "the name is empty (a shell variable that is not set?)" in capsys.readouterr().err


def test_errors_of_the_system_are_one_line_without_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wholeface.app.cli import info as _info

    def broken(options: argparse.Namespace) -> int:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(_info, "_run", broken)
    assert main(["info"]) == 2
    assert capsys.readouterr().err == f"wholeface: {tmp_path}: Permission denied\n"

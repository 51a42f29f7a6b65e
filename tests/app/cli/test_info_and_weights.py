"""``wholeface info`` names what ships; ``wholeface weights`` knows the face model too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from wholeface.app.cli.command import main
from wholeface.networks.registry import METHOD_NETWORKS, NETWORKS, has_weights, weights_file

MODEL = weights_file("detector").with_name("face_model.safetensors")


def test_info_names_each_network_by_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for name in (*NETWORKS, *filter(has_weights, METHOD_NETWORKS)):
        sha256 = json.loads(weights_file(name).with_suffix(".json").read_text())["sha256"]
        (line,) = [line for line in out.splitlines() if line.startswith(f"{name} network: ")]
        assert sha256[:16] in line
    assert "not for identifying" in out


def test_the_face_model_is_shown_and_verified(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    card = json.loads(MODEL.with_suffix(".json").read_text())
    assert main(["weights", "show", str(MODEL)]) == 0
    shown = capsys.readouterr().out
    assert card["sha256"] in shown
    assert "licence: MIT" in shown
    assert main(["weights", "show", "--json", str(MODEL)]) == 0
    assert json.loads(capsys.readouterr().out) == card
    assert main(["weights", "verify", str(MODEL)]) == 0
    assert "whole: face model" in capsys.readouterr().out
    for file in (MODEL, MODEL.with_suffix(".json")):
        shutil.copy(file, tmp_path / file.name)
    data = bytearray((tmp_path / MODEL.name).read_bytes())
    data[-1] ^= 1
    (tmp_path / MODEL.name).write_bytes(data)
    assert main(["weights", "verify", str(tmp_path / MODEL.name)]) == 2
    assert "face_model.safetensors" in capsys.readouterr().err

"""``wholeface doctor``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from wholeface.app.cli import doctor
from wholeface.app.cli.command import main
from wholeface.networks import registry
from wholeface.perceive import NETWORKS, has_weights

pytestmark = pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")


def test_all_is_well_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--quick", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    found = {(finding["group"], finding["name"]): finding for finding in report["findings"]}
    assert {group for group, _ in found} == {"machine", "packages", "extras", "weights", "backends"}
    assert found["weights", "detector"]["state"] == "ok"
    assert found["backends", "torch on the CPU"]["words"].startswith("finds face and landmarks in ")
    assert {finding["state"] for finding in report["findings"]} <= {"ok", "absent"}


def test_damaged_and_missing_weights_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in registry.SHIPPED_WEIGHTS.glob("[dlp]*"):
        shutil.copy(path, tmp_path)
    damaged = bytearray((tmp_path / "landmarks.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "landmarks.safetensors").write_bytes(damaged)
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", tmp_path)
    states = {finding.name: finding for finding in doctor._weights()}
    assert states["detector"].state == "ok"
    assert states["landmarks"].state == "broken"
    assert "ModelFileError" in states["landmarks"].words
    assert states["eyewear"].state == "broken"  # every photo needs it
    assert states["fisn"].state == "absent"  # one method needs it
    monkeypatch.setattr(doctor, "examine", lambda *, speed: iter(states.values()))
    assert main(["doctor"]) == 1
    assert "2 of these are broken" in capsys.readouterr().out


def test_what_is_not_installed_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_found", lambda module: False)
    findings = list(doctor._extras())
    assert {finding.state for finding in findings} == {"absent"}
    assert any("pip install 'wholeface[serve]'" in finding.words for finding in findings)


def test_every_extra_of_the_package_is_looked_at() -> None:
    import re

    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text()
    (table,) = re.findall(r"\[project.optional-dependencies\]\n(.*?)\n\[", text, flags=re.S)
    assert set(re.findall(r"^([a-z-]+) = ", table, flags=re.M)) == set(doctor._MODULES)


def test_a_head_is_timed() -> None:
    (finding,) = doctor._speed()
    assert finding.state == "ok", finding.words
    assert " s for a photo of 512 x 512 pixels" in finding.words

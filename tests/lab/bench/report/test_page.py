"""The page of measurements: one block per command, failures are not hidden, single sections can be replaced."""

import subprocess
from pathlib import Path

import pytest

from wholeface.app.cli.command import build_parser
from wholeface.core.errors import WholeFaceError
from wholeface.lab.bench.report import page as report
from wholeface.lab.bench.report.page import SECTIONS, Section, page

ONE = Section("One", "The first.", ("bench", "speed"))
DATA = Section("Two", "Needs data.", ("bench", "occluders", "--data", "{data}/set"), needs_data=True)
ALL = Section("Three", "All.", ("bench", "all", "--quick", "--out", "{out}/all"), details="all")


@pytest.fixture
def commands(monkeypatch):
    """Every command prints its own words; ``bench all`` leaves what two protocols printed."""
    started = []

    def run(command, **options):
        words = command[3:]
        started.append(words)
        if words[1] == "all":
            out = Path(words[words.index("--out") + 1])
            for name in ("rendered", "now"):
                (out / name).mkdir(parents=True)
                (out / name / f"{name}.txt").write_text(f"a machine\ncommit\n\ntable of {name}\n\nsecond\n")
        return subprocess.CompletedProcess(command, 0, f"{words[1]} printed this\n", "")

    monkeypatch.setattr(report.subprocess, "run", run)
    return started


def test_page(commands, tmp_path):
    text = page([ONE, DATA], tmp_path)
    assert (
        "## One\n\nThe first.\n\n```bash\nwholeface bench speed\n```\n\n```text\nspeed printed this\n```"
        in text
    )
    assert "wholeface bench occluders --data ../shared/data/set" in text
    assert str(tmp_path) not in text
    assert commands[1] == ["bench", "occluders", "--data", f"{tmp_path}/set"]


def test_what_needs_data_says_so_without(commands, tmp_path):
    text = page([DATA, ONE], tmp_path / "nowhere")
    assert "Not run: the source material is not at hand." in text
    assert [words[1] for words in commands] == ["speed"]


def test_each_protocols_own_tables_follow_in_order(commands, tmp_path):
    text = page([ALL], tmp_path)
    assert "wholeface bench all --quick --out OUT/all" in text
    now, rendered = text.index("### now"), text.index("### rendered")
    assert text.index("all printed this") < now < rendered
    assert "```text\ntable of now\n\nsecond\n```" in text
    assert "a machine" not in text


def test_a_failing_command_fails_the_page(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "a table", "wholeface: one protocol failed\n")
    monkeypatch.setattr(report.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(
        WholeFaceError, match="`wholeface bench speed` failed with 1: wholeface: one protocol"
    ):
        page([ONE], tmp_path)


def test_one_section_is_measured_anew(commands, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "SECTIONS", (ONE, ALL))
    file = tmp_path / "page.md"
    file.write_text("# Measured\n\n## One\n\nold\n\n## Other\n\nstays\n")
    words = ["--data", str(tmp_path), "--out", str(file)]
    assert report.main([*words, "--only", "One"]) == 0
    text = file.read_text()
    assert "old" not in text
    assert "speed printed this" in text
    assert text.endswith("## Other\n\nstays\n")
    assert report.main([*words, "--only", "Three"]) == 0  # was not there: added at the end
    assert file.read_text().index("stays") < file.read_text().index("### now")
    assert report.main([*words, "--only", "Four"]) == 2
    assert "no section 'Four'; there are: One, Three" in capsys.readouterr().err


def test_every_sections_command_exists():
    for section in SECTIONS:
        words = [word.format(data="data", out="out") for word in section.words]
        build_parser().parse_args(words)

"""``wholeface bench``: what it says, what it loads, what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from wholeface.app.cli import bench_protocol as _bench_protocol
from wholeface.app.cli import command as cli
from wholeface.app.cli.bench_protocol import PROTOCOL_HELP
from wholeface.lab.bench import protocol as contract
from wholeface.lab.bench.protocol import PROTOCOL_MODULES, Metric, Missing, Protocol, Report
from wholeface.lab.bench.report.table import Table


@pytest.fixture
def demo(monkeypatch):
    """A protocol that notes what it was given, in the place of NoW."""
    seen = {}

    def run(options, radius=None):
        seen.update(options=options, radius=radius)
        return Report(
            [Table("Found", [("system", ""), ("mm", ".2f")], [("mean face", 1.5)])],
            [Metric("distance", "mean face", "all", 1.5, "mm", count=1, total=2)],
            images={"curve": np.zeros((3, 3, 3), np.uint8)},
            missing=[Missing("photo_2", "", "no face found")],
            files={"items.csv": "a\n"},
        )

    def add(parser):
        parser.add_argument("--radius", type=float, default=95.0, help="mm around the nose")

    demo = Protocol("now", "NoW", "scans", "Sanyal et al. 2019", run, add)
    monkeypatch.setattr(contract, "load_protocol", lambda name: demo)
    return seen


def test_every_protocol_has_its_subcommand():
    assert list(PROTOCOL_HELP) == list(PROTOCOL_MODULES)


def test_help_loads_neither_numpy_nor_a_protocol():
    code = (
        "import sys\nfrom wholeface.app.cli import build_parser\nbuild_parser()\n"
        "print([m for m in ('numpy', 'torch', 'matplotlib', 'wholeface.lab.bench.protocol') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_shows_the_protocols_own_options(demo, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", "now", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "--radius" in shown
    assert "--systems" in shown
    assert "Sanyal et al. 2019" in shown


def test_run_prints_tables_and_writes_files(demo, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "now.json"
    words = ["--quick", "--count", "3", "--seed", "4", "--radius", "80", "--systems", "mean face, mediapipe"]
    assert cli.main(["bench", "now", *words, "--json", str(file), "--out", str(out)]) == 0
    assert demo["radius"] == 80
    options = demo["options"]
    assert (options.quick, options.count, options.seed, options.data) == (True, 3, 4, None)
    assert options.systems == ("mean face", "mediapipe")
    printed = capsys.readouterr()
    assert "Found\nsystem" in printed.out
    assert "missing: photo_2: no face found" in printed.out
    assert str(out) in printed.err
    assert str(file) in printed.err
    record = json.loads(file.read_text())
    assert record["options"]["radius"] == 80
    assert record["metrics"][0]["count"] == 1
    assert (out / "curve.png").is_file()
    assert (out / "items.csv").read_text() == "a\n"


def test_without_out_it_says_that_images_exist(demo, capsys):
    assert cli.main(["bench", "now"]) == 0
    assert demo["radius"] == 95
    assert "--out DIR writes them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "0"], "--count 0: at least 1"),
        (["--data", "nowhere"], "--data nowhere: no such folder"),
        (["--systems", " , "], "no system is named"),
    ],
)
def test_bad_options_are_one_line(demo, capsys, words, message):
    assert cli.main(["bench", "now", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--count", "many"], ["--nonsense"], ["--radius", "wide"]])
def test_words_that_argparse_refuses(demo, capsys, words):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", "now", *words])
    assert stop.value.code == 2


def test_a_broken_protocol_does_not_break_the_others(monkeypatch, capsys):
    def broken(name):
        raise ImportError("no module named scan_tools")

    monkeypatch.setattr(contract, "load_protocol", broken)
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", "florence"])
    assert stop.value.code == 2
    assert "the protocol 'florence' cannot be loaded: no module named scan_tools" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", "--help"])
    assert stop.value.code == 0


def test_an_option_twice_is_said(monkeypatch, capsys):
    twice = Protocol(
        "now", "", "", "", lambda options: None, lambda parser: parser.add_argument("--seed", type=int)
    )
    monkeypatch.setattr(contract, "load_protocol", lambda name: twice)
    with pytest.raises(SystemExit):
        cli.main(["bench", "now"])
    assert "cannot be loaded: argument --seed: conflicting option" in capsys.readouterr().err


def test_all_passes_its_words_on_and_fails_when_one_fails(monkeypatch, tmp_path, capsys):
    from wholeface.lab.bench import all_protocols

    seen = {}

    class Result:
        failed = ("now",)

        def text(self):
            return "the table"

        def record(self):
            return {"schema": 1}

    def run_all(**options):
        seen.update(options)
        return Result()

    monkeypatch.setattr(all_protocols, "run_all", run_all)
    file = tmp_path / "all.json"
    words = ["--quick", "--systems", "mean face,wholeface", "--only", "now, scaling", "--json", str(file)]
    assert cli.main(["bench", "all", *words]) == 1
    assert seen["quick"]
    assert seen["systems"] == ["mean face", "wholeface"]
    assert seen["only"] == ["now", "scaling"]
    assert json.loads(file.read_text()) == {"schema": 1}
    assert "the table" in capsys.readouterr().out
    Result.failed = ()
    assert cli.main(["bench", "all", "--quick"]) == 0
    assert seen["systems"] is None


@pytest.mark.parametrize("name", PROTOCOL_MODULES)
def test_every_protocol_has_the_common_options(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["bench", name, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--data", "--systems", "--quick", "--count", "--seed", "--split", "--json", "--out"):
        assert option in shown
    assert _bench_protocol.LazyParser.lazy is None


@pytest.mark.parametrize("words", [["bench", "--help"], ["bench", "florence", "--help"]])
def test_percent_signs_in_summaries_stay_as_they_are(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(words)
    shown = " ".join(capsys.readouterr().out.split())
    assert "the 90 % largest errors" in shown
    assert "option_strings" not in shown
    assert "%%" not in shown

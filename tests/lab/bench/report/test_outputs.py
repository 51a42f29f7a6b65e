"""Running one protocol: options are checked, what is missing is said, files stay in their folder."""

import io

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import OutputError, UsageError
from wholeface.lab.bench.protocol import Missing, Protocol, Report, RunOptions
from wholeface.lab.bench.report.outputs import missing_lines, printed, run_protocol, write_json, write_outputs
from wholeface.lab.bench.report.table import Table

TABLE = Table("Found", [("system", ""), ("mm", ".1f")], [("mean face", 1.25)])


def protocol(run=lambda options: Report([TABLE], []), **changes):
    return Protocol("demo", "Demo", "shows", "", run, **changes)


def test_options_reach_the_protocol():
    seen = {}

    def run(options, radius):
        seen.update(options=options, radius=radius)
        return Report([TABLE], [])

    options = RunOptions(count=3, seed=5)
    outcome = run_protocol(protocol(run), options, {"radius": 9.5})
    assert seen == {"options": options, "radius": 9.5}
    assert outcome.record["options"]["radius"] == 9.5
    assert outcome.record["provenance"]["seed"] == 5


@pytest.mark.parametrize(
    ("options", "own", "changes", "message"),
    [
        ({"count": 0}, {}, {}, "--count 0: at least 1"),
        ({"seed": -1}, {}, {}, "--seed -1: at least 0"),
        ({}, {}, {"needs_data": True}, "bench demo has no set of its own: name the folder"),
        ({}, {"radius": 1}, {}, "bench demo does not know the option 'radius'"),
    ],
)
def test_wrong_options_are_refused(options, own, changes, message):
    with pytest.raises(UsageError, match=message):
        run_protocol(protocol(**changes), RunOptions(**options), own)


def test_missing_data_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match="nothing_here: no such folder"):
        run_protocol(protocol(), RunOptions(data=tmp_path / "nothing_here"))


def test_missing_items_are_said_and_counted():
    missing = [Missing(f"photo_{i}", "wholeface" if i else "", "no face found") for i in range(13)]
    lines = missing_lines(missing)
    assert lines[0] == "missing: photo_0: no face found"
    assert lines[1] == "missing: photo_1 (wholeface): no face found"
    assert len(lines) == 11
    assert lines[-1] == "missing: and 3 more"
    assert missing_lines(missing[:10])[-1].startswith("missing: photo_9")
    text = printed(run_protocol(protocol(lambda options: Report([TABLE], [], missing=missing)), RunOptions()))
    assert "Found\nsystem" in text
    assert text.endswith("and 3 more")
    assert "commit" in text


def test_images_and_files_are_written(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    report = Report([], [], images={"curve": pixels}, files={"layout/a.txt": "line\n"})
    written = write_outputs(report, tmp_path / "new" / "out")
    assert [file.relative_to(tmp_path / "new" / "out").as_posix() for file in written] == [
        "curve.png",
        "layout/a.txt",
    ]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(written[0].read_bytes()))), pixels)
    assert written[1].read_text() == "line\n"


@pytest.mark.parametrize("name", ["../a.txt", "/a.txt", "b/../../a.txt", ""])
def test_names_stay_inside_the_folder(tmp_path, name):
    with pytest.raises(OutputError, match="no name for a file inside"):
        write_outputs(Report([], [], files={name: "x"}), tmp_path / "out")


def test_unwritable_places_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_json(tmp_path / "file" / "record.json", {})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "record.json", {"value": float("nan")})

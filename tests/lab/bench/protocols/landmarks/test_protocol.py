"""The protocol on miniature datasets, with finders whose errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import DataError, NoFaceError, UsageError
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols.landmarks.finders import Finder68, mean_in_box
from wholeface.lab.bench.protocols.landmarks.protocol import PROTOCOL, run
from wholeface.morphable import MorphableModel

Points = NDArray[np.float64]


def face() -> Points:
    """68 points with the outer eye corners 80 apart and the eye centres 60."""
    points = np.zeros((68, 2))
    points[:, 0], points[:, 1] = np.linspace(0, 99, 68), np.linspace(0, 99, 68)
    for first, left in ((36, 10.0), (42, 70.0)):
        points[first : first + 6, 0] = left + np.array([0, 7, 13, 20, 13, 7])
        points[first : first + 6, 1] = 50 + np.array([0, -5, -5, 0, 5, 5])
    return points


def write_pts(path: Path, points: Points) -> None:
    rows = "\n".join(f"{x + 1:.4f} {y + 1:.4f}" for x, y in points)  # counted from 1
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{rows}\n}}\n")


def write_w300(root: Path) -> None:
    for place, count in (("helen/testset", 2), ("lfpw/testset", 1), ("ibug", 1)):
        folder = root / place
        folder.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (100, 100), (10 * i, 0, 0)).save(folder / f"{i}.png")
            write_pts(folder / f"{i}.pts", face())


def off_by(pixels: float) -> Finder68:
    return Finder68(f"off by {pixels:g}", lambda _, truth: truth + np.array([pixels, 0.0]))


def nothing(pixels: NDArray[np.uint8], truth: Points) -> Points | None:
    if pixels[0, 0, 0] > 0:
        raise NoFaceError("no face found")
    return None


def numbers(report: Report, name: str, system: str) -> dict[str, float]:
    return {m.group: m.value for m in report.metrics if m.name == name and m.system == system}


def test_w300(tmp_path: Path) -> None:
    write_w300(tmp_path)
    options = RunOptions(data=tmp_path)
    report = run(options, finders=[off_by(4), off_by(12), Finder68("blind", nothing)])
    assert numbers(report, "NME, inter-ocular", "off by 4") == pytest.approx(
        {"common": 5.0, "challenging": 5.0, "full": 5.0}, abs=1e-4
    )
    assert numbers(report, "NME, inter-pupil", "off by 4")["full"] == pytest.approx(100 * 4 / 60, abs=1e-4)
    assert numbers(report, "failure rate at 8 %", "off by 4")["full"] == 0
    assert numbers(report, "failure rate at 8 %", "off by 12")["full"] == 100
    assert numbers(report, "AUC at 8 %", "off by 4")["full"] == pytest.approx(3 / 8, abs=1e-3)
    # Those not found: no NME, but failures
    assert np.isnan(numbers(report, "NME, inter-ocular", "blind")["full"])
    assert numbers(report, "failure rate at 8 %", "blind")["full"] == 100
    assert numbers(report, "AUC at 8 %", "blind")["full"] == 0
    assert [(m.item, m.system) for m in report.missing] == [
        (item, "blind")
        for item in ("helen/testset/0.png", "helen/testset/1.png", "lfpw/testset/0.png", "ibug/0.png")
    ]
    assert {m.reason for m in report.missing} == {"the annotated face was not found", "no face found"}
    text = report.tables[0].text()
    assert "0 of 4" in text
    assert "4 of 4" in text
    counts = {
        (m.system, m.group): (m.count, m.total) for m in report.metrics if m.name == "NME, inter-ocular"
    }
    assert counts["off by 4", "full"] == (4, 4)
    assert counts["blind", "full"] == (0, 4)
    assert counts["blind", "common"] == (0, 3)
    assert len(report.files["landmarks.csv"].splitlines()) == 1 + 3 * 4
    assert run(options, threshold=20.0, finders=[off_by(12)]).settings["threshold_percent"] == 20


def test_wflw_subsets(tmp_path: Path) -> None:
    lists = tmp_path / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    (tmp_path / "WFLW_images").mkdir()
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 99, (98, 2))
    points[60], points[72] = (10, 50), (90, 50)  # outer eye corners of the 98
    rows = []
    for i, flags in enumerate(((0, 0, 0, 0, 1, 0), (1, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0))):
        Image.new("RGB", (100, 100)).save(tmp_path / "WFLW_images" / f"{i}.png")
        coordinates = " ".join(f"{v:.3f}" for v in points.ravel())
        rows.append(f"{coordinates} 0 0 99 99 {' '.join(map(str, flags))} {i}.png")
    (lists / "list_98pt_rect_attr_test.txt").write_text("\n".join(rows) + "\n")
    report = run(RunOptions(data=tmp_path), finders=[off_by(4)])
    found = {m.group: (m.value, m.count) for m in report.metrics if m.name == "NME, inter-ocular"}
    assert {group: count for group, (_, count) in found.items()} == {"all": 3, "occlusion": 2, "pose": 1}
    assert all(value == pytest.approx(5.0, abs=1e-3) for value, _ in found.values())
    assert "68 of the 98 points" in report.tables[0].text()


def test_rendered_faces() -> None:
    report = run(RunOptions(quick=True, count=2), finders=[off_by(1)])
    groups = {m.group for m in report.metrics}
    assert {"clean", "occluded"} <= groups
    again = run(RunOptions(quick=True, count=2), finders=[off_by(1)])
    assert again.tables[0].text() == report.tables[0].text()
    other = run(RunOptions(quick=True, count=2, seed=1), finders=[off_by(1)])
    assert other.tables[0].text() != report.tables[0].text()


def test_the_mean_face_fills_the_box(small_model: MorphableModel) -> None:
    box = np.array([100.0, 50.0, 260.0, 250.0])
    points = mean_in_box(small_model, box)
    moved = mean_in_box(small_model, 2 * box + 3)
    assert moved == pytest.approx(2 * points + 3)
    assert (points >= box[:2] - 60).all()
    assert (points <= box[2:] + 60).all()


def test_wrong_input_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        run(RunOptions(data=tmp_path / "nowhere"), finders=[off_by(1)])
    with pytest.raises(UsageError, match="neither WFLW"):
        run(RunOptions(data=tmp_path), finders=[off_by(1)])
    write_w300(tmp_path)
    (tmp_path / "ibug" / "0.pts").unlink()
    with pytest.raises(DataError, match=r"0\.png: has no points"):
        run(RunOptions(data=tmp_path), finders=[off_by(1)])
    write_pts(tmp_path / "ibug" / "0.pts", face()[:51])
    with pytest.raises(DataError, match=r"0\.pts: 51 points; expected 68"):
        run(RunOptions(data=tmp_path), finders=[off_by(1)])
    write_pts(tmp_path / "ibug" / "0.pts", np.full((68, 2), np.nan))
    with pytest.raises(DataError, match=r"0\.pts, line 4: a number is not finite"):
        run(RunOptions(data=tmp_path), finders=[off_by(1)])
    with pytest.raises(UsageError, match="--threshold"):
        run(RunOptions(), threshold=0.0, finders=[off_by(1)])


def test_a_broken_image_is_missing_not_averaged(tmp_path: Path) -> None:
    write_w300(tmp_path)
    (tmp_path / "ibug" / "0.png").write_bytes(b"no image")
    report = run(RunOptions(data=tmp_path), finders=[off_by(4)])
    assert [(m.item, m.system) for m in report.missing] == [("ibug/0.png", "")]
    totals = {m.group: m.total for m in report.metrics if m.name == "NME, inter-ocular"}
    assert totals == {"common": 3, "challenging": 1, "full": 4}
    assert "3 of 4" in report.tables[0].text()


def test_it_is_a_protocol() -> None:
    assert load_protocol("landmarks") is PROTOCOL

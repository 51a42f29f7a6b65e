"""NoW and Florence on miniature copies of their folders, with systems that know the answer and ones that do not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, NoFaceError, UsageError
from wholeface.lab.bench.metrics.scan_distance import SEVEN
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols import florence, now
from wholeface.lab.bench.sets.florence import load_florence, read_florence_scan
from wholeface.lab.bench.sets.mesh_files import read_landmarks, read_mesh
from wholeface.lab.bench.sets.now import CHALLENGES, load_now, read_box, read_prediction, read_scan
from wholeface.lab.bench.sets.scan_subjects import Person, subjects, write_florence, write_now
from wholeface.lab.bench.systems import HeadPrediction
from wholeface.morphable import load_model


class Oracle:
    """Knows the head of the person in the photo's path, or of the one after."""

    def __init__(
        self, persons: Sequence[Person], name: str = "oracle", *, off: int = 0, scale: float = 1.0
    ) -> None:
        self.name, self._off, self._scale = name, off, scale
        self._persons = {k: p for i, p in enumerate(persons) for k in (p.name, f"subject_{i + 1:02d}")}
        self._order = list(persons)

    def predict(self, pixels: np.ndarray, path: Path | None = None) -> HeadPrediction:
        if path is None:
            raise UsageError("knows people by their files only")
        person = next(self._persons[part] for part in path.parts if part in self._persons)
        scan = self._order[(person.number + self._off) % len(self._order)].scan
        landmarks = np.full((68, 3), np.nan)
        landmarks[list(SEVEN)] = self._scale * scan.seven
        assert scan.triangles is not None
        return HeadPrediction(self._scale * scan.vertices, scan.triangles, landmarks)


class Blind:
    """Finds a face in every other photo only."""

    name = "blind"

    def __init__(self, other: Oracle) -> None:
        self._other, self._calls = other, 0

    def predict(self, pixels: np.ndarray, path: Path | None = None) -> HeadPrediction:
        self._calls += 1
        if self._calls % 2:
            raise NoFaceError("no face found")
        return self._other.predict(pixels, path)


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    return subjects(load_model(), 2, seed=3)


@pytest.fixture(scope="module")
def now_folder(persons: list[Person], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("now") / "NoW_Dataset" / "final_release_version"
    write_now(folder, persons, None)
    return folder.parents[1]


@pytest.fixture(scope="module")
def florence_folder(persons: list[Person], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("florence")
    write_florence(folder, persons, None)
    return folder


@pytest.fixture
def copy(now_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(now_folder, tmp_path / "copy")
    return tmp_path / "copy" / "NoW_Dataset" / "final_release_version"


def _no_images(*_: object) -> np.ndarray:
    raise UsageError("images need matplotlib")


def _systems(monkeypatch: pytest.MonkeyPatch, module: object, *systems: object) -> None:
    monkeypatch.setattr(module, "heat_map", _no_images)
    monkeypatch.setattr(module, "load_systems", lambda names, **_: list(systems))


def _value(report: object, name: str, system: str, group: str) -> float:
    return next(m.value for m in report.metrics if (m.name, m.system, m.group) == (name, system, group))


# -------------------------------------------------------------------------------------------------- NoW


def test_now_layout_is_read_as_it_was_written(now_folder: Path, persons: list[Person]) -> None:
    photos = load_now(now_folder)
    assert len(photos.items) == 8
    assert {item.challenge for item in photos.items} == set(CHALLENGES)
    scan = read_scan(photos.root, persons[0].name)
    np.testing.assert_allclose(scan.vertices, persons[0].scan.vertices, atol=1e-5)
    np.testing.assert_allclose(scan.seven, persons[0].scan.seven, atol=1e-5)
    assert photos.items[0].box is not None
    top, left, bottom, right = read_box(photos.items[0].box)
    assert 0 < top < bottom < 320
    assert 0 < left < right < 320


def test_now_finds_the_truth_and_nothing_but_the_truth(
    now_folder: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    _systems(
        monkeypatch,
        now,
        Oracle(persons),
        Oracle(persons, "larger", scale=1.2),
        Oracle(persons, "stranger", off=1),
    )
    report = now.run(RunOptions(data=now_folder))
    assert not report.missing
    for group in ("all", *CHALLENGES):
        assert _value(report, "scan distance, median, similarity", "oracle", group) < 1e-4
        assert _value(report, "scan distance, median, similarity", "larger", group) < 1e-4
        assert _value(report, "scan distance, median, similarity", "stranger", group) > 0.3
    assert _value(report, "scan distance, median, metric", "oracle", "all") < 1e-4
    assert _value(report, "scan distance, median, metric", "larger", "all") > 2
    assert {m.count for m in report.metrics if m.group == "all"} == {8}
    assert "no image: images need matplotlib" in report.tables[0].notes
    assert report.files["now_per_photo.csv"].count("\n") == 1 + 3 * 2 * 8


def test_now_says_how_many_and_compares_on_common_photos(
    now_folder: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    _systems(monkeypatch, now, Oracle(persons, "stranger", off=1), Blind(Oracle(persons)))
    report = now.run(RunOptions(data=now_folder, count=4))
    assert len(report.missing) == 2
    assert {m.system for m in report.missing} == {"blind"}
    rows = {(row[0], row[1]): row for row in report.tables[0].rows}
    assert rows["blind", "all"][-1] == "2 of 4"
    assert rows["stranger", "all"][-1] == "4 of 4"
    assert rows["stranger", "all (common)"][-1] == "2 of 2"


def test_now_submission_is_written_and_scores_the_same(
    now_folder: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _systems(monkeypatch, now, Oracle(persons, "the stranger", off=1))
    first = now.run(RunOptions(data=now_folder, count=3), submission=tmp_path)
    folder = tmp_path / "the_stranger"
    name = load_now(now_folder).items[0].name
    mesh, seven = read_prediction(folder, name)
    assert len(mesh.vertices) == len(persons[1].scan.vertices)
    assert seven.shape == (7, 3)
    _systems(monkeypatch, now)
    again = now.run(RunOptions(data=now_folder, count=3), predictions=[f"again={folder}"])
    for kind in ("similarity", "metric"):
        key = f"scan distance, median, {kind}"
        assert _value(again, key, "again", "all") == pytest.approx(
            _value(first, key, "the stranger", "all"), abs=2e-3
        )
    (folder / f"{name}.txt").unlink()
    report = now.run(RunOptions(data=now_folder, count=3), predictions=[f"again={folder}"], unit="none")
    assert "seven landmarks" in report.missing[0].reason
    assert not any("metric" in m.name for m in report.metrics)


def test_now_test_split_has_no_scans_and_only_writes(
    copy: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (copy / "imagepathsvalidation.txt").rename(copy / "imagepathstest.txt")
    shutil.rmtree(copy / "scans")
    _systems(monkeypatch, now, Oracle(persons))
    report = now.run(RunOptions(data=copy), part="test", submission=tmp_path / "out")
    assert not report.tables
    assert len(list((tmp_path / "out").rglob("*.obj"))) == 8
    with pytest.raises(UsageError, match="--submission"):
        now.run(RunOptions(data=copy), part="test")


def test_now_gaps_in_the_set_are_said(
    copy: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (p.name for p in persons)
    next((copy / "scans_lmks_onlypp" / first).iterdir()).unlink()
    (copy / "iphone_images" / second / "selfie" / "IMG_0003.jpg").unlink()
    _systems(monkeypatch, now, Oracle(persons))
    report = now.run(RunOptions(data=copy))
    assert next(row for row in report.tables[0].rows if row[1] == "all")[-1] == "3 of 8"
    reasons = {m.item: m.reason for m in report.missing}
    assert len(reasons) == 5
    assert "seven landmarks" in reasons[f"{first}/selfie/IMG_0003"]
    assert "IMG_0003.jpg" in reasons[f"{second}/selfie/IMG_0003"]


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda f: (f / "imagepathsvalidation.txt").unlink(), "imagepathsvalidation.txt: not there"),
        (lambda f: shutil.rmtree(f / "scans"), "scans: no such folder"),
        (lambda f: (f / "imagepathsvalidation.txt").write_text("a.jpg\n"), "line 1.*SUBJECT/CHALLENGE/PHOTO"),
        (lambda f: (f / "imagepathsvalidation.txt").write_text("p/party/a.jpg\n"), "challenge 'party'"),
        (lambda f: (f / "imagepathsvalidation.txt").write_text("../selfie/a.jpg\n"), "expected SUBJECT"),
    ],
)
def test_now_other_layouts_are_refused(copy: Path, break_it: object, said: str) -> None:
    break_it(copy)
    with pytest.raises(DataError, match=said):
        load_now(copy)


def test_boxes_run_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "touched",))

    file = tmp_path / "box.npy"
    np.save(file, np.array({"top": Evil()}, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="box"):
        read_box(file)
    assert not (tmp_path / "touched").exists()
    np.save(file, np.array([5.0, 6, 50, 60]))
    assert read_box(file) == (5, 6, 50, 60)
    np.save(file, np.array([5.0, 6, 5, 60]))
    with pytest.raises(DataError, match="empty"):
        read_box(file)


# --------------------------------------------------------------------------------------------- Florence


def test_florence_layout(florence_folder: Path, persons: list[Person]) -> None:
    subjects = load_florence(florence_folder)
    assert [s.name for s in subjects] == ["subject_01", "subject_02"]
    assert [p.setting for p in subjects[0].photos] == ["Indoor-Cooperative", "PTZ-Indoor"]
    scan = read_florence_scan(subjects[0], 95.0)
    whole = persons[0].scan.vertices
    assert 0.2 * len(whole) < len(scan.vertices) < len(whole)
    assert scan.triangles is not None
    assert scan.triangles.max() < len(scan.vertices)
    assert np.linalg.norm(scan.vertices - scan.seven[4], axis=1).max() < 125


def test_florence_finds_the_truth_behind_an_occluder_too(
    florence_folder: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Remembering(Oracle):
        """By the path of the clean image, which comes first: behind occluders there is none."""

        last: Path | None = None
        seen: list[np.ndarray] = []  # noqa: RUF012

        def predict(self, pixels: np.ndarray, path: Path | None = None) -> HeadPrediction:
            self.last = path or self.last
            self.seen.append(pixels)
            return super().predict(pixels, self.last)

    def grey_box(pixels: np.ndarray, *_: object) -> np.ndarray:
        out = pixels.copy()
        out[100:200, 100:200] = 128
        return out

    oracle = Remembering(persons)
    monkeypatch.setattr(florence, "occluded_photo", grey_box)
    monkeypatch.setattr(florence, "load_systems", lambda names, **_: [oracle])
    report = florence.run(RunOptions(data=florence_folder), occluders=["masks"])
    assert not report.missing
    assert _value(report, "90 % error", "oracle", "as it is") < 1e-4
    assert _value(report, "90 % error", "oracle", "masks") < 1e-4
    assert {row[-1] for row in report.tables[0].rows} == {"4 of 4"}
    assert "florence_heat_oracle_masks" in report.images
    assert any((a != b).any() for a, b in zip(oracle.seen[::2], oracle.seen[1::2]))


def test_florence_gaps_are_said(
    florence_folder: Path, persons: list[Person], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(florence_folder, tmp_path / "set")
    for name in ("subject_01", "subject_02"):
        obj = tmp_path / "set" / name / "Model" / "frontal1" / "obj"
        assert read_landmarks(next(obj.glob("*.txt"))).shape == (7, 3)
        assert len(read_mesh(next(obj.glob("*.obj"))).triangles) > 0
    next((tmp_path / "set" / "subject_02" / "Model" / "frontal1" / "obj").glob("*.txt")).unlink()
    monkeypatch.setattr(florence, "occluded_photo", lambda pixels, *_: pixels)
    _systems(monkeypatch, florence, Oracle(persons))
    report = florence.run(RunOptions(data=tmp_path / "set"), setting="ptz-indoor", occluders=["masks"])
    assert next(row for row in report.tables[0].rows if row[1] == "as it is")[-1] == "1 of 2"
    assert any("expected 7 or 68 landmarks" in m.reason for m in report.missing)
    with pytest.raises(UsageError, match="no frames"):
        florence.run(RunOptions(data=tmp_path / "set"), setting="moon", occluders=["masks"])
    shutil.rmtree(tmp_path / "set" / "subject_01" / "Videos")
    shutil.rmtree(tmp_path / "set" / "subject_02" / "Videos")
    with pytest.raises(DataError, match="ffmpeg"):
        load_florence(tmp_path / "set")
    with pytest.raises(DataError, match="no subjects"):
        load_florence(tmp_path / "set" / "subject_01" / "Model" / "frontal1" / "obj")


def test_unknown_occluders_are_refused(florence_folder: Path) -> None:
    with pytest.raises(UsageError, match="unknown occluder 'fog'"):
        florence.run(RunOptions(data=florence_folder), occluders=["fog"])

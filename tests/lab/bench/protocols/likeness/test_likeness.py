"""The protocol with a reconstructor and a measuring device whose answers are known."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.heads.face_embedding import Box
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols.likeness import PROTOCOL, protocol, run
from wholeface.lab.bench.protocols.likeness.pictures import (
    DEOCCLUDED,
    FRONT,
    HEAD,
    INTO_PHOTO,
    MEAN,
    Pictures,
)

PEOPLE = 6
Pixels = NDArray[np.uint8]


def colour(person: int, blue: int = 0) -> Pixels:
    """A photo of that person: red says who it is, blue what lies in front of the face."""
    return np.full((40, 40, 3), (20 * person + 20, 0, blue), np.uint8)


class Device:
    """Reads the person off the red; finds no face where there is none."""

    name = "red"

    def find(self, pixels: Pixels) -> Box | None:
        return (5, 5, 35, 35) if pixels[..., 0].max() > 0 else None

    def embed(self, pixels: Pixels, box: Box) -> NDArray[np.float64]:
        return np.array([float(pixels[box[1] : box[3], box[0] : box[2], 0].mean())])


class Heads:
    """A reconstructor for which nobody is recognised behind hands, and person 0 is not found behind them."""

    model, detector = None, None

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pixels: Pixels) -> Any:
        self.calls += 1
        person, behind = (int(pixels[0, 0, 0]) - 20) // 20, int(pixels[0, 0, 2])
        if behind and person == 0:
            raise NoFaceError("<array>: no face found")
        return SimpleNamespace(person=person, behind=behind)


def pictures(head: Any) -> Pictures:
    own = colour(head.person)
    wrong = colour((head.person + 1) % PEOPLE)
    images = {
        HEAD: wrong if head.behind else own,
        INTO_PHOTO: own,
        FRONT: np.zeros_like(own) if head.person == 1 else own,
        DEOCCLUDED: own,
        MEAN: colour(0),
    }
    return Pictures(images, np.eye(PEOPLE)[head.person], 0.25)


@pytest.fixture
def heads(monkeypatch: pytest.MonkeyPatch) -> Heads:
    class Sample(SimpleNamespace):
        pass

    def behind(self: Any, sample: Any, kind: str, person: str) -> tuple[Any, str]:
        if kind == "hats":
            raise UsageError("no hats fitted")
        return Sample(
            image=sample.image | np.uint8([0, 0, 200]), hidden=np.ones(1), face=np.ones(4)
        ), f"{kind}/1"

    monkeypatch.setattr(protocol, "pictures_of", pictures)
    monkeypatch.setattr(protocol, "photo_sample", lambda pixels, shared: Sample(image=pixels))
    monkeypatch.setattr(protocol.OccludedPhotos, "__call__", behind)
    return Heads()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    about = {}
    for person in range(PEOPLE):
        about[f"{person}"] = {"age": "20", "sex": "male" if person < 2 else "female", "group": "east"}
        for kind in ("neutral", "smiling"):
            # PNG inside, so that no colour changes
            Image.fromarray(colour(person)).save(folder / f"{person}_{kind}.jpg", format="PNG")
    (folder / "people.json").write_text(json.dumps(about))
    return folder


def value(report: Report, what: str, group: str, name: str = "likeness, rank-1") -> float:
    (metric,) = [m for m in report.metrics if (m.system, m.group, m.name) == (what, group, name)]
    return metric.value


def measure(data: Path, heads: Heads, **own: Any) -> Report:
    return run(RunOptions(data=data), reconstructor=heads, embedder=Device(), **own)  # type: ignore[arg-type]


def test_who_is_recognised(data: Path, heads: Heads) -> None:
    report = measure(data, heads, occluders="hands")
    for what in ("photo itself", HEAD, INTO_PHOTO, DEOCCLUDED, "shape alone"):
        assert value(report, what, "clean") == 100
        assert value(report, what, "clean", "likeness, verification AUC") == 100
    assert value(report, MEAN, "clean") == pytest.approx(100 / PEOPLE)
    assert value(report, "photo itself", "hands") == 100
    assert value(report, HEAD, "hands") == 0
    # Person 0 has no head, and person 5 is taken for person 0, all others lie between
    assert value(report, HEAD, "hands", "likeness, rank-5") == pytest.approx(100 * (PEOPLE - 2) / PEOPLE)
    assert value(report, "shape alone", "hands") == pytest.approx(
        100 * (PEOPLE - 1) / PEOPLE
    )  # one is missing
    assert value(report, FRONT, "clean") == pytest.approx(100 * (PEOPLE - 1) / PEOPLE)
    first = report.metrics[0]
    assert (first.system, first.group, first.name) == (HEAD, "clean", "likeness, rank-1")
    assert report.settings["hidden share"] == {"hands": 0.25}


def test_by_group(data: Path, heads: Heads) -> None:
    report = measure(data, heads, occluders="hands")
    assert value(report, HEAD, "clean, sex male") == 100
    (metric,) = [m for m in report.metrics if m.group == "hands, sex male" and m.name == "likeness, rank-1"]
    assert (metric.value, metric.count, metric.total) == (0, 1, 2)
    groups = {row[1]: row[2] for row in report.tables[1].rows}
    assert groups == {"male": 2, "female": 4, "under 25": PEOPLE, "east": PEOPLE}


def test_what_fails_is_missing_and_not_left_out(data: Path, heads: Heads) -> None:
    report = measure(data, heads, occluders="hands,hats")
    said = {(m.item, m.system): m.reason for m in report.missing}
    assert said["0, hands", ""] == "no face found"
    assert "no face" in said["1, clean", FRONT]
    assert said["3, hats", ""] == "no hats fitted"
    assert value(report, HEAD, "hats") == 0
    rows = {(row[0], row[1]): row[-1] for row in report.tables[0].rows}
    assert rows["hands", HEAD] == f"{PEOPLE - 1} of {PEOPLE}"
    assert rows["hands", "photo itself"] == f"{PEOPLE} of {PEOPLE}"
    assert rows["hats", HEAD] == f"0 of {PEOPLE}"


def test_files_and_pictures_name_whom_it_was_taken_for(data: Path, heads: Heads) -> None:
    report = measure(data, heads, occluders="hands")
    lines = list(csv.reader(io.StringIO(report.files["likeness.csv"])))
    (row,) = [line for line in lines if line[0] == "2" and line[1] == "hands" and line[3] == HEAD]
    assert row[2] == "hands/1"
    assert row[4] == "0"
    assert row[7] == "3"
    picture = report.images["likeness_not_recognised"]
    assert picture.shape[0] // 164 == PEOPLE - 1  # one of them could not be reconstructed
    clean = measure(data, heads, occluders="hats")
    assert not clean.images


def test_pictures_are_kept_and_found_again(data: Path, heads: Heads, tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = measure(data, heads, occluders="hands", work=work)
    made = heads.calls
    again = measure(data, heads, occluders="hands", work=work)
    assert heads.calls == made + 1  # the photo without a face is asked for again
    assert [m.value for m in again.metrics] == [m.value for m in first.metrics]
    file = min(work.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:100])  # cut short: made anew
    measure(data, heads, occluders="hands", work=work)
    assert heads.calls == made + 3


def test_quick_is_small(data: Path, heads: Heads) -> None:
    options = RunOptions(data=data, quick=True)
    report = run(options, reconstructor=heads, embedder=Device())  # type: ignore[arg-type]
    assert report.settings["people"] == 4
    assert report.settings["occluders"] == ["sunglasses"]
    assert {row[0] for row in report.tables[0].rows} == {"clean", "sunglasses"}


def test_refusals(data: Path, heads: Heads) -> None:
    with pytest.raises(UsageError, match="unknown occluder 'beards'"):
        measure(data, heads, occluders="hands, beards")
    with pytest.raises(UsageError, match="kinds between commas"):
        measure(data, heads, occluders=" ,")
    assert PROTOCOL.needs_data
    assert load_protocol("likeness") is PROTOCOL

"""Finished results in the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from wholeface import Reconstruction
from wholeface.app.cli.command import main
from wholeface.app.serve import create_view_app
from wholeface.app.serve.summary import face_summary
from wholeface.app.serve.viewing import Viewed, find_results
from wholeface.core.provenance import Provenance
from wholeface.errors import DataError
from wholeface.photo import read_photo

Head = Callable[..., Reconstruction]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "holiday.png"
    Image.fromarray(np.full((48, 40, 3), 90, np.uint8)).save(path)
    return path


@pytest.fixture
def out(plain_head: Head, photo: Path, tmp_path: Path) -> Path:
    """Two faces of one photo, and one of another."""
    folder = tmp_path / "out"
    for number in (2, 1):
        head = plain_head(photo=read_photo(photo), face_number=number, face_count=2)
        head.save(folder / f"holiday_face{number}", expressions=True)
    plain_head().save(folder / "other")
    return folder


def _client(results: list[Viewed], workspace: Path) -> TestClient:
    workspace.mkdir()
    return TestClient(create_view_app(results, workspace), base_url="http://127.0.0.1")


def test_results_are_found_by_photo(out: Path, photo: Path) -> None:
    first, second = find_results([out])
    assert [path.name for path in first.folders] == ["holiday_face1", "holiday_face2"]
    assert first.photo == photo
    assert second == Viewed((out / "other",), None)
    assert find_results([out / "other", out / "other"]) == [second]
    (single,) = find_results([out / "holiday_face2"], photo)
    assert single == Viewed((out / "holiday_face2",), photo)


def test_a_photo_that_was_changed_is_not_shown_as_the_one(out: Path, photo: Path) -> None:
    photo.write_bytes(b"something else")
    assert find_results([out])[0].photo is None


def test_a_folder_without_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match="holds no result"):
        find_results([tmp_path])
    (tmp_path / "face.json").write_text("{}")
    with pytest.raises(DataError, match="holds no complete result"):
        find_results([tmp_path])
    assert main(["view", str(tmp_path / "nowhere")]) == 2
    assert "holds no result" in capsys.readouterr().err


def test_the_page_is_told_all_results(out: Path, photo: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with _client(find_results([out]), tmp_path / "work") as client:
        assert client.get("/v1/about").json()["mode"] == "view"
        first, second = client.get("/v1/reconstructions").json()
        assert (first["title"], second["title"]) == ("holiday", "other")
        assert [face["number"] for face in first["faces"]] == [1, 2]
        assert (first["photo"]["width"], first["photo"]["height"]) == (40, 48)
        assert "photo.jpg" in first["files"]
        assert "photo.jpg" not in second["files"]
        assert [face["expressions"] for face in (*first["faces"], *second["faces"])] == [True, True, False]
        for face in first["faces"]:
            for url in face["files"].values():
                assert client.get(url).status_code == 200
        glb = client.get(first["faces"][1]["files"]["face.glb"]).content
        assert glb == (out / "holiday_face2" / "face.glb").read_bytes()
        archive = client.get(first["files"]["everything.zip"])
        assert archive.content.startswith(b"PK")
        assert str(tmp_path) not in client.get("/v1/reconstructions").text
        assert client.post("/v1/reconstructions", files={"photo": b"x"}).status_code == 405
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before  # nothing is written there


def test_other_files_in_the_folder_stay_private(out: Path, tmp_path: Path) -> None:
    (out / "other" / "diary.txt").write_text("mine")
    with _client(find_results([out / "other"]), tmp_path / "work") as client:
        (result,) = client.get("/v1/reconstructions").json()
        assert not any("diary" in name for name in result["files"])
        assert client.get(f"/v1/reconstructions/{result['id']}/files/1/diary.txt").status_code == 404


def test_shares_of_the_texture(out: Path) -> None:
    codes = np.zeros((4, 4), np.uint8)
    codes[0], codes[1] = Provenance.OBSERVED, Provenance.GENERATED
    codes[2, :2] = Provenance.MODEL
    image = Image.fromarray(codes, "P")
    image.putpalette(list(range(18)))
    image.save(out / "other" / "provenance.png")
    summary = face_summary(out / "other")
    assert summary["provenance"] == {
        "observed": 0.4, "mirrored": 0.0, "model": 0.2, "generated": 0.4, "example": 0.0,
    }  # fmt: skip
    record = json.loads((out / "other" / "face.json").read_text())
    assert summary["quality"] == record["quality"]
    assert os.sep not in json.dumps(summary)


def test_what_is_missing_without_the_extra_is_named(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    for words in (["serve"], ["view", str(out)]):
        assert main(words) == 2
        assert "pip install 'wholeface[serve]'" in capsys.readouterr().err


def test_a_port_that_is_taken(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["view", str(out), "--port", port, "--no-browser"]) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--port", "70000"], ["--keep", "soon"], ["--keep", "0s"], ["--workers", "0"], ["--max-pixels", "many"]],
)
def test_words_of_serve(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", *words])
    assert caught.value.code == 2
    assert words[1] in capsys.readouterr().err

"""Whole runs of ``wholeface reconstruct`` with heads that cost nothing: folders, reports, exit codes, resuming."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wholeface.reconstructor
from wholeface import NoFaceError, Photo, Reconstruction, WholeFaceError
from wholeface.app.cli.command import main
from wholeface.result.quality import judge

Head = Callable[..., Reconstruction]


@pytest.fixture(autouse=True)
def reconstructed(plain_head: Head, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the photos that were reconstructed; the width of a photo decides what is found in it.

    100 + N pixels: N faces; 64 pixels: none.
    """
    done: list[str] = []

    class Plain:
        detector = parser = None

        def __init__(self, **options: object) -> None:
            pass

        def all_faces(
            self, photo: Photo, *, face: int | None, max_faces: int | None, **others: object
        ) -> list[Reconstruction]:
            done.append(Path(photo.source).name)
            count = photo.width - 100
            if count < 0:
                raise NoFaceError(f"{photo.source}: no face found")
            quality = judge(face_px=30, landmark_error=0, hidden_fraction=0.5, yaw_deg=0)
            numbers = [face] if face else range(1, min(count, max_faces or count) + 1)
            return [
                plain_head(photo=photo, face_number=n, face_count=count, quality=quality) for n in numbers
            ]

        def same_person(
            self, photos: list[Photo], *, face: int | None
        ) -> list[Reconstruction | WholeFaceError]:
            done.append("+".join(Path(photo.source).name for photo in photos))
            quality = judge(face_px=30, landmark_error=0, hidden_fraction=0.5, yaw_deg=0)
            return [
                plain_head(photo=photo, face_number=face or 1, face_count=photo.width - 100, quality=quality)
                if photo.width > 100
                else NoFaceError(f"{photo.source}: no face found")
                for photo in photos
            ]

    monkeypatch.setattr(wholeface.reconstructor, "Reconstructor", Plain)
    return done


def _photo(path: Path, faces: int = 1, shade: int = 90) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 100 + faces, 3), shade, np.uint8)).save(path)
    return str(path)


def _blank(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64)).save(path)
    return str(path)


def _folders(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir())


def _record(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "face.json").read_text()))


def test_two_photos_of_one_name(tmp_path: Path) -> None:
    a, b = _photo(tmp_path / "a" / "x.png"), _photo(tmp_path / "b" / "x.png", shade=50)
    out = tmp_path / "out"
    assert main(["reconstruct", a, b, "-o", str(out)]) == 0
    assert [_record(out / name)["photo"]["source"] for name in ("x", "x-2")] == [a, b]


def test_names_do_not_depend_on_which_photos_show_a_face(tmp_path: Path) -> None:
    blank, good = _blank(tmp_path / "a" / "x.png"), _photo(tmp_path / "b" / "x.png")
    assert main(["reconstruct", blank, good, "-o", str(tmp_path / "out")]) == 1
    assert _folders(tmp_path / "out") == ["x-2"]


def test_a_result_of_another_photo_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reconstructed: list[str]
) -> None:
    out = tmp_path / "out"
    for folder, shade in (("a", 90), ("b", 50)):
        _photo(tmp_path / folder / "x.png", shade=shade)
        monkeypatch.chdir(tmp_path / folder)
        for _ in range(2):  # again into the same folder
            assert main(["reconstruct", "x.png", "-o", str(out)]) == 0
    assert _folders(out) == ["x", "x-2"]
    assert _record(out / "x")["photo"]["sha256"] != _record(out / "x-2")["photo"]["sha256"]
    _photo(tmp_path / "b" / "x.png", shade=10)  # edited: still the same file
    assert main(["reconstruct", "x.png", "-o", str(out)]) == 0
    (tmp_path / "b" / "x.png").rename(tmp_path / "x.png")  # moved: still the same content
    assert main(["reconstruct", str(tmp_path / "x.png"), "-o", str(out)]) == 0
    assert _folders(out) == ["x", "x-2"]


def test_an_old_result_without_a_hash_is_known_by_its_source(tmp_path: Path) -> None:
    photo, other = _photo(tmp_path / "x.png"), _photo(tmp_path / "o" / "x.png", shade=3)
    out = tmp_path / "out"
    (out / "x").mkdir(parents=True)
    old = {"schema_version": 1, "photo": {"source": photo}, "face": {"number": 1, "of": 1}}
    (out / "x" / "face.json").write_text(json.dumps(old))
    assert main(["reconstruct", other, "-o", str(out)]) == 0
    assert _folders(out) == ["x", "x-2"]
    assert main(["reconstruct", photo, "-o", str(out), "--resume"]) == 0
    assert _record(out / "x")["schema_version"] == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}', "\udcff", "[" * 100_000])
def test_broken_records_are_no_results(tmp_path: Path, text: str) -> None:
    photo, out = _photo(tmp_path / "x.png"), tmp_path / "out"
    (out / "x").mkdir(parents=True)
    (out / "x" / "face.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (out / "x" / "notes.txt").write_text("mine")
    assert main(["reconstruct", photo, "-o", str(out), "--resume"]) == 0
    assert _record(out / "x")["photo"]["source"] == photo
    assert (out / "x" / "notes.txt").exists()


def test_resume_skips_what_is_finished(
    tmp_path: Path, reconstructed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [_photo(tmp_path / f"{i}.png", faces=i, shade=i) for i in (1, 2, 3)]
    out = str(tmp_path / "out")
    words = ["reconstruct", *photos, "-o", out, "--texture-size", "256", "--focal", "1234.56789123"]
    assert main([*words, "--resume"]) == 0
    assert reconstructed == ["1.png", "2.png", "3.png"]
    reconstructed.clear()
    assert main([*words, "--resume", "--json"]) == 0
    assert reconstructed == []
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [(r["ok"], r["skipped"], len(r["faces"])) for r in reports] == [(True, True, n) for n in (1, 2, 3)]
    assert main([*words, "--resume"]) == 0
    assert "finished by an earlier run, skipped" in capsys.readouterr().out
    assert main(words) == 0  # without it, everything is done again
    assert len(reconstructed) == 3


@pytest.mark.parametrize(
    "change", ["photo", "options", "face.json", "face.glb", "one face", "format", "version"]
)
def test_resume_does_again_what_is_not_the_same(
    tmp_path: Path, reconstructed: list[str], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    photo, out = _photo(tmp_path / "x.png", faces=2), tmp_path / "out"
    words = ["reconstruct", photo, "-o", str(out), "--resume"]
    assert main(words) == 0
    if change == "photo":
        _photo(tmp_path / "x.png", faces=2, shade=3)
    elif change == "options":
        words.append("--fast")
    elif change == "format":
        words += ["--format", "glb,ply"]
    elif change == "one face":
        for path in (out / "x_face2").iterdir():
            path.unlink()
        (out / "x_face2").rmdir()
    elif change == "version":
        from wholeface.app.cli import _finished

        monkeypatch.setattr(_finished, "__version__", "0.0.1")
    else:
        (out / "x_face2" / change).unlink()
    assert main(words) == 0
    assert reconstructed == ["x.png", "x.png"]
    assert _folders(out) == ["x_face1", "x_face2"]


def test_resume_with_one_face_of_several(tmp_path: Path, reconstructed: list[str]) -> None:
    words = ["reconstruct", _photo(tmp_path / "x.png", faces=3), "-o", str(tmp_path / "out"), "--resume"]
    for more in (["--face", "2"], ["--face", "2"], ["--max-faces", "2"], ["--max-faces", "2"]):
        assert main([*words, *more]) == 0
    assert len(reconstructed) == 2


def test_at_most_so_many_faces_and_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, out = _photo(tmp_path / "x.png", faces=25), tmp_path / "out"
    assert main(["reconstruct", photo, "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == 5
    assert len(_folders(out)) == 20
    assert main(["reconstruct", photo, "-o", str(out), "--max-faces", "2"]) == 0
    said = capsys.readouterr().out
    assert "note: 25 faces found; 23 not done (--max-faces 2)" in said
    assert "of an earlier run of this photo, and still there: x_face10" in said
    with pytest.raises(SystemExit):
        main(["reconstruct", photo, "-o", str(out), "--max-faces", "0"])


def test_photos_of_one_person_are_fitted_together(
    tmp_path: Path, reconstructed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    photos = [
        _photo(tmp_path / "a.png"),
        str(tmp_path / "broken.png"),
        _blank(tmp_path / "b.png"),
        _photo(tmp_path / "c.png", faces=3),
    ]
    out = tmp_path / "out"
    assert main(["reconstruct", "--same-person", *photos, "-o", str(out)]) == 1
    assert reconstructed == ["a.png+b.png+c.png"]
    assert _folders(out) == ["a", "c_face1"]
    assert _record(out / "a")["options"]["same_person"] is True
    said = capsys.readouterr()
    assert "3 faces found; the largest was taken for the person (--face takes another)" in said.out
    assert "b.png: no face found" in said.err
    assert "broken.png" in said.err
    assert main(["reconstruct", "--same-person", "--resume", *photos, "-o", str(out)]) == 2
    assert "leave out --resume" in capsys.readouterr().err


def test_poor_quality_comes_with_its_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", _photo(tmp_path / "x.png"), "-o", str(tmp_path / "out")]) == 0
    assert "quality poor (the face is only 30 px high; 50% of the face is hidden)" in capsys.readouterr().out


def test_an_error_names_the_photo_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blank, good, empty = _blank(tmp_path / "b.png"), _photo(tmp_path / "x.png"), tmp_path / "e.png"
    empty.write_bytes(b"")
    missing = str(tmp_path / "none.png")
    assert main(["reconstruct", blank, good, str(empty), missing, "-o", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4
    for photo, error in zip((blank, str(empty), missing), errors):
        assert error.count(photo) == 1
    assert errors[-1] == "wholeface: 1 of 4 photos done"


def test_a_result_that_cannot_be_written_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [_photo(tmp_path / f"{n}.png") for n in "ab"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("a file in its place")
    assert main(["reconstruct", *photos, "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "a: it is a file" in error
    assert "Errno" not in error
    assert (tmp_path / "out" / "b" / "face.json").exists()


def test_errors_of_the_system_come_without_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*words: object, **options: object) -> None:
        raise OSError(5, "Input/output error", "somewhere")

    monkeypatch.setattr(Reconstruction, "save", broken)
    assert main(["reconstruct", _photo(tmp_path / "x.png"), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"wholeface: {tmp_path / 'x.png'}: somewhere: Input/output error\n"


def test_odd_names_are_written_below_out_and_shown_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "in"
    _photo(tmp_path / "x.png")
    inside.mkdir()
    data, names = (
        (tmp_path / "x.png").read_bytes(),
        ["n\n\x1b[31mRED.png", "...png", "..png", "Ł.png", "\udcff.png"],
    )
    for name in names:
        try:
            (inside / name).write_bytes(data)
        except (OSError, UnicodeError):
            pytest.skip("this file system has no such names")
    words = [str(inside / name) for name in names]
    assert main(["reconstruct", *words, "-o", str(tmp_path / "out")]) == 0
    assert _folders(tmp_path / "out") == ["_", "n__[31mRED", "photo", "photo-2", "Ł"]
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert len(said.out.splitlines()) == len(names)
    (inside / names[0]).write_bytes(b"")
    assert main(["reconstruct", words[0], "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"wholeface: {inside}/n\\n\\x1b[31mRED.png is empty\n"


@pytest.mark.parametrize("out", ["", " "])
def test_an_empty_name_is_refused(tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    photo = _photo(tmp_path / "x.png")
    for words in ([photo, "-o", out], [out, "-o", str(tmp_path / "out")]):
        with pytest.raises(SystemExit) as stop:
            main(["reconstruct", *words])
        assert stop.value.code == 2
        assert "the name is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "message"),
    [("a" * 300, "File name too long"), ("x.png/out", "is a file"), ("nul\0", "null")],
)
def test_places_for_results_that_cannot_be(
    tmp_path: Path, out: str, message: str, capsys: pytest.CaptureFixture[str], reconstructed: list[str]
) -> None:
    assert main(["reconstruct", _photo(tmp_path / "x.png"), "-o", str(tmp_path / out)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert reconstructed == []


def test_nothing_is_loaded_or_written_when_no_photo_can_be_read(tmp_path: Path) -> None:
    missing = [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert main(["reconstruct", *missing, "-o", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_file_name_reach_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", "no\udcff.png", "--json", "-o", str(tmp_path / "out")]) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["photo"]) == (False, "no\udcff.png")

"""Words of the command line and the photos that they name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, features

from wholeface import photo as photo_room
from wholeface.app.cli._inputs import PhotoFile, gather_photos


def _touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def _problem(word: str) -> str:
    (photo,), _ = gather_photos([word])
    assert photo.problem is not None
    return str(photo.problem)


def test_a_folder_stands_for_the_photos_in_it(tmp_path: Path) -> None:
    names = ["a.png", "b.JPG", "c.webp", "d.jfif", "e.jpe", "f.gif", "g.mpo", "h.bmp", "i.tiff"]
    _touch(tmp_path, *reversed(names), ".hidden.jpg")
    photos, notes = gather_photos([str(tmp_path)])
    assert [p.path.name for p in photos] == names
    assert all(p.problem is None for p in photos)
    assert notes == []


def test_avif_and_heic_as_far_as_they_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "a.avif", "b.heic", "c.jpg")
    monkeypatch.setattr(photo_room.suffixes.importlib.util, "find_spec", lambda name: None)
    photos, notes = gather_photos([str(tmp_path)])
    avif = ["a.avif"] if ".avif" in Image.registered_extensions() else []
    assert [p.path.name for p in photos] == [*avif, "c.jpg"]
    assert "1 .heic" in notes[0]
    assert "pip install 'wholeface[heic]'" in notes[0]
    monkeypatch.setattr(photo_room.suffixes.importlib.util, "find_spec", lambda name: object())
    assert [p.path.name for p in gather_photos([str(tmp_path)])[0]] == [*avif, "b.heic", "c.jpg"]
    if hasattr(features, "check") and features.check("avif"):
        assert avif


def test_what_was_skipped_is_counted(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "b.txt", "c.txt", "d.pdf", "e", ".DS_Store")
    (tmp_path / "more").mkdir()
    photos, notes = gather_photos([str(tmp_path)])
    assert [p.path.name for p in photos] == ["a.jpg"]
    assert notes == [
        f"{tmp_path}: 4 files skipped, not known as photos (2 .txt, 1 .pdf, 1 without an ending); "
        "1 folder inside not entered"
    ]


def test_a_folder_without_photos_does_not_stop_the_others(tmp_path: Path) -> None:
    empty = _touch(tmp_path / "empty", "b.txt")
    photo = _touch(tmp_path / "full", "a.jpg") / "a.jpg"
    photos, _ = gather_photos([str(empty), str(photo)])
    assert [p.path for p in photos] == [empty, photo]
    assert "holds no photos that can be read (1 file skipped" in str(photos[0].problem)
    assert photos[1].problem is None


def test_a_photo_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path, "a.jpg", "b.jpg")
    monkeypatch.chdir(tmp_path)
    photos, notes = gather_photos(["b.jpg", ".", "./b.jpg"])
    assert [p.path for p in photos] == [Path("b.jpg"), Path("a.jpg")]
    assert len(notes) == 2
    assert "b.jpg is named more than once" in notes[0]


def test_words_that_are_no_photos(tmp_path: Path) -> None:
    assert _problem(str(tmp_path / "a.jpg")) == f"{tmp_path / 'a.jpg'}: no such file"
    assert _problem("-") == "-: photos are not read from standard input; give a file"
    for address in ("https://example.org/a.jpg", "file:///a.jpg", "s3://bucket/a.jpg"):
        assert (
            _problem(address) == f"{address}: addresses are not fetched; download the photo and give the file"
        )
        assert str(gather_photos([address])[0][0]) == address
    assert "File name too long" in _problem("a" * 300) or os.name == "nt"
    assert "null" in _problem("a\0.jpg")
    _touch(tmp_path, "file.jpg")
    assert (
        "cannot be read: Not a directory" in _problem(str(tmp_path / "file.jpg" / "x.jpg")) or os.name == "nt"
    )


@pytest.mark.parametrize("broken", ["stat", "iterdir"])
def test_folders_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    good = _touch(tmp_path / "good", "a.jpg")
    locked = _touch(tmp_path / "locked", "a.jpg")
    real = getattr(Path, broken)

    def refuse(self: Path, *words: object, **options: object) -> object:
        if self == locked:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *words, **options)

    monkeypatch.setattr(Path, broken, refuse)
    photos, _ = gather_photos([str(locked), str(good)])
    assert str(photos[0].problem) == f"{locked} cannot be read: Permission denied"
    assert photos[1] == PhotoFile(good / "a.jpg")

"""Folders of results: safe names, one for every photo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wholeface.app.cli import _folders
from wholeface.app.cli._folders import ExistingFolders, assign_folders, face_folder, folder_name


def _names(*photos: str, existing: tuple[str, ...] = (), held: tuple[str, ...] = ()) -> list[str]:
    paths = [Path(photo) for photo in photos]
    return assign_folders(paths, ExistingFolders(existing), lambda folder, photo: folder in held)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("holiday", "holiday"),
        ("Łódź 2024", "Łódź 2024"),
        ("..", "photo"),
        (".", "photo"),
        ("", "photo"),
        (" . ", "photo"),
        (".hidden", "hidden"),
        ("...x. ", "x"),
        ("a/b\\c:d*e", "a_b_c_d_e"),
        ("line\nbreak\x1b[31m", "line_break_[31m"),
        ("right\u202eleft", "right_left"),
        ("bytes\udcff", "bytes_"),
        ("CON", "_CON"),
        ("nul.tar", "_nul.tar"),
        ("con1", "con1"),
        ("e\u0301", "é"),
    ],
)
def test_names(stem: str, name: str) -> None:
    assert folder_name(stem) == name


@given(st.text(st.characters(), max_size=300))
def test_every_name_is_one_part_of_a_path(stem: str) -> None:
    name = folder_name(stem)
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>|\0')
    assert len(f"{name}-123_face123".encode()) < 255
    assert os.fsdecode(os.fsencode(name)) == name
    assert folder_name(name) == name


def test_names_that_the_file_system_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_folders.sys, "getfilesystemencoding", lambda: "ascii")
    assert folder_name("Łódź") == "__d_"


def test_photos_with_the_same_stem_do_not_overwrite_each_other() -> None:
    assert _names("a/x.jpg", "b/x.jpg", "x-2.png", "c/x.png") == ["x", "x-2", "x-2-2", "x-3"]


def test_names_that_some_file_system_takes_for_one() -> None:
    assert _names("Straße.jpg", "STRASSE.jpg", "straße.png") == ["Straße", "STRASSE-2", "straße-3"]
    assert _names("X.jpg", "x.jpg") == ["X", "x-2"]
    assert _names("a:b.jpg", "a?b.jpg", "...jpg", "..jpg") == ["a_b", "a_b-2", "photo", "photo-2"]


@pytest.mark.parametrize(
    ("photos", "names"),
    [
        (("x.jpg", "x_face1.jpg"), ["x", "x_face1-2"]),
        (("x_face1.jpg", "x.jpg"), ["x_face1", "x-2"]),
        (("x_face1.jpg", "X_FACE2.jpg"), ["x_face1", "X_FACE2"]),
        (("x.jpg", "y/x.jpg", "x-2_face12.jpg"), ["x", "x-2", "x-2_face12-2"]),
    ],
)
def test_faces_of_one_photo_do_not_meet_another_photo(photos: tuple[str, ...], names: list[str]) -> None:
    assert _names(*photos) == names


@given(st.lists(st.sampled_from(["x", "X", "x_face1", "x_face2", "x-2", "x_face1_face1", "x-2_face1", "é"])))
def test_no_two_photos_can_ever_meet(stems: list[str]) -> None:
    names = _names(*(f"{i}/{stem}.jpg" for i, stem in enumerate(stems)))
    folders = [
        {face_folder(name, face, count).casefold() for count in (1, 3) for face in (1, 2, 3)}
        for name in names
    ]
    for i, one in enumerate(folders):
        for other in folders[:i]:
            assert not one & other


def test_results_of_other_photos_are_left_alone() -> None:
    assert _names("x.jpg", existing=("x", "x-2"), held=("x",)) == ["x-2"]
    assert _names("x.jpg", existing=("X_face3",), held=("X_face3",)) == ["x-2"]
    assert _names("x.jpg", existing=("x", "x-2"), held=("x", "x-2")) == ["x-3"]
    assert _names("x.jpg", existing=("x",)) == ["x"]


def test_existing_folders(tmp_path: Path) -> None:
    for name in ("x", "x_face1", "y"):
        (tmp_path / name).mkdir()
    (tmp_path / "x_face2").write_text("a file")
    assert ExistingFolders.of(tmp_path).of_photo("X") == ["x", "x_face1"]
    assert ExistingFolders.of(tmp_path / "none").of_photo("x") == []

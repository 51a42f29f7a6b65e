"""A result is saved as a whole or not at all, and loses nothing that is not its own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from wholeface import Reconstruction, UsageError, read_photo
from wholeface.core.errors import OutputError
from wholeface.photo import Patch
from wholeface.result import save as saving
from wholeface.result.files import RESULT_FILES, belongs_to_a_result
from wholeface.result.swap import clear_leftovers, replaced_whole
from wholeface.stages import Spectacles

Head = Callable[..., Reconstruction]
_IMAGES = {
    *("texture.png", "provenance.png", "occluder.png", "face_region.png", "deoccluded.png", "preview.png"),
    "face.json",
}


_ONLY_SOME = {"lens.png", "displacement.png", "relief_provenance.png", "face_normals.png"}
"""Of faces with spectacles, and with relief."""


def _names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def _of_dead_process(parent: Path) -> Path:
    """A staging folder as a killed process leaves it."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    with replaced_whole(parent / "x", own=belongs_to_a_result, record="face.json") as new:
        staging = new.parents[1]
        machine = staging.name.split("-")[1]
    for path in (parent / "x",):
        path.rmdir()
    left = parent / f".wholeface-{machine}-{dead.pid}-{'0' * 12}"
    left.mkdir()
    return left


def test_the_parts_of_a_result(plain_head: Head, tmp_path: Path) -> None:
    folder = plain_head().save(tmp_path / "a" / "b", formats=("glb", "obj", "ply"))
    parts = set(RESULT_FILES) - _ONLY_SOME
    assert _names(folder) == parts
    record = json.loads((folder / "face.json").read_text())
    assert record["files"] == sorted(parts)
    assert record["spectacles"] is None
    assert record["schema_version"] == 2
    assert record["options"] == {
        "formats": ["glb", "obj", "ply"],
        "expressions": False,
        "expression_names": "arkit",
        "detail": "normal",
    }
    assert _names(tmp_path / "a") == {"b"}  # nothing temporary stays


def _spectacles(*maps: np.ndarray) -> Spectacles:
    frame, lens, dark = (Patch(each, 0, 0) for each in maps)
    return Spectacles(frame, lens, dark, *maps[0].shape, presence=0.97)


def test_lenses_are_saved_and_named(plain_head: Head, tmp_path: Path) -> None:
    from PIL import Image

    head = plain_head()
    empty = np.zeros(head.occluder.shape, np.float32)
    lens, frame = empty.copy(), empty.copy()
    rows, columns = np.nonzero(head.face_region)
    lens[rows[: len(rows) // 2], columns[: len(rows) // 2]] = 0.8
    frame[rows[-1], columns[-1]] = 0.9
    worn = replace(head, spectacles=_spectacles(frame, lens, empty))
    folder = worn.save(tmp_path / "out")
    record = json.loads((folder / "face.json").read_text())
    assert "lens.png" in record["files"]
    assert np.array_equal(np.asarray(Image.open(folder / "lens.png")) > 127, lens > 0.5)
    told = record["spectacles"]
    assert (told["kind"], told["presence"]) == ("glasses", 0.97)
    assert told["clear_lens_fraction"] == pytest.approx(0.5, abs=0.01)
    assert told["frame_fraction"] == pytest.approx(1 / len(rows))
    assert told["dark_lens_fraction"] == 0
    head.save(folder)
    assert not (folder / "lens.png").exists()  # the new result has none


def test_the_record_knows_photo_and_options(plain_head: Head, tmp_path: Path) -> None:
    import hashlib

    from PIL import Image

    Image.new("RGB", (40, 48), "grey").save(tmp_path / "photo.png")
    head = plain_head(photo=read_photo(tmp_path / "photo.png"))
    folder = head.save(tmp_path / "out", options={"fast": True})
    record = json.loads((folder / "face.json").read_text())
    assert record["photo"]["sha256"] == hashlib.sha256((tmp_path / "photo.png").read_bytes()).hexdigest()
    assert record["options"]["fast"] is True
    assert str(tmp_path) not in record["photo"]["path_sha256"]
    array = json.loads((plain_head().save(tmp_path / "array") / "face.json").read_text())
    assert (array["photo"]["sha256"], array["photo"]["path_sha256"]) == (None, None)


def test_an_earlier_result_is_replaced_whole(plain_head: Head, tmp_path: Path) -> None:
    plain_head().save(tmp_path / "out", formats=("obj", "ply"))
    plain_head().save(tmp_path / "out", formats=["glb"])
    assert _names(tmp_path / "out") == _IMAGES | {"face.glb"}
    assert _names(tmp_path) == {"out"}


def test_other_files_stay(plain_head: Head, tmp_path: Path) -> None:
    out = plain_head().save(tmp_path / "out", formats=("obj",))
    (out / "notes.txt").write_text("mine")
    (out / "more").mkdir()
    (out / "more" / "face.obj").write_text("mine too")
    before = out.stat().st_ino
    plain_head().save(out, formats=("glb",))
    assert _names(out) == _IMAGES | {"face.glb", "notes.txt", "more"}
    assert (out / "more" / "face.obj").read_text() == "mine too"
    assert out.stat().st_ino == before


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("broken", ["write_png", "write_glb", "write_json"])
def test_a_save_that_breaks_off_leaves_the_old_result(
    plain_head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, others: bool
) -> None:
    out = plain_head().save(tmp_path / "out")
    if others:
        (out / "notes.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    def full(*args: object, **options: object) -> None:
        try:
            raise OSError(28, "No space left on device", "somewhere/.wholeface-temporary/face.glb")
        except OSError as error:
            raise OutputError("cannot write somewhere/.wholeface-temporary/face.glb") from error

    monkeypatch.setattr(saving, broken, full)
    with pytest.raises(
        OutputError, match=r"cannot write the result .*out: No space left on device; "
    ) as caught:
        plain_head().save(out)
    assert ".wholeface" not in str(caught.value)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert _names(tmp_path) == {"out"}


_KILLED = """
import os, sys
from pathlib import Path
from wholeface.result import swap
from wholeface.result.files import belongs_to_a_result
real = {"rename": Path.rename, "replace": Path.replace, "unlink": Path.unlink}
steps = 0
def stopping(name):
    def act(self, *words, **options):
        global steps
        steps -= 1
        if steps == 0:
            os._exit(9)
        return real[name](self, *words, **options)
    return act
def save(target):
    with swap.replaced_whole(target, own=belongs_to_a_result, record="face.json") as new:
        for name in ("face.glb", "texture.png", "face.json"):
            (new / name).write_text("new")
for name in real:
    setattr(swap.Path, name, stopping(name))
for number in range(1, 100):
    child = os.fork()
    if child == 0:
        steps = number
        try:
            save(Path(sys.argv[1]) / str(number) / "out")
            os._exit(0)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 9:
        print(number)
        sys.exit(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="ends processes that were forked")
@pytest.mark.parametrize("others", [False, True])
def test_a_kill_at_any_step_leaves_no_mixture_that_looks_complete(tmp_path: Path, others: bool) -> None:
    for step in range(1, 100):
        out = tmp_path / f"{step}" / "out"
        out.mkdir(parents=True)
        for name in ("face.glb", "face.obj", "face.json"):
            (out / name).write_text("old")
        if others:
            (out / "notes.txt").write_text("mine")
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    last = int(ended.stdout)
    assert last > 2
    old = dict.fromkeys(["face.glb", "face.obj", "face.json"], "old")
    new = dict.fromkeys(["face.glb", "texture.png", "face.json"], "new")
    for step in range(1, last + 1):
        parent = tmp_path / f"{step}"
        out = parent / "out"
        clear_leftovers(parent, own=belongs_to_a_result)  # as the next run does first
        clear_leftovers(out, own=belongs_to_a_result)
        assert _names(parent) == {"out"}
        results = {p.name: p.read_text() for p in out.iterdir() if p.name != "notes.txt"}
        assert results in (old, new) or (others and "face.json" not in results), step
        assert not others or (out / "notes.txt").read_text() == "mine"
    assert results == new


def test_what_a_killed_run_left_is_cleared(plain_head: Head, tmp_path: Path) -> None:
    left = _of_dead_process(tmp_path)
    (left / "new" / "out").mkdir(parents=True)
    (left / "new" / "out" / "face.glb").write_text("half")
    aside = left / "old" / "earlier"
    aside.mkdir(parents=True)
    (aside / "face.json").write_text("{}")
    (tmp_path / ".wholeface-notes").mkdir()  # somebody's own
    plain_head().save(tmp_path / "out")
    assert _names(tmp_path) == {"out", "earlier", ".wholeface-notes"}
    assert (tmp_path / "earlier" / "face.json").read_text() == "{}"


def test_nothing_of_somebody_else_is_cleared_with_it(tmp_path: Path) -> None:
    left = _of_dead_process(tmp_path)
    aside = left / "old" / "out"
    aside.mkdir(parents=True)
    for name in ("face.glb", "notes.txt", "both.txt"):
        (aside / name).write_text("old")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "both.txt").write_text("new")
    clear_leftovers(tmp_path, own=belongs_to_a_result)
    assert (tmp_path / "out" / "notes.txt").read_text() == "old"
    assert (tmp_path / "out" / "both.txt").read_text() == "new"
    assert (aside / "both.txt").read_text() == "old"  # cannot be put back, so it stays


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    machine = _of_dead_process(tmp_path).name.split("-")[1]
    living = [tmp_path / f".wholeface-{machine}-{pid}-{'1' * 12}" for pid in (os.getpid(), os.getppid())]
    elsewhere = tmp_path / f".wholeface-{'0' * 8}-1-{'1' * 12}"  # another machine, on a shared disk
    for path in [*living, elsewhere]:
        path.mkdir()
    clear_leftovers(tmp_path, own=belongs_to_a_result)
    assert all(path.exists() for path in [*living, elsewhere])
    os.utime(elsewhere, (0, 0))
    clear_leftovers(tmp_path, own=belongs_to_a_result)
    assert not elsewhere.exists()


def test_the_working_folder_and_links(
    plain_head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for _ in range(2):
        plain_head().save(".")
    assert _names(here) == _IMAGES | {"face.glb"}
    assert _names(tmp_path) == {"here"}
    try:
        (tmp_path / "link").symlink_to(here, target_is_directory=True)
    except OSError:
        pytest.skip("no links on this file system")
    monkeypatch.chdir(tmp_path)
    plain_head().save("link", formats=("ply",))
    assert (tmp_path / "link").is_symlink()
    assert _names(here) == _IMAGES | {"face.ply"}


def test_places_that_cannot_be_written(plain_head: Head, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "face.glb").mkdir(parents=True)
    for place, reason in (
        ("file", "it is a file"),
        ("file/x", r"file is a file"),
        ("a" * 300, "File name too long|cannot find"),
        ("nul\0", "null"),
        ("taken", "a folder called face.glb"),
    ):
        with pytest.raises(OutputError, match=f"cannot write the result .*({reason})"):
            plain_head().save(tmp_path / place)
    assert _names(tmp_path) == {"file", "taken"}
    for nowhere in ("", "  "):
        with pytest.raises(UsageError, match="name of a folder"):
            plain_head().save(nowhere)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_whose_parent_is_read_only(plain_head: Head, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    tmp_path.chmod(0o555)
    try:
        plain_head().save(out)
        assert _names(out) == _IMAGES | {"face.glb"}
        with pytest.raises(OutputError, match="Permission denied"):
            plain_head().save(tmp_path / "other")
    finally:
        tmp_path.chmod(0o755)


def test_a_name_that_is_no_utf8(plain_head: Head, tmp_path: Path) -> None:
    photo = read_photo(np.full((48, 40, 3), 90, np.uint8))
    from dataclasses import replace

    head = plain_head(photo=replace(photo, source="photo\udcff.jpg"))
    folder = head.save(tmp_path / "out")
    assert json.loads((folder / "face.json").read_bytes())["photo"]["source"] == "photo\udcff.jpg"


def test_formats(plain_head: Head, tmp_path: Path) -> None:
    assert "face.ply" in _names(plain_head().save(tmp_path / "one", formats="ply"))
    with pytest.raises(UsageError, match="unknown format 'fbx'"):
        plain_head().save(tmp_path / "two", formats=("fbx",))
    with pytest.raises(UsageError, match="unknown naming of expressions 'apple'"):
        plain_head().save(tmp_path / "two", expression_names="apple")
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("naming", "names"),
    [
        ("arkit", ["jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight"]),
        ("ict", ["jawOpen", "mouthSmile_L", "mouthSmile_R", "eyeBlink_L", "eyeBlink_R"]),
    ],
)
def test_morph_targets_have_arkits_names(
    plain_head: Head, tmp_path: Path, naming: str, names: list[str]
) -> None:
    plain_head().save(tmp_path, expressions=True, expression_names=naming)
    data = (tmp_path / "face.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    assert document["meshes"][0]["extras"]["targetNames"] == names
    assert np.allclose(document["meshes"][0]["weights"], [0, 0.1, 0.2, 0.3, 0.4])
    assert trimesh.load(tmp_path / "face.glb") is not None


def test_two_that_save_into_one_place_leave_one_whole_result(tmp_path: Path) -> None:
    def save(text: str) -> None:
        for _ in range(25):
            with replaced_whole(tmp_path / "out", own=belongs_to_a_result, record="face.json") as new:
                for name in ("face.glb", "face.json"):
                    (new / name).write_text(text)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(save, text) for text in "abc"]:
            done.result()
    assert _names(tmp_path) == {"out"}
    assert len({p.read_text() for p in (tmp_path / "out").iterdir()}) == 1
    assert _names(tmp_path / "out") == {"face.glb", "face.json"}


def test_a_place_that_others_took_and_left_again_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moves of two others, in between: one's result makes ours fail, the other takes it away at once."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "face.json").write_text("old")
    rename, tries = Path.rename, 0

    def taken_twice(self: Path, target: Path) -> Path:
        nonlocal tries
        if self.parent.name == "new":
            tries += 1
            if tries <= 2:
                raise OSError(errno.ENOTEMPTY, "Directory not empty")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", taken_twice)
    with replaced_whole(tmp_path / "out", own=belongs_to_a_result, record="face.json") as new:
        (new / "face.json").write_text("new")
    assert tries == 3
    assert (tmp_path / "out" / "face.json").read_text() == "new"
    assert _names(tmp_path) == {"out"}

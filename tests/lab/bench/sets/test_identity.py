"""Rendered subjects, folders of subjects, and pairs of their photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.bench.sets.identity import PersonPhoto, SyntheticSubjects, choose_photos, open_subjects
from wholeface.lab.bench.sets.identity_pairs import balanced_pairs, lfw_pairs
from wholeface.lab.data.synthetic.faces import TEST_SEED, SyntheticFaces

LAYOUT = {"Ann": 3, "Bob": 2, "Cleo": 1, "Dan": 4, "Eve": 2, "Flo": 2}


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 16, 3), 90, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in LAYOUT.items():
        for k in range(1, count + 1):
            _write(tmp_path / "subjects" / name / f"{name}_{k:04d}.jpg")
    return tmp_path / "subjects"


def _photos(sizes: list[int], scenes: int = 99) -> list[PersonPhoto]:
    return [
        PersonPhoto(f"p{p}_{k}", f"p{p}", scene=str(k % scenes))
        for p, n in enumerate(sizes)
        for k in range(n)
    ]


# --- rendered subjects
# ------------------------------------------------------------------------------------------------


def test_one_person_in_several_images() -> None:
    subjects = SyntheticSubjects(2, 2, seed=3)
    assert [p.person for p in subjects.photos] == ["0000", "0000", "0001", "0001"]
    samples = [subjects.sample(i) for i in range(4)]
    parameters = [s.parameters for s in samples]
    for a, b in ((0, 1), (2, 3)):
        np.testing.assert_array_equal(parameters[a]["identity"], parameters[b]["identity"])
        np.testing.assert_array_equal(parameters[a]["albedo"], parameters[b]["albedo"])
        for name in ("rotation", "translation", "light", "expression"):
            assert np.abs(parameters[a][name] - parameters[b][name]).max() > 1e-3
    assert np.abs(parameters[0]["identity"] - parameters[2]["identity"]).max() > 0.5
    assert samples[0].image.shape == (250, 250, 3)
    np.testing.assert_array_equal(SyntheticSubjects(2, 2, seed=3).pixels(1), samples[1].image)
    np.testing.assert_array_equal(subjects.identity(3), parameters[3]["identity"])
    assert samples[0].seed[0] >= TEST_SEED  # nobody is trained on
    other = SyntheticSubjects(1, 1, seed=3, first=1)
    np.testing.assert_array_equal(other.identity(0), parameters[2]["identity"])
    for number, photos in ((0, 2), (2, 0), (2, 2000)):
        with pytest.raises(UsageError, match="at least 1"):
            SyntheticSubjects(number, photos)


def test_subjects_leave_the_usual_faces_as_they_are() -> None:
    faces = SyntheticFaces(seed=3, size=64)
    before = faces.sample(5)
    assert before.seed == (3, 5)
    mine = faces.sample(5, person=1)
    assert np.abs(mine.parameters["identity"] - before.parameters["identity"]).max() > 0.1
    np.testing.assert_array_equal(faces.sample(5).image, before.image)


# --- folders --------------------------------------------------------------------------------------------------------


def test_lfw_and_folders(folder: Path) -> None:
    photos = open_subjects(folder)
    assert len(photos.photos) == sum(LAYOUT.values())
    assert {p.person for p in photos.photos} == set(LAYOUT)
    assert photos.pixels(0).shape == (20, 16, 3)
    assert photos.sample(0) is None
    assert open_subjects(folder.parent / "subjects").name == "subjects"


def test_video_frames(tmp_path: Path) -> None:
    names = np.array(["a_1", "a_2", "b_1"])
    for name in names:
        _write(tmp_path / f"{name}.jpg")
    table = {"image": names, "person": np.array(["a", "a", "b"]), "clip": np.array([1, 2, 1])}
    np.savez(tmp_path / "points_68.npz", **table)
    photos = open_subjects(tmp_path)
    assert [(p.name, p.person, p.scene) for p in photos.photos] == [
        ("a_1", "a", "1"),
        ("a_2", "a", "2"),
        ("b_1", "b", "1"),
    ]
    (tmp_path / "a_2.jpg").unlink()
    with pytest.raises(DataError, match=r"a_2\.jpg: not there, but points_68\.npz lists it"):
        open_subjects(tmp_path)
    np.savez(tmp_path / "points_68.npz", image=names)
    with pytest.raises(DataError, match=r"points_68\.npz: has no 'person'"):
        open_subjects(tmp_path)
    np.savez(tmp_path / "points_68.npz", image=names, person=names[:2])
    with pytest.raises(DataError, match="3 images, 2 subjects"):
        open_subjects(tmp_path)


def test_no_subjects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder; expected photos of subjects"):
        open_subjects(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no folders"):
        open_subjects(tmp_path)


def test_chosen_photos() -> None:
    photos = _photos([1, 5, 2, 3, 4])
    chosen = choose_photos(photos, None, 3, seed=1)
    counts = {f"p{p}": sum(photos[i].person == f"p{p}" for i in chosen) for p in range(5)}
    assert counts == {"p0": 0, "p1": 3, "p2": 2, "p3": 3, "p4": 3}
    assert len(set(chosen.tolist())) == len(chosen)
    np.testing.assert_array_equal(chosen, choose_photos(photos, None, 3, seed=1))
    assert len({photos[i].person for i in choose_photos(photos, 2, 3, seed=1)}) == 2
    # Six frames of three clips: three photos come from three clips
    clips = _photos([6, 6], scenes=3)
    for seed in range(5):
        taken = choose_photos(clips, None, 3, seed=seed)
        for person in ("p0", "p1"):
            assert len({clips[i].scene for i in taken if clips[i].person == person}) == 3
    with pytest.raises(UsageError, match="at least 2"):
        choose_photos(photos, None, 1)
    with pytest.raises(UsageError, match="1 subjects with two or more photos"):
        choose_photos(_photos([1, 1, 2]), None, 2)


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_balanced_pairs_share_no_person() -> None:
    photos = _photos([4] * 23 + [1] * 3 + [2])
    pairs = balanced_pairs(photos, np.arange(len(photos)), seed=2)
    assert len(np.unique(pairs.fold)) == 10
    owner = np.array([p.person for p in photos])
    np.testing.assert_array_equal(owner[pairs.first] == owner[pairs.second], pairs.same)
    assert (pairs.first != pairs.second).all()
    met: dict[str, int] = {}
    for a, b, fold in zip(pairs.first, pairs.second, pairs.fold):
        for person in (owner[a], owner[b]):
            assert met.setdefault(str(person), int(fold)) == fold
    for fold in range(10):
        mine = pairs.fold == fold
        assert pairs.same[mine].sum() == (~pairs.same[mine]).sum() > 0
    assert len({tuple(sorted(p)) for p in zip(pairs.first.tolist(), pairs.second.tolist())}) == len(pairs)
    again = balanced_pairs(photos, np.arange(len(photos)), seed=2)
    np.testing.assert_array_equal(again.first, pairs.first)
    few = pairs.subset(40, seed=1)
    assert len(few) == 40
    assert all((few.same[few.fold == f].sum() == 2) for f in range(10))
    assert pairs.subset(None) is pairs
    with pytest.raises(UsageError, match="at least 20"):
        pairs.subset(19)


def test_few_subjects_make_few_folds() -> None:
    photos = _photos([2] * 7)
    pairs = balanced_pairs(photos, np.arange(14), most=1)
    assert np.unique(pairs.fold).tolist() == [0, 1, 2]
    assert len(pairs) == 6
    with pytest.raises(UsageError, match="at least four"):
        balanced_pairs(photos, np.arange(6))


def test_lfw_list(folder: Path) -> None:
    (folder.parent / "pairs.txt").write_text("2\t1\nAnn\t1\t3\nAnn\t1\tBob\t2\nDan\t1\t4\nEve\t2\tFlo\t1\n")
    (folder).rename(folder.parent / "lfw")
    photos, pairs = lfw_pairs(folder.parent)
    assert len(photos.photos) == len(pairs.photos()) == 7  # Ann's first photo is in two pairs
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert photos.photos[pairs.second[3]].name == "Flo_0001.jpg"

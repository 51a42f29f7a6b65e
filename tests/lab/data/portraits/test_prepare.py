"""Computing and keeping what is known about the portraits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wholeface.lab.data.portraits import prepare
from wholeface.lab.data.portraits.faces import PortraitFaces
from wholeface.lab.data.portraits.prepare import clean_portraits, prepare_portraits
from wholeface.perceive import FACE_CLASSES, ParsingClass

COUNT = 5


@pytest.fixture(scope="module")
def kept(shared, tmp_path_factory):
    """A few real portraits, prepared once: table, cache folder, progress."""
    pytest.importorskip("mediapipe")
    cache = tmp_path_factory.mktemp("cache")
    seen = []
    table = prepare_portraits(
        shared / "data" / "portraits", cache, limit=COUNT, progress=lambda a, b: seen.append((a, b))
    )
    return table, cache, seen


@pytest.mark.shared
def test_the_chosen_portraits_are_clean_and_a_tenth_is_held_out(shared):
    chosen = clean_portraits(shared / "data" / "portraits")
    assert len(chosen) == 443
    assert sum(test for _, _, test in chosen) == 49
    assert [name for name, _, _ in chosen] == sorted(name for name, _, _ in chosen)


@pytest.mark.shared
def test_labels_of_real_portraits_hang_together(kept):
    table, _, seen = kept
    assert seen == [(k + 1, COUNT) for k in range(COUNT)]
    assert len(table) >= COUNT - 1
    assert table.corrected.mean() < 0.03
    for k in range(len(table)):
        parsing, face = table.label_map(k)
        assert np.isin(parsing[face], [int(c) for c in FACE_CLASSES]).all()
        marks = np.floor((table.landmarks_68[k] + 0.5) * table.factor[k]).astype(int)
        inner = marks[[30, 37, 43, 33, 51, 57, 19, 24]]
        assert face[inner[:, 1], inner[:, 0]].all()
        for name in (ParsingClass.HAIR, ParsingClass.CLOTH, ParsingClass.NOSE, ParsingClass.LEFT_EYE):
            assert (parsing == name).any()
        assert (parsing == 255).mean() < 0.12


@pytest.mark.shared
def test_lips_part_as_far_as_the_teacher_sees_them_parted(kept, shared):
    table, _, _ = kept
    teacher = {name: points for name, points, _ in clean_portraits(shared / "data" / "portraits")}
    seen = np.stack([teacher[str(name)] for name in table.names])
    eyes = np.linalg.norm(seen[:, 33] - seen[:, 263], axis=1)

    def gap(points, upper, lower):
        return np.linalg.norm(points[:, upper] - points[:, lower], axis=1) / eyes

    expected = gap(seen, 13, 14)
    assert np.ptp(expected) > 0.05  # mouths of several kinds
    # From five portraits the teacher's mean offset, which is taken off, is known to a hundredth or two only.
    np.testing.assert_allclose(gap(table.dense, 13, 14), expected, atol=0.025)
    np.testing.assert_allclose(gap(table.dense, 81, 178), gap(seen, 81, 178), atol=0.025)
    np.testing.assert_allclose(gap(table.landmarks_68, 62, 66), expected, atol=0.03)
    # The offset is the same for all: differences between the portraits are the teacher's.
    assert np.corrcoef(gap(table.dense, 13, 14), expected)[0, 1] > 0.99
    assert np.corrcoef(gap(table.landmarks_68, 62, 66), expected)[0, 1] > 0.97


@pytest.mark.shared
def test_a_kept_file_is_read_and_a_damaged_or_stale_one_is_made_anew(kept, shared, monkeypatch):
    table, cache, _ = kept
    root = shared / "data" / "portraits"
    (file,) = cache.iterdir()
    made = []
    monkeypatch.setattr(prepare, "_work", lambda *a: made.append(1) or iter([_record(table, 0)]))
    again = prepare_portraits(root, cache, limit=COUNT)
    assert not made
    np.testing.assert_array_equal(again.dense, table.dense)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    prepare_portraits(root, cache, limit=COUNT)
    assert len(made) == 1
    file.write_bytes(content)
    monkeypatch.setattr(prepare, "CODE_VERSION", 10_000)
    prepare_portraits(root, cache, limit=COUNT)
    assert len(made) == 2
    assert len(list(cache.iterdir())) == 2
    model = prepare.shipped_model()
    weights = model.landmarks_478.barycentric.flip(0)
    moved = replace(model, landmarks_478=replace(model.landmarks_478, barycentric=weights))
    prepare_portraits(root, cache, limit=COUNT, model=moved)
    assert len(made) == 3


@pytest.mark.shared
def test_interrupted_work_goes_on(kept, shared, tmp_path, monkeypatch):
    table, _, _ = kept
    root = shared / "data" / "portraits"
    done = []

    class Worker:
        def __init__(self, *args):
            pass

        def record(self, name, points, test):
            done.append(name)
            if len(done) == 3:
                raise KeyboardInterrupt
            return _record(table, 0)

    monkeypatch.setattr(prepare, "_Worker", Worker)
    with pytest.raises(KeyboardInterrupt):
        prepare_portraits(root, tmp_path, limit=COUNT)
    assert len(done) == 3
    result = prepare_portraits(root, tmp_path, limit=COUNT)
    assert len(result) == COUNT
    assert len(done) == COUNT + 1  # the two that were finished are not made again
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]


@pytest.mark.shared
def test_samples_of_real_portraits(kept, shared):
    table, _, _ = kept
    faces = PortraitFaces(shared / "data" / "portraits", table=table, size=256)
    for index in range(6):
        sample = faces.sample(index)
        share = sample.face.mean()
        assert 0.05 < share < 0.6
        inner = np.rint(sample.landmarks_68[[30, 37, 43, 51, 57]]).astype(int)
        assert sample.face[inner[:, 1], inner[:, 0]].all()
        assert sample.image.std() > 10


def _record(table, k):
    """The record that a portrait's work would have given."""
    names = [
        "names", "width", "height", "landmarks_68", "facing_68", "dense", "facing_dense", "rotation", "translation",
        "focal", "centre", "box", "factor", "map_shape", "residual", "corrected", "test",
    ]  # fmt: skip
    record = {name: getattr(table, name)[k] for name in names}
    record["maps"] = table.maps[table.map_start[k] : table.map_start[k + 1]]
    record["keep"] = np.array(True)
    return record

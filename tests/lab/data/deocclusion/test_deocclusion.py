"""Composites as the generator sees them: reproducible, stored and read back, each subject in one split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.deocclusion import (
    Composites,
    DeocclusionStore,
    build_deocclusion_store,
    clean_photos,
)
from wholeface.perceive import EyewearPart, OccluderKind


def _material(root: Path) -> Path:
    """Labels as of the source material, without photos."""
    labels = {f"ai_{i:03}.jpg": {"clean": i % 3 != 0} for i in range(60)}
    (root / "faces_ai").mkdir(parents=True)
    (root / "faces_ai" / "labels.json").write_text(json.dumps(labels))
    flags = {"glasses": False, "discoloured": False, "hair_over_face": False, "other_occluder": False}
    entry = {"source": "bio_guide", "face_px": 100.0, **flags}
    index = [{"file": f"p_{i}.jpg", **entry} for i in range(40)]
    index += [
        {"file": "wiki.jpg", **entry, "source": "wiki"},
        {"file": "small.jpg", **entry, "face_px": 20.0},
    ]
    index += [{"file": f"{flag}.jpg", **entry, flag: True} for flag in flags]
    (root / "portraits").mkdir()
    (root / "portraits" / "index.json").write_text(json.dumps(index))
    return root


def test_subjects_are_of_one_split_and_unhidden(tmp_path: Path) -> None:
    root = _material(tmp_path)
    parts = {split: {p.name for p in clean_photos(root, split)} for split in ("train", "validation", "test")}
    together = set().union(*parts.values())
    assert sum(len(names) for names in parts.values()) == len(together) == 40 + 40
    assert not together & {"wiki.jpg", "small.jpg", "glasses.jpg", "ai_000.jpg"}
    assert len(parts["train"]) > 0.6 * len(together)
    with pytest.raises(UsageError, match="split"):
        clean_photos(root, "held_out")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="faces_ai"):
        clean_photos(tmp_path / "portraits", "train")


def test_no_photos_are_an_error() -> None:
    with pytest.raises(DataError, match="no photos"):
        Composites([], None)


@pytest.fixture(scope="module")
def composites(shared: Path) -> Composites:
    photos = clean_photos(shared / "data", "validation")[:2]
    weights = {"sunglasses": 1.0, "glasses": 1.0, "hands": 1.0}
    return Composites(photos, shared / "data", seed=3, size=64, weights=weights)


def test_a_sample_is_what_its_parts_say(composites: Composites) -> None:
    sample = composites[0]
    assert sample.given.image.shape == sample.clean.shape == (64, 64, 3)
    hidden = sample.kind > 0
    difference = np.abs(sample.given.image.astype(int) - sample.clean).max(axis=2)
    assert hidden.sum() > 40
    assert np.median(difference[hidden]) > 4 * max(1, np.median(difference[~hidden]))
    lens = np.isin(sample.lens, (EyewearPart.CLEAR_LENS, EyewearPart.DARK_LENS))
    assert np.isin(
        sample.kind[lens], (OccluderKind.GLASSES, OccluderKind.SUNGLASSES, OccluderKind.HAND)
    ).all()
    assert sample.face.mean() > 0.15


def test_the_same_index_is_the_same_sample(composites: Composites, tmp_path: Path) -> None:
    again = Composites(composites.photos, composites.root, seed=3, size=64, weights=composites.weights)
    store = build_deocclusion_store(tmp_path / "store", again, 3)
    assert len(store) == 3
    for index in (2, 0):  # another order, another process
        direct, stored = composites[index], store[index]
        for name, values in direct.given.maps().items():
            np.testing.assert_array_equal(getattr(stored.given, name), values, err_msg=name)
        np.testing.assert_array_equal(stored.clean, direct.clean)
        assert (stored.name, stored.source) == (direct.name, direct.source)
    # Built again: nothing is made anew; another request is refused.
    stamp = (tmp_path / "store" / "clean.npy").stat().st_mtime_ns
    build_deocclusion_store(tmp_path / "store", again, 3)
    assert (tmp_path / "store" / "clean.npy").stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match="other settings"):
        build_deocclusion_store(tmp_path / "store", again, 4)


def test_folders_that_are_no_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="manifest"):
        DeocclusionStore(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(DataError, match="another version"):
        DeocclusionStore(tmp_path)

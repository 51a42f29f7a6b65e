"""Stores of faces on which folds are drawn, and scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError
from wholeface.lab.data.relief import (
    FoldSettings,
    ReliefBase,
    ReliefStore,
    ReliefStoreWriter,
    RenderedFaces,
    base_of_rendering,
    relief_scene,
)
from wholeface.morphable import load_model
from wholeface.stages import Tools

FOLDED = FoldSettings(none=0.0, pigment=0.0, camera=0.0)


@pytest.fixture(scope="module")
def rendered() -> ReliefBase:
    faces, tools = RenderedFaces(None, seed=3, occluded=0.0, size=256), Tools(model=load_model("wholeface"))
    found = (base_of_rendering(faces[index], tools, 96) for index in range(6))
    return next(base for base in found if base is not None)


@pytest.fixture
def store(tmp_path: Path, rendered: ReliefBase) -> Path:
    writer = ReliefStoreWriter(tmp_path / "store", 96, 3, load_model("wholeface").expression_names)
    writer.add(rendered)
    writer.add(replace(rendered, subject="other"))
    return tmp_path / "store"


def test_the_truth_lies_where_the_fit_says_skin_is(rendered: ReliefBase) -> None:
    both = (rendered.skin > 200) & (rendered.given.visible > 200)
    assert both.sum() > 0.6 * (rendered.skin > 200).sum() > 500
    fitted = rendered.given.normals[both].astype(float) / 127
    cosine = (fitted * rendered.true_normals[both].astype(float)).sum(axis=1)
    assert np.median(cosine) > 0.97


def test_samples_follow_from_their_number_and_show_folds(store: Path) -> None:
    read = ReliefStore(store, versions=4, settings=FOLDED)
    assert (len(read), read.faces, read.subjects[1]) == (8, 2, "other")
    one, same, other = read[5], ReliefStore(store, versions=4, settings=FOLDED)[5], read[7]
    np.testing.assert_array_equal(one.given.image, same.given.image)
    np.testing.assert_array_equal(one.displacement, same.displacement)
    assert np.abs(one.displacement - other.displacement).max() > 0.05
    one = max((read[index] for index in (1, 3, 5, 7)), key=lambda sample: sample.displacement.std())
    assert (one.displacement[read.base(1).skin == 0] == 0).all()
    changed = np.abs(one.given.image.astype(int) - read.base(1).given.image).max(axis=2)
    high = np.abs(one.displacement) > np.quantile(np.abs(one.displacement[one.weight > 0]), 0.9)
    assert changed[high & (one.weight > 0)].mean() > 3
    # The picture changes where the folds are, and nowhere else.
    assert changed[(one.weight == 0) & (read.base(1).skin == 0)].max() <= 1


def test_smooth_faces_have_no_height(store: Path) -> None:
    read = ReliefStore(store, settings=FoldSettings(none=1.0, pigment=0.0, camera=0.0))
    sample = read[0]
    assert (sample.displacement == 0).all()
    np.testing.assert_array_equal(sample.given.image, read.base(0).given.image)


def test_a_full_store_and_a_strange_folder_are_refused(
    store: Path, tmp_path: Path, rendered: ReliefBase
) -> None:
    writer = ReliefStoreWriter(store, 96, 3, load_model("wholeface").expression_names)
    assert writer.count == 2
    writer.add(rendered)
    with pytest.raises(DataError, match="full with 3 faces"):
        writer.add(rendered)
    with pytest.raises(DataError, match="other settings"):
        ReliefStoreWriter(store, 64, 3, ())
    with pytest.raises(DataError, match=r"python -m wholeface.lab.data.relief"):
        ReliefStore(tmp_path)


def test_a_scene_changes_visible_skin_alone() -> None:
    face = RenderedFaces(None, seed=3, occluded=0.0, size=200)[1]
    scene = relief_scene(face, 5, age=1.0)
    changed = np.abs(scene.pixels.astype(int) - face.pixels).max(axis=2)
    assert changed[~face.skin].max() <= 8  # the soft edge of what happens to the skin
    assert changed[face.skin].max() > 20
    assert scene.displacement[~scene.maps.shown].max() == 0
    assert scene.displacement.std() > 0.03
    np.testing.assert_array_equal(relief_scene(face, 5, age=1.0).pixels, scene.pixels)

"""A face model without UV, mirror, regions and dense landmarks, as Basel's are: vertex colours from end to end."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

import wholeface
from wholeface.morphable import load_model
from wholeface.perceive import has_weights

pytestmark = pytest.mark.skipif(not has_weights("landmarks"), reason="needs the landmark network's weights")


def _photo() -> Path:
    matplotlib = pytest.importorskip("matplotlib")
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def head() -> wholeface.Reconstruction:
    full = load_model()
    kept = {"skin": torch.ones(full.vertex_count, dtype=torch.bool)}
    assert full.albedo is not None
    bare = replace(
        full,
        name="bare",
        uv=None,
        uv_triangles=None,
        mirror=None,
        regions=kept,
        landmarks_478=None,
        extras={},
        albedo=replace(full.albedo, mean_texture=None, basis_texture=None),
    )
    return wholeface.reconstruct(_photo(), model=bare)


@pytest.fixture(scope="module")
def textured() -> wholeface.Reconstruction:
    return wholeface.reconstruct(_photo(), texture_size=512)


def test_colours_provenance_and_confidence_are_per_vertex(head: wholeface.Reconstruction) -> None:
    count, done = head.model.vertex_count, head.completed
    assert done.per_vertex
    assert done.texture.shape == (count, 3)
    assert done.provenance.shape == done.confidence.shape == (count,)
    assert set(np.unique(done.provenance)) == {1, 2, 3}
    assert done.confidence[done.provenance == 1].min() > done.confidence[done.provenance == 3].min()
    assert any("no UV coordinates" in warning for warning in head.warnings)


def test_vertices_have_about_the_colours_that_the_texture_has(
    head: wholeface.Reconstruction, textured: wholeface.Reconstruction
) -> None:
    uv = np.zeros((head.model.vertex_count, 2))
    assert textured.model.uv is not None
    assert textured.model.uv_triangles is not None
    uv[textured.model.triangles.numpy().ravel()] = textured.model.uv.numpy()[
        textured.model.uv_triangles.numpy().ravel()
    ]
    place = np.clip((np.stack([1 - uv[:, 1], uv[:, 0]]) * 512).astype(int), 0, 511)
    seen = (head.completed.provenance == 1) & (textured.completed.provenance[tuple(place)] == 1)
    assert seen.sum() > 500
    difference = head.completed.texture[seen].astype(int) - textured.completed.texture[tuple(place)][seen]
    assert np.median(np.abs(difference)) < 12  # sRGB levels


def test_pictures_show_the_colours(
    head: wholeface.Reconstruction, textured: wholeface.Reconstruction
) -> None:
    own, other = (face.render("front", size=128).astype(int) for face in (head, textured))
    assert np.median(np.abs(own - other)) < 12
    assert head.preview.ndim == 3
    assert head.deoccluded.shape == head.photo.pixels.shape
    assert not np.array_equal(head.render("front", size=64), head.render("front", size=64, textured=False))


def test_mesh_files_hold_the_colours(head: wholeface.Reconstruction, tmp_path: Path) -> None:
    head.save(tmp_path / "out", formats=("glb", "obj", "ply"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"face.glb", "face.obj", "face.ply", "deoccluded.png", "preview.png", "face.json"} <= names
    assert not {"texture.png", "provenance.png"} & names
    codes = head.completed.texture
    ply = trimesh.load(tmp_path / "out" / "face.ply", process=False)
    np.testing.assert_array_equal(ply.visual.vertex_colors[:, :3], codes)
    obj = trimesh.load(tmp_path / "out" / "face.obj", process=False, maintain_order=True)
    np.testing.assert_array_equal(obj.visual.vertex_colors[:, :3], codes)
    data = (tmp_path / "out" / "face.glb").read_bytes()
    assert b'"COLOR_0"' in data and b'"_PROVENANCE"' in data and b'"_CONFIDENCE"' in data
    glb = next(iter(trimesh.load(tmp_path / "out" / "face.glb", process=False).geometry.values()))
    value = codes.astype(float) / 255  # glTF's COLOR_0 is linear light
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    shown = np.asarray(glb.visual.vertex_colors, float)[:, :3] / 255
    np.testing.assert_allclose(shown, linear, atol=1 / 254)


def test_a_pickled_result_names_its_model_and_renders_the_same(textured: wholeface.Reconstruction) -> None:
    assert textured.preview.any()  # what can be computed again is left out
    data = pickle.dumps(textured)
    assert len(data) < 6_000_000
    again = pickle.loads(data)
    assert again.model is textured.model
    np.testing.assert_array_equal(again.render("left", size=96), textured.render("left", size=96))
    np.testing.assert_array_equal(again.deoccluded, textured.deoccluded)
    assert copy.deepcopy(textured).model is textured.model

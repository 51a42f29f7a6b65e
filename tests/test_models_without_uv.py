"""A face model without UV, mirror, regions and dense landmarks, as Basel's are: vertex colours from end to end."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import wholeface
from wholeface.morphable import load_model
from wholeface.perceive import has_weights
from wholeface.stages.texture import complete_texture

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
    return wholeface.Reconstructor(model=bare)(_photo())


@pytest.fixture(scope="module")
def textured() -> wholeface.Reconstruction:
    return wholeface.Reconstructor(texture_size=512, method="analysis")(_photo())


def test_colours_provenance_and_confidence_are_per_vertex(head: wholeface.Reconstruction) -> None:
    count, done = head.model.vertex_count, head.completed
    assert done.per_vertex
    assert done.texture.shape == (count, 3)
    assert done.provenance.shape == done.confidence.shape == (count,)
    assert set(np.unique(done.provenance)) == {1, 2, 3, 4}
    assert done.confidence[done.provenance == 1].mean() > 2 * done.confidence[done.provenance == 3].mean()
    assert any("no UV coordinates" in warning for warning in head.warnings)


@pytest.fixture(scope="module")
def twin(textured: wholeface.Reconstruction) -> wholeface.Reconstruction:
    """The same fit, but its model without UV."""
    bare = replace(textured.model, uv=None, uv_triangles=None)
    done = complete_texture(
        bare, textured.photo.pixels, textured.parameters, textured.camera, textured.occluder
    )
    return replace(textured, model=bare, completed=done)


def test_vertices_have_the_colours_that_the_texture_has_there(
    twin: wholeface.Reconstruction, textured: wholeface.Reconstruction
) -> None:
    model = textured.model
    assert model.uv is not None
    assert model.uv_triangles is not None
    uv = np.zeros((model.vertex_count, 2))
    uv[model.triangles.numpy().ravel()] = model.uv.numpy()[model.uv_triangles.numpy().ravel()]
    place = tuple(np.clip((np.stack([1 - uv[:, 1], uv[:, 0]]) * 512).astype(int), 0, 511))
    seen = (twin.completed.provenance == 1) & (textured.completed.provenance[place] == 1)
    assert seen.sum() > 1000
    difference = twin.completed.texture[seen].astype(int) - textured.completed.texture[place][seen]
    assert np.median(np.abs(difference)) <= 4  # sRGB levels
    assert (twin.completed.provenance == textured.completed.provenance[place]).mean() > 0.9


def test_images_show_the_colours(
    head: wholeface.Reconstruction, twin: wholeface.Reconstruction, textured: wholeface.Reconstruction
) -> None:
    own, other, clay = (
        face.render("front", size=128, textured=coloured).astype(int)
        for face, coloured in ((twin, True), (textured, True), (textured, False))
    )
    shown = np.abs(clay - other).max(axis=2) > 0
    assert np.median(np.abs(own - other)[shown]) <= 4
    changed = (textured.deoccluded != textured.photo.pixels).any(axis=2)
    same = (twin.deoccluded != twin.photo.pixels).any(axis=2) == changed
    assert same.mean() > 0.99
    difference = np.abs(twin.deoccluded.astype(int) - textured.deoccluded)[changed]
    assert changed.sum() > 1000
    assert np.median(difference) <= 6
    assert head.preview.ndim == 3
    assert head.deoccluded.shape == head.photo.pixels.shape


def test_mesh_files_hold_the_colours(head: wholeface.Reconstruction, tmp_path: Path) -> None:
    head.save(tmp_path / "out", formats=("glb", "obj", "ply"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"face.glb", "face.obj", "face.ply", "deoccluded.png", "preview.png", "face.json"} <= names
    assert not {"texture.png", "provenance.png"} & names
    codes = head.completed.texture
    ply = trimesh.load(tmp_path / "out" / "face.ply", process=False)
    np.testing.assert_array_equal(ply.visual.vertex_colors[:, :3], codes)
    lines = (tmp_path / "out" / "face.obj").read_text().splitlines()
    rows = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    np.testing.assert_array_equal(np.rint(255 * rows[:, 3:]), codes)
    data = (tmp_path / "out" / "face.glb").read_bytes()
    assert all(name in data for name in (b'"COLOR_0"', b'"_PROVENANCE"', b'"_CONFIDENCE"'))
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    accessor = document["accessors"][attributes["COLOR_0"]]
    assert (accessor["componentType"], accessor["type"]) == (5126, "VEC3")
    view = document["bufferViews"][accessor["bufferView"]]
    start = 28 + int.from_bytes(data[12:16], "little") + view["byteOffset"]
    shown = np.frombuffer(data, "<f4", 3 * accessor["count"], start).reshape(-1, 3)
    used = np.unique(head.model.triangles.numpy())
    value = codes[used].astype(float) / 255  # glTF's COLOR_0 is linear light
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(shown, linear, atol=1e-6)


def test_a_pickled_result_names_its_model_and_renders_the_same(textured: wholeface.Reconstruction) -> None:
    assert textured.preview.any()  # what can be computed again is left out
    data = pickle.dumps(textured)
    assert len(data) < 9_000_000  # the texture, whose grain hardly packs; the model has 30 MB
    again = pickle.loads(data)
    assert again.model is textured.model
    np.testing.assert_array_equal(again.render("left", size=96), textured.render("left", size=96))
    np.testing.assert_array_equal(again.deoccluded, textured.deoccluded)
    assert copy.deepcopy(textured).model is textured.model


def test_the_pickled_result_of_a_megapixel_stays_small() -> None:
    with Image.open(_photo()) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((1000, 1172)).crop((0, 0, 1000, 1000)))
    found = wholeface.reconstruct(pixels)
    assert found.spectacles is not None
    data = pickle.dumps(found)
    assert len(data) <= 6_000_000
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.photo.pixels, pixels)
    np.testing.assert_array_equal(again.occluder, found.occluder)
    np.testing.assert_array_equal(again.face_region, found.face_region)
    np.testing.assert_array_equal(again.spectacles.lens, found.spectacles.lens)

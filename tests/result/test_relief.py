"""Relief on its way out: maps, meshes, pictures, files and the record."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface import Reconstruction, UsageError
from wholeface.core.provenance import Provenance
from wholeface.result.relief import displacement_image, relief_record
from wholeface.stages import ReliefMap
from wholeface.stages.relief.normal_map import frames_of, normal_map
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of

Head = Callable[..., Reconstruction]
_SIZE = 64


@pytest.fixture
def head(plain_head: Head) -> Reconstruction:
    """With a groove of 2 mm down the middle of the face, whose lower half nobody has seen."""
    return _with_groove(plain_head())


def _with_groove(smooth: Reconstruction) -> Reconstruction:
    atlas = atlas_of(smooth.model, _SIZE)
    inside = np.zeros(_SIZE * _SIZE, bool)
    inside[atlas.texel] = True
    inside = inside.reshape(_SIZE, _SIZE)
    row, column = np.mgrid[:_SIZE, :_SIZE]
    groove = inside & (np.abs(column - _SIZE / 2 + 0.5) < 2) & (row > 16) & (row < 48)
    provenance = np.where(inside, np.where(row < 32, Provenance.OBSERVED, Provenance.EXAMPLE), 0)
    relief = ReliefMap(
        np.where(groove, np.float32(-2), np.float32(0)),
        provenance.astype(np.uint8),
        np.where(inside, np.float32(0.5), np.float32(0)),
    )
    return replace(smooth, relief=relief)


def test_displacements_in_steps_of_a_micrometre() -> None:
    told = np.array([[0, 0.001, -0.001, 1.5, -2.0014, 40, -40]], np.float32)
    image = displacement_image(ReliefMap(told, np.ones((1, 7), np.uint8), np.ones((1, 7), np.float32)))
    assert image.dtype == np.uint16
    assert image[0].tolist() == [32768, 32769, 32767, 34268, 30767, 65535, 1]


def test_the_record_says_how_to_read_it_and_whence_it_comes(head: Reconstruction) -> None:
    assert head.relief is not None
    record = relief_record(head.model, head.relief)
    assert record is not None
    assert record["displacement"] == {"file": "displacement.png", "zero": 32768, "mm_per_step": 0.001}
    atlas = atlas_of(head.model, _SIZE)
    face = surface_of(head.model).kind[atlas.triangle] == FACE
    codes = head.relief.provenance.ravel()[atlas.texel[face]]
    assert 0.1 < face.mean() < 0.9
    assert record["shares"] == pytest.approx(
        {"observed": (codes == 1).mean(), "example": (codes == 5).mean()}
    )
    seen = head.relief.displacement[head.relief.provenance == Provenance.OBSERVED]
    assert record["rms_mm"] == pytest.approx(np.sqrt((seen**2).mean()), rel=1e-5)
    assert relief_record(head.model, None) is None


def test_files_of_a_head_with_relief(head: Reconstruction, tmp_path: Path) -> None:
    assert head.relief is not None
    folder = head.save(tmp_path / "out", formats=("glb", "obj"))
    record = json.loads((folder / "face.json").read_text())
    image = np.asarray(Image.open(folder / "displacement.png")).astype(float)
    told = record["relief"]["displacement"]
    np.testing.assert_allclose(
        (image - told["zero"]) * told["mm_per_step"], head.relief.displacement, atol=0.0005
    )
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "relief_provenance.png")), head.relief.provenance
    )
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "face_normals.png")), head.normal_map)
    assert {"displacement.png", "relief_provenance.png", "face_normals.png"} <= set(record["files"])
    assert record["options"]["detail"] == "normal"
    assert b"normalTexture" in (folder / "face.glb").read_bytes()
    head.save(folder, detail="none")
    assert b"normalTexture" not in (folder / "face.glb").read_bytes()
    assert (folder / "displacement.png").exists()  # the map is a finding, however the mesh is written
    replace(head, relief=None).save(folder)
    assert not (folder / "displacement.png").exists()
    assert json.loads((folder / "face.json").read_text())["relief"] is None


def test_unknown_detail(head: Reconstruction, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fine'; choose from none, normal, mesh"):
        head.mesh(detail="fine")
    with pytest.raises(UsageError, match="'fine'"):
        head.save(tmp_path / "out", detail="fine")
    assert not (tmp_path / "out").exists()


def test_the_normal_map_is_that_of_the_shape_shown(head: Reconstruction) -> None:
    """With expressions as morph targets the mesh is neutral; the metric of its charts is another."""
    assert head.relief is not None
    shown, neutral = head.mesh(), head.mesh(expressions=True)
    np.testing.assert_array_equal(shown.normal_map, head.normal_map)
    frames = frames_of(head.model, neutral.vertices, np.asarray(neutral.normals))
    np.testing.assert_array_equal(
        neutral.normal_map, normal_map(head.model, head.relief.displacement, frames)
    )
    assert head.mesh(detail="none").normal_map is None
    assert replace(head, relief=None).mesh().normal_map is None
    opened = head.animate({"jawOpen": 1.0})
    assert opened.normal_map is not None
    assert (opened.normal_map != head.normal_map).any()


def test_relief_as_geometry(head: Reconstruction) -> None:
    smooth, dense = head.mesh(), head.mesh(detail="mesh")
    level = replace(head, relief=_flat(head)).mesh(detail="mesh")
    assert len(dense.triangles) > 3 * len(smooth.triangles)
    assert dense.normal_map is None
    moved = np.linalg.norm(dense.vertices - level.vertices, axis=1)
    assert moved.max() == pytest.approx(2, abs=1e-3)
    still = moved < 1e-6
    assert 0.5 < still.mean() < 1
    assert dense.normals is not None
    np.testing.assert_allclose(np.linalg.norm(dense.normals, axis=1), 1, atol=1e-5)
    assert dense.uv is not None
    assert dense.uv_triangles is not None
    side = np.zeros(len(dense.vertices))
    side[dense.triangles.ravel()] = dense.uv[dense.uv_triangles.ravel(), 0] - 0.5
    wall = (np.abs(np.abs(side) - 1.5 / _SIZE) < 0.6 / _SIZE) & (moved > 0.2)
    assert wall.sum() > 20
    # On the walls of the groove the normals look to its middle.
    turned = np.sign(side) * (np.asarray(dense.normals) - np.asarray(level.normals))[:, 0]
    assert (turned[wall] < -0.05).mean() > 0.95


def _flat(head: Reconstruction) -> ReliefMap:
    assert head.relief is not None
    return replace(head.relief, displacement=np.zeros_like(head.relief.displacement))


def test_expressions_of_a_dense_mesh_are_interpolated(head: Reconstruction) -> None:
    coarse, dense = head.mesh(expressions=True), head.mesh(expressions=True, detail="mesh")
    assert list(dense.morph_targets) == list(coarse.morph_targets)
    assert dense.morph_weights == coarse.morph_weights
    count = len(coarse.vertices)
    for name, offsets in coarse.morph_targets.items():
        np.testing.assert_allclose(dense.morph_targets[name][:count], offsets, atol=1e-5)
        assert np.abs(dense.morph_targets[name]).max() <= np.abs(offsets).max() + 1e-5
    assert dense.glossy is not None
    assert coarse.glossy is not None
    assert dense.glossy.any() == coarse.glossy.any()


def test_pictures_show_relief_unless_told_not_to(head: Reconstruction) -> None:
    smooth = replace(head, relief=None)
    for look in ({"textured": False}, {"textured": True}):
        with_relief = head.render("front", size=64, **look).astype(int)  # type: ignore[arg-type]
        without = smooth.render("front", size=64, **look).astype(int)  # type: ignore[arg-type]
        changed = np.abs(with_relief - without).max(axis=2) > 3
        assert 0 < changed.mean() < 0.2
        columns = np.nonzero(changed.any(axis=0))[0]
        assert 24 <= columns.min() <= columns.max() <= 40  # around the middle of the face
        np.testing.assert_array_equal(
            head.render("front", size=64, relief=False, **look),
            without,  # type: ignore[arg-type]
        )


def test_the_preview_shows_grey_heads_with_relief(head: Reconstruction) -> None:
    vars(head).pop("preview", None)
    smooth = replace(head, relief=None)
    with_relief, without = head.preview, smooth.preview
    changed = (with_relief != without).any(axis=2)
    third = len(changed) // 3
    assert not changed[:third].any()  # the photo and what was made of it
    assert changed[2 * third :].any()


def test_a_model_without_uv_has_relief_in_its_dense_mesh_alone(plain_head: Head, tmp_path: Path) -> None:
    smooth = plain_head()
    model = replace(smooth.model, uv=None, uv_triangles=None)
    count = model.vertex_count
    colours = replace(
        smooth.completed,
        texture=np.full((count, 3), 120, np.uint8),
        provenance=np.ones(count, np.uint8),
        confidence=np.full(count, 0.5, np.float32),
    )
    nose = np.where(model.regions["nose"].numpy(), np.float32(3), np.float32(0))
    relief = ReliefMap(nose, np.ones(count, np.uint8), np.ones(count, np.float32))
    head = replace(smooth, model=model, completed=colours, relief=relief)
    assert head.normal_map is None
    assert head.mesh().normal_map is None
    dense = head.mesh(detail="mesh")
    assert dense.colours is not None
    assert dense.provenance is not None
    assert len(dense.colours) == len(dense.provenance) == len(dense.vertices) > count
    assert (dense.colours == 120).all()
    np.testing.assert_allclose(
        np.linalg.norm(dense.vertices[:count] - head.vertices, axis=1), nose, atol=1e-3
    )
    folder = head.save(tmp_path / "out", detail="mesh")
    assert not (folder / "displacement.png").exists()
    assert json.loads((folder / "face.json").read_text())["relief"]["displacement"] is None


def test_relief_is_pickled_without_loss_and_small(head: Reconstruction) -> None:
    assert head.relief is not None
    data = pickle.dumps(head.relief)
    again = pickle.loads(data)
    assert len(data) < head.relief.displacement.nbytes / 4
    for name in ("displacement", "provenance", "confidence"):
        np.testing.assert_array_equal(getattr(again, name), getattr(head.relief, name))

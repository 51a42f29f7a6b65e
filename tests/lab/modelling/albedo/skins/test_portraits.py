"""Portraits in UV space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import ModelFileError
from wholeface.lab.modelling.albedo.atlas import build_atlas
from wholeface.lab.modelling.albedo.skins.landmark_fit import fit_basis, fit_points_2d, fit_points_3d
from wholeface.lab.modelling.albedo.skins.light import fit_light
from wholeface.lab.modelling.albedo.skins.masks import face_map
from wholeface.lab.modelling.albedo.skins.portraits import choose_portraits, make_unwrapper, unwrap_portraits
from wholeface.morphable import MorphableModel
from wholeface.morphable.loaders import load_model


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    found = load_model("wholeface")
    if found.landmarks_478 is None:
        pytest.skip("the shipped model has no 478 landmarks yet")
    return found


def test_fits_recover_their_own_projection(model: MorphableModel) -> None:
    assert model.landmarks_478 is not None
    basis = fit_basis(model, model.landmarks_478)
    rng = np.random.default_rng(0)
    coefficients = np.zeros(len(basis.modes))
    coefficients[:20] = 0.7 * rng.normal(size=20)
    shape = basis.mean + np.tensordot(coefficients, basis.modes, 1)
    points = np.full((478, 2), np.nan)
    depth = 1800 - shape[:, 2]
    points[basis.valid] = 300 + 2500 * shape[:, :2] * [1, -1] / depth[:, None]
    fit = fit_points_2d(basis, points, 601, 601, noise_px=1.0)
    assert np.sqrt((fit.residual**2).sum(1).mean()) < 1.0
    world = np.full((478, 3), np.nan)
    world[basis.valid] = shape * 0.001 + [0.3, 1.6, 0.1]
    vertices, carried = fit_points_3d(basis, world, noise_mm=0.3)
    assert np.linalg.norm(carried - shape, axis=1).mean() < 2.0
    assert np.linalg.norm(vertices - basis.vertices(coefficients), axis=1).mean() < 3.0


def test_unwrapping_puts_faces_on_the_atlas(model: MorphableModel, shared: Path) -> None:
    assert model.landmarks_478 is not None
    folder = shared / "data" / "portraits"
    entries, landmarks = choose_portraits(folder)
    assert len(entries) > 400
    assert all(e["source"] == "bio_guide" and not e["glasses"] for e in entries)
    atlas = build_atlas(model, 128)
    zone = atlas.regions["face"] & atlas.regions["face"][:, ::-1]
    face = face_map(model, atlas, zone)
    basis = fit_basis(model, model.landmarks_478)
    unwrapper = make_unwrapper(basis, model.triangles.numpy(), atlas, zone)
    one = unwrap_portraits(folder, entries[:4], landmarks[:4], unwrapper, workers=1)
    two = unwrap_portraits(folder, entries[:4], landmarks[:4], unwrapper, workers=2)
    np.testing.assert_array_equal(one.colour, two.colour)
    np.testing.assert_array_equal(one.weight, two.weight)
    assert one.error_px.max() < 0.03
    core = face.core[zone]
    for n in range(4):
        assert (one.weight[n, core] > 0).mean() > 0.8
        tone = np.median(one.colour[n, core], axis=0)
        assert tone[0] > tone[1] > tone[2]
        # Eyes and brows end where the model has them: the brows are darker than the forehead above the nose.
        brow = atlas.regions["brows"][zone]
        assert np.median(one.colour[n, brow].mean(-1)) < 0.9 * tone.mean()
        fit = fit_light(one.colour[n], one.normals[n], np.ones_like(one.colour[n]), one.weight[n])
        flat = one.colour[n] / fit.relative(one.normals[n])
        seen = core & (one.weight[n] > 0.3)
        assert np.std(np.log(flat[seen] + 0.01)) < np.std(np.log(one.colour[n, seen] + 0.01))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"index\.json"):
        choose_portraits(tmp_path)

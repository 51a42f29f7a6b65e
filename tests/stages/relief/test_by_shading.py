"""The stage that finds relief by shape from shading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wholeface.core.provenance import Provenance
from wholeface.core.spherical_harmonics import sh_basis_array
from wholeface.core.srgb import decode_srgb, encode_srgb
from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo, warp
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Tools
from wholeface.stages.relief import relief_input
from wholeface.stages.relief.by_shading import ReliefByShading
from wholeface.stages.relief.shading import ShadingSettings, ground_of, shading_evidence, slopes_to_normals

SIZE = 160


@pytest.fixture
def seen(head: MorphableModel, scene_of: Callable[..., Any]) -> FaceState:
    """The shipped head behind a bar, in a rendered photo, perfectly fitted."""
    scene = scene_of(head, boxes=((170, 215, 60, 190),))
    fit = FaceFit(head, scene.parameters, scene.camera)
    marks = head.landmarks_68.points(fit.posed.points, head.triangles)
    points = scene.camera.project(marks).numpy().astype(np.float64)
    state = FaceState(read_photo(scene.photo), FaceLandmarks.from_points(points, "ibug68"), fit=fit)
    return state.with_(mask=MaskEstimate(scene.mask, np.ones(scene.mask.shape, bool)))


def test_a_face_that_the_model_explains_has_no_relief(seen: FaceState, head: MorphableModel) -> None:
    bump = ReliefByShading(SIZE)([seen], Tools(head))[0].bump
    assert bump is not None
    skin = bump.provenance == Provenance.OBSERVED
    assert set(np.unique(bump.provenance)) == {Provenance.NONE, Provenance.OBSERVED}
    assert not bump.displacement[~skin].any()
    assert not bump.confidence[~skin].any()
    assert bump.confidence[skin].mean() > 0.4
    assert np.abs(bump.displacement).mean() < 0.02
    hidden = warp(seen.mask.occluder, bump.crop, (SIZE, SIZE)) > 0.6
    assert hidden.any()
    assert not skin[hidden].any()


def test_grooves_that_light_draws_are_found(seen: FaceState, head: MorphableModel) -> None:
    """Slanted lines over the face, shaded as the fitted light shades them, come back as grooves."""
    given, where = relief_input(seen, SIZE)
    surface = ground_of(where)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    across = (columns + 0.4 * rows) * surface.pixel_mm
    truth = (-0.8 * np.exp(-(((across % 30 - 15) / 4) ** 2)) * given.face).astype(np.float32)
    light = shading_evidence(given, where).light
    lit, flat = (sh_basis_array(n) @ light for n in (slopes_to_normals(truth, surface), surface.normals))
    factor = np.where(given.face, np.maximum(lit, 1e-3) / np.maximum(flat, 1e-3), 1).astype(np.float32)
    pixels = seen.photo.pixels
    drawn = warp(factor, where.crop.inverse(), (pixels.shape[1], pixels.shape[0]), fill=1.0)
    photo = np.round(255 * encode_srgb(decode_srgb(pixels / 255) * drawn[..., None]).clip(0, 1))
    drawn_on = seen.with_(photo=read_photo(photo.astype(np.uint8)))
    found = ReliefByShading(SIZE, ShadingSettings(noise=0.04, height_mm=1.0))([drawn_on], Tools(head))[0].bump
    assert found is not None
    sure = found.confidence > 0.9
    assert sure.sum() > 2000
    assert np.corrcoef(found.displacement[sure], truth[sure])[0, 1] > 0.5
    grooves = sure & (truth < -0.3)
    assert found.displacement[grooves].mean() < found.displacement[sure & (truth > -0.05)].mean() - 0.05

"""Relief between a photo's crop and the atlas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wholeface.core.provenance import Provenance
from wholeface.lab.bench.heads.relief import bump_in_atlas, face_texels, relief_in_crop
from wholeface.morphable import MorphableModel, Parameters
from wholeface.photo import Similarity
from wholeface.render import Camera, ambient_light
from wholeface.stages import BumpMap, FaceFit, ReliefMap
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of
from wholeface.stages.upright import upright

SIZE, EDGE = 96, 128


@pytest.fixture
def fit(small_model: MorphableModel) -> FaceFit:
    parameters = Parameters(
        identity=torch.zeros(6),
        expression=torch.zeros(5),
        albedo=torch.zeros(4),
        light=ambient_light(),
        rotation=torch.tensor([0.0, 0.3, 0.1]),
        translation=torch.tensor([0.0, 0.0, -600.0]),
    )
    return FaceFit(small_model, parameters, Camera(300.0, 63.5, 63.5, EDGE, EDGE))


def heights(model: MorphableModel) -> np.ndarray:
    """(S, S) the mean head's height, mm: smooth, and different at every texel."""
    atlas, surface = atlas_of(model, SIZE), surface_of(model)
    mean = model.mean.double().numpy()[:, 1]
    out = np.zeros(SIZE * SIZE, np.float32)
    out[atlas.texel] = (atlas.barycentric * mean[surface.triangles[atlas.triangle]]).sum(axis=1)
    return out.reshape(SIZE, SIZE)


def test_from_the_atlas_into_a_crop_and_back(fit: FaceFit) -> None:
    truth, crop = heights(fit.model), Similarity(1.3, 0.2, -5.0, -20.0)
    shown, _ = face_texels(fit.model, SIZE)
    atlas = atlas_of(fit.model, SIZE)
    source = np.zeros(SIZE * SIZE, np.uint8)
    source[atlas.texel] = Provenance.MIRRORED
    relief = ReliefMap(truth, source.reshape(SIZE, SIZE), np.ones_like(truth))
    where = upright(fit, crop, EDGE)
    seen, of = relief_in_crop(relief, where)
    head = where.posed.seen(where.camera).triangle[0].numpy() >= 0
    assert head.sum() > 2000
    assert (of[head] == Provenance.MIRRORED).mean() > 0.97
    assert not seen[~head].any()
    mean = fit.model.mean.double().numpy()[:, 1]
    fragments = where.posed.seen(where.camera)
    corners = mean[fit.model.triangles.numpy()[fragments.triangle[0].numpy()[head]]]
    expected = (fragments.barycentric[0].numpy()[head] * corners).sum(axis=1)
    assert np.quantile(np.abs(seen[head] - expected), 0.95) < 2.0

    known = np.where(head, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.NONE))
    back = bump_in_atlas(BumpMap(crop, seen, known, np.ones_like(seen)), fit, SIZE)
    assert not back.known[~shown].any()
    assert 0.3 < back.known.sum() / shown.sum() < 1
    assert np.quantile(np.abs(back.displacement - truth)[back.known], 0.95) < 4.0
    # The head is turned to its own left, so that its right cheek is what is seen.
    side = surface_of(fit.model).side
    texel_side = np.zeros(SIZE * SIZE)
    own = surface_of(fit.model).kind[atlas.triangle] == FACE
    corners = side[surface_of(fit.model).triangles[atlas.triangle]]
    texel_side[atlas.texel] = (atlas.barycentric * corners).sum(axis=1)
    assert own.any()
    right = back.known.ravel() & (texel_side < -20)
    left = back.known.ravel() & (texel_side > 20)
    assert right.sum() > 1.2 * left.sum()


def test_hidden_pixels_are_not_known(fit: FaceFit) -> None:
    displacement = np.ones((EDGE, EDGE), np.float32)
    nothing = np.full((EDGE, EDGE), Provenance.MODEL, np.uint8)
    bump = BumpMap(Similarity(), displacement, nothing, displacement)
    found = bump_in_atlas(bump, fit, SIZE)
    assert not found.known.any()
    assert not found.displacement.any()


def test_size_of_a_texel(small_model: MorphableModel) -> None:
    (few, wide), (many, narrow) = (face_texels(small_model, size) for size in (32, 128))
    assert wide == pytest.approx(4 * narrow, rel=0.1)
    assert many.sum() == pytest.approx(16 * few.sum(), rel=0.1)

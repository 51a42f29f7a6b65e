"""Roughness of skin as statistics."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.lab.modelling.albedo.atlas import build_atlas
from wholeface.lab.modelling.albedo.grain import BAND_MM, learn_grain
from wholeface.morphable import MorphableModel


def _plate(n: int = 24) -> MorphableModel:
    """A flat square of 60 mm."""
    y, x = np.mgrid[0:n, 0:n]
    vertices = np.stack((x, y, 0 * x), axis=-1).reshape(-1, 3).astype(float)
    a = (y[:-1, :-1] * n + x[:-1, :-1]).ravel()
    triangles = np.concatenate((np.stack((a, a + 1, a + n), 1), np.stack((a + 1, a + n + 1, a + n), 1)))
    t = torch.from_numpy
    uv = vertices[:, :2] / (n - 1) * 0.9 + 0.05
    return MorphableModel(
        "plate", "0", t(vertices / (n - 1) * 60).float(), torch.zeros(1, n * n, 3), torch.zeros(1, n * n, 3), ("e",),
        t(triangles), t(uv).float(), t(triangles), None, {"skin": torch.ones(n * n, dtype=torch.bool)},
    )  # fmt: skip


def test_rough_places_are_rough_whatever_the_camera() -> None:
    model = _plate()
    atlas = build_atlas(model, 128)
    zone = atlas.covered & atlas.covered[:, ::-1]
    rng = np.random.default_rng(0)
    position = atlas.texels(model.mean.double().numpy())[zone]
    rough = (position[:, 1] > 30) * 2.0 + 1.0
    sharpness = np.array([0.01, 0.02, 0.04, 0.02, 0.02])  # one camera sees more than another
    log = np.log(0.4) + sharpness[:, None, None] * rough[:, None] * rng.normal(size=(5, len(rough), 1))
    grain = learn_grain(model, atlas, zone, np.repeat(log, 3, axis=2), np.ones((5, len(rough))))
    assert grain.level.shape == (len(BAND_MM), model.vertex_count)
    heights = model.mean[:, 1].numpy()
    for level in grain.level:
        ratio = np.median(level[heights > 40]) / np.median(level[heights < 20])
        assert 2.3 < ratio < 3.7
    # White noise has more of the finer bands, and the typical camera sets the level.
    assert (np.diff(np.median(grain.level, axis=1)) < 0).all()
    assert np.abs(grain.skew).max() < 0.2
    np.testing.assert_allclose(grain.spread, np.log(sharpness).std(), rtol=0.1)

"""The fitted model's colours at texels."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.morphable import Parameters, load_model
from wholeface.stages.texture.uv.atlas import atlas_of, surface_of
from wholeface.stages.texture.uv.defaults import texel_albedo, vertex_albedo


def test_texels_show_the_models_own_texture() -> None:
    """What the kernel reads at each texel is what the enlarged texture holds there."""
    model = load_model()
    assert model.albedo is not None
    size = 640  # no multiple of the statistics' size
    coefficients = torch.randn(model.albedo.size, generator=torch.Generator().manual_seed(3))
    zero = torch.zeros(3)
    parameters = Parameters(
        torch.zeros(1), torch.zeros(1), coefficients, torch.zeros(9, 3), rotation=zero, translation=zero
    )
    atlas = atlas_of(model, size)
    found = texel_albedo(model, parameters, surface_of(model), atlas, vertex_albedo(model, parameters))
    texture = model.albedo.texture(coefficients, size).clamp(0.003, 1.0)
    np.testing.assert_allclose(found, texture.flatten(1).numpy().T[atlas.texel], rtol=2e-5)

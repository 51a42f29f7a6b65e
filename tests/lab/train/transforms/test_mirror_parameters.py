"""A mirrored vector is the vector of the mirrored face."""

from __future__ import annotations

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.lab.train.transforms.mirror_parameters import ParameterMirror
from wholeface.morphable import MorphableModel, load_model
from wholeface.perceive.landmark_mirror import IDENTITY_SIGNS
from wholeface.render import rotation_matrix, sh_basis
from wholeface.stages.shape.crop_layout import complete_layout


def test_the_mirrored_vector_is_of_the_mirrored_face() -> None:
    model = load_model("wholeface")
    layout = complete_layout(model.identity_size, model.expression_size, model.albedo_size)
    mirror = ParameterMirror.of(model, layout)
    g = torch.Generator().manual_seed(0)
    vector = torch.randn(2, layout.size, generator=g)
    turned = mirror(vector, torch.tensor([True, False]))
    assert torch.equal(turned[1], vector[1])
    torch.testing.assert_close(mirror(turned, torch.tensor([True, False])), vector)
    one, other = ({n: p[0] for n, p in layout.split(v).items()} for v in (vector, turned))
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert model.mirror is not None
    shape = model.vertices(one["identity"], one["expression"])[model.mirror] * flip
    torch.testing.assert_close(
        model.vertices(other["identity"], other["expression"]), shape, rtol=0, atol=1e-3
    )
    assert (mirror.sign[:80].numpy() == IDENTITY_SIGNS).all()
    matrix = rotation_matrix(one["rotation"])
    torch.testing.assert_close(
        rotation_matrix(other["rotation"]), torch.diag(flip) @ matrix @ torch.diag(flip)
    )
    normal = torch.nn.functional.normalize(torch.randn(20, 3, generator=g), dim=-1)
    torch.testing.assert_close(
        sh_basis(normal * flip) @ other["light"].view(9, 3), sh_basis(normal) @ one["light"].view(9, 3)
    )
    assert other["shift"].tolist() == [-one["shift"][0], one["shift"][1]]
    for name in ("scale", "distance"):
        assert torch.equal(one[name], other[name])


def test_a_model_without_a_mirror_is_refused(small_model: MorphableModel) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match="mirrored"):
        ParameterMirror.of(replace(small_model, mirror=None), complete_layout(6, 5, 4))

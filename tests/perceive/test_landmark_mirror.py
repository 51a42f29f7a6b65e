"""Tables of mirrored points and coefficients against the mesh whose facts they are."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.morphable import dense_embedding, load_model
from wholeface.morphable.dense import dense_mirror
from wholeface.perceive.landmark_mirror import IDENTITY_SIGNS, MIRROR_668


def test_points_and_their_mirror_images() -> None:
    model = load_model("wholeface")
    np.testing.assert_array_equal(MIRROR_668[MIRROR_668], np.arange(668))
    np.testing.assert_array_equal(MIRROR_668[68:], dense_mirror(model).numpy() + 68)
    assert model.landmarks_68 is not None
    points = torch.cat(
        [e.points(model.mean, model.triangles) for e in (model.landmarks_68, dense_embedding(model))]
    )
    away = (points[MIRROR_668] * torch.tensor([-1.0, 1.0, 1.0]) - points).norm(dim=1)
    assert float(away.max()) < 0.3  # mm


def test_the_mirrored_head_is_that_of_the_signed_coefficients() -> None:
    model, signs = load_model("wholeface"), torch.ones(load_model("wholeface").identity_size)
    signs[: len(IDENTITY_SIGNS)] = torch.from_numpy(IDENTITY_SIGNS)
    person = torch.linspace(-1, 1, model.identity_size)
    mirrored = model.vertices(person)[model.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(model.vertices(person * signs), mirrored, atol=2e-3, rtol=0)
    assert not torch.allclose(model.vertices(person), mirrored, atol=0.1)

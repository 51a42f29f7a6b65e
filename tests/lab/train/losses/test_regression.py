"""The regressors' losses: values by hand, weights as printed, gradients through the renderer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from wholeface.core.srgb_torch import linear_to_srgb
from wholeface.lab.train.losses import (
    EYEGLASSES_REGRESSION,
    PARSING_GUIDED_REGRESSION,
    face_feature_term,
    landmark_term,
    occlusion_attention,
    pixel_term,
    regression_loss,
    regularisation_term,
)
from wholeface.morphable import MorphableModel, Parameters
from wholeface.perceive import ParsingClass
from wholeface.render import Camera, ambient_light, directional_light, render_parameters, to_camera


def test_weights_are_those_of_the_papers() -> None:
    w = PARSING_GUIDED_REGRESSION
    assert (w.landmarks, w.pixels, w.regularisation, w.features) == (1.6e-3, 1.4, 3.7e-4, 0.2)
    assert (w.shape, w.albedo) == (1.0, 1.75e-3)
    e = EYEGLASSES_REGRESSION
    assert (e.landmarks, e.pixels, e.regularisation, e.features) == (0.0, 1.4, 0.0, 0.25)


def test_landmarks_by_hand() -> None:
    found = torch.tensor([[[0.0, 0.0], [10.0, 5.0]]])
    rendered = torch.tensor([[[3.0, 4.0], [10.0, 6.0]]])
    assert float(landmark_term(found, rendered)) == pytest.approx((25 + 1) / 2)


def test_attention_is_one_on_what_is_seen_of_the_face() -> None:
    seen = [ParsingClass.SKIN, ParsingClass.NOSE, ParsingClass.LEFT_EYE, ParsingClass.UPPER_LIP]
    not_seen = [ParsingClass.OBJECT, ParsingClass.EYEGLASSES, ParsingClass.HAIR, ParsingClass.BACKGROUND, 255]
    values = occlusion_attention(torch.tensor([[[int(c) for c in (*seen, *not_seen)]]]))
    torch.testing.assert_close(values, torch.tensor([[[1.0] * 4 + [0.1] * 5]]))


def test_pixels_by_hand() -> None:
    """Three rendered pixels of four: distances 0.5, 0.13 and 0, of which the second is occluded."""
    image = torch.zeros(1, 3, 2, 2)
    image[0, :, 0, 0] = torch.tensor([0.3, 0.4, 0.0])
    image[0, :, 0, 1] = torch.tensor([0.05, 0.12, 0.0])
    image[0, :, 1, 1] = 1.0  # outside of the region
    rendering = torch.zeros(1, 3, 2, 2)
    region = torch.tensor([[[True, True], [True, False]]])
    attention = torch.tensor([[[1.0, 0.1], [1.0, 1.0]]])
    found = pixel_term(image, rendering, region, attention)
    assert float(found) == pytest.approx((0.5 + 0.1 * 0.13) / 2.1, abs=1e-5)
    assert float(pixel_term(image, rendering, region)) == pytest.approx(0.63 / 3, abs=1e-5)
    nothing = pixel_term(image, rendering, torch.zeros(1, 2, 2, dtype=torch.bool))
    assert float(nothing) == 0.0


def test_an_exact_rendering_has_a_gradient() -> None:
    image = torch.rand(1, 3, 2, 2)
    rendering = image.clone().requires_grad_()
    pixel_term(image, rendering, torch.ones(1, 2, 2)).backward()
    assert rendering.grad is not None
    assert (rendering.grad == 0).all()


def test_prior_and_features_by_hand() -> None:
    shape, albedo = torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0]])
    assert float(regularisation_term(shape, albedo)) == pytest.approx(5 + 1.75e-3 * 100)
    one, other = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 7.0]])
    assert float(face_feature_term(one, other)) == pytest.approx((1 - math.sqrt(0.5)) / 2, abs=1e-6)


def test_the_sum_is_equation_16() -> None:
    generator = torch.Generator().manual_seed(0)
    image, rendering = (torch.rand(2, 3, 4, 4, generator=generator) for _ in range(2))
    given = {
        "image": image,
        "rendering": rendering,
        "region": torch.ones(2, 4, 4),
        "found": 10 * torch.rand(2, 68, 2, generator=generator),
        "rendered": 10 * torch.rand(2, 68, 2, generator=generator),
        "shape": torch.randn(2, 80, generator=generator),
        "albedo": torch.randn(2, 80, generator=generator),
        "features": (torch.rand(2, 8, generator=generator), torch.rand(2, 8, generator=generator)),
    }
    t = regression_loss(**given)
    expected = 1.6e-3 * t.landmarks + 1.4 * t.pixels + 3.7e-4 * t.regularisation + 0.2 * t.features
    torch.testing.assert_close(t.total, expected)
    e = regression_loss(**given, weights=EYEGLASSES_REGRESSION)
    torch.testing.assert_close(e.total, 1.4 * e.pixels + 0.25 * e.features)
    none = regression_loss(**{**given, "features": None})
    assert float(none.features) == 0.0


def _scene(model: MorphableModel) -> tuple[Parameters, Camera]:
    g = torch.Generator().manual_seed(4)

    def normal(count: int) -> torch.Tensor:
        return 0.3 * torch.randn(1, count, generator=g, dtype=torch.float64)

    light = (ambient_light(0.6) + directional_light((0.3, 0.4, 1.0), 0.5)).double()
    translation = torch.tensor([[1.0, -2.0, -700.0]], dtype=torch.float64)
    parameters = Parameters(
        normal(model.identity_size), normal(model.expression_size), normal(model.albedo_size),
        light[None], normal(3), translation,
    )  # fmt: skip
    return parameters, Camera(150.0, 23.5, 23.5, 48, 48)


@pytest.mark.parametrize("block", ["identity", "expression", "albedo", "light", "rotation", "translation"])
def test_gradients_through_the_renderer(small_model: MorphableModel, block: str) -> None:
    """The gradient of the whole loss agrees with central differences along a random direction.

    The region is held, since no gradient comes from the silhouette.
    """
    model = small_model.to(dtype=torch.float64)
    parameters, camera = _scene(model)
    g = torch.Generator().manual_seed(7)
    image = torch.rand(1, 3, 48, 48, generator=g, dtype=torch.float64)
    first = render_parameters(model, parameters, camera)
    # Well inside, so that the steps of the differences move no border of what is rendered across a pixel
    inside = torch.nn.functional.avg_pool2d(first.mask[:, None].double(), 9, 1, 4)[:, 0] > 0.999
    assert int(inside.sum()) > 50
    assert model.landmarks_68 is not None
    found = torch.rand(1, 68, 2, generator=g, dtype=torch.float64) * 48

    def loss(values: torch.Tensor) -> torch.Tensor:
        assert model.landmarks_68 is not None
        moved = replace(parameters, **{block: values})
        rendering = linear_to_srgb(render_parameters(model, moved, camera).image)
        points = model.landmarks_68.points(model.vertices(moved.identity, moved.expression), model.triangles)
        return regression_loss(
            image=image,
            rendering=rendering,
            region=inside,
            found=found,
            rendered=camera.project(to_camera(points, moved.rotation, moved.translation)),
            shape=torch.cat([moved.identity, moved.expression], dim=-1),
            albedo=moved.albedo,
            features=(image.mean((2, 3)), rendering.mean((2, 3))),
        ).total

    values = getattr(parameters, block).clone().requires_grad_()
    loss(values).backward()
    assert values.grad is not None
    direction = torch.randn(values.shape, generator=g, dtype=torch.float64)
    step = 1e-5 if block != "translation" else 1e-3
    start = values.detach()  # with gradients enabled, else the renderer takes its faster way
    ahead, behind = loss(start + step * direction), loss(start - step * direction)
    numeric = float((ahead - behind) / (2 * step))
    analytic = float((values.grad * direction).sum())
    assert analytic == pytest.approx(numeric, rel=0.02, abs=1e-7)

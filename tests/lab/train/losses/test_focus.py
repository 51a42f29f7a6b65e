"""Losses of FOCUS: hand-computed values, gradients, the published weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wholeface.core.errors import UsageError
from wholeface.core.srgb_torch import linear_to_srgb
from wholeface.lab.train.losses.focus import (
    LANDMARK_WEIGHTS,
    ROBUST_THRESHOLD,
    FocusWeights,
    area_loss,
    binary_loss,
    coefficient_loss,
    colour_distance,
    face_log_likelihood,
    feature_distance,
    focus_encoder_loss,
    focus_mask_loss,
    landmark_distance,
    masked_distance,
    neighbour_distance,
    robust_mask,
)
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, ambient_light, render_parameters

D = torch.float64


def _grey(rows: list[list[float]]) -> Tensor:
    """(1, 3, H, W), all channels alike."""
    return torch.tensor(rows, dtype=D)[None, None].expand(1, 3, -1, -1).clone()


def _plane(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=D)[None, None]


def test_the_neighbourhood_by_hand() -> None:
    """A bright pixel of the rendering explains one of the target that lies one pixel away, not two."""
    target = _grey([[0.0, 0.0, 1.0, 0.0, 0.0]])
    everywhere = torch.ones(1, 1, 1, 5, dtype=D)
    near, far = _grey([[0.0, 1.0, 0.0, 0.0, 0.0]]), _grey([[1.0, 0.0, 0.0, 0.0, 0.0]])
    assert neighbour_distance(target, near, everywhere).flatten().tolist() == [0, 0, 0, 0, 0]
    assert neighbour_distance(target, far, everywhere).flatten().tolist() == [0, 0, 3, 0, 0]
    assert neighbour_distance(target, far, everywhere, neighbours=5).flatten().tolist() == [0, 0, 0, 0, 0]
    # What lies beyond the rendered region explains nothing, and is not to be explained.
    region = _plane([[0.0, 0.0, 1.0, 1.0, 0.0]])
    assert neighbour_distance(target, near, region).flatten().tolist() == [0, 0, 3, 0, 0]
    with pytest.raises(UsageError, match="odd edge, got 2"):
        neighbour_distance(target, near, region, neighbours=2)


def test_the_neighbourhood_against_one_pixel_after_the_other(rng: torch.Generator) -> None:
    target, rendered = torch.rand(2, 2, 3, 6, 7, generator=rng, dtype=D)
    region = (torch.rand(2, 1, 6, 7, generator=rng) < 0.7).to(D)
    found = neighbour_distance(target, rendered, region)
    for n in range(2):
        for i in range(6):
            for j in range(7):
                around = [
                    float((target[n, :, i, j] - rendered[n, :, y, x]).square().sum())
                    for y in range(max(i - 1, 0), min(i + 2, 6))
                    for x in range(max(j - 1, 0), min(j + 2, 7))
                    if region[n, 0, y, x]
                ]
                wanted = min(around) if region[n, 0, i, j] else 0.0
                assert float(found[n, 0, i, j]) == pytest.approx(wanted, abs=1e-12)


def test_masked_terms_by_hand() -> None:
    """Three rendered pixels of four, M = 1, ½, 0 there; what M says elsewhere is nobody's business."""
    region, mask = _plane([[1, 1, 1, 0]]), _plane([[1.0, 0.5, 0.0, 0.9]])
    distance = _plane([[0.3, 0.8, 5.0, 7.0]])
    assert float(masked_distance(distance, mask, region)) == pytest.approx((0.3 + 0.25 * 0.8) / 3)
    assert float(area_loss(mask, region)) == pytest.approx(-(1 + 0.25) / 3)
    assert float(binary_loss(mask, region)) == pytest.approx(-(0.25 + 0 + 0.25) / 3)
    # Each image counts by itself, however small its face is.
    both = torch.cat([region, _plane([[1, 0, 0, 0]])]), torch.cat([mask, mask])
    assert float(area_loss(both[1], both[0])) == pytest.approx(-(1.25 / 3 + 1) / 2)


def test_pixels_are_given_up_where_they_cost_more_than_their_area() -> None:
    """Without features and L_bi the balance of a and c lies at d² = ½ / 15."""
    for distance, sign in ((0.032, -1), (0.035, 1)):
        mask = torch.full((1, 1, 1, 1), 0.5, dtype=D, requires_grad=True)
        region = torch.ones(1, 1, 1, 1, dtype=D)
        weights = FocusWeights(binary=0.0)
        zero = torch.zeros((), dtype=D)
        loss = focus_mask_loss(
            masked_distance(torch.full_like(region, distance), mask, region), zero, area_loss(mask, region),
            zero, binary_loss(mask, region), weights,
        )  # fmt: skip
        loss.backward()
        assert mask.grad is not None
        assert torch.sign(mask.grad).item() == sign


def test_features_by_hand() -> None:
    """Orthogonal features of unit length are √2 apart, equal ones 0; length does not count, layers alike."""
    one = [torch.tensor([[1.0, 0.0]], dtype=D), torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]], dtype=D)]
    other = [torch.tensor([[0.0, 5.0]], dtype=D), torch.tensor([[[[7.0, 1.0]], [[0.0, 0.0]]]], dtype=D)]
    # second layer: first place (3, 0) and (7, 0), second (0, 2) and (1, 0)
    assert float(feature_distance(one, other)) == pytest.approx((2 + (0 + 2) / 2) / 2)
    with pytest.raises(ValueError, match="zip"):
        feature_distance(one, other[:1])


def test_landmarks_by_hand() -> None:
    """Contour 0.2, brows 0.1, the rest 1, in pixels of 224."""
    assert len(LANDMARK_WEIGHTS) == 68
    found = torch.zeros(1, 68, 2, dtype=D)
    wanted = found.clone()
    wanted[0, 16] = torch.tensor([3.0, 4.0])  # the last of the contour
    wanted[0, 17, 0] = 10.0  # the first of the brows
    wanted[0, 26, 1] = 10.0  # and their last
    wanted[0, 27, 0] = 1.0  # the bridge of the nose
    assert float(landmark_distance(found, wanted, 224)) == pytest.approx((0.2 * 25 + 2 * 0.1 * 100 + 1) / 68)
    assert float(landmark_distance(found, wanted, 112)) == pytest.approx(4 * 26 / 68)


def test_coefficients_by_hand() -> None:
    blocks = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[3.0], [1.0]])
    assert float(coefficient_loss(*blocks)) == pytest.approx((1 + 4 + 9 + 1) / 6)


def test_the_published_weights() -> None:
    ones = [torch.tensor(float(2**k)) for k in range(5)]
    assert float(focus_mask_loss(*ones)) == pytest.approx(15 + 2 * 3 + 4 * 0.5 + 8 * 2.5 + 16 * 10)
    assert float(focus_encoder_loss(*ones)) == pytest.approx(4 + 2 * 0.5 + 4 * 0.5 + 8 * 0.01 + 16 * 0.067)
    assert ROBUST_THRESHOLD == 0.17


def test_the_robust_mask_compares_likelihoods() -> None:
    """Equation 9 is equation 8 against a uniform density, with ξ = 2σ² (N_c − log P_non-face)."""
    target = _grey([[0.5, 0.5, 0.5, 0.5]])
    rendered = _grey([[0.5, 0.27, 0.25, 0.5]])  # squared distances 0, 3 · 0.0529, 3 · 0.0625, 0
    region = _plane([[1, 1, 1, 0]])
    assert robust_mask(target, rendered, region).flatten().tolist() == [1, 1, 0, 0]
    sigma = 0.1
    at = face_log_likelihood(target, rendered, sigma)
    constant = -1.5 * math.log(2 * math.pi * sigma**2)
    assert float(at[0, 0, 0, 0]) == pytest.approx(constant)
    uniform = constant - ROBUST_THRESHOLD / (2 * sigma**2)
    assert ((at > uniform) & (region > 0)).to(D).flatten().tolist() == [1, 1, 0, 0]
    assert not robust_mask(target, rendered.requires_grad_(), region).requires_grad


@pytest.mark.parametrize("term", ["neighbours", "masked", "area", "binary", "features", "landmarks"])
def test_gradients(term: str, rng: torch.Generator) -> None:
    target, rendered = torch.rand(2, 2, 3, 4, 5, generator=rng, dtype=D)
    mask = torch.rand(2, 1, 4, 5, generator=rng, dtype=D).requires_grad_()
    region = (torch.rand(2, 1, 4, 5, generator=rng) < 0.8).to(D)
    rendered.requires_grad_()
    functions: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
        "neighbours": (
            lambda r, m: masked_distance(neighbour_distance(target, r, region), m, region),
            (rendered, mask),
        ),
        "masked": (
            lambda r, m: masked_distance(colour_distance(target, r), m, region),
            (rendered, mask),
        ),
        "area": (lambda m: area_loss(m, region), (mask,)),
        "binary": (lambda m: binary_loss(m, region), (mask,)),
        "features": (lambda r: feature_distance([r], [target]), (rendered,)),
        "landmarks": (
            lambda p: landmark_distance(p, torch.zeros(1, 68, 2, dtype=D), 100),
            (torch.rand(1, 68, 2, generator=rng, dtype=D, requires_grad=True),),
        ),
    }
    function, inputs = functions[term]
    assert torch.autograd.gradcheck(function, inputs)


def test_the_pixel_loss_pulls_at_what_is_rendered(small_model: MorphableModel, rng: torch.Generator) -> None:
    """Equation 5 through the renderer: gradients of albedo, light and pose are those of finite differences."""
    model = small_model.to(dtype=D)
    camera = Camera.of_photo(40, 40)
    fixed = Parameters(
        identity=torch.zeros(1, model.identity_size, dtype=D),
        expression=torch.zeros(1, model.expression_size, dtype=D),
        albedo=torch.zeros(1, model.albedo_size, dtype=D),
        light=ambient_light(0.8, dtype=D)[None],
        rotation=torch.tensor([[0.05, 0.1, 0.0]], dtype=D),
        translation=torch.tensor([[0.0, 0.0, -500.0]], dtype=D),
    )
    with torch.no_grad():
        first = render_parameters(model, fixed, camera)
    region = first.mask[:, None].to(D)
    inner = region * (torch.nn.functional.avg_pool2d(region, 3, 1, 1) > 0.99)  # the outline has no gradient
    target = (linear_to_srgb(first.image) + 0.1 * torch.rand(1, 3, 40, 40, generator=rng, dtype=D)).clamp(
        0, 1
    )
    mask = torch.rand(1, 1, 40, 40, generator=rng, dtype=D)

    def loss(albedo: Tensor, light: Tensor, expression: Tensor) -> Tensor:
        rendering = render_parameters(
            model, fixed.with_(albedo=albedo, light=light, expression=expression), camera
        )
        return masked_distance(colour_distance(target, linear_to_srgb(rendering.image)), mask, inner)

    albedo, light = fixed.albedo.clone().requires_grad_(), fixed.light.clone().requires_grad_()
    expression = fixed.expression.clone().requires_grad_()
    found = torch.autograd.grad(loss(albedo, light, expression), (albedo, light, expression))
    step = 1e-6
    inputs = [albedo.detach(), light.detach(), expression.detach()]
    for which, gradient in enumerate(found):
        assert gradient.abs().max() > 1e-6
        for index in range(0, gradient.numel(), max(1, gradient.numel() // 4)):
            moved = []
            for sign in (1, -1):
                changed = [value.clone() for value in inputs]
                changed[which].view(-1)[index] += sign * step
                moved.append(float(loss(*changed)))
            slope = (moved[0] - moved[1]) / (2 * step)
            assert float(gradient.reshape(-1)[index]) == pytest.approx(slope, rel=1e-4, abs=1e-8)

"""Variation of images: exact where nothing is asked for, the same from the same generator."""

from __future__ import annotations

import pytest
import torch

from wholeface.lab.train.transforms.augment import Degradation, degrade, erase, occluded_by
from wholeface.lab.train.transforms.colour import jitter_colours

NOTHING = Degradation(hue=0, blur=0, shrink=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(16, 3, 40, 48, generator=generator(9))


def test_nothing_asked_nothing_done(images: torch.Tensor) -> None:
    assert torch.equal(degrade(images.clone(), generator(), NOTHING), images)
    changed = images.clone()
    assert not erase(changed, generator(), chance=0).any()
    assert torch.equal(changed, images)


def test_the_same_seed_gives_the_same_images(images: torch.Tensor) -> None:
    def vary(seed: int) -> torch.Tensor:
        source = generator(seed)
        varied = degrade(images.clone(), source, Degradation(blur=0.5, shrink=0.4))
        erase(varied, source)
        return jitter_colours(varied, source)

    assert torch.equal(vary(1), vary(1))
    assert not torch.equal(vary(1), vary(2))
    assert vary(1).min() >= 0
    assert vary(1).max() <= 1


def test_hue_keeps_grey_and_the_mean_of_the_channels(images: torch.Tensor) -> None:
    grey = images[:, :1].expand(-1, 3, -1, -1).contiguous()
    only = Degradation(hue=0.5, blur=0, shrink=0)
    torch.testing.assert_close(degrade(grey.clone(), generator(), only), grey, atol=1e-6, rtol=0)
    soft = 0.4 + 0.2 * images
    turned = degrade(soft.clone(), generator(), only)
    torch.testing.assert_close(turned.mean(1), soft.mean(1), atol=1e-6, rtol=0)
    assert (turned - soft).abs().amax() > 0.02
    # A third of a turn makes red of green: (r, g, b) -> (b, r, g) or back.
    from wholeface.lab.train.transforms.augment import _hue_matrices

    third = _hue_matrices(torch.tensor([2 * torch.pi / 3]))[0]
    torch.testing.assert_close(third, torch.eye(3).roll(1, 0), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "settings", [Degradation(hue=0, blur=1, shrink=0), Degradation(hue=0, blur=0, shrink=1)]
)
def test_blur_and_shrinking_keep_constants_and_remove_detail(
    images: torch.Tensor, settings: Degradation
) -> None:
    flat = torch.full_like(images, 0.3)
    torch.testing.assert_close(degrade(flat.clone(), generator(), settings), flat, atol=1e-6, rtol=0)
    blurred = degrade(images.clone(), generator(), settings)
    assert (blurred.var(dim=(2, 3)) < images.var(dim=(2, 3))).all()
    torch.testing.assert_close(blurred.mean((2, 3)), images.mean((2, 3)), atol=0.02, rtol=0)
    mirrored = degrade(images.flip(3), generator(), settings).flip(3)
    torch.testing.assert_close(mirrored, blurred, atol=1e-5, rtol=0)  # so nothing moves


def test_only_what_the_mask_says_is_erased(images: torch.Tensor) -> None:
    changed = images.clone()
    mask = erase(changed, generator(4), chance=0.7)
    assert torch.equal(changed.movedim(1, 3)[~mask], images.movedim(1, 3)[~mask])
    touched = mask.flatten(1).any(1)
    assert 6 <= int(touched.sum()) <= 15
    assert ((changed - images).abs().amax(1)[mask] > 0).float().mean() > 0.95
    assert float(mask.float().mean((1, 2)).max()) <= 0.45**2 + 0.02


def test_points_under_the_mask_are_covered() -> None:
    mask = torch.zeros(2, 10, 12, dtype=torch.bool)
    mask[1, 3:5, 6:8] = True  # rows 3, 4; columns 6, 7
    nan = float("nan")
    points = torch.tensor(
        [[6.4, 3.4], [7.4, 4.4], [7.6, 4.0], [6.0, 2.4], [-1.0, 3.0], [12.0, 3.0], [nan, 3.0]]
    )
    found = occluded_by(mask, points.expand(2, -1, -1))
    assert not found[0].any()
    assert found[1].tolist() == [True, True, False, False, False, False, False]

"""Boxes that are cut, and skin by its colour."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.lab.train.transforms.cut import cutmix, cutout
from wholeface.lab.train.transforms.skin_gaussian import SkinGaussian


def test_boxes_are_where_they_are_said_to_be() -> None:
    images = torch.rand(64, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    for function in (cutout, cutmix):
        found, changed = function(images, np.random.default_rng(1), share=0.5)
        assert changed.shape == (64, 1, 20, 20)
        assert torch.equal(torch.where(changed, images, found), images)
        share = changed.flatten(1).any(dim=1).float().mean()
        assert 0.2 < share < 0.7
        for mask in changed[:, 0]:  # boxes: full wherever both their row and their column have one
            assert torch.equal(mask, mask.any(0)[None] & mask.any(1)[:, None])
    grey, changed = cutout(images, np.random.default_rng(1), share=1.0)
    assert (grey[changed.expand_as(grey)] == 0.5).all()
    assert changed.sum(dim=(1, 2, 3)).max() == 100  # half the edge each way
    mixed, changed = cutmix(images, np.random.default_rng(1), share=1.0)
    index = int(changed.sum(dim=(1, 2, 3)).argmax())
    inside = mixed[index].movedim(0, -1)[changed[index, 0]]
    others = images.movedim(1, -1)[:, changed[index, 0]]
    assert any(torch.equal(inside, other) for other in others)


def test_skin_is_what_cheeks_have_the_colour_of() -> None:
    rng = np.random.default_rng(0)
    images = np.empty((6, 40, 40, 3), np.uint8)
    images[:] = (60, 90, 140)
    images[:, 6:34, 6:34] = (200, 150, 120)
    images = np.clip(images + rng.normal(0, 8, images.shape), 0, 255).astype(np.uint8)
    landmarks = rng.uniform(10, 30, (6, 68, 2)).astype(np.float32)
    skin = SkinGaussian.fit(images, landmarks, rng)
    assert torch.allclose(skin.means * 255, torch.tensor([[200.0, 150, 120], [60, 90, 140]]), atol=2.5)
    found = skin(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    assert found.shape == (6, 1, 40, 40)
    assert (found[:, 0, 8:32, 8:32] > 0.9).all()
    assert (found[:, 0, :5] < 0.1).all()
    # By hand: two colours of one variance meet halfway.
    by_hand = SkinGaussian(
        torch.tensor([[0.6] * 3, [0.2] * 3]), torch.eye(3).expand(2, 3, 3) / 0.01, torch.zeros(2)
    )
    at = by_hand(torch.tensor([0.4, 0.5])[None, None, None].expand(1, 3, 1, 2))
    # log odds: (3 · 0.3² − 3 · 0.1²) / (2 · 0.01) = 12
    assert torch.allclose(at.flatten(), torch.sigmoid(torch.tensor([0.0, 12.0])), atol=1e-5)

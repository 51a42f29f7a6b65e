"""FISN and its discriminators: shapes, and what depends on what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from wholeface.networks import (
    Fisn,
    FisnConfig,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    SeanNormalisation,
    compact_fisn,
    compact_patch_discriminator,
    one_hot_map,
)


@pytest.fixture(scope="module")
def tiny() -> Fisn:
    torch.manual_seed(0)
    return Fisn(replace(compact_fisn(32), width=4, style=6, hidden=4, condition=4)).eval()


def _maps(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, 32, 32, generator=generator)
    alpha = torch.randint(0, 20, (2, 8, 8), generator=generator)
    gamma = torch.randint(0, 20, (2, 8, 8), generator=generator)
    return image, *(m.repeat_interleave(4, 1).repeat_interleave(4, 2) for m in (alpha, gamma))


@torch.no_grad()
def test_the_image_comes_back_at_its_size_and_depends_on_all_three_inputs(tiny: Fisn) -> None:
    image, alpha, gamma = _maps()
    out = tiny(image, alpha, gamma)
    assert out.shape == image.shape
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    for other in (
        tiny(image.flip(3), alpha, gamma),
        tiny(image, alpha.flip(1), gamma),
        tiny(image, alpha, gamma.flip(1)),
    ):
        assert float((other - out).abs().max()) > 1e-3
    torch.testing.assert_close(tiny(image[:1], alpha[:1], gamma[:1]), out[:1])


@torch.no_grad()
def test_the_style_of_a_region_goes_where_the_completed_map_has_it(tiny: Fisn) -> None:
    """What the photo shows in a region that the completed map lacks has no way through the styles."""
    image, alpha, _ = _maps()
    block = tiny.residuals[0].norm_1
    assert isinstance(block, SeanNormalisation)
    whole = one_hot_map(torch.full((1, 4, 4), 1), 20)
    styles = torch.randn(1, 20, 6)
    changed = styles.clone()
    changed[:, 2] += 1
    assert torch.equal(block.factors(styles, whole)[0], block.factors(changed, whole)[0])
    changed[:, 1] += 1
    assert not torch.equal(block.factors(styles, whole)[0], block.factors(changed, whole)[0])
    assert len(tiny.residuals) == 4
    del image, alpha


def test_configurations_are_numbers() -> None:
    assert FisnConfig().downsamplings == 4
    assert FisnConfig().residuals == compact_fisn().residuals == 4
    small = sum(p.numel() for p in Fisn(compact_fisn()).parameters())
    assert 2.0e6 < small < 3.0e6
    with torch.device("meta"):
        full = Fisn(FisnConfig())
    assert sum(p.numel() for p in full.parameters()) > 150e6
    names = {type(m).__name__ for m in full.modules()}
    assert "InstanceNorm2d" not in names
    norms = sum(type(m).__name__ == "BatchNorm2d" for m in full.modules())
    assert norms == sum(isinstance(m, SeanNormalisation) for m in full.modules()) == 8


def test_two_discriminators_at_two_scales_show_their_features() -> None:
    network = PatchDiscriminator(replace(compact_patch_discriminator(23), width=4))
    image, alpha, _ = _maps()
    condition = one_hot_map(alpha, 20)
    judged = network(image, condition)
    assert [len(features) for features in judged] == [5, 5]
    assert [tuple(f[0].shape[-2:]) for f in judged] == [(17, 17), (9, 9)]
    assert all(features[-1].shape[1] == 1 for features in judged)
    other = network(image, condition.flip(1))
    assert not torch.equal(judged[0][-1], other[0][-1])
    assert (
        len(PatchDiscriminator(replace(PatchDiscriminatorConfig(), scales=1, width=4))(image, condition)) == 1
    )


def test_the_spectral_norm_is_one() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(replace(compact_patch_discriminator(4, 1, "spectral"), width=4)).train()
    for _ in range(60):  # one step of the power iteration each
        network(torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32))
    weight = network.judges[0][1][0].weight.detach()
    assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1.0, abs=0.02)

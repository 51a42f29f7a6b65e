"""Bilinear resizing: torch's own values, exactly the same on any number of threads, with derivatives."""

from __future__ import annotations

import pytest
import torch

from wholeface.core.resize import resize_bilinear


@pytest.mark.parametrize("size", [(37, 29), (64, 64), (16, 12), (23, 160), (1, 1)])
def test_the_values_are_those_of_torch(size: tuple[int, int], rng: torch.Generator) -> None:
    planes = torch.rand(2, 3, 32, 24, generator=rng, dtype=torch.float64)
    expected = torch.nn.functional.interpolate(planes, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_bilinear(planes, *size), expected, rtol=0, atol=1e-14)


def test_the_same_bits_on_any_number_of_threads(rng: torch.Generator) -> None:
    planes = torch.rand(3, 120, 133, generator=rng)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3, 5):
            torch.set_num_threads(threads)
            results.append(resize_bilinear(planes, 501, 397))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_derivatives(rng: torch.Generator) -> None:
    planes = torch.rand(2, 4, 3, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: resize_bilinear(p, 7, 5), (planes,))

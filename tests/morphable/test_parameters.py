from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.core.errors import UsageError
from wholeface.morphable import LAYOUTS, ParameterLayout, Parameters
from wholeface.morphable.parameters import DEEP3D_257


def parameters(*batch: int, identity: int = 5, expression: int = 4, albedo: int = 3) -> Parameters:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*batch, *shape, generator=generator, dtype=torch.float64)

    return Parameters(draw(identity), draw(expression), draw(albedo), draw(9, 3), draw(3), draw(3))


@pytest.mark.parametrize("size", ["257", "239", "175", "236"])
def test_published_sizes(size: str) -> None:
    assert LAYOUTS[size].size == int(size)
    assert str(LAYOUTS[size]).endswith(f"= {size}")


def test_deep3d_order() -> None:
    parts = DEEP3D_257.split(torch.arange(257))
    first = {name: int(part[0]) for name, part in parts.items()}
    assert first == {
        "identity": 0,
        "expression": 80,
        "albedo": 144,
        "light": 224,
        "rotation": 251,
        "translation": 254,
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.lists(st.integers(1, 3), max_size=2))
def test_split_and_join_are_inverse(sizes: list[int], batch: list[int]) -> None:
    layout = ParameterLayout(tuple((f"block{index}", size) for index, size in enumerate(sizes)))
    vector = torch.randn(*batch, layout.size)
    parts = layout.split(vector)
    assert [part.shape[-1] for part in parts.values()] == sizes
    assert torch.equal(layout.join(parts), vector)
    assert torch.equal(layout.join(dict(reversed(parts.items()))), vector)  # names count, not their order


def test_split_shares_memory() -> None:
    vector = torch.zeros(257)
    DEEP3D_257.split(vector)["albedo"][0] = 7
    assert vector[144] == 7


def test_layout_errors() -> None:
    with pytest.raises(UsageError, match="256 entries, this layout needs 257: 80 identity"):
        DEEP3D_257.split(torch.zeros(2, 256))
    parts = DEEP3D_257.split(torch.zeros(257))
    with pytest.raises(UsageError, match="needs the blocks"):
        DEEP3D_257.join({name: part for name, part in parts.items() if name != "light"})
    with pytest.raises(UsageError, match="needs the blocks"):
        DEEP3D_257.join({**parts, "pose": torch.zeros(3)})
    with pytest.raises(UsageError, match="'light' has 9 entries, this layout needs 27"):
        DEEP3D_257.join({**parts, "light": torch.zeros(9)})


@pytest.mark.parametrize("batch", [(), (4,), (2, 3)])
def test_flat_round_trip(batch: tuple[int, ...]) -> None:
    values = parameters(*batch)
    assert values.layout.size == 5 + 4 + 3 + 27 + 3 + 3
    flat = values.flat()
    assert flat.shape == (*batch, 45)
    back = Parameters.from_flat(flat, values.layout)
    for name in ("identity", "expression", "albedo", "light", "rotation", "translation"):
        assert torch.equal(getattr(back, name), getattr(values, name))


def test_light_is_flattened_basis_first() -> None:
    values = parameters()
    light = values.layout.split(values.flat())["light"]
    assert torch.equal(light[:3], values.light[0])  # the three channels of the constant term come first
    assert torch.equal(light[3:6], values.light[1])


def test_layout_of_the_literature_fits() -> None:
    values = parameters(identity=80, expression=64, albedo=80)
    assert values.layout == DEEP3D_257


def test_gradient_reaches_every_block() -> None:
    vector = parameters().flat().requires_grad_()
    layout = parameters().layout
    assert torch.autograd.gradcheck(lambda v: Parameters.from_flat(v, layout).flat() * 2, (vector,))


def test_with_and_to() -> None:
    values = parameters()
    moved = values.with_(rotation=torch.ones(3))
    assert torch.equal(moved.rotation, torch.ones(3))
    assert moved.identity is values.identity
    assert values.rotation is not moved.rotation
    single = values.to(dtype=torch.float32)
    assert {getattr(single, n).dtype for n in ("identity", "light", "translation")} == {torch.float32}
    with pytest.raises(TypeError):
        values.with_(pose=torch.zeros(3))

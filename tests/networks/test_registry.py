"""Networks of other packages and of files, beside our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wholeface.core.errors import ModelFileError
from wholeface.networks import registry
from wholeface.networks.registry import builder_of, load_network, weights_file
from wholeface.networks.weights import WeightCard, save_weights
from wholeface.stages import Networks


def double(settings: Mapping[str, Any]) -> nn.Module:
    """A builder, as another package would offer it."""
    return nn.Linear(int(settings["width"]), 1, bias=False)


def stored() -> Path:
    """Where that package's weights are."""
    return Path(os.environ["WHERE_THE_WEIGHTS_ARE"])


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "double.safetensors"
    card = WeightCard(
        "double", "1", "doubles", "MIT", architecture="Double", architecture_config={"width": 1}
    )
    save_weights(path, {"weight": torch.full((1, 1), 2.0)}, card)
    monkeypatch.setenv("WHERE_THE_WEIGHTS_ARE", str(path))
    return path


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``offers(name, value, group)``: an installed package offers that, and nobody else anything."""

    def offer(*entries: tuple[str, str, str]) -> None:
        found = [EntryPoint(*entry) for entry in entries]
        monkeypatch.setattr(registry, "entry_points", lambda group: [e for e in found if e.group == group])

    return offer


def test_a_file_is_loaded_by_its_path_with_a_builder_given(file: Path) -> None:
    network, card = load_network(str(file), build=double)
    assert card.name == "double"
    assert not network.training
    assert float(network(torch.tensor([[21.0]]))) == 42.0
    with pytest.raises(
        ModelFileError, match=r"double\.safetensors cannot be used: the architecture 'Double' is one that"
    ):
        load_network(str(file))
    with pytest.raises(ModelFileError, match=r"none\.safetensors: no such weight file"):
        load_network(str(file.with_name("none.safetensors")))


def test_an_installed_package_offers_architecture_and_weights(
    file: Path, offers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = __name__
    monkeypatch.setitem(
        __import__("sys").modules, here, __import__("sys").modules.get(here) or _this_module()
    )
    offers(
        ("Double", f"{here}:double", registry.ARCHITECTURE_GROUP),
        ("twice", f"{here}:stored", registry.WEIGHTS_GROUP),
        ("broken", "no_such_package_at_all:x", registry.WEIGHTS_GROUP),
    )
    assert weights_file("twice") == file
    networks = Networks()
    network = networks.load("twice")
    assert networks.load("twice") is network
    assert float(network(torch.tensor([[21.0]]))) == 42.0
    with pytest.raises(
        ModelFileError, match=r"'broken', offered by no_such_package_at_all:x, cannot be loaded"
    ):
        load_network("broken")
    with pytest.raises(
        ModelFileError, match=r"called 'thrice'; there are detector, .*, broken, twice, and files"
    ):
        load_network("thrice")


def test_our_own_names_cannot_be_taken(offers: Callable[..., None]) -> None:
    offers(
        ("parsing", "no_such_package_at_all:x", registry.WEIGHTS_GROUP),
        ("ParsingNet", "no_such_package_at_all:x", registry.ARCHITECTURE_GROUP),
    )
    assert weights_file("parsing").parent == registry.SHIPPED_WEIGHTS
    assert type(builder_of("ParsingNet")({"width": 0.25})).__name__ == "ParsingNet"


def _this_module() -> Any:
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(double=double, stored=stored)
    return module


def test_loading_draws_no_random_numbers(file: Path) -> None:
    """The weights replace whatever a new module would hold, so it is not drawn; the caller's seed counts on."""
    before = torch.random.get_rng_state()
    network, _ = load_network("detector")
    given, _ = load_network(str(file), build=double)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert given(torch.ones(1, 1)).item() == 2.0
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


@pytest.mark.parametrize(
    ("name", "recipe"),
    [("fisn", "parsing_guided"), ("eyeglasses", "eyeglasses"), ("eyeglasses_deleter", "eyeglasses")],
)
def test_missing_weights_of_a_method_name_its_recipe(name: str, recipe: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=rf"{name} network are missing: .*`wholeface train {recipe}`"):
        Networks(weights=tmp_path).load(name)
    with pytest.raises(ModelFileError, match=r"no network is called 'fins'; there are .*eyeglasses.*fisn"):
        load_network("fins")

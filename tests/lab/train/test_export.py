"""From checkpoints to weight files, by the functions and by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from wholeface.app.cli.command import main
from wholeface.core.errors import ModelFileError
from wholeface.lab.train import EngineOptions, Recipe, load_checkpoint, train
from wholeface.lab.train.export import export_weights
from wholeface.networks.weights import card_path, load_card, load_weights

pytest.importorskip("lightning_fabric")


@pytest.fixture(scope="module")
def run(toy: Recipe[Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(toy, toy.config(), folder, options=EngineOptions(device="cpu"))
    return folder


def test_the_card_says_what_was_trained(toy: Recipe[Any], run: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(run / "last.safetensors")
    written = export_weights(run / "last.safetensors", tmp_path / "toy.safetensors", storage="fp32")
    tensors, card = load_weights(tmp_path / "toy.safetensors")
    assert card == written
    assert (card.name, card.recipe, card.architecture) == ("toy", "toy", "ToyNet")
    assert card.architecture_config == {"width": 8, "plain": False}
    assert card.recipe_config["steps"] == 24
    assert card.recipe_config["folder"] == "x"
    assert card.scores == checkpoint.metrics
    assert (card.licence, card.sources, card.storage) == ("CC0-1.0", ("made up (CC0)",), "fp32")
    assert card.preprocessing == {"inputs": 3}
    assert card.notes["finished"] is True
    network = toy.build(toy.config()).network
    network.load_state_dict(tensors)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, checkpoint.average[name]), name


def test_the_last_weights_have_no_scores(run: Path, tmp_path: Path) -> None:
    card = export_weights(
        run / "last.safetensors",
        tmp_path / "x.safetensors",
        storage="fp32",
        average=False,
        name="n",
        version="7",
    )
    assert (card.scores, card.name, card.version) == ({}, "n", "7")
    tensors, _ = load_weights(tmp_path / "x.safetensors")
    checkpoint = load_checkpoint(run / "last.safetensors")
    assert torch.equal(tensors["head.weight"], checkpoint.network["head.weight"])


@pytest.mark.parametrize("storage", ["fp16", "int8", "fp32"])
def test_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], storage: str) -> None:
    target = tmp_path / "toy.safetensors"
    assert main(["weights", "export", str(run), "-o", str(target), "--dtype", storage]) == 0
    digest = load_card(target).sha256
    assert digest in capsys.readouterr().out
    assert main(["weights", "show", str(target)]) == 0
    shown = capsys.readouterr().out
    for word in ("ToyNet", "CC0-1.0", "made up (CC0)", storage, digest, "width=8"):
        assert word in shown
    assert main(["weights", "show", "--json", str(target)]) == 0
    assert json.loads(capsys.readouterr().out)["recipe"] == "toy"
    assert main(["weights", "verify", str(target)]) == 0
    assert "whole: toy" in capsys.readouterr().out


def test_verify_names_what_is_wrong(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    for path in (good, bad):
        export_weights(run / "last.safetensors", path)
    data = bytearray(bad.read_bytes())
    data[-1] ^= 1
    bad.write_bytes(data)
    assert main(["weights", "verify", str(good), str(bad)]) == 1
    error = capsys.readouterr().err
    assert "bad.safetensors" in error
    assert load_card(bad).sha256 in error
    assert main(["weights", "verify", str(bad), str(tmp_path / "none.safetensors")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_verify_builds_the_networks_of_this_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import asdict

    from wholeface.networks import DetectorNet, DetectorNetConfig
    from wholeface.networks.weights import WeightCard, save_weights

    config = DetectorNetConfig(width=0.25)
    state = DetectorNet(config).state_dict()
    card = WeightCard("d", "1", "x", "MIT", architecture="DetectorNet", architecture_config=asdict(config))
    target = tmp_path / "d.safetensors"
    save_weights(target, state, card, storage="int8")
    assert main(["weights", "verify", str(target)]) == 0
    assert "fits DetectorNet" in capsys.readouterr().out
    del state["head.bias"]
    save_weights(target, state, card)
    assert main(["weights", "verify", str(target)]) == 2
    assert "does not fit DetectorNet" in capsys.readouterr().err
    save_weights(target, {"x": torch.tensor([float("inf")])}, card)
    assert main(["weights", "verify", str(target)]) == 2
    assert "not finite, in x" in capsys.readouterr().err


def test_checkpoints_are_not_weight_files_and_the_other_way_round(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"last\.json"):
        load_weights(run / "last.safetensors")
    export_weights(run / "last.safetensors", tmp_path / "x.safetensors")
    with pytest.raises(ModelFileError, match="not a checkpoint"):
        export_weights(tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    with pytest.raises(ModelFileError, match=r"there is no checkpoint .*z\.safetensors"):
        export_weights(tmp_path / "z.safetensors", tmp_path / "y.safetensors")
    assert card_path(tmp_path / "x.safetensors").exists()

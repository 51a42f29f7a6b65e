"""The protocol of hidden colours: which photos, what is compared, and that nothing changes without a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from wholeface.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions, load_protocol
from wholeface.lab.bench.protocols.texture import PROTOCOL, SYSTEMS, photos_of, run
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.lab.data.vertex_colours import ColourPhoto, held_out
from wholeface.networks import TextureGraphNet, TextureGraphNetConfig, WeightCard, save_weights
from wholeface.perceive import NETWORKS, has_weights

NAMES = [f"faces_ai/{n}.png" for n in range(200)]


def test_the_two_splits_share_no_photo_and_none_was_trained_on() -> None:
    photos = [ColourPhoto(name, Path(name)) for name in NAMES]
    test, validation = photos_of(photos, "test"), photos_of(photos, "validation")
    assert len(test) > 10
    assert len(validation) > 10
    assert not {p.name for p in test} & {p.name for p in validation}
    assert sorted(p.name for p in test + validation) == sorted(n for n in NAMES if held_out(n))


def _data(tmp_path: Path) -> Path:
    folder = tmp_path / "faces_ai"
    folder.mkdir()
    photo = photos_of([ColourPhoto(name, folder / name[9:]) for name in NAMES], "test")[0]
    Image.fromarray(SyntheticFaces(seed=11, size=224).sample(2).image).save(photo.path)
    (folder / "labels.json").write_text(json.dumps({photo.path.name: {"clean": True}}))
    return tmp_path


def _network(folder: Path, level: float) -> str:
    network = TextureGraphNet(TextureGraphNetConfig(9, (4, 4, 4, 4, 4), 2, 4, 1))
    torch.nn.init.constant_(network.residual.bias, level)
    settings = {**vars(network.config), "channels": list(network.config.channels)}
    card = WeightCard("n", "1", "Test.", "MIT", architecture="TextureGraphNet", architecture_config=settings)
    save_weights(folder / f"n{level}.safetensors", network.state_dict(), card)
    return str(folder / f"n{level}.safetensors")


@pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")
def test_without_a_change_fine_is_as_good_as_coarse_and_a_wrong_one_costs(tmp_path: Path) -> None:
    options = RunOptions(data=_data(tmp_path))
    report = run(options, network=_network(tmp_path, 0.0))
    values = {(m.name, m.system, m.group): m.value for m in report.metrics}
    name = "colour of hidden vertices, ΔE"
    assert values[name, SYSTEMS[2], "all"] == pytest.approx(values[name, SYSTEMS[1], "all"], abs=0.05)
    assert values[name, SYSTEMS[1], "all"] > 0.5
    seen = "colour of seen vertices, ΔE"
    assert values[seen, SYSTEMS[1], "all"] < values[name, SYSTEMS[1], "all"]
    assert values[seen, SYSTEMS[1], "all"] < values[seen, SYSTEMS[0], "all"]
    assert report.metrics[0].count == report.metrics[0].total == 1
    worse = run(options, network=_network(tmp_path, -1.0))
    wrong = {(m.name, m.system, m.group): m.value for m in worse.metrics}
    assert wrong[name, SYSTEMS[2], "all"] > values[name, SYSTEMS[2], "all"] + 5
    assert wrong[seen, SYSTEMS[2], "all"] < values[seen, SYSTEMS[2], "all"] + 1.5
    with pytest.raises(UsageError, match="none of the photos"):
        run(RunOptions(data=tmp_path, split="validation"), network=_network(tmp_path, 0.0))


def test_the_protocol_is_registered() -> None:
    assert load_protocol("texture") is PROTOCOL

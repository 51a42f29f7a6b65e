"""The whole perception bench on a few synthetic faces, with networks that know nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from wholeface import networks
from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols.perception.protocol import PROTOCOL, run
from wholeface.lab.bench.report.outputs import run_protocol
from wholeface.networks.weights import WeightCard, save_weights


def write(folder: Path, name: str, architecture: str, **config: object) -> None:
    torch.manual_seed(0)
    network = getattr(networks, architecture)(getattr(networks, f"{architecture}Config")(**config))
    card = WeightCard(
        name=name,
        version="0",
        description="random numbers",
        licence="MIT",
        architecture=architecture,
        architecture_config=config,
    )
    tensors = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_weights(folder / f"{name}.safetensors", tensors, card, storage="fp16")


@pytest.fixture
def blind(tmp_path: Path) -> Path:
    """Weights of networks that find nothing."""
    folder = tmp_path / "weights"
    folder.mkdir()
    write(folder, "detector", "DetectorNet", width=0.25)
    write(folder, "landmarks", "LandmarkNet", width=0.25, features=16)
    write(folder, "parsing", "ParsingNet", width=0.25)
    return folder


def measured(weights: Path, only: tuple[str, ...], seed: int = 0) -> dict[str, Any]:
    """What the JSON of a run without mediapipe holds."""
    own = {"weights": weights, "only": only, "no_teacher": True}
    record = run_protocol(PROTOCOL, RunOptions(count=4, seed=seed), own).record
    loaded: dict[str, Any] = json.loads(json.dumps(record, allow_nan=False))
    return loaded


def test_networks_that_find_nothing(blind: Path) -> None:
    record = measured(blind, ("detector", "landmarks", "shape", "parsing"))
    assert set(record["settings"]["weights"]) == {"detector", "landmarks", "parsing"}
    assert len(record["settings"]["weights"]["parsing"]["sha256"]) == 64
    tables = {table["title"]: table["rows"] for table in record["tables"]}
    errors = tables["Landmarks: error against the truth of synthetic faces"]
    assert {row["system"] for row in errors} == {"ours"}
    assert all((row["images"], row["not found"], row["failed at 8 %"]) == (4, 4, 1.0) for row in errors)
    assert all(row["mean"] is None for row in errors)
    alone = [row for row in tables["Detector: false faces"] if row["system"] == "our detector alone"]
    assert all(row["false faces"] == 0 for row in alone)
    classes = tables["Parsing: IoU of the classes on held-out composites"]
    assert classes[-1]["class"] == "mean"
    assert classes[-1]["synthetic, held-out occluders"] < 0.3
    told = [note for table in record["tables"] for note in table["notes"]]
    assert any("without the source material" in note for note in told)
    assert "left out, because they are not at hand: avatars." in told
    ours = [m for m in record["metrics"] if m["name"] == "Detector: false faces: false faces"]
    assert {m["system"] for m in ours} >= {"our detector alone"}
    assert all(m["value"] == 0 for m in ours if m["system"] == "our detector alone")


def test_a_landmark_network_alone_gets_the_true_crop(tmp_path: Path) -> None:
    write(tmp_path, "landmarks", "LandmarkNet", width=0.25, features=16)
    record = measured(tmp_path, ("landmarks",))
    rows = record["tables"][1]["rows"]
    assert {row["system"] for row in rows} == {"ours, true crop"}
    assert {row["points"] for row in rows} == {"68", "478", "668"}
    # Random points are not those of the face, whether they are taken for one or not.
    assert all(row["failed at 8 %"] == 1.0 for row in rows)
    assert (
        "left out, because there are no weights in the folder of weights: detector, eyewear, parsing"
        in record["settings"]["notes"]
    )


def test_the_same_seed_gives_the_same_tables(tmp_path: Path) -> None:
    write(tmp_path, "parsing", "ParsingNet", width=0.25)
    records = [measured(tmp_path, ("parsing",), seed)["tables"] for seed in (0, 0, 1)]
    assert records[0] == records[1]
    assert records[0] != records[2]


def test_bad_options(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose from detector"):
        run(RunOptions(), only=("detector", "noses"))
    with pytest.raises(UsageError, match="at least 4"):
        run(RunOptions(count=1))
    with pytest.raises(UsageError, match="no such folder"):
        run_protocol(PROTOCOL, RunOptions(data=tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="no weight files"):
        run(RunOptions(), weights=tmp_path, no_teacher=True)
    with pytest.raises(UsageError, match="must not enter"):
        run(RunOptions(), weights=tmp_path, sheet=tmp_path / "docs" / "x.png")

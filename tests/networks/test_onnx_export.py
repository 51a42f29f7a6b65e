"""ONNX models equal the networks from which they were made, and are made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface import networks
from wholeface.app.cli.command import main
from wholeface.core.errors import ModelFileError, OutputError, UsageError
from wholeface.networks.backend import OnnxNetwork, TorchNetwork
from wholeface.networks.onnx_export import OPSET, export_onnx, onnx_model
from wholeface.networks.registry import HASH_KEY
from wholeface.networks.weights import load_card
from wholeface.perceive import load_detector, load_parser

onnx = pytest.importorskip("onnx", reason="needs the extra wholeface[onnx]")
pytest.importorskip("onnxruntime", reason="needs the extra wholeface[onnx]")

TOLERANCE = 2e-5  # largest difference allowed, over the outputs' standard deviation
SIZES = {"detector": 96, "eyewear": 96, "landmarks": 64, "parsing": 96}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wholeface"


def difference(network: torch.nn.Module, model: Path, shape: tuple[int, ...]) -> float:
    images = np.random.default_rng(sum(shape)).random(shape, dtype=np.float32)
    expected = TorchNetwork(network)(images)
    found = OnnxNetwork(str(model))(images)
    assert found.shape == expected.shape
    assert expected.std() > 0.02
    return float(np.abs(found - expected).max() / expected.std())


@pytest.mark.parametrize("name", list(SIZES))
def test_same_numbers_in_onnx_runtime(small_networks, tmp_path, name):
    size, network = SIZES[name], small_networks[name]
    path = tmp_path / "deep" / "x.onnx"
    export_onnx(network, path, size, metadata={"a": "b"})
    shapes = [(1, 3, size, size), (3, 3, size, size)]
    if name != "landmarks":  # any multiples of 32
        shapes += [(2, 3, 64, 160), (1, 3, 32, 32)]
    worst = max(difference(network, path, shape) for shape in shapes)
    assert worst < TOLERANCE
    model = onnx.load(path)
    assert model.opset_import[0].version == OPSET >= 17
    assert [i.name for i in model.graph.input] == ["image"]
    assert [o.name for o in model.graph.output] == ["raw"]
    shape = [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    expected = {
        "detector": ["batch", "cells", 15],
        "landmarks": ["batch", 668, 5],
        "eyewear": ["batch", 5, "rows", "columns"],
        "parsing": ["batch", 31, "rows", "columns"],
    }
    assert shape == expected[name]
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    assert OnnxNetwork(str(path)).metadata == {"a": "b"}
    assert os.listdir(tmp_path / "deep") == ["x.onnx"]


@pytest.mark.parametrize("name", list(SIZES))
def test_parity_at_the_size_that_ships(tmp_path, name):
    torch.manual_seed(7)
    network = {
        "detector": lambda: networks.DetectorNet(networks.DetectorNetConfig()),
        "landmarks": lambda: networks.LandmarkNet(networks.LandmarkNetConfig()),
        "eyewear": lambda: networks.EyewearNet(networks.EyewearNetConfig()),
        "parsing": lambda: networks.ParsingNet(networks.ParsingNetConfig(width=0.75)),
    }[name]()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.3, 1.3)
    torch.nn.init.normal_(network.head.weight, std=0.3)
    size = getattr(network.config, "input_size", 224)
    export_onnx(network, tmp_path / "x.onnx", size)
    assert difference(network.eval(), tmp_path / "x.onnx", (1, 3, size, size)) < TOLERANCE


def test_exported_once_into_the_cache(weights_folder, cache):
    path = Path(onnx_model("detector", weights_folder))
    assert path.parent == cache
    assert load_card(weights_folder / "detector.safetensors").sha256[:32] in path.name
    written = path.stat().st_mtime_ns
    assert onnx_model("detector", weights_folder) == str(path)
    assert path.stat().st_mtime_ns == written
    assert [p.name for p in cache.iterdir()] == [path.name]


def test_kept_in_memory_where_nothing_can_be_written(weights_folder, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    model = onnx_model("parsing", weights_folder)
    assert isinstance(model, bytes)
    assert OnnxNetwork(model)(np.zeros((1, 3, 64, 64), np.float32)).shape == (1, 31, 32, 32)


def test_the_model_beside_the_weights_is_taken(weights_folder, cache, capsys):
    for name in SIZES:
        assert main(["weights", "onnx", str(weights_folder / f"{name}.safetensors")]) == 0
    assert "DetectorNet, opset" in capsys.readouterr().out
    for name in SIZES:
        beside = weights_folder / f"{name}.onnx"
        assert onnx_model(name, weights_folder) == str(beside)
        card = load_card(weights_folder / f"{name}.safetensors")
        assert OnnxNetwork(str(beside)).metadata[HASH_KEY] == card.sha256
    load_detector(backend="onnx", weights=weights_folder)
    assert not cache.exists()
    (weights_folder / "parsing.onnx").write_bytes((weights_folder / "detector.onnx").read_bytes())
    with pytest.raises(ModelFileError, match=r"parsing\.onnx' was not made from .*weights onnx"):
        load_parser(backend="onnx", weights=weights_folder)


def test_both_backends_see_the_same(weights_folder):
    pixels = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    one, two = (load_parser(backend=b, weights=weights_folder) for b in ("torch", "onnx"))
    points = np.random.default_rng(2).uniform(30, 70, (478, 2))
    points[[33, 133, 263, 362], 0] = 40, 45, 60, 55
    a, b = one.parse(pixels, points), two.parse(pixels, points)
    for field in ("parsing", "kind", "face"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), atol=1e-4)
    faces = [load_detector(backend=b, weights=weights_folder) for b in ("torch", "onnx")]
    raw = [f.faces._network(np.full((1, 3, 64, 64), 0.4, np.float32)) for f in faces]
    np.testing.assert_allclose(raw[0], raw[1], atol=1e-3)


def test_the_command_names_what_is_wrong(weights_folder, tmp_path, capsys):
    file = str(weights_folder / "detector.safetensors")
    assert main(["weights", "onnx", file, "-o", str(tmp_path / "x.pt")]) == 2
    assert "end in .onnx" in capsys.readouterr().err
    assert main(["weights", "onnx", file, "-o", str(weights_folder / "detector.json" / "x.onnx")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert main(["weights", "onnx", str(tmp_path / "none.safetensors")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_networks_of_several_inputs_are_refused():
    network = networks.Fisn(networks.FisnConfig(width=2, style=2, hidden=2, condition=2))
    with pytest.raises(UsageError, match="a Fisn takes image, map_alpha, map_gamma"):
        networks.onnx_bytes(network, 32)


def test_a_full_disk_leaves_nothing_behind(small_networks, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match="No space left"):
        export_onnx(small_networks["detector"], tmp_path / "out" / "x.onnx", 64)
    assert list((tmp_path / "out").iterdir()) == []


def test_without_the_package_onnx(weights_folder, tmp_path):
    """Writing needs it and says so; running what was written does not."""
    code = (
        "import sys; from pathlib import Path; sys.modules['onnx'] = None\n"
        "from wholeface.perceive import load_parser\n"
        "try: load_parser(backend='onnx', weights=Path(sys.argv[1])); print('loaded')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    words = [sys.executable, "-c", code, str(weights_folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UsageError writing ONNX models needs the package onnx"), done.stderr
    assert "wholeface[onnx]" in done.stdout
    onnx_model("parsing", weights_folder)
    onnx_model("eyewear", weights_folder)
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "loaded"


def test_onnx_runtime_does_not_report_home(weights_folder, tmp_path):
    onnx_model("parsing", weights_folder)
    code = (
        "import sys, numpy; from pathlib import Path\n"
        "from wholeface.perceive import load_parser\n"
        "load_parser(backend='onnx', weights=Path(sys.argv[1]))._network(numpy.zeros((1, 3, 64, 64), 'float32'))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment["HOME"] = str(tmp_path)
    words = [sys.executable, "-c", code, str(weights_folder)]
    subprocess.run(words, env=environment, check=True)
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == ["wholeface"]


def test_unknown_backend(weights_folder):
    with pytest.raises(UsageError, match="unknown backend 'tensorrt'; choose torch or onnx"):
        load_parser(backend="tensorrt", weights=weights_folder)

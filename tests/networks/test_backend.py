"""Folded networks say what unfolded ones say, in PyTorch and in ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError
from wholeface.networks.backend import OnnxNetwork, TorchNetwork, fold_norms

SIZES = {"detector": (96, 64), "eyewear": (64, 96), "landmarks": (64, 64), "parsing": (64, 96)}


TOLERANCE = 2e-5  # largest difference over the outputs' standard deviation


def difference(found, expected) -> float:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert expected.std() > 0.05
    return float(np.abs(found - expected).max() / expected.std())


def images(name: str, count: int = 2) -> np.ndarray:
    return np.random.default_rng(5).random((count, 3, *SIZES[name]), dtype=np.float32)


@pytest.mark.parametrize("name", list(SIZES))
def test_folded_norms_change_nothing_but_the_time(small_networks, name):
    network = small_networks[name]
    before = {key: value.clone() for key, value in network.state_dict().items()}
    folded = fold_norms(network.train())
    assert network.training  # a copy was folded
    network.eval()
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    with torch.no_grad():
        expected = network(torch.from_numpy(images(name)))
        found = folded(torch.from_numpy(images(name)))
    assert difference(found, expected) < TOLERANCE


@pytest.mark.parametrize("name", list(SIZES))
def test_the_torch_backend_is_the_network(small_networks, name):
    network = small_networks[name]
    with torch.no_grad():
        expected = network(torch.from_numpy(images(name))).numpy()
    found = TorchNetwork(network)(images(name))
    assert found.dtype == np.float32
    assert difference(found, expected) < TOLERANCE


def test_a_file_that_is_no_model(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFileError, match=r"cannot read .*x\.onnx .*remove it"):
        OnnxNetwork(str(tmp_path / "x.onnx"))


def test_missing_runtime_names_the_extra():
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from wholeface.networks.backend import OnnxNetwork\n"
        "try: OnnxNetwork('x.onnx')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UsageError the ONNX backend needs onnxruntime")
    assert "pip install 'wholeface[onnx]'" in done.stdout

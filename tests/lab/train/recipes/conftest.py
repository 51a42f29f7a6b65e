"""What tests of recipes share: a store for the generators, and a run that is cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.lab.data.stores import build_store
from wholeface.lab.train import EngineOptions, Listener, Recipe, train


class _Crash(Exception):
    pass


class _CrashAt(Listener):
    def stepped(self, seen: Any) -> None:
        if seen.step == 2:
            raise _Crash


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    with safe_open(folder / "last.safetensors", framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.fixture
def cut_off_ends_like_whole(tmp_path: Path) -> Callable[[Recipe[Any], Any], Path]:
    """``run(recipe, config)``: a run of at least three steps that crashes after the second and goes on ends with the
    same tensors as one that did not; the folder of the latter."""
    pytest.importorskip("lightning_fabric")

    def run(recipe: Recipe[Any], config: Any) -> Path:
        cpu, folder = EngineOptions(device="cpu"), tmp_path / "whole"
        assert train(recipe, config, folder, options=cpu).status == "finished"
        with pytest.raises(_Crash):
            train(recipe, config, tmp_path / "cut", options=cpu, listener=_CrashAt())
        train(recipe, config, tmp_path / "cut", options=cpu, resume=True)
        one, other = _tensors(folder), _tensors(tmp_path / "cut")
        assert set(one) == set(other)
        for key, value in one.items():
            assert torch.equal(value, other[key]), key
        return folder

    return run


@pytest.fixture(scope="session")
def pairs_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rendered faces of 96 pixels, most of them with spectacles."""
    folder = tmp_path_factory.mktemp("stores") / "pairs"
    settings = EngineSettings(clean=0.2, hair=0.0, occluders={"glasses": 3, "objects": 1})
    build_store(FaceEngine(seed=5, size=96, settings=settings), range(6), folder, workers=0)
    return folder

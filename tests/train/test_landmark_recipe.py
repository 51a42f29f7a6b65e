"""What a crop of the landmark network's training counts for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.data import FaceSample
from wholeface.data.synthetic import SyntheticFaces
from wholeface.train import build_store
from wholeface.train.recipes.landmarks import LandmarkRecipeConfig, LandmarkTask


class _Mixed:
    """Even samples are renderings; odd ones say, like portraits, that their geometry is not known."""

    settings = {"kind": "test"}  # noqa: RUF012

    def __init__(self) -> None:
        self.faces = SyntheticFaces(seed=3, size=96)

    def __getitem__(self, index: int) -> FaceSample:
        sample = self.faces.sample(index)
        known = {"landmarks", "parsing", "occluder"}
        return sample if index % 2 == 0 else sample.with_(known=frozenset(known))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / "mixed"
    build_store(_Mixed(), range(4), folder, workers=1)
    return folder


def test_portraits_do_not_teach_where_lips_part(store: Path) -> None:
    task = LandmarkTask(LandmarkRecipeConfig(stores=(store,), photo_weight=0.5, empty=0.0, input_size=64))
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    weight = batch["weight"]
    assert weight.shape == (4, 668)
    assert (weight[[0, 2]] == 1.0).all()
    none = weight[[1, 3]] == 0.0
    assert (none[0] == none[1]).all()
    assert int(none[0].sum()) == 8 + 20
    assert none[0, 60:68].all()  # the inner lips of the 68
    assert not none[0, :60].any()
    assert none[0, 68 + 13]  # the middle of the upper and of the lower inner lip of the 478
    assert none[0, 68 + 14]
    assert (weight[1][~none[0]] == 0.5).all()


def test_crops_without_a_face_teach_no_points_and_no_flags(store: Path) -> None:
    task = LandmarkTask(LandmarkRecipeConfig(stores=(store,), empty=1.0, input_size=64))
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    assert not batch["weight"].any()
    assert not batch["facing"].any()
    assert not batch["covered"].any()

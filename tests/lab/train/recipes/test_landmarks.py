"""What a crop of the landmark network's training counts for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.lab.data import FaceSample
from wholeface.lab.data.stores import build_store
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.lab.train.recipes.landmarks import LandmarkRecipeConfig, LandmarkTask


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


def test_portraits_count_less_than_renderings(store: Path) -> None:
    task = LandmarkTask(LandmarkRecipeConfig(stores=(store,), photo_weight=0.5, empty=0.0, input_size=64))
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    assert batch["weight"].tolist() == [1.0, 0.5, 1.0, 0.5]


def test_crops_without_a_face_teach_no_points_and_no_flags(store: Path) -> None:
    task = LandmarkTask(LandmarkRecipeConfig(stores=(store,), empty=1.0, input_size=64))
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    assert not batch["weight"].any()
    assert not batch["self_visible"].any()
    assert not batch["occluded"].any()


def test_identities_are_given_and_mirrored_with_the_image(store: Path) -> None:
    from wholeface.lab.data.stores import SampleStore
    from wholeface.perceive.landmark_mirror import IDENTITY_SIGNS as signs

    task = LandmarkTask(LandmarkRecipeConfig(stores=(store,), empty=0.0, input_size=64, identity=80))
    kept = SampleStore(store)
    truth = kept.parameters(kept.array("parameters"))["identity"][:, :80]
    seen = set()
    for seed in range(6):
        batch = task.load(np.arange(4), torch.Generator().manual_seed(seed))
        weight = batch["identity_weight"]
        assert torch.equal(weight, weight[:1].expand(4, -1))
        assert float(weight[0].mean()) == pytest.approx(1.0)
        assert float(weight[0, 0]) > 2 * float(weight[0, -1])  # the first modes move the face most
        for found, own in zip(batch["identity"].numpy(), truth, strict=True):
            turned = not np.array_equal(found, own)
            np.testing.assert_array_equal(found, own * signs if turned else own)
            seen.add(turned)
    assert seen == {True, False}


def test_unknown_identities_do_not_count(store: Path, tmp_path: Path) -> None:
    class Nobody(_Mixed):
        def __getitem__(self, index: int) -> FaceSample:
            sample = super().__getitem__(index)
            return sample.with_(parameters={}) if index % 2 else sample

    folder = tmp_path / "nobody"
    build_store(Nobody(), range(4), folder, workers=1)
    task = LandmarkTask(LandmarkRecipeConfig(stores=(folder,), empty=0.0, input_size=64))
    batch = task.load(np.arange(4), torch.Generator().manual_seed(0))
    assert (batch["identity_weight"] > 0).all(dim=1).tolist() == [True, False, True, False]
    assert not batch["identity_weight"][1::2].any()
    assert batch["identity"].isfinite().all()
    assert task.store.parameter(1, "identity", 80).shape == (80,)
    assert np.isnan(task.store.parameter(1, "identity", 80)).all()
    assert np.isnan(task.store.parameter(0, "identity", 113)).all()  # more than are stored

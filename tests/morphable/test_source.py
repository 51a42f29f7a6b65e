"""A model that was loaded travels by its name, place and hash; one made in memory travels whole."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.morphable import ExpressionPrior, GaussianPrior, MorphableModel, load_model


def _packed(path: Path, scale: float = 1.0) -> Path:
    """A tiny model in ICT-FaceKit's packed format."""
    rng = np.random.default_rng(0)
    mean = scale * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    np.savez(
        path,
        mean=mean,
        identity=rng.normal(size=(2, 4, 3)).astype(np.float32),
        expression=rng.normal(size=(1, 4, 3)).astype(np.float32),
        expression_names=np.array(["jawOpen"]),
        faces=np.array([[0, 2, 1, -1], [0, 1, 3, -1], [0, 3, 2, -1], [1, 2, 3, -1]]),
    )
    return path


def test_the_shipped_model_is_named_and_shared() -> None:
    model = load_model("wholeface")
    data = pickle.dumps(model)
    assert len(data) < 2000
    assert pickle.loads(data) is model
    assert copy.deepcopy(model) is model
    half = pickle.loads(pickle.dumps(model.to(dtype=torch.float64)))
    assert half.mean.dtype == torch.float64
    assert pickle.loads(data) is model


def test_a_changed_model_travels_whole_and_without_tables() -> None:
    model = replace(load_model("wholeface"), name="mine", identity=load_model().identity[:2])
    assert model.source is None
    model.table("large", lambda _: torch.zeros(10_000_000))
    again = pickle.loads(pickle.dumps(model))
    assert again.name == "mine"
    assert torch.equal(again.identity, model.identity)
    assert again.table("large", lambda _: None) is None


def test_own_models_are_found_by_path_and_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _packed(tmp_path / "own.npz")
    monkeypatch.chdir(tmp_path)
    model = load_model("own.npz")
    data = pickle.dumps(model)
    assert len(data) < 2000
    assert pickle.loads(data) is model  # the model is still alive in this process
    mean = model.mean.clone()
    del model
    monkeypatch.chdir(tmp_path.parent)
    assert torch.equal(pickle.loads(data).mean, mean)
    _packed(path, scale=2.0)
    with pytest.raises(ModelFileError, match=r"face model 'ict' .* but .*own\.npz holds another one"):
        pickle.loads(data)
    path.unlink()
    with pytest.raises(ModelFileError, match=r"own\.npz, which is missing; put the model back there"):
        pickle.loads(data)


def test_priors_belong_to_the_model(small_model: MorphableModel) -> None:
    assert small_model.prior.bounded.all()
    wild = torch.tensor([-2.0, 0.5, 3.0, 0.0, 1.0])
    assert small_model.prior.clamp(wild).tolist() == [0.0, 0.5, 1.0, 0.0, 1.0]
    gaussian = replace(small_model, expression_prior=ExpressionPrior.gaussian(torch.full((5,), 2.0)))
    assert torch.equal(gaussian.prior.clamp(wild), wild)
    assert torch.equal(gaussian.prior.precision, 0.25 * torch.eye(5))
    with pytest.raises(UsageError, match="has 5 expressions, its expression prior 4"):
        replace(small_model, expression_prior=ExpressionPrior.blendshapes(4))
    both = ExpressionPrior.joined(ExpressionPrior.gaussian(torch.ones(2)), ExpressionPrior.blendshapes(1))
    assert both.bounded.tolist() == [False, False, True]
    assert GaussianPrior(torch.tensor([2.0])).precision.tolist() == [0.25]
    shipped = load_model()
    assert torch.equal(shipped.prior.rate, shipped.extras["expression_rate"])

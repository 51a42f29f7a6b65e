"""The recipe of the texture graph network on a store of made-up colours, and renderings of vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.errors import DataError, UsageError
from wholeface.lab.data.vertex_colours.store import Views, held_out, write_store
from wholeface.lab.train.recipes.texture_graph import RECIPE, TextureGraphRecipeConfig, TextureGraphTask
from wholeface.lab.train.task import Update
from wholeface.lab.train.transforms.vertex_views import VertexViews
from wholeface.morphable import MorphableModel, load_model
from wholeface.networks import TextureGraphNet
from wholeface.stages.texture.graph import FaceMesh, face_mesh


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model("wholeface")


@pytest.fixture(scope="module")
def mesh(model: MorphableModel) -> FaceMesh:
    return face_mesh(model)


@pytest.fixture(scope="module")
def store(mesh: FaceMesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight faces whose lower half is hidden and in truth darker than completed: that can be learned."""
    folder = tmp_path_factory.mktemp("stores") / "colours"
    rng = np.random.default_rng(0)
    names = [n for n in (f"faces/{i}" for i in range(60)) if not held_out(n)][:6]
    names += [n for n in (f"faces/{i}" for i in range(60)) if held_out(n)][:2]
    low = mesh.where[:, 1] < 0
    views = []
    for name in names:
        colours = (rng.normal(-1.4, 0.4, 3) + np.zeros((1, len(mesh), 3))).astype(np.float32)
        known = np.stack([~low, np.zeros_like(low), 0.1 + 0.7 * ~low], axis=1)[None].astype(np.float32)
        views.append(
            Views(
                name,
                ("lower",),
                {
                    "colours": colours,
                    "model": colours + 0.05,
                    "known": known,
                    "target": colours - 0.3 * low[:, None],
                    "trust": np.ones((1, len(mesh)), np.float32),
                },
            )
        )
    write_store(folder, "wholeface", views, {})
    return folder


def _task(store: Path, **more: object) -> TextureGraphTask:
    torch.manual_seed(0)
    return TextureGraphTask(TextureGraphRecipeConfig(store=store, rendering=32, **more))  # type: ignore[arg-type]


def _update(task: TextureGraphTask, turn: str) -> Update:
    return Update(0, 0.0, turn, task.networks, task.teachers, torch.Generator().manual_seed(0))


def test_the_loss_falls_and_held_out_faces_gain(store: Path) -> None:
    task = _task(store, adversarial=0.0, pixel=0.0)
    assert task.train_size == 6
    assert set(task.networks) == {"generator"}
    before = task.evaluate(task.networks, torch.device("cpu"))
    assert before["delta_e"] == pytest.approx(before["delta_e_coarse"], abs=1e-4)
    optimiser = torch.optim.Adam(task.networks["generator"].parameters(), lr=6e-3)
    losses = []
    for step in range(14):
        batch = task.load(np.array([step % 6]), torch.Generator().manual_seed(step))
        loss = task.step(_update(task, "generator"), batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    after = task.evaluate(task.networks, torch.device("cpu"))
    assert after["delta_e"] < 0.85 * after["delta_e_coarse"]
    assert after["better"] == 1
    picture = task.preview(task.networks, torch.device("cpu"))
    assert picture is not None
    assert picture.shape[1:] == (3 * 32, 3)


def test_both_players_have_gradients_of_their_own_turn(store: Path) -> None:
    task = _task(store)
    network = task.networks["generator"]
    assert isinstance(network, TextureGraphNet)
    torch.nn.init.normal_(network.residual.weight, std=0.1)
    assert network.config.vertices == 5430
    batch = task.load(np.arange(2), torch.Generator().manual_seed(0))
    found = task.step(_update(task, "critic"), batch)
    assert float(found["loss"].detach()) == pytest.approx(
        float((-found["distance"] + 10 * found["penalty"]).detach()), rel=1e-5
    )
    found["loss"].backward()
    assert all(p.grad is None for p in network.parameters())
    assert any(
        float(p.grad.abs().max()) > 0 for p in task.networks["critic"].parameters() if p.grad is not None
    )
    found = task.step(_update(task, "generator"), batch)
    assert set(found) == {"loss", "vertex", "smooth", "pixel", "adversarial"}
    parts = {name: float(value.detach()) for name, value in found.items()}
    c = task.config
    wanted = c.vertex * parts["vertex"] + c.smooth * parts["smooth"] + c.pixel * parts["pixel"]
    assert parts["loss"] == pytest.approx(wanted + c.adversarial * parts["adversarial"], rel=1e-5)


def test_a_network_of_identity_is_asked_about_renderings(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = torch.nn.Sequential(torch.nn.AvgPool2d(80), torch.nn.Flatten())
    monkeypatch.setattr("wholeface.lab.train.recipes.texture_graph.load_network", lambda name: (embed, None))
    task = _task(store, adversarial=0.0, embedding="anybody")
    batch = task.load(np.arange(2), torch.Generator().manual_seed(0))
    found = task.step(_update(task, "generator"), batch)
    assert 0 < float(found["identity"].detach()) < 0.1
    same = task.step(_update(task, "generator"), {**batch, "target": batch["colours"]})
    assert float(same["identity"].detach()) == pytest.approx(0, abs=1e-6)


def test_as_published_the_network_starts_at_the_model(store: Path) -> None:
    task = _task(store, start="model", adversarial=0.0)
    scores = task.evaluate(task.networks, torch.device("cpu"))
    # Hidden vertices begin at the model's colours, which are lighter than the completed ones.
    assert scores["delta_e"] > scores["delta_e_coarse"]


def test_a_missing_or_foreign_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a store of vertex colours"):
        RECIPE.build(TextureGraphRecipeConfig())
    arrays = {n: np.zeros((1, 5, 3), np.float32) for n in ("colours", "model", "known", "target")}
    write_store(
        tmp_path, "other", [Views("a", ("eyes",), {**arrays, "trust": np.zeros((1, 5), np.float32)})], {}
    )
    with pytest.raises(DataError, match="another face model"):
        _task(tmp_path)


def test_renderings_are_linear_and_show_the_face(model: MorphableModel, mesh: FaceMesh) -> None:
    views = VertexViews(model, mesh, 48, (-40.0, 0.0, 40.0))
    ones = views(torch.ones(1, len(mesh), 1))
    assert ones.shape == (3, 1, 48, 48)
    assert set(ones.round(decimals=4).unique().tolist()) == {0.0, 1.0}
    shares = ones.mean(dim=(1, 2, 3))
    assert 0.2 < float(shares[1]) < 0.7
    assert float(shares[0]) == pytest.approx(float(shares[2]), abs=0.02)
    where = torch.from_numpy(mesh.where)[None]
    front = views(where)[1]
    inside = ones[1, 0] > 0.5
    rows, columns = torch.nonzero(inside, as_tuple=True)
    x, y = front[0][inside], front[1][inside]
    assert (
        float(torch.corrcoef(torch.stack([x, columns.float()]))[0, 1]) > 0.99
    )  # the face's left is image right
    assert float(torch.corrcoef(torch.stack([y, -rows.float()]))[0, 1]) > 0.99
    two = torch.randn(2, len(mesh), 3)
    assert torch.allclose(views(two)[3:], views(two[1:]), atol=1e-5)
    # With the head turned to the left (yaw +40°), its right cheek comes to the front.
    assert (
        float(views(where)[2][0][ones[2, 0] > 0.5].mean())
        * float(views(where)[0][0][ones[0, 0] > 0.5].mean())
        < 0
    )

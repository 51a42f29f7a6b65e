"""Colours at the face mesh's vertices, and what the refinement does to a texture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.srgb import LINEAR_OF_BYTE
from wholeface.errors import ModelFileError
from wholeface.networks import (
    TextureGraphNet,
    TextureGraphNetConfig,
    WeightCard,
    has_weights,
    load_network,
    save_weights,
    weights_file,
)
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Networks, Tools
from wholeface.stages.texture import MODEL, OBSERVED
from wholeface.stages.texture.completion import TextureCompletion
from wholeface.stages.texture.graph import (
    FEATURES,
    RefineSettings,
    face_mesh,
    network_inputs,
    vertex_colours,
    with_change,
)
from wholeface.stages.texture.graph_refinement import GraphRefinement
from wholeface.stages.texture.uv.atlas import atlas_of

CONFIG = TextureGraphNetConfig(FEATURES, (4, 6, 8, 8, 8), 3, 5, 1)


@pytest.fixture(scope="module")
def done(head: Any, scene_of: Any) -> FaceState:
    """A rendered face of which a box hides a part, completed."""
    return _completed(scene_of(head, boxes=((120, 250, 190, 300),)))


def _completed(scene: Any) -> FaceState:
    face = FaceState(
        read_photo(scene.photo),
        FaceLandmarks.from_points(np.zeros((68, 2)), "ibug68"),
        fit=FaceFit(scene.model, scene.parameters, scene.camera),
        mask=MaskEstimate(scene.mask, scene.mask > -1),
    )
    return TextureCompletion(size=128)([face], Tools(model=scene.model))[0]


def _weights(folder: Path, *, vertices: int = 0, level: float = 0.0) -> str:
    """A weight file whose network multiplies every colour by exp(1.5 tanh(level / 1.5))."""
    network = TextureGraphNet(replace(CONFIG, vertices=vertices))
    torch.nn.init.constant_(network.residual.bias, level)
    file = folder / f"net_{vertices}_{level}.safetensors"
    card = WeightCard(
        "net", "1", "A test.", "MIT", architecture="TextureGraphNet",
        architecture_config={**vars(network.config), "channels": list(network.config.channels)},
    )  # fmt: skip
    save_weights(file, network.state_dict(), card)
    return str(file)


def test_the_face_mesh_of_the_shipped_model_is_face_and_ears() -> None:
    from wholeface.morphable import load_model

    model = load_model("wholeface")
    mesh = face_mesh(model)
    assert mesh is face_mesh(model)
    wanted = model.region("face", "ears").numpy()
    assert wanted[mesh.chosen].all()
    assert len(mesh) == wanted.sum()
    assert not model.region("eyeballs", "teeth", "inner_mouth").numpy()[mesh.chosen].all()
    sizes = [len(level) for level in mesh.hierarchy.levels]
    assert sizes == [5430, 1358, 340, 85, 29]
    assert mesh.mirror is not None
    assert np.array_equal(mesh.mirror[mesh.mirror], np.arange(len(mesh)))
    assert np.allclose(mesh.where[mesh.mirror], mesh.where * [-1, 1, 1], atol=1e-5)


def test_colours_at_vertices_are_those_around_them(done: FaceState, head: Any, scene_of: Any) -> None:
    assert done.texture is not None
    assert done.fit is not None
    found = vertex_colours(head, done.texture, done.fit.parameters)
    scene = scene_of(head, boxes=((120, 250, 190, 300),))
    chosen = face_mesh(head).chosen
    clear = found.observed > 0.99
    assert 0.2 < clear.mean() < 0.9
    assert (found.observed + found.mirrored <= 1 + 1e-5).all()
    off = found.colours - np.log(scene.albedo[chosen])
    assert np.abs(off[clear] - np.median(off[clear], axis=0)).mean() < 0.05
    wanted = head.albedo.vertices(done.fit.parameters.albedo).numpy()[chosen]
    assert np.allclose(np.exp(found.model), wanted, rtol=1e-4)


def test_a_uniform_texture_gives_uniform_colours_wherever_vertices_lie(done: FaceState, head: Any) -> None:
    assert done.texture is not None
    assert done.fit is not None
    plain = replace(done.texture, texture=np.full_like(done.texture.texture, 128))
    found = vertex_colours(head, plain, done.fit.parameters)
    assert np.allclose(np.exp(found.colours), LINEAR_OF_BYTE[128], rtol=1e-4)
    assert len(found.colours) == len(face_mesh(head))


def test_inputs_by_hand() -> None:
    colours, model = torch.tensor([[[-1.0, -2, -3]]]), torch.tensor([[[-1.5, -2, -2]]])
    known, where = torch.tensor([[[1.0, 0, 0.7]]]), torch.tensor([[0.1, 0.2, 0.3]])
    first, features = network_inputs(colours, model, known, where)
    assert torch.allclose(first, torch.tensor([[[0.6, -0.4, -1.4]]]))
    assert torch.allclose(features, torch.tensor([[[-0.5, 0, 1, 1, 0, 0.7, 0.1, 0.2, 0.3]]]))
    assert features.shape[-1] == FEATURES


def test_a_change_reaches_what_is_made_up_and_nothing_else(done: FaceState, head: Any) -> None:
    assert done.texture is not None
    assert done.fit is not None
    mesh, texture = face_mesh(head), done.texture
    kept = vertex_colours(head, texture, done.fit.parameters).kept
    factor = np.log(np.array([0.8, 1.1, 1.0], np.float32))
    change = np.tile(factor, (len(mesh), 1))
    new = with_change(head, texture, change, kept)
    assert np.array_equal(
        new.texture[texture.provenance == OBSERVED], texture.texture[texture.provenance == OBSERVED]
    )
    assert np.array_equal(new.provenance, texture.provenance)
    atlas = atlas_of(head, 128)
    corners = head.triangles.numpy()[atlas.triangle]
    full = np.ones(head.vertex_count)
    full[mesh.chosen] = kept
    half = np.sort(
        np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    )
    pairs, uses = np.unique(half, axis=0, return_counts=True)
    full[mesh.chosen[pairs[uses == 1]]] = 1  # beyond the rim nothing changes
    deep = (full[corners] == 0).all(axis=1)  # far from what is seen
    rows = atlas.texel[deep]
    ratio = (
        LINEAR_OF_BYTE[new.texture.reshape(-1, 3)[rows]]
        / LINEAR_OF_BYTE[texture.texture.reshape(-1, 3)[rows]]
    )
    assert deep.sum() > 50
    assert np.allclose(ratio, np.exp(factor), rtol=0.06)  # bytes
    half = with_change(head, texture, change, kept, RefineSettings(strength=0.5))
    ratio = (
        LINEAR_OF_BYTE[half.texture.reshape(-1, 3)[rows]]
        / LINEAR_OF_BYTE[texture.texture.reshape(-1, 3)[rows]]
    )
    assert np.allclose(ratio, np.exp(0.5 * factor), rtol=0.06)
    everywhere = with_change(head, texture, change, kept, RefineSettings(observed=True))
    seen = (texture.provenance == OBSERVED) & (texture.texture.min(axis=2) > 40)
    ratio = LINEAR_OF_BYTE[everywhere.texture[seen]] / LINEAR_OF_BYTE[texture.texture[seen]]
    assert np.median(ratio[:, 0]) == pytest.approx(0.8, abs=0.03)


def test_what_a_generator_made_keeps_its_colour(done: FaceState, head: Any, tmp_path: Path) -> None:
    assert done.texture is not None
    assert done.fit is not None
    made = done.texture.provenance == MODEL
    made[: made.shape[0] // 2] = False
    lent = replace(done.texture, provenance=np.where(made, np.uint8(4), done.texture.provenance))
    found = vertex_colours(head, lent, done.fit.parameters)
    before = vertex_colours(head, done.texture, done.fit.parameters)
    assert np.allclose(found.kept - found.observed, found.mirrored - before.mirrored, atol=1e-6)
    assert (found.kept > before.kept + 0.9).any()
    stage = GraphRefinement(network=_weights(tmp_path, level=-0.5))
    (darker,) = stage([done.with_(texture=lent)], Tools(head))
    assert darker.texture is not None
    assert np.array_equal(darker.texture.texture[made], lent.texture[made])
    assert not np.array_equal(darker.texture.texture, lent.texture)


def test_an_untrained_network_leaves_the_texture(done: FaceState, tmp_path: Path) -> None:
    assert done.texture is not None
    assert done.fit is not None
    tools = Tools(done.fit.model)
    (same,) = GraphRefinement(network=_weights(tmp_path))([done], tools)
    assert same.texture is not None
    off = same.texture.texture.astype(int) - done.texture.texture
    assert np.abs(off).max() <= 1
    (darker,) = GraphRefinement(network=_weights(tmp_path, level=-0.5))([done], tools)
    assert darker.texture is not None
    made_up = done.texture.provenance == MODEL
    seen = done.texture.provenance == OBSERVED
    fall = done.texture.texture[made_up].astype(int) - darker.texture.texture[made_up]
    assert fall.min() >= 0
    assert (fall > 20).mean() > 0.02  # the rest of what is made up is scalp and neck
    assert np.array_equal(darker.texture.texture[seen], done.texture.texture[seen])


def test_a_network_of_another_mesh_changes_nothing(done: FaceState, tmp_path: Path) -> None:
    assert done.fit is not None
    stage = GraphRefinement(network=_weights(tmp_path, vertices=17, level=1.0))
    assert stage([done], Tools(done.fit.model)) == [done]


def test_a_network_of_another_kind_is_refused(done: FaceState) -> None:
    assert done.fit is not None
    with pytest.raises(ModelFileError, match="needs a TextureGraphNet"):
        GraphRefinement(network="eyewear")([done], Tools(done.fit.model))


@pytest.mark.skipif(not has_weights("texture_graph"), reason="needs the shipped weights")
def test_a_folder_of_other_weights_need_not_hold_this_network(done: FaceState, tmp_path: Path) -> None:
    assert done.fit is not None
    tools = Tools(done.fit.model, Networks(weights=tmp_path))
    assert GraphRefinement()([done], tools) == [done]  # the shipped one belongs to the shipped model's mesh


@pytest.mark.skipif(not has_weights("texture_graph"), reason="needs the shipped weights")
def test_the_shipped_network_belongs_to_the_shipped_model() -> None:
    from wholeface.morphable import load_model

    network, card = load_network("texture_graph")
    mesh = face_mesh(load_model("wholeface"))
    assert isinstance(network, TextureGraphNet)
    assert network.config.vertices == len(mesh)
    assert weights_file("texture_graph").stat().st_size < 2 * 2**20
    assert card.scores["delta_e"] < card.scores["delta_e_coarse"]


def test_models_without_uv_are_refined_at_their_vertices(head: Any, scene_of: Any, tmp_path: Path) -> None:
    bare = replace(head, uv=None, uv_triangles=None)
    face = _completed(scene_of(bare, boxes=((120, 250, 190, 300),)))
    assert face.texture is not None
    assert face.texture.per_vertex
    (darker,) = GraphRefinement(network=_weights(tmp_path, level=-0.5))([face], Tools(bare))
    assert darker.texture is not None
    moved = (darker.texture.texture != face.texture.texture).any(axis=1)
    assert moved.any()
    assert not moved[face.texture.provenance == OBSERVED].any()

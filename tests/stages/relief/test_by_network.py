"""The stage: relief where skin is seen, none where it is hidden, the same alone and in a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError
from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel
from wholeface.networks import ReliefNet, ReliefNetConfig, WeightCard, has_weights, save_weights
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo, warp
from wholeface.stages import BumpMap, FaceFit, FaceState, MaskEstimate, Networks, Tools
from wholeface.stages.relief import relief_input
from wholeface.stages.relief.by_network import ReliefByNetwork

SIZE = 128
BOX = (170, 215, 60, 190)


def _face(model: MorphableModel, scene_of: Callable[..., Any], box: tuple[int, int, int, int]) -> FaceState:
    scene = scene_of(model, boxes=(box,))
    fit = FaceFit(model, scene.parameters, scene.camera)
    marks = model.landmarks_68.points(fit.posed.points, model.triangles)
    points = scene.camera.project(marks).numpy().astype(np.float64)
    state = FaceState(read_photo(scene.photo), FaceLandmarks.from_points(points, "ibug68"), fit=fit)
    return state.with_(mask=MaskEstimate(scene.mask, np.ones(scene.mask.shape, bool)))


def _weights(folder: Path, *, height: float, trust: tuple[float, float] = (1.0, 0.0)) -> Path:
    """A network that says the same of everything: ``height`` in mm, give or take 0.1 mm."""
    config = ReliefNetConfig(input_size=SIZE, widths=(4, 4, 4, 4), blocks=(0, 0, 0, 0), fine=4, trust=trust)
    network = ReliefNet(config)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([height / 0.2, np.log(0.5)]))  # type: ignore[union-attr]
    card = WeightCard(
        "relief", "1", "constant", "MIT", architecture="ReliefNet", architecture_config=asdict(config)
    )
    save_weights(folder / "relief.safetensors", network.state_dict(), card)
    return folder


def _bump(face: FaceState, weights: Path, model: MorphableModel) -> BumpMap:
    found = ReliefByNetwork()([face], Tools(model=model, networks=Networks(weights=weights)))[0].bump
    assert found is not None
    return found


def test_relief_is_where_skin_is_seen_and_nowhere_else(
    head: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    face = _face(head, scene_of, BOX)
    bump = _bump(face, _weights(tmp_path, height=-0.4), head)
    maps, where = relief_input(face, SIZE)
    assert bump.crop == where.crop
    assert bump.displacement.dtype == bump.confidence.dtype == np.float32
    assert bump.displacement.shape == bump.provenance.shape == bump.confidence.shape == (SIZE, SIZE)
    seen = maps.visible > 127
    np.testing.assert_array_equal(bump.provenance == Provenance.OBSERVED, seen)
    assert (bump.displacement[~seen] == 0).all()
    assert (bump.confidence[~seen] == 0).all()
    assert bump.displacement.min() == pytest.approx(-0.4, abs=1e-5)
    assert (bump.displacement <= 0).all()
    hidden = warp(face.mask.occluder, where.crop, (SIZE, SIZE)) > 0.99
    assert (bump.provenance[hidden & maps.face] == Provenance.MODEL).mean() > 0.9
    assert (bump.provenance[~maps.face] == Provenance.NONE).all()


def test_it_fades_towards_the_border_and_stays_within_3_mm(
    head: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    from scipy.ndimage import distance_transform_edt

    bump = _bump(_face(head, scene_of, BOX), _weights(tmp_path, height=50.0), head)
    inwards = distance_transform_edt(bump.provenance == Provenance.OBSERVED)
    assert bump.displacement.max() == 3
    assert (bump.displacement[inwards >= 4] == 3).all()
    rim = bump.displacement[(inwards > 0) & (inwards <= 1)]
    assert rim.mean() < 1.2
    steps = np.abs(np.diff(bump.displacement, axis=1))
    assert steps.max() < 2


def test_what_the_network_doubts_is_shrunk(
    head: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    face = _face(head, scene_of, BOX)
    bump = _bump(face, _weights(tmp_path, height=0.2, trust=(0.9, 2.0)), head)
    # 0.2 mm, expected to be off by 0.1: 0.04 / (0.04 + 2 · 0.01)
    assert bump.displacement.max() == pytest.approx(0.2 * 0.9 * 2 / 3, rel=1e-4)
    assert bump.confidence.max() == pytest.approx(0.5, rel=1e-4)


def test_faces_are_alike_alone_and_in_a_batch(
    head: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = ReliefNetConfig(input_size=SIZE, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), fine=6)
    network = ReliefNet(config)
    torch.nn.init.normal_(network.head.weight, std=0.5)
    card = WeightCard(
        "relief", "1", "random", "MIT", architecture="ReliefNet", architecture_config=asdict(config)
    )
    save_weights(tmp_path / "relief.safetensors", network.state_dict(), card)
    tools = Tools(model=head, networks=Networks(weights=tmp_path))
    faces = [_face(head, scene_of, box) for box in (BOX, (100, 150, 150, 280), (60, 99, 90, 250))]
    together = ReliefByNetwork(batch=2)(faces, tools)
    assert [face.with_(bump=None).mask is given.mask for face, given in zip(together, faces)] == [True] * 3
    for face, found in zip(faces, together):
        alone = ReliefByNetwork()([face], tools)[0]
        assert alone.bump is not None
        assert found.bump is not None
        assert np.abs(found.bump.displacement).max() > 1e-3
        np.testing.assert_allclose(alone.bump.displacement, found.bump.displacement, atol=1e-4)
        np.testing.assert_array_equal(alone.bump.provenance, found.bump.provenance)


def test_missing_weights_are_named(
    head: MorphableModel, scene_of: Callable[..., Any], tmp_path: Path
) -> None:
    stage = ReliefByNetwork(weights=str(tmp_path / "nowhere.safetensors"))
    with pytest.raises(ModelFileError, match="nowhere"):
        stage([_face(head, scene_of, BOX)], Tools(model=head))


@pytest.mark.skipif(not has_weights("relief"), reason="needs the weights")
def test_the_shipped_network_sees_a_groove(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    face = _face(head, scene_of, BOX)
    plain = ReliefByNetwork()([face], Tools(model=head))[0].bump
    assert plain is not None
    assert plain.displacement.shape == (256, 256)
    assert np.abs(plain.displacement).mean() < 0.1

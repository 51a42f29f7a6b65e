"""The stages of FOCUS on a rendered photo: an encoder that knows the face, a network that compares colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.methods import MethodOptions, get_method
from wholeface.morphable import LAYOUTS, MorphableModel, Parameters, load_model
from wholeface.networks import ParameterNet, ParameterNetConfig, UNet, compact_unet
from wholeface.networks.registry import load_network
from wholeface.networks.weights import WeightCard, save_weights
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.render import Camera, ambient_light, directional_light
from wholeface.stages import FaceState, Networks, Tools, run_stages
from wholeface.stages.face_renderer import FaceRenderer
from wholeface.stages.mask.by_comparison import MaskByComparison
from wholeface.stages.shape.by_encoder import FitByEncoder
from wholeface.stages.shape.by_student import student_crop
from wholeface.stages.shape.crop_layout import complete_layout, crop_vector
from wholeface.stages.shape.regressed import usual_vector

SIZE, EDGE = 64, 240


@dataclass(frozen=True)
class Scene:
    """A rendered face of which a green box hides the nose and half of the mouth."""

    model: MorphableModel
    parameters: Parameters
    camera: Camera
    photo: np.ndarray
    region: np.ndarray
    hidden: np.ndarray
    marks: np.ndarray


def _save(folder: Path, name: str, network: nn.Module) -> None:
    state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    card = WeightCard(
        *(name, "1", "made up", "CC0-1.0"),
        architecture=type(network).__name__,
        architecture_config=asdict(network.config),  # type: ignore[arg-type]
    )
    save_weights(folder / f"{name}.safetensors", state, card)


def _comparing() -> UNet:
    """Calls a pixel face where the greens of both images differ by less than 0.15."""
    network = UNet(replace(compact_unet(SIZE, classes=1, inputs=6), width=4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first, last = network.downs[0], network.joins[-1]
        first[0].weight[0, 1, 1, 1], first[0].weight[0, 4, 1, 1] = 1, -1
        first[0].weight[1, 1, 1, 1], first[0].weight[1, 4, 1, 1] = -1, 1
        first[3].weight[0, :2, 1, 1] = 1
        last[0].weight[0, 0, 1, 1] = last[3].weight[0, 0, 1, 1] = 1
        for norm in (first[1], first[4], last[1], last[4]):
            norm.weight[:2] = 1
        network.head.weight[0, 0] = -40
        network.head.bias[0] = 40 * 2 * 0.15
    return network


@pytest.fixture(scope="module")
def scene() -> Scene:
    model, camera = load_model(), Camera.of_photo(EDGE, EDGE, 1.5 * EDGE)
    draw = torch.Generator().manual_seed(2)
    parameters = Parameters(
        identity=0.6 * torch.randn(model.identity_size, generator=draw),
        expression=torch.zeros(model.expression_size),
        albedo=0.5 * torch.randn(model.albedo_size, generator=draw),
        light=0.5 * ambient_light() + 0.4 * directional_light((0.4, 0.2, 0.9)),
        rotation=torch.tensor([0.1, -0.15, 0.05]),
        translation=torch.tensor([4.0, 10.0, -520.0]),
    )
    renderer, one = FaceRenderer.of(model), replace(parameters, **_each(parameters, lambda v: v[None]))
    drawn = renderer(one, camera)
    image = drawn.over(torch.full((1, 3, EDGE, EDGE), 0.4))[0].clamp(0, 1).permute(1, 2, 0)
    photo = (image * 255).round().byte().numpy().copy()
    marks = renderer.landmarks(one, camera)[0].double().numpy()
    left, top = np.rint(marks[30]).astype(int)
    hidden = np.zeros((EDGE, EDGE), bool)
    hidden[top - 15 : top + 30, left : left + 60] = True
    photo[hidden] = (10, 230, 40)
    return Scene(model, parameters, camera, photo, drawn.region[0, 0].numpy() > 0, hidden, marks)


def _each(parameters: Parameters, change: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: change(getattr(parameters, name)) for name, _ in parameters.layout.blocks}


@pytest.fixture
def state(scene: Scene) -> FaceState:
    return FaceState(read_photo(scene.photo), FaceLandmarks.from_points(scene.marks, "ibug68"))


@pytest.fixture
def tools(scene: Scene, state: FaceState, tmp_path: Path) -> Tools:
    model = scene.model
    layout = complete_layout(model.identity_size, model.expression_size, model.albedo_size)
    crop = student_crop(model, state.landmarks, SIZE)
    one = replace(scene.parameters, **_each(scene.parameters, lambda value: value[None]))
    known = crop_vector(one, scene.camera, torch.from_numpy(crop.matrix).float()[None], SIZE)[0]
    encoder = ParameterNet(ParameterNetConfig(layout.blocks, "compact", SIZE, 0.25, 16))
    encoder.set_statistics(known, torch.ones_like(known))
    nn.init.zeros_(encoder.head.weight)
    _save(tmp_path, "focus", encoder)
    _save(tmp_path, "focus_mask", _comparing())
    return Tools(model=model, networks=Networks(weights=tmp_path))


def test_the_fit_is_what_the_encoder_says(scene: Scene, state: FaceState, tools: Tools) -> None:
    focal = float(scene.camera.focal)
    found = FitByEncoder(focal=focal)([state, state], tools)[1].fit
    assert found is not None
    for name in ("identity", "expression", "albedo", "rotation", "translation", "light"):
        assert torch.allclose(
            getattr(found.parameters, name), getattr(scene.parameters, name), rtol=1e-4, atol=1e-3
        ), name
    assert found.landmark_rms < 0.05
    # Without a focal length the encoder's distance tells it: the same picture.
    guessed = FitByEncoder()([state], tools)[0].fit
    assert guessed is not None
    assert float(guessed.camera.focal) == pytest.approx(focal, rel=1e-3)


def test_the_published_layout_brings_its_camera(
    scene: Scene, state: FaceState, tools: Tools, tmp_path: Path
) -> None:
    crop = student_crop(scene.model, state.landmarks, SIZE)
    marks = torch.from_numpy(crop.apply(scene.marks)).float()
    encoder = ParameterNet(ParameterNetConfig(LAYOUTS["257"].blocks, "compact", SIZE, 0.25, 16))
    encoder.set_statistics(*usual_vector(LAYOUTS["257"], scene.model, marks, SIZE))
    nn.init.zeros_(encoder.head.weight)
    (tmp_path / "published").mkdir()
    _save(tmp_path / "published", "focus", encoder)
    found = FitByEncoder(weights=str(tmp_path / "published" / "focus.safetensors"))([state], tools)[0].fit
    assert found is not None
    assert found.camera.cx != pytest.approx((EDGE - 1) / 2, abs=0.5)
    assert found.landmark_rms < 8  # the mean face, upright, of the scene's size
    assert not found.parameters.identity.any()


def test_the_mask_is_what_the_rendering_does_not_explain(
    scene: Scene, state: FaceState, tools: Tools
) -> None:
    stages = [FitByEncoder(focal=float(scene.camera.focal)), MaskByComparison()]
    found = run_stages(stages, [state], tools)[0]
    assert isinstance(found, FaceState)
    assert found.mask is not None
    region, hidden, truth = found.mask.face_region, found.mask.hidden, scene.hidden
    assert (region & scene.region).sum() / (region | scene.region).sum() > 0.97
    assert not (hidden & ~region).any()
    assert (region & truth).sum() > 1_000
    assert (hidden & truth).sum() / (region & (truth | hidden)).sum() > 0.85
    assert (hidden & ~truth).sum() < 0.02 * region.sum()


@pytest.mark.parametrize("refine", [False, True])
def test_the_method_completes_the_head(refine: bool, scene: Scene, state: FaceState, tools: Tools) -> None:
    method = get_method("focus")
    stages = method.build(
        MethodOptions(texture_size=64, focal=float(scene.camera.focal), refine=refine), tools
    )
    found = run_stages(stages, [state], tools)[0]
    assert isinstance(found, FaceState)
    assert found.texture is not None
    assert found.fit is not None
    kept = torch.equal(found.fit.parameters.identity, scene.parameters.identity)
    assert kept or refine


def test_an_encoder_of_another_model_is_refused(
    small_model: MorphableModel, state: FaceState, tools: Tools
) -> None:
    with pytest.raises(UsageError, match="face model 'egg' needs"):
        FitByEncoder()([state], replace(tools, model=small_model))


def test_missing_weights_say_how_to_train_them(tmp_path: Path) -> None:
    for name in ("focus", "focus_mask"):
        with pytest.raises(ModelFileError, match="wholeface train focus"):
            load_network(name, tmp_path)

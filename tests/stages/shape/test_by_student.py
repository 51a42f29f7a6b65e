"""The student's stage: its vector becomes a fit in the photo, wherever the face lies and however it is turned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.morphable import MorphableModel, Parameters, dense_embedding, load_model
from wholeface.networks import ParameterNet, ParameterNetConfig, WeightCard, save_weights
from wholeface.perceive import FaceLandmarks
from wholeface.photo import Photo
from wholeface.render import Camera, ambient_light, directional_light, rotation_from_degrees, to_camera
from wholeface.stages import FaceState, Tools
from wholeface.stages.shape.by_student import ParametersByStudent, student_crop
from wholeface.stages.shape.crop_layout import complete_layout, crop_vector

WIDTH, HEIGHT, FOCAL = 320, 240, 600.0


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model("wholeface")


@pytest.fixture(scope="module")
def known(model: MorphableModel) -> Parameters:
    g = torch.Generator().manual_seed(0)
    return Parameters(
        identity=0.5 * torch.randn(model.identity_size, generator=g),
        expression=0.2 * torch.rand(model.expression_size, generator=g),
        albedo=torch.randn(model.albedo_size, generator=g),
        light=ambient_light(0.5) + directional_light((0.3, 0.4, 0.9), (0.5, 0.4, 0.3)),
        rotation=rotation_from_degrees(25.0, -8.0, 15.0),
        translation=torch.tensor([90.0, -40.0, -800.0]),
    )


def _face(model: MorphableModel, known: Parameters, scheme: str = "wholeface668") -> FaceState:
    camera = Camera.of_photo(WIDTH, HEIGHT, FOCAL)
    shape = to_camera(model.vertices(known.identity, known.expression), known.rotation, known.translation)
    assert model.landmarks_68 is not None
    points = torch.cat(
        [
            model.landmarks_68.points(shape, model.triangles),
            dense_embedding(model).points(shape, model.triangles),
        ]
    )
    found = FaceLandmarks.from_points(camera.project(points).double().numpy(), "wholeface668")
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return FaceState(Photo(pixels, None, None, "drawn", "array", ()), found.as_scheme(scheme))  # type: ignore[arg-type]


def _student(folder: Path, blocks: tuple[tuple[str, int], ...], vector: torch.Tensor) -> Path:
    """A network that always answers the same."""
    network = ParameterNet(ParameterNetConfig(blocks, "compact", 64, 0.25))
    network.set_statistics(vector, torch.ones_like(vector))
    torch.nn.init.zeros_(network.head.weight)
    card = WeightCard(
        name="student", version="0", description="always the same", licence="MIT", architecture="ParameterNet",
        architecture_config={
            "blocks": [list(block) for block in blocks], "backbone": "compact", "input_size": 64, "width": 0.25,
        },
    )  # fmt: skip
    tensors = {n: t for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    save_weights(folder / "student.safetensors", tensors, card)
    return folder / "student.safetensors"


def _layout(model: MorphableModel) -> tuple[tuple[str, int], ...]:
    return complete_layout(model.identity_size, model.expression_size, model.albedo_size).blocks


@pytest.mark.parametrize("focal", [FOCAL, None])
def test_the_vector_of_a_face_becomes_its_fit(
    model: MorphableModel, known: Parameters, tmp_path: Path, focal: float | None
) -> None:
    face = _face(model, known)
    crop = torch.from_numpy(student_crop(model, face.landmarks, 64).matrix)[None]
    batched = Parameters(**{name: getattr(known, name)[None].double() for name in vars(known)})
    vector = crop_vector(batched, Camera.of_photo(WIDTH, HEIGHT, FOCAL), crop, 64)[0].float()
    stage = ParametersByStudent(focal=focal, weights=str(_student(tmp_path, _layout(model), vector)))
    (done,) = stage([face], Tools(model=model))
    assert done.fit is not None
    for name in vars(known):
        torch.testing.assert_close(
            getattr(done.fit.parameters, name), getattr(known, name), rtol=2e-4, atol=2e-4, msg=name
        )
    assert float(done.fit.camera.focal) == pytest.approx(FOCAL, rel=1e-4)
    assert (done.fit.camera.width, done.fit.camera.height) == (WIDTH, HEIGHT)
    assert done.fit.landmark_rms < 0.01


def test_68_landmarks_place_nearly_the_same_crop(model: MorphableModel, known: Parameters) -> None:
    corners = np.array([[0.0, 0.0], [127.0, 127.0]])
    whole = student_crop(model, _face(model, known).landmarks, 128)
    few = student_crop(model, _face(model, known, "ibug68").landmarks, 128)
    moved = whole.apply(few.inverse().apply(corners))
    assert np.abs(moved - corners).max() < 20  # a sixth of the crop, of a face that is turned by 25 degrees


def test_several_faces_are_one_batch_and_stay_in_order(
    model: MorphableModel, known: Parameters, tmp_path: Path
) -> None:
    layout = _layout(model)
    vector = torch.zeros(sum(size for _, size in layout))
    vector[-4:] = torch.tensor([np.log(1 / 200), 0.0, 0.0, np.log(0.8)])
    stage = ParametersByStudent(weights=str(_student(tmp_path, layout, vector)), batch=2)
    aside = known.with_(translation=known.translation + torch.tensor([-120.0, 0.0, 0.0]))
    faces = [_face(model, known), _face(model, aside), _face(model, known)]
    done = stage(faces, Tools(model=model))
    x = [float(face.fit.parameters.translation[0]) for face in done if face.fit is not None]
    assert x[0] == x[2]
    assert x[1] < x[0] - 60


def test_other_models_and_other_networks_are_refused(
    model: MorphableModel, small_model: MorphableModel, known: Parameters, tmp_path: Path
) -> None:
    vector = torch.zeros(sum(size for _, size in _layout(model)))
    stage = ParametersByStudent(weights=str(_student(tmp_path, _layout(model), vector)))
    with pytest.raises(UsageError, match="needs 6 identity"):
        stage([_face(model, known)], Tools(model=small_model))
    with pytest.raises(ModelFileError, match="no such weight file"):
        ParametersByStudent(weights=str(tmp_path / "none.safetensors"))(
            [_face(model, known)], Tools(model=model)
        )

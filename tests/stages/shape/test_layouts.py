"""Published parameter vectors to our parameters and cameras, and back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import LAYOUTS, AlbedoModel, MorphableModel
from wholeface.render import Camera, pose_degrees, rotation_matrix, sh_basis, to_camera
from wholeface.stages.shape import parameters_from_vector, vector_from_parameters
from wholeface.stages.shape.layouts import deep3d_camera

CAMERA = Camera(900.0, 111.5, 111.5, 224, 224)


def _model(
    small: MorphableModel, identity: int, expression: int, albedo: int, **changes: object
) -> MorphableModel:
    count = small.vertex_count
    generator = torch.Generator().manual_seed(1)
    modes = torch.randn(identity + expression, count, 3, generator=generator)
    names = tuple(f"expression_{i:02d}" for i in range(expression))
    colours = AlbedoModel("srgb", torch.full((count, 3), 0.5), torch.zeros(albedo, count, 3))
    changes = {"expression_names": names, **changes}
    return replace(small, identity=modes[:identity], expression=modes[identity:], albedo=colours, **changes)


def _fitting(small: MorphableModel, layout: str) -> MorphableModel:
    if layout == "236":
        names = (*(f"expression_{i:02d}" for i in range(50)), "jawOpen")
        rig = torch.full((5, small.vertex_count), 1 / small.vertex_count)
        rig[0, :50] += 0.01  # a root joint away from the origin
        return _model(small, 100, 51, 50, expression_names=names, extras={"joint_regressor": rig})
    return _model(small, 80, 64, 80)


def _vector(layout: str, batch: tuple[int, ...] = ()) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    found = LAYOUTS[layout]
    parts = {n: torch.randn(*batch, s, generator=generator, dtype=torch.float64) for n, s in found.blocks}
    for name in ("rotation", "pose"):
        if name in parts:
            parts[name] = 0.3 * parts[name]
    if layout == "236":
        parts["pose"][..., 4:] = 0
        parts["camera"] = torch.tensor([7.5, 0.02, -0.03], dtype=torch.float64).expand(*batch, 3)
    if "scale" in parts:
        parts["scale"] = torch.full((*batch, 1), 1.1, dtype=torch.float64)
        parts["shift"] = 112 + 5 * parts["shift"]
    return found.join(parts)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("batch", [(), (3,)])
def test_there_and_back_is_the_same_vector(
    small_model: MorphableModel, layout: str, batch: tuple[int, ...]
) -> None:
    model, vector = _fitting(small_model, layout), _vector(layout, batch)
    parameters, camera = parameters_from_vector(vector, layout, model, None if layout == "257" else CAMERA)
    assert parameters.identity.shape == (*batch, model.identity_size)
    assert parameters.expression.shape == (*batch, model.expression_size)
    assert parameters.light.shape == (*batch, 9, 3)
    back = vector_from_parameters(parameters, camera, layout, model)
    torch.testing.assert_close(back, vector, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", ["239", "175"])
def test_scale_and_shift_are_what_the_image_shows(small_model: MorphableModel, layout: str) -> None:
    model = _fitting(small_model, layout)
    parts = LAYOUTS[layout].split(_vector(layout))
    parts["rotation"] = torch.tensor([0.0, math.radians(20), 0.0], dtype=torch.float64)
    parts["scale"], parts["shift"] = torch.tensor([0.9]).double(), torch.tensor([130.0, 95.0]).double()
    parameters, camera = parameters_from_vector(LAYOUTS[layout].join(parts), layout, model, CAMERA)
    yaw = pose_degrees(parameters.rotation)[0]
    assert float(yaw) == pytest.approx(20.0, abs=1e-9)
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    seen = camera.project(to_camera(points, parameters.rotation, parameters.translation))
    torch.testing.assert_close(seen[0], parts["shift"])
    torch.testing.assert_close(seen[1] - seen[0], torch.tensor([0.0, -0.9], dtype=torch.float64))


def test_deep3d_light_and_projection_are_those_of_its_code(small_model: MorphableModel) -> None:
    """Against the formulas of the published code, written out."""
    model, vector = _fitting(small_model, "257"), _vector("257")
    parts = LAYOUTS["257"].split(vector)
    parameters, camera = parameters_from_vector(vector, "257", model)
    normal = torch.nn.functional.normalize(torch.tensor([[0.3, -0.5, 0.8]], dtype=torch.float64), dim=1)
    x, y, z = normal[0]
    a = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
    c = (
        1 / math.sqrt(4 * math.pi),
        math.sqrt(3) / math.sqrt(4 * math.pi),
        3 * math.sqrt(5) / math.sqrt(12 * math.pi),
    )
    basis = torch.stack([
        torch.as_tensor(a[0] * c[0]).double(), -a[1] * c[1] * y, a[1] * c[1] * z, -a[1] * c[1] * x,
        a[2] * c[2] * x * y, -a[2] * c[2] * y * z, 0.5 * a[2] * c[2] / math.sqrt(3) * (3 * z**2 - 1),
        -a[2] * c[2] * x * z, 0.5 * a[2] * c[2] * (x**2 - y**2),
    ])  # fmt: skip
    gamma = parts["light"].reshape(3, 9) + torch.tensor([0.8] + [0.0] * 8).double()
    torch.testing.assert_close((sh_basis(normal) @ parameters.light)[0], gamma @ basis)
    point = torch.tensor([[0.2, -0.1, 0.4]], dtype=torch.float64)  # dm
    px, py, pz = parts["rotation"]

    def turn(axis: int, angle: torch.Tensor) -> torch.Tensor:
        return rotation_matrix(torch.eye(3, dtype=torch.float64)[axis] * angle)

    placed = (turn(2, pz) @ turn(1, py) @ turn(0, px) @ point[0]) + parts["translation"]
    depth = 10 - placed[2]
    u, v_up = 1015 * placed[0] / depth + 112, 1015 * placed[1] / depth + 112
    seen = camera.project(to_camera(100 * point, parameters.rotation, parameters.translation))[0]
    torch.testing.assert_close(seen, torch.stack([u, 223 - v_up]))
    assert camera == deep3d_camera()


def test_deca_turns_about_the_root_joint(small_model: MorphableModel) -> None:
    """The root joint stays where the unturned head has it; the jaw's 15° are the weight 1 of jawOpen."""
    model = _fitting(small_model, "236")
    parts = LAYOUTS["236"].split(_vector("236"))
    parts["pose"] = torch.tensor([0.0, 0.5, 0.0, math.radians(15), 0.0, 0.0], dtype=torch.float64)
    turned, _ = parameters_from_vector(LAYOUTS["236"].join(parts), "236", model, CAMERA)
    still = LAYOUTS["236"].join({**parts, "pose": torch.zeros(6, dtype=torch.float64)})
    straight, _ = parameters_from_vector(still, "236", model, CAMERA)
    assert float(turned.expression[-1]) == pytest.approx(1.0)
    joint = model.extras["joint_regressor"][0] @ model.vertices(turned.identity.float())
    places = [to_camera(joint[None].double(), p.rotation, p.translation) for p in (turned, straight)]
    torch.testing.assert_close(places[0], places[1])


def test_basis_sizes_are_changed_only_on_request(small_model: MorphableModel) -> None:
    vector = _vector("239")
    with pytest.raises(UsageError, match=r"80 identity coefficients where 6 are needed .*resize=True"):
        parameters_from_vector(vector, "239", small_model, CAMERA)
    parameters, camera = parameters_from_vector(vector, "239", small_model, CAMERA, resize=True)
    torch.testing.assert_close(parameters.identity, vector[:6])
    with pytest.raises(UsageError, match="6 identity coefficients where 80 are needed"):
        vector_from_parameters(parameters, camera, "239", small_model)
    back = LAYOUTS["239"].split(vector_from_parameters(parameters, camera, "239", small_model, resize=True))
    torch.testing.assert_close(back["identity"][:6], vector[:6])
    assert not back["identity"][6:].any()


def test_what_a_layout_cannot_hold_is_refused(small_model: MorphableModel) -> None:
    model = _fitting(small_model, "239")
    parameters, camera = parameters_from_vector(_vector("239"), "239", model, CAMERA)
    coloured = parameters.with_(light=parameters.light * torch.tensor([1.0, 0.9, 0.8]))
    with pytest.raises(UsageError, match="one light for all colours; give lossy=True"):
        vector_from_parameters(coloured, camera, "239", model)
    light = LAYOUTS["239"].split(vector_from_parameters(coloured, camera, "239", model, lossy=True))["light"]
    torch.testing.assert_close(light, 0.9 * parameters.light[:, 0])
    with pytest.raises(UsageError, match="175 has no expression block"):
        vector_from_parameters(parameters, camera, "175", model)
    with pytest.raises(UsageError, match="fixed camera with focal 1015, this one has 900"):
        vector_from_parameters(parameters, camera, "257", model)
    with pytest.raises(UsageError, match="give the camera of the image"):
        parameters_from_vector(_vector("239"), "239", model)
    with pytest.raises(UsageError, match="unknown parameter layout '100'; choose from"):
        parameters_from_vector(_vector("239"), "100", model, CAMERA)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="must be positive"):
        parameters_from_vector(-_vector("239"), "239", model, CAMERA)
    behind = parameters.with_(translation=-parameters.translation)
    with pytest.raises(UsageError, match="not in front of the camera"):
        vector_from_parameters(behind, camera, "239", model)

import dataclasses

import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import Parameters
from wholeface.render import (
    Camera,
    ambient_light,
    directional_light,
    render_mesh,
    render_parameters,
    sample_texture,
    sh_basis,
)

CAMERA = Camera(90.0, 15.5, 17.5, 32, 36)


def face(model, dtype=torch.float64, **changes):
    generator = torch.Generator().manual_seed(4)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    light = ambient_light(0.8, dtype=torch.float64) + 0.1 * normal(9, 3)
    values = {
        "identity": 0.5 * normal(model.identity_size),
        "expression": normal(model.expression_size).abs() * 0.2,
        "albedo": 0.5 * normal(model.albedo_size),
        "light": light,
        "rotation": torch.tensor([0.15, 0.3, -0.1], dtype=torch.float64),
        "translation": torch.tensor([4.0, 3.0, -800.0], dtype=torch.float64),
    }
    return Parameters(**{name: changes.get(name, value).to(dtype) for name, value in values.items()})


def leaves_of(parameters):
    return {
        f.name: getattr(parameters, f.name).clone().requires_grad_() for f in dataclasses.fields(parameters)
    }


def test_image_is_albedo_times_shading(small_model):
    model = small_model.to(dtype=torch.float64)
    parameters = face(model)
    rendering = render_parameters(model, parameters, CAMERA)
    assert rendering.image.shape == rendering.normals.shape == rendering.albedo.shape == (1, 3, 36, 32)
    assert rendering.mask.shape == (1, 36, 32)
    normals = rendering.normals.permute(0, 2, 3, 1)[rendering.mask]
    torch.testing.assert_close(normals.norm(dim=1), torch.ones(len(normals), dtype=torch.float64))
    expected = rendering.albedo.permute(0, 2, 3, 1)[rendering.mask] * (sh_basis(normals) @ parameters.light)
    torch.testing.assert_close(rendering.image.permute(0, 2, 3, 1)[rendering.mask], expected)
    assert (rendering.image.permute(0, 2, 3, 1)[~rendering.mask] == 0).all()
    # The surface that is seen faces the camera: the normal has a component towards it.
    rays = CAMERA.rays(rendering.mask[0].nonzero().flip(1).double())
    assert ((normals * rays).sum(1) < 0.2).all()


def test_sphere_in_closed_form(egg):
    """A fine sphere under a lamp: albedo · light(normal of the hit point), silhouette where tangent."""
    model = egg(120, 240)
    radius, distance = 50.0, 300.0
    points = torch.nn.functional.normalize(model.mean.double(), dim=1) * radius
    points = points + torch.tensor([0.0, 0.0, -distance])
    camera = Camera(200.0, 47.5, 47.5, 96, 96)
    light = directional_light((0.3, 0.5, 0.8), (0.9, 0.7, 0.5), dtype=torch.float64)
    albedo = torch.full_like(points, 0.6)
    rendering = render_mesh(points, model.triangles, camera, light, albedo=albedo)
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    ray = camera.rays(torch.stack((columns, rows), -1).double())
    length = ray.norm(dim=-1)
    along = -ray[..., 2] * distance / length  # distance of the closest approach
    discriminant = radius**2 - distance**2 + along**2
    hit = (along - discriminant.clamp(min=0).sqrt())[..., None] * ray / length[..., None]
    normal = (hit + torch.tensor([0.0, 0.0, distance])) / radius
    well_inside = discriminant > 0.05 * radius**2
    assert rendering.mask[0][well_inside].all()
    assert not rendering.mask[0][discriminant < 0].any()
    expected = 0.6 * (sh_basis(normal) @ light)
    assert (rendering.image[0].permute(1, 2, 0) - expected)[well_inside].abs().max() < 2e-3
    depth_error = (rendering.fragments.depth[0] + hit[..., 2])[well_inside]
    assert depth_error.abs().max() < 0.05


@pytest.mark.parametrize("name", ["identity", "expression", "albedo", "light", "rotation", "translation"])
def test_gradient_of_the_interior_equals_central_differences(small_model, name):
    """Along random directions, on pixels whose triangle does not change (no silhouette gradient)."""
    model = small_model.to(dtype=torch.float64)
    leaves = leaves_of(face(model))
    rendering = render_parameters(model, Parameters(**leaves), CAMERA)
    generator = torch.Generator().manual_seed(8)
    step = torch.randn(leaves[name].shape, generator=generator, dtype=torch.float64)
    epsilon = 1e-6
    sides = []
    for sign in (1, -1):
        moved = Parameters(**{**leaves, name: leaves[name] + sign * epsilon * step})
        sides.append(render_parameters(model, moved, CAMERA))
    same = (sides[0].fragments.triangle == sides[1].fragments.triangle) & rendering.mask
    same &= sides[0].fragments.triangle == rendering.fragments.triangle
    assert same.sum() > 0.9 * rendering.mask.sum()
    weight = torch.randn(rendering.image.shape, generator=generator, dtype=torch.float64) * same[:, None]
    (gradient,) = torch.autograd.grad((rendering.image * weight).sum(), leaves[name])
    numeric = ((sides[0].image - sides[1].image) * weight).sum().detach() / (2 * epsilon)
    analytic = (gradient * step).sum().detach()
    assert float(numeric) == pytest.approx(float(analytic), rel=1e-5)
    assert abs(float(analytic)) > 1e-6


def test_gradient_with_respect_to_camera_and_given_albedo(small_model):
    model = small_model.to(dtype=torch.float64)
    parameters = face(model)
    leaves = [
        torch.tensor([90.0, 15.5, 17.5], dtype=torch.float64, requires_grad=True),
        (0.3 + 0.1 * torch.rand(model.vertex_count, 3, dtype=torch.float64)).requires_grad_(),
    ]

    def render(intrinsics, albedo):
        return render_parameters(model, parameters, Camera(*intrinsics, 32, 36), albedo)

    base = render(*leaves)
    generator = torch.Generator().manual_seed(8)
    for index, leaf in enumerate(leaves):
        step = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        sides = [
            render(*(x + sign * 1e-6 * step if n == index else x for n, x in enumerate(leaves)))
            for sign in (1, -1)
        ]
        same = base.mask & (sides[0].fragments.triangle == sides[1].fragments.triangle)
        weight = torch.randn(base.image.shape, generator=generator, dtype=torch.float64) * same[:, None]
        (gradient,) = torch.autograd.grad((base.image * weight).sum(), leaf, retain_graph=True)
        numeric = ((sides[0].image - sides[1].image) * weight).sum().detach() / 2e-6
        assert float(numeric) == pytest.approx(float((gradient * step).sum().detach()), rel=1e-5)


def test_gradcheck_of_the_shading_functions():
    from wholeface.render._functions import ShadeFunction, UnpackFunction

    generator = torch.Generator().manual_seed(6)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    image = torch.tensor([0, 0, 1, 1, 1])
    place = torch.tensor([1, 5, 0, 3, 4])
    inputs = (normal(5, 3), normal(5, 3), normal(2, 9, 3))
    assert torch.autograd.gradcheck(lambda *x: ShadeFunction.apply(*x, image), inputs)
    assert torch.autograd.gradcheck(
        lambda x: UnpackFunction.apply(x, image, place, (2, 2, 3)), (normal(5, 3),)
    )


def test_without_gradients_the_single_pass_gives_the_same_image(small_model):
    model = small_model
    parameters = face(model, torch.float32)
    camera = Camera(400.0, 63.5, 70.5, 128, 144)
    with torch.no_grad():
        fast = render_parameters(model, parameters, camera)
    slow = render_parameters(model, parameters, camera)
    assert torch.equal(fast.fragments.triangle, slow.fragments.triangle)
    for name in ("image", "normals", "albedo"):
        difference = (getattr(fast, name) - getattr(slow, name)).abs()
        assert difference.mean() < 2e-5, name  # barycentrics: snapped against exact
        assert difference.max() < 0.06, name


def test_a_batch_is_its_single_faces(small_model):
    model = small_model
    first, second = face(model, torch.float32), face(model, torch.float32)
    second = second.with_(rotation=-second.rotation, light=1.5 * second.light, identity=-second.identity)
    both = Parameters(
        **{
            f.name: torch.stack((getattr(first, f.name), getattr(second, f.name)))
            for f in dataclasses.fields(Parameters)
        }
    )
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            together = render_parameters(model, both, CAMERA)
            for n, single in enumerate((first, second)):
                alone = render_parameters(model, single, CAMERA)
                torch.testing.assert_close(together.image[n], alone.image[0], rtol=1e-4, atol=1e-5)


def test_texture_instead_of_vertex_albedo(small_model):
    model = small_model
    parameters = face(model, torch.float32)
    flat = torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 16, 16).clone().requires_grad_()
    textured = render_parameters(model, parameters, CAMERA, texture=flat)
    plain = render_parameters(
        model, parameters, CAMERA, torch.tensor([0.2, 0.4, 0.6]).expand(model.vertex_count, 3)
    )
    torch.testing.assert_close(textured.image, plain.image, rtol=1e-5, atol=1e-6)
    textured.image.sum().backward()
    assert (flat.grad.sum((1, 2)) > 0).all()
    without_uv = dataclasses.replace(model, uv=None, uv_triangles=None)
    with pytest.raises(UsageError, match="no UV"):
        render_parameters(without_uv, parameters, CAMERA, texture=flat)
    with pytest.raises(UsageError, match="not both"):
        render_parameters(model, parameters, CAMERA, texture=flat, triangles=model.triangles[:5])
    with pytest.raises(UsageError, match="albedo"):
        render_mesh(model.mean, model.triangles, CAMERA, parameters.light)
    with pytest.raises(UsageError, match="lights"):
        render_parameters(model, parameters.with_(light=torch.zeros(3, 9, 3)), CAMERA)


def test_subset_of_triangles_and_model_without_albedo(small_model):
    parameters = face(small_model, torch.float32)
    front = small_model.mean[small_model.triangles].mean(1)[:, 2] > 20
    part = render_parameters(small_model, parameters, CAMERA, triangles=small_model.triangles[front])
    whole = render_parameters(dataclasses.replace(small_model, albedo=None), parameters, CAMERA)
    assert part.mask.sum() < whole.mask.sum()
    assert (whole.albedo.permute(0, 2, 3, 1)[whole.mask] - 0.5).abs().max() < 1e-6


def test_texture_convention():
    """Row 0 lies at v = 1, column 0 at u = 0; centres at (i + ½) / S; the border is repeated."""
    texture = torch.arange(12, dtype=torch.float64).reshape(1, 3, 4)
    rows, columns = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
    uv = torch.stack(((columns.double() + 0.5) / 4, 1 - (rows.double() + 0.5) / 3), -1)
    torch.testing.assert_close(sample_texture(texture, uv)[..., 0], texture[0], rtol=0, atol=1e-12)
    corners = sample_texture(
        texture, torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.5, 0.5]]).double()
    )
    torch.testing.assert_close(corners[:, 0], torch.tensor([0.0, 3.0, 8.0, 11.0, 5.5]).double())
    two = torch.stack((texture, 2 * texture))
    torch.testing.assert_close(sample_texture(two, uv.expand(2, 3, 4, 2))[1, ..., 0], 2 * texture[0])
    inputs = (texture.clone().requires_grad_(), (0.3 * uv + 0.33).requires_grad_())
    assert torch.autograd.gradcheck(sample_texture, inputs)

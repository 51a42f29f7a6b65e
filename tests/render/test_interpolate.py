import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.render import (
    Camera,
    Fragments,
    differentiable_barycentric,
    interpolate,
    rasterize,
    vertex_normals,
)
from wholeface.render._kernels import ACCEPTED_DEVIATION
from wholeface.render.interpolate import (
    Covered,
    _barycentric_torch,
    _interpolate_torch,
    _intrinsics,
    barycentric_covered,
    interpolate_covered,
)
from wholeface.render.normals import _summed_normals_torch

CAMERA = Camera(40.0, 7.5, 6.5, 16, 14)


@pytest.fixture
def scene(egg):
    """A coarse mesh (N = 2 poses), its fragments, and 4 attributes per vertex; float64."""
    model = egg(4, 8)
    points = model.mean.double() + torch.tensor([[[3.0, 1.0, -700.0]], [[-20.0, 9.0, -800.0]]])
    generator = torch.Generator().manual_seed(2)
    attributes = torch.randn(2, model.vertex_count, 4, generator=generator, dtype=torch.float64)
    return points, model.triangles, attributes, rasterize(points, model.triangles, CAMERA)


def test_interpolation_is_the_weighted_sum(scene):
    _, triangles, attributes, fragments = scene
    image = interpolate(attributes, triangles, fragments)
    assert image.shape == (2, 14, 16, 4)
    for n, row, column in fragments.mask.nonzero().tolist()[::7]:
        corners = attributes[n, triangles[int(fragments.triangle[n, row, column])]]
        torch.testing.assert_close(image[n, row, column], fragments.barycentric[n, row, column] @ corners)
    assert (image[~fragments.mask] == 0).all()
    shared = interpolate(attributes[0], triangles, fragments)
    assert torch.equal(shared[0], image[0])
    assert not torch.equal(shared[1], image[1])


def test_positions_interpolate_to_the_rays(scene):
    points, triangles, _, fragments = scene
    exact = differentiable_barycentric(points, triangles, fragments, CAMERA)
    assert (exact.sum(-1)[fragments.mask] - 1).abs().max() < 1e-12
    hit = interpolate(points, triangles, Fragments(fragments.triangle, exact, fragments.depth))
    n, row, column = fragments.mask.nonzero().unbind(1)
    pixels = CAMERA.project(hit[n, row, column][None])[0]
    torch.testing.assert_close(pixels, torch.stack((column, row), 1).double(), rtol=0, atol=1e-9)


def test_exact_barycentrics_agree_with_the_rasterised_ones_up_to_snapping(egg):
    model = egg(12, 24)
    points = model.mean + torch.tensor([0.0, 0.0, -500.0])
    camera = Camera(900.0, 127.5, 127.5, 256, 256)
    fragments = rasterize(points, model.triangles, camera)
    exact = differentiable_barycentric(points, model.triangles, fragments, camera)
    error = (exact - fragments.barycentric).abs()
    assert error.max() <= ACCEPTED_DEVIATION
    assert error.mean() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_equal_their_torch_twins(scene, dtype):
    points, triangles, attributes, fragments = scene
    fragments = Fragments(fragments.triangle, fragments.barycentric.to(dtype), fragments.depth)
    covered = Covered(fragments)
    leaves = [t.to(dtype).requires_grad_() for t in (points, attributes, torch.tensor([40.0, 7.5, 6.5]))]

    def run(twin):
        moved, values, camera = leaves
        intrinsics = Camera(camera[0], camera[1], camera[2], 16, 14)
        if twin:
            columns = _intrinsics((camera[0], camera[1], camera[2]), moved)
            indices = (triangles, covered.winner, covered.image)
            weights = _barycentric_torch(moved, columns, covered.barycentric, *indices, covered.place, 16)
            picked = _interpolate_torch(values, weights, *indices)
            total = _summed_normals_torch(moved, triangles)
            normals = total / total.norm(dim=-1, keepdim=True)
        else:
            weights = barycentric_covered(moved, triangles, covered, intrinsics)
            picked = interpolate_covered(values, triangles, covered.with_barycentric(weights))
            normals = vertex_normals(moved, triangles)
        generator = torch.Generator().manual_seed(9)
        loss = (picked * torch.randn(picked.shape, generator=generator, dtype=dtype)).sum()
        loss = loss + (normals * torch.randn(normals.shape, generator=generator, dtype=dtype)).sum()
        return (weights, picked, normals, *torch.autograd.grad(loss, leaves))

    tolerance = 1e-10 if dtype == torch.float64 else 2e-3
    for fast, slow in zip(run(False), run(True)):
        torch.testing.assert_close(fast, slow, rtol=tolerance, atol=tolerance)


def test_gradcheck_of_interpolation(scene):
    _, triangles, attributes, fragments = scene

    def image(values, barycentric):
        return interpolate(values, triangles, Fragments(fragments.triangle, barycentric, fragments.depth))

    inputs = (attributes.requires_grad_(), fragments.barycentric.clone().requires_grad_())
    assert torch.autograd.gradcheck(image, inputs, fast_mode=True)
    assert torch.autograd.gradcheck(
        lambda v: image(v, fragments.barycentric), (attributes[0].detach().requires_grad_(),)
    )


def test_gradcheck_of_barycentrics(scene):
    points, triangles, _, fragments = scene

    def weights(moved, focal, cx, cy):
        camera = Camera(focal, cx, cy, 16, 14)
        return differentiable_barycentric(moved, triangles, fragments, camera)

    inputs = [points.requires_grad_()] + [
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (40.0, [7.5, 7.5], 6.5)
    ]
    assert torch.autograd.gradcheck(weights, inputs, fast_mode=True, atol=1e-7)


def test_slivers_pass_the_rasterised_weights_through_without_gradient():
    """A triangle that the snapping turned from edge-on into visible has no meaningful exact weights."""
    points = torch.tensor(
        [[[-20.0, 5.0, -100.0], [20.0, 5.0, -100.0], [0.0, 5.0, -101.0]]], dtype=torch.float64
    )
    camera = Camera(40.0, 7.5, 6.5, 16, 14)
    triangle = torch.full((1, 14, 16), -1, dtype=torch.int32)
    triangle[0, 9, 7] = 0
    given = torch.zeros(1, 14, 16, 3, dtype=torch.float64)
    given[0, 9, 7] = torch.tensor([0.3, 0.3, 0.4])
    fragments = Fragments(triangle, given, torch.full((1, 14, 16), 100.0).double())
    leaf = points.clone().requires_grad_()
    weights = differentiable_barycentric(leaf, torch.tensor([[0, 1, 2]]), fragments, camera)
    assert torch.equal(weights, given)
    weights.square().sum().backward()
    assert (leaf.grad == 0).all()


def test_wrong_batches_are_named(scene):
    points, triangles, attributes, fragments = scene
    with pytest.raises(UsageError, match="3 sets of attributes for 2 images"):
        interpolate(attributes[[0, 0, 0]], triangles, fragments)
    with pytest.raises(UsageError, match="1 meshes for 2 images"):
        differentiable_barycentric(points[:1], triangles, fragments, CAMERA)


def test_empty_image(scene):
    points, triangles, attributes, _ = scene
    fragments = rasterize(points + torch.tensor([1e4, 0.0, 0.0]), triangles, CAMERA)
    leaf = attributes.requires_grad_()
    interpolate(leaf, triangles, fragments).sum().backward()
    assert (leaf.grad == 0).all()


def test_vertex_normals_of_a_sphere_and_of_loose_vertices(egg):
    model = egg(60, 120)
    directions = torch.nn.functional.normalize(model.mean.double(), dim=1)
    normals = vertex_normals(directions, model.triangles)
    assert (normals * directions).sum(1).min() > 0.999
    loose = torch.cat([directions, torch.zeros(1, 3, dtype=torch.float64)]).requires_grad_()
    with_loose = vertex_normals(loose, model.triangles)
    assert torch.equal(with_loose[-1], torch.zeros(3, dtype=torch.float64))
    with_loose.sum().backward()
    assert torch.isfinite(loose.grad).all()


def test_gradcheck_of_vertex_normals(scene):
    points, triangles, _, _ = scene
    assert torch.autograd.gradcheck(
        lambda p: vertex_normals(p, triangles), (points.requires_grad_(),), fast_mode=True
    )
    flipped = vertex_normals(points.detach(), triangles.flip(1))
    torch.testing.assert_close(flipped, -vertex_normals(points.detach(), triangles))

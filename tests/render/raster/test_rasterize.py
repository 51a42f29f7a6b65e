import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wholeface.core.errors import UsageError
from wholeface.render import Camera, Fragments, rasterize

CAMERA = Camera(50.0, 15.5, 11.5, 32, 24)


def assert_same(a: Fragments, b: Fragments) -> None:
    for name in ("triangle", "barycentric", "depth"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype
        assert torch.equal(left, right), name


def at_pixels(pixels, depth=100.0, camera=CAMERA, dtype=torch.float64):
    """Camera-space points that project to the given pixels."""
    pixels = torch.as_tensor(pixels, dtype=torch.float64)
    depths = torch.as_tensor(depth, dtype=torch.float64).expand(pixels.shape[:-1])
    return camera.unproject(pixels, depths).to(dtype)


def soup(seed, vertices, triangles, scale, dtype):
    """Random triangles around the view: on and off screen, some behind the camera, some degenerate."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(vertices, 3, generator=generator, dtype=torch.float64) * torch.tensor(
        [30.0 * scale, 30.0 * scale, 60.0]
    )
    points[:, 2] -= 100.0
    points[::5, 2] = -100.0  # coplanar triangles: depth ties
    if vertices > 3:
        points[3] = points[1]
    return points.to(dtype), torch.randint(0, vertices, (triangles, 3), generator=generator)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    vertices=st.integers(3, 25),
    triangles=st.integers(0, 30),
    scale=st.sampled_from([0.02, 0.3, 1.0, 10.0, 1e4]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    cull=st.booleans(),
)
def test_numba_equals_the_reference_to_the_last_bit(seed, vertices, triangles, scale, dtype, cull):
    points, faces = soup(seed, vertices, triangles, scale, dtype)
    fast = rasterize(points, faces, CAMERA, "numba", cull_backfaces=cull)
    slow = rasterize(points, faces, CAMERA, "reference", cull_backfaces=cull)
    assert_same(fast, slow)


@pytest.mark.gpu
def test_triton_equals_the_reference_to_the_last_bit():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    for seed in range(20):
        points, faces = soup(seed, 25, 30, 1.0, torch.float32)
        fast = rasterize(points.cuda(), faces.cuda(), CAMERA, "triton")
        slow = rasterize(points, faces, CAMERA, "reference")
        assert_same(Fragments(fast.triangle.cpu(), fast.barycentric.cpu(), fast.depth.cpu()), slow)


def test_triton_kernel_in_the_interpreter_equals_the_reference():
    import os

    pytest.importorskip("triton", reason="needs the package triton")
    if os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("set TRITON_INTERPRET=1 to run the CUDA kernel on the CPU")
    from wholeface.render.raster._reference import rasterize_reference
    from wholeface.render.raster._triton import rasterize_triton

    for seed in range(10):
        points, faces = soup(seed, 20, 25, 1.0 if seed % 2 else 10.0, torch.float32)
        arguments = ((50.0, 15.5, 11.5), (32, 24), 1.0, bool(seed % 3 == 0))
        for fast, slow in zip(
            rasterize_triton(points, faces, *arguments),
            rasterize_reference(points.numpy(), faces.numpy(), *arguments),
        ):
            assert np.array_equal(fast.numpy(), slow)


def test_bands_and_threads_do_not_change_anything(egg):
    model = egg(20, 40)
    points = model.mean + torch.tensor([0.0, 0.0, -500.0])
    camera = Camera(700.0, 127.5, 127.5, 256, 256)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(rasterize(points, model.triangles, camera, "numba"))
    finally:
        torch.set_num_threads(before)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_a_fan_covers_each_pixel_exactly_once(seed, on_centres):
    """Shared edges: the masks of the triangles, each drawn alone, sum to one everywhere."""
    rng = np.random.default_rng(seed)
    rim = np.array([[-2, -2], [10, -3], [34, -2], [35, 12], [34, 26], [14, 27], [-3, 25], [-2, 9]], float)
    middle = rng.uniform([3, 3], [28, 20])
    if on_centres:  # vertices and edges on pixel centres: every tie is hit
        middle = np.round(middle)
    points = at_pixels(np.concatenate([middle[None], rim]))
    count = np.zeros((24, 32), int)
    whole = []
    for i in range(8):
        triangle = [0, 1 + i, 1 + (i + 1) % 8]
        rng.shuffle(triangle)  # any orientation
        whole.append(triangle)
        count += rasterize(points, torch.tensor([triangle]), CAMERA).mask[0].numpy()
    assert (count == 1).all()
    assert rasterize(points, torch.tensor(whole), CAMERA).mask.all()


def test_a_closed_mesh_has_no_holes(egg):
    """No background pixel is cut off from the image's border by the mesh."""
    from scipy.ndimage import binary_fill_holes

    model = egg(40, 80)
    for focal in (150.0, 700.0, 2000.0):
        camera = Camera(focal, 63.5, 63.5, 128, 128)
        points = model.mean + torch.tensor([3.0, 1.0, -700.0])
        mask = rasterize(points, model.triangles, camera).mask[0].numpy()
        assert mask.any()
        assert np.array_equal(binary_fill_holes(mask), mask)


def test_top_left_rule_on_a_pixel_aligned_square():
    points = at_pixels([[4, 4], [9, 4], [9, 8], [4, 8]])
    mask = rasterize(points, torch.tensor([[0, 1, 2], [0, 2, 3]]), CAMERA).mask[0]
    expected = torch.zeros(24, 32, dtype=torch.bool)
    expected[4:8, 4:9] = True  # top and left edges belong to it, bottom and right do not
    assert torch.equal(mask, expected)


def test_ties_go_to_the_lowest_index_and_depth_to_the_nearest():
    square = [[2.0, 2.0], [30.0, 2.0], [2.0, 22.0]]
    points = at_pixels(square * 3, depth=[100.0] * 6 + [90.0] * 3)
    far = torch.tensor([[3, 4, 5], [0, 1, 2]])
    assert set(rasterize(points, far, CAMERA).triangle.unique().tolist()) == {-1, 0}
    near_last = torch.cat([far, torch.tensor([[6, 7, 8]])])
    fragments = rasterize(points, near_last, CAMERA)
    assert set(fragments.triangle.unique().tolist()) == {-1, 2}
    torch.testing.assert_close(
        fragments.depth[fragments.mask], torch.full((int(fragments.mask.sum()),), 90.0).double()
    )


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_back_face_wins_a_tie_by_its_index(order):
    points = at_pixels([[2.0, 2.0], [30.0, 2.0], [2.0, 22.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 1]])[order]
    assert set(rasterize(points, faces, CAMERA).triangle.unique().tolist()) == {-1, 0}


@pytest.mark.parametrize("flip", [False, True])
def test_large_meshes_with_hidden_back_faces_equal_the_reference(egg, flip):
    """Tiles, bands and rejected triangles: a closed mesh and an open one, from outside and from inside."""
    model = egg(16, 32)
    points = torch.stack([model.mean + torch.tensor([3.0, 1.0, z]) for z in (-400.0, -10.0)])
    camera = Camera(260.0, 70.5, 66.5, 141, 133)
    for faces in (model.triangles, model.triangles[::2]):
        faces = faces.flip(1) if flip else faces
        assert_same(rasterize(points, faces, camera, "numba"), rasterize(points, faces, camera, "reference"))


@pytest.mark.parametrize(("depth", "shown"), [(99.9, True), (99.9999, True), (100.1, False)])
def test_back_faces_just_before_a_wall_are_drawn(depth, shown):
    wall = at_pixels([[-2.0, -2.0], [70.0, -2.0], [-2.0, 60.0]])
    small = at_pixels([[9.0, 9.0], [9.0, 13.0], [15.0, 9.0]], depth)
    points = torch.cat([wall, small])
    faces = torch.tensor([[0, 2, 1], [3, 4, 5]])
    for order in ([0, 1], [1, 0]):
        for flipped in (faces, faces.flip(1), torch.stack((faces[0], faces[1].flip(0)))):
            fragments = rasterize(points, flipped[order], CAMERA)
            assert bool((fragments.triangle == order.index(1)).any()) == shown
            assert fragments.mask.all()


def test_barycentrics_and_depth_are_perspective_correct():
    """Interpolated corners land on the pixel's ray, up to the snapping to 1/256 pixel."""
    points = at_pixels([[1.0, 1.0], [30.0, 3.0], [6.0, 22.0]], depth=[50.0, 200.0, 400.0])
    fragments = rasterize(points, torch.tensor([[0, 1, 2]]), CAMERA)
    rows, columns = fragments.mask[0].nonzero().unbind(1)
    barycentric = fragments.barycentric[0, rows, columns]
    hit = barycentric @ points
    pixels = CAMERA.project(hit)
    torch.testing.assert_close(barycentric.sum(1), torch.ones(len(rows), dtype=torch.float64))
    assert (pixels - torch.stack((columns, rows), 1)).abs().max() < 1 / 256
    torch.testing.assert_close(fragments.depth[0, rows, columns], -hit[:, 2], rtol=1e-12, atol=0)
    assert (fragments.barycentric[~fragments.mask] == 0).all()
    assert torch.isinf(fragments.depth[~fragments.mask]).all()


def test_order_of_vertices_and_triangles_does_not_matter(egg):
    model = egg(12, 24)
    points = model.mean + torch.tensor([0.0, 0.0, -500.0])
    camera = Camera(150.0, 31.5, 31.5, 64, 64)
    base = rasterize(points, model.triangles, camera)
    generator = torch.Generator().manual_seed(5)
    shuffle = torch.randperm(len(points), generator=generator)
    inverse = torch.empty_like(shuffle)
    inverse[shuffle] = torch.arange(len(points))
    assert_same(base, rasterize(points[shuffle], inverse[model.triangles], camera))
    order = torch.randperm(len(model.triangles), generator=generator)
    other = rasterize(points, model.triangles[order], camera)
    assert torch.equal(order[other.triangle[base.mask].long()], base.triangle[base.mask].long())
    assert torch.equal(other.depth, base.depth)


def test_whole_pixel_shift_and_common_scale(egg):
    model = egg(12, 24)
    points = (model.mean + torch.tensor([0.0, 0.0, -500.0])).double()
    camera = Camera(150.0, 31.5, 31.5, 64, 64)
    base = rasterize(points, model.triangles, camera)
    moved = rasterize(points, model.triangles, Camera(150.0, 36.5, 28.5, 64, 64))
    for name in ("triangle", "barycentric", "depth"):
        assert torch.equal(getattr(moved, name)[:, :61, 5:], getattr(base, name)[:, 3:, :59]), name
    larger = rasterize(points * 4, model.triangles, camera)
    assert torch.equal(larger.triangle, base.triangle)
    assert torch.equal(larger.barycentric, base.barycentric)
    assert torch.equal(larger.depth, base.depth * 4)


def test_culling_leaves_the_nearest_surface_of_a_closed_mesh(egg):
    model = egg(12, 24)
    points = model.mean + torch.tensor([0.0, 0.0, -500.0])
    camera = Camera(150.0, 31.5, 31.5, 64, 64)
    assert_same(
        rasterize(points, model.triangles, camera),
        rasterize(points, model.triangles, camera, cull_backfaces=True),
    )
    inside_out = rasterize(points, model.triangles.flip(1), camera, cull_backfaces=True)
    assert (
        inside_out.depth[inside_out.mask] > rasterize(points, model.triangles, camera).depth[inside_out.mask]
    ).all()


@pytest.mark.parametrize(
    "corner",
    [
        [0.0, 0.0, 5.0],  # behind the camera
        [0.0, 0.0, 0.0],  # in its plane
        [0.0, 0.0, -0.5],  # nearer than near
        [1e30, 0.0, -100.0],  # would overflow the grid
        [float("nan"), 0.0, -100.0],
        [0.0, float("inf"), -100.0],
        [0.0, 0.0, -float("inf")],
    ],
)
@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_triangles_that_cannot_be_drawn_are_left_out(corner, backend):
    points = torch.tensor([[-9.0, -9.0, -100.0], [9.0, -9.0, -100.0], corner])
    assert not rasterize(points, torch.tensor([[0, 1, 2]]), CAMERA, backend).mask.any()


def test_huge_and_degenerate_triangles():
    huge = at_pixels([[-60000.0, -60000.0], [65000.0, -60000.0], [0.0, 65000.0]])
    assert rasterize(huge, torch.tensor([[0, 1, 2]]), CAMERA).mask.all()
    line = at_pixels([[1.0, 1.0], [20.0, 20.0], [10.0, 10.0]])
    assert not rasterize(line, torch.tensor([[0, 1, 2], [0, 0, 1]]), CAMERA).mask.any()


def test_batches_and_batched_cameras():
    points, faces = soup(1, 20, 30, 1.0, torch.float32)
    both = torch.stack([points, points.flip(0)])
    camera = Camera(torch.tensor([50.0, 80.0]), 15.5, torch.tensor([11.5, 9.0]), 32, 24)
    together = rasterize(both, faces, camera)
    for n, single in enumerate((CAMERA, Camera(80.0, 15.5, 9.0, 32, 24))):
        alone = rasterize(both[n], faces, single)
        assert torch.equal(together.triangle[n], alone.triangle[0])
        assert torch.equal(together.barycentric[n], alone.barycentric[0])
        assert torch.equal(together.depth[n], alone.depth[0])
    assert torch.equal(together.pixels, together.mask.flatten().nonzero()[:, 0])


def test_int32_triangles_and_requires_grad_inputs_are_fine():
    points, faces = soup(1, 20, 30, 1.0, torch.float32)
    camera = Camera(torch.tensor(50.0, requires_grad=True), 15.5, 11.5, 32, 24)
    fragments = rasterize(points.requires_grad_(), faces.int(), camera)
    assert not fragments.depth.requires_grad
    assert_same(fragments, rasterize(points, faces, CAMERA))


def test_bad_input_is_named():
    points, faces = soup(1, 20, 30, 1.0, torch.float32)
    with pytest.raises(UsageError, match="float32 or float64"):
        rasterize(points.half(), faces, CAMERA)
    with pytest.raises(UsageError, match=r"\(F, 3\)"):
        rasterize(points, faces[:, :2], CAMERA)
    with pytest.raises(UsageError, match="outside"):
        rasterize(points, faces + 20, CAMERA)
    with pytest.raises(UsageError, match="unknown backend"):
        rasterize(points, faces, CAMERA, "vulkan")
    with pytest.raises(UsageError, match="near"):
        rasterize(points, faces, CAMERA, near=0.0)
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match=r"triton|CUDA"):
            rasterize(points, faces, CAMERA, "triton")

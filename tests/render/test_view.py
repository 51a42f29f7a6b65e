import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.core.tangents import tangent_frames
from wholeface.core.uv_split import split_at_seams
from wholeface.render import (
    Camera,
    HeadView,
    rasterize,
    render_view,
    vertex_normals,
    visible_points,
    visible_vertices,
)


def test_view_is_an_image_of_the_head(small_model):
    image = render_view(small_model.mean, small_model.triangles, size=96)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    flat = render_view(small_model.mean, small_model.triangles, size=96, background=(255, 0, 255))
    head = (flat.astype(int) - [255, 0, 255] != 0).any(-1)
    rows, columns = head.nonzero()
    assert 0.1 < head.mean() < 0.7
    assert abs(columns.mean() - 47.5) < 1.5
    assert abs(rows.mean() - 47.5) < 4
    assert rows.min() > 0
    assert columns.max() < 95
    middle = flat[40:56, 40:56].astype(int)
    assert np.ptp(middle.mean((0, 1))) < 12  # clay is grey


def test_yaw_turns_the_nose_to_the_right_and_pitch_up(small_model):
    colours = torch.zeros(small_model.vertex_count, 3)
    colours[small_model.regions["nose"]] = torch.tensor([1.0, 0.0, 0.0])

    def nose(**angles):
        image = render_view(
            small_model.mean,
            small_model.triangles,
            size=96,
            vertex_colours=colours,
            background=(0, 0, 0),
            **angles,
        ).astype(int)
        rows, columns = (image[..., 0] > image[..., 1] + 60).nonzero()
        return columns.mean(), rows.mean()

    frontal = nose()
    assert nose(yaw_deg=35)[0] > frontal[0] + 10
    assert nose(pitch_deg=25)[1] < frontal[1] - 5


def test_edges_are_antialiased(small_model):
    image = render_view(small_model.mean, small_model.triangles, size=64, background=(0, 0, 0))
    levels = np.unique(image[..., 1])
    assert ((levels > 5) & (levels < 60)).any()


def test_textured_view(small_model):
    texture = np.zeros((16, 16, 3), np.uint8)
    texture[..., 2] = 200
    image = render_view(
        small_model.mean,
        small_model.triangles,
        size=48,
        uv=small_model.uv,
        uv_triangles=small_model.uv_triangles,
        texture=texture,
    )
    assert image[24, 24, 2] > 100
    assert image[24, 24, 0] < 20


@pytest.fixture
def seen(small_model):
    points = small_model.mean + torch.tensor([0.0, 0.0, -600.0])
    return points, small_model.triangles, Camera(500.0, 127.5, 127.5, 256, 256)


def test_the_back_of_the_head_is_hidden_and_the_front_is_not(seen, small_model):
    points, triangles, camera = seen
    visible = visible_vertices(points, triangles, camera)[0]
    depth = small_model.mean[:, 2]
    assert visible[depth > 45].all()
    assert not visible[depth < -20].any()
    fragments = rasterize(points, triangles, camera)
    assert torch.equal(visible_vertices(points, triangles, camera, fragments=fragments)[0], visible)


def test_tolerance_is_in_millimetres_and_outside_is_invisible(seen):
    points, triangles, camera = seen
    fragments = rasterize(points, triangles, camera)
    surface = points[triangles[int(fragments.triangle[0, 100, 120])]].mean(0)
    ray = surface / -surface[2]

    def visible(point, **options):
        return bool(visible_points(point[None], fragments, camera, **options)[0, 0])

    assert visible(surface + 3 * ray, tolerance=6.0)
    assert not visible(surface + 30 * ray, tolerance=6.0)
    assert visible(surface + 30 * ray, tolerance=50.0)
    assert not visible(torch.tensor([400.0, 0.0, -600.0]))
    assert not visible(torch.tensor([0.0, 0.0, 600.0]))
    assert visible(torch.tensor([140.0, 140.0, -600.0]))  # in front of the background


def test_one_view_is_drawn_in_several_looks(small_model):
    view = HeadView.of(small_model.mean, small_model.triangles, yaw_deg=30, size=64)
    colours = torch.full((small_model.vertex_count, 3), 0.2)
    for look in ({}, {"vertex_colours": colours}):
        alone = render_view(small_model.mean, small_model.triangles, yaw_deg=30, size=64, **look)
        np.testing.assert_array_equal(view.draw(**look), alone)
    assert (view.draw() != view.draw(vertex_colours=colours)).any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_normal_map_turns_the_normals_as_other_geometry_would(mirrored):
    """A square plate whose map leans every normal by 0.3 and −0.2 looks like one with such vertex normals."""
    plate = np.array([[-50, -50, 0], [50, -50, 0], [50, 50, 0], [-50, 50, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    uv = (plate[:, :2] / 100 + 0.5) * ([-1, 1] if mirrored else [1, 1]) + ([1, 0] if mirrored else [0, 0])
    out = np.tile(np.float32([0, 0, 1]), (4, 1))
    frames = tangent_frames(split_at_seams(triangles, triangles, uv), plate, out, uv.astype(np.float32))
    lean = np.float32([-0.3 if mirrored else 0.3, -0.2, 0.9])  # in the texture's own directions
    lean /= np.linalg.norm(lean)
    colours = np.tile(np.rint(127.5 * lean + 127.5).astype(np.uint8), (4, 4, 1))
    view = {"yaw_deg": 30.0, "pitch_deg": -15.0, "size": 40}
    known = {"tangents": frames.tangents, "tangent_triangles": triangles}
    bumpy = HeadView.of(plate, triangles, normals=out, **known, **view)
    look = {"uv": uv.astype(np.float32), "uv_triangles": triangles}
    drawn = bumpy.draw(normal_map=colours, **look).astype(int)
    leaning = np.tile(np.abs(lean) * np.float32([1, -1, 1]), (4, 1))
    true = HeadView.of(plate, triangles, normals=leaning, **view).draw().astype(int)
    flat = bumpy.draw().astype(int)
    assert np.abs(drawn - true).max() <= 3
    assert np.abs(flat - true).max() > 15
    np.testing.assert_array_equal(
        bumpy.draw(normal_map=np.full((4, 4, 3), (128, 128, 255), np.uint8), **look), flat
    )
    colour = np.full((8, 8, 3), (200, 120, 90), np.uint8)  # a texture of another size beside it
    both = bumpy.draw(texture=colour, normal_map=colours, **look)
    assert (both != bumpy.draw(texture=colour, **look)).any()


def test_a_normal_map_needs_tangents_and_uv(small_model):
    view = HeadView.of(small_model.mean, small_model.triangles, size=16)
    with pytest.raises(UsageError, match="tangents"):
        view.draw(
            uv=small_model.uv,
            uv_triangles=small_model.uv_triangles,
            normal_map=np.zeros((2, 2, 3), np.uint8),
        )


def test_normals_that_are_known_turn_with_the_head(small_model):
    """Given in model space, they give the picture that the view's own computation gives."""
    normals = vertex_normals(small_model.mean, small_model.triangles)
    views = [
        HeadView.of(
            small_model.mean, small_model.triangles, yaw_deg=40, pitch_deg=-20, size=48, normals=given
        )
        for given in (None, normals)
    ]
    own, told = (view.draw().astype(int) for view in views)
    assert np.abs(own - told).max() <= 1
    assert not np.array_equal(views[1].normals.numpy(), normals.numpy())

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.tangents import tangent_frames
from wholeface.core.uv_split import split_at_seams

_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
_SQUARE = np.array([[0, 0, 0], [4, 0, 0], [4, 2, 0], [0, 2, 0]], np.float32)
_UV = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
_OUT = np.tile(np.float32([0, 0, 1]), (4, 1))


def _frames(uv: np.ndarray, points: np.ndarray = _SQUARE, normals: np.ndarray = _OUT):
    return tangent_frames(split_at_seams(_TRIANGLES, _TRIANGLES, uv), points, normals, uv)


def test_a_rectangle_of_4_by_2_units() -> None:
    frames = _frames(_UV)
    np.testing.assert_allclose(frames.tangents, np.tile([1, 0, 0, 1], (4, 1)), atol=1e-6)
    np.testing.assert_allclose(frames.rates, np.tile([[1 / 4, 0], [0, 1 / 2]], (4, 1, 1)), atol=1e-6)


def test_a_texture_seen_in_a_mirror_has_the_other_handedness() -> None:
    frames = _frames(np.stack([1 - _UV[:, 0], _UV[:, 1]], axis=1))
    np.testing.assert_allclose(frames.tangents, np.tile([-1, 0, 0, -1], (4, 1)), atol=1e-6)
    bitangent = frames.tangents[:, 3:] * np.cross(_OUT, frames.tangents[:, :3])
    np.testing.assert_allclose(bitangent, np.tile([0, 1, 0], (4, 1)), atol=1e-6)  # v still grows upwards
    np.testing.assert_allclose(frames.rates, np.tile([[1 / 4, 0], [0, 1 / 2]], (4, 1, 1)), atol=1e-6)


def test_a_sheared_texture_tells_the_slopes_of_a_height() -> None:
    """h = 3 x + 5 y, told as a function of u and v, has slopes 3 and 5 along x and y."""
    shear = np.array([[0.25, 0.0], [-0.1, 0.4]])  # u, v from x, y
    uv = (_SQUARE[:, :2] @ shear.T).astype(np.float32)
    by_uv = np.linalg.solve(shear.T, [3.0, 5.0])
    frames = _frames(uv)
    slopes = frames.rates @ by_uv
    bitangent = frames.tangents[:, 3:] * np.cross(_OUT, frames.tangents[:, :3])
    along = np.stack([frames.tangents[:, :3], bitangent], axis=1) @ [3.0, 5.0, 0.0]
    np.testing.assert_allclose(slopes, along, rtol=1e-5)
    p_u = np.linalg.inv(shear)[:, 0]
    np.testing.assert_allclose(frames.tangents[0, :2], p_u / np.linalg.norm(p_u), atol=1e-6)


def test_tangents_are_at_right_angles_to_the_normals_given(rng_numpy: np.random.Generator) -> None:
    normals = _OUT + rng_numpy.normal(scale=0.3, size=(4, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tangents = _frames(_UV, normals=normals).tangents
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((tangents[:, :3] * normals).sum(axis=1), 0, atol=1e-6)
    assert (tangents[:, 0] > 0.5).all()


def test_corners_count_by_their_angle() -> None:
    """Around vertex 0 one triangle has tangent +x over 90°, the other +y over 45°."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 2, 0], [-2, 2, 0]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 3, 4]])
    uv = np.array([[0, 0], [1, 0], [0, 1], [1, 0], [1, 1]], np.float32)  # p_u of the second is (0, 2, 0)
    normals = np.tile(np.float32([0, 0, 1]), (5, 1))
    frames = tangent_frames(split_at_seams(triangles, triangles, uv), points, normals, uv)
    expected = np.array([2.0, 1.0]) / np.sqrt(5)
    np.testing.assert_allclose(frames.tangents[0, :2], expected, atol=1e-6)


@pytest.mark.parametrize("flat", ["texture", "surface"])
def test_triangles_without_area_give_some_unit_tangent_and_no_rates(flat: str) -> None:
    uv = np.zeros_like(_UV) if flat == "texture" else _UV
    points = np.zeros_like(_SQUARE) if flat == "surface" else _SQUARE
    frames = _frames(uv, points)
    np.testing.assert_allclose(np.linalg.norm(frames.tangents[:, :3], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(frames.tangents[:, 2], 0, atol=1e-6)
    assert (frames.rates == 0).all()


@pytest.fixture
def rng_numpy() -> np.random.Generator:
    return np.random.default_rng(3)

"""Faces, weights and networks with known answers for the tests of this room."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray


@pytest.fixture
def points_68() -> NDArray[np.float64]:
    """(68, 2) pixels of a 128 × 128 image: a symmetric frontal face with eyes and mouth open."""
    jaw = [(64 - 42 * math.cos(a), 52 + 62 * math.sin(a)) for a in np.linspace(0, math.pi, 17)]
    brow = [(28.0, 44.0), (33, 40), (39, 38.5), (46, 39), (53, 41)]
    bridge = [(64.0, 50.0 + 8 * i) for i in range(4)]
    base = [(56.0, 78.0), (60, 80), (64, 81), (68, 80), (72, 78)]
    eye = [(34.0, 52.0), (39, 49), (46, 49), (51, 53), (46, 55), (39, 55)]
    outer = [(48.0, 94.0), (54, 90), (60, 88), (64, 89), (68, 88), (74, 90), (80, 94), (74, 100), (68, 103)]
    outer += [(64, 103.5), (60, 103), (54, 100)]
    inner = [(51.0, 94.0), (59, 92), (64, 92.5), (69, 92), (77, 94), (69, 97), (64, 98), (59, 97)]

    def mirror(points: list[tuple[float, float]], order: list[int]) -> list[tuple[float, float]]:
        return [(128 - points[i][0], points[i][1]) for i in order]

    points = [*jaw, *brow, *mirror(brow, [4, 3, 2, 1, 0]), *bridge, *base]
    points += [*eye, *mirror(eye, [3, 2, 1, 0, 5, 4]), *outer, *inner]
    return np.array(points)


@pytest.fixture(scope="session")
def head_668() -> NDArray[np.float64]:
    """(668, 2) the shipped mean face from the front, y down, 1 unit high, its 478 points' box about the origin."""
    from wholeface.morphable import dense_embedding, load_model

    head = load_model("wholeface")
    assert head.landmarks_68 is not None
    found = torch.cat(
        [e.points(head.mean, head.triangles) for e in (head.landmarks_68, dense_embedding(head))]
    )
    points = (found[:, :2] * torch.tensor([1.0, -1.0])).double().numpy()
    low, high = points[68:546].min(axis=0), points[68:546].max(axis=0)
    return (points - (low + high) / 2) / (high - low).max()


@pytest.fixture(scope="session")
def place(head_668: NDArray[np.float64]) -> Callable[..., NDArray[np.float64]]:
    """(668, 2) that face at a place of a photo: ``place(x, y, height, roll)``, roll in radians, clockwise."""

    def placed(x: float, y: float, height: float, roll: float = 0.0) -> NDArray[np.float64]:
        c, s = math.cos(roll), math.sin(roll)
        return head_668 @ np.array([[c, s], [-s, c]]) * height + (x, y)

    return placed


@pytest.fixture(scope="session")
def ramps() -> Callable[[int, int], NDArray[np.uint8]]:
    """(H, W, 3) a photo whose colours tell the place: red = 255 x / W, green = 255 y / H, blue = 255."""

    def make(height: int, width: int) -> NDArray[np.uint8]:
        y, x = np.mgrid[:height, :width]
        values = np.stack([255.0 * x / width, 255.0 * y / height, np.full(x.shape, 255.0)], axis=-1)
        # Dithered, so that the mean of several pixels tells more than their 256 levels.
        return np.floor(values + np.random.default_rng(0).random(values.shape)).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def read_place() -> Callable[[NDArray[np.float32], int, int], NDArray[np.float64]]:
    """(2, 3) from photo to crop pixels, read off the colours of one crop (3, h, w) of such a photo."""

    def read(crop: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
        y, x = np.mgrid[: crop.shape[1], : crop.shape[2]]
        crop = crop + 0.5 / 255  # Pillow's interpolation rounds down
        photo = np.stack([crop[0] * width, crop[1] * height], axis=-1).astype(np.float64)
        # Away from the photo's border, where pixels are repeated or black.
        margin = 0.03 * np.array([width, height])
        seen = (
            (crop[2] > 0.99) & (photo > margin).all(-1) & (photo < np.array([width, height]) - margin).all(-1)
        )
        assert seen.sum() > 50
        basis = np.concatenate([photo[seen], np.ones((seen.sum(), 1))], axis=1)
        found, *_ = np.linalg.lstsq(
            basis, np.stack([x[seen], y[seen]], axis=-1).astype(np.float64), rcond=None
        )
        return found.T

    return read

"""Crops: points stay on their pixels, mirrored landmarks and labels get their new names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wholeface.lab.train.transforms.crops import (
    NO_JITTER,
    CropJitter,
    crop_images,
    crop_labels,
    crop_matrices,
    empty_crops,
    move_points,
    shuffle_tiles,
)
from wholeface.morphable import MorphableModel, dense_embedding, load_model
from wholeface.perceive import IGNORE, ParsingClass
from wholeface.perceive.face_parser import mirrored_classes
from wholeface.perceive.landmark_mirror import MIRROR_668
from wholeface.perceive.mediapipe.mirror import MIRROR_478

SIZE = 200


@pytest.fixture(scope="module")
def head() -> MorphableModel:
    return load_model("wholeface")


@pytest.fixture(scope="module")
def points(head: MorphableModel) -> NDArray[np.float32]:
    """(668, 2) of the mean face from the front, in an image of 200 pixels."""
    assert head.landmarks_68 is not None
    found = torch.cat(
        [e.points(head.mean, head.triangles) for e in (head.landmarks_68, dense_embedding(head))]
    )
    pixels = found[:, :2] * torch.tensor([0.55, -0.55])
    return (pixels - pixels[68:546].mean(0) + SIZE / 2).numpy().astype(np.float32)


def ramps() -> NDArray[np.uint8]:
    """An image whose red and green tell the place: red = x, green = y."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.stack([x, y, np.full_like(x, 77)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("size", [64, 96, 224])
def test_points_stay_on_the_pixels_that_they_mark(points: NDArray[np.float32], size: int) -> None:
    count = 24
    rng = np.random.default_rng(size)
    batch = np.repeat(points[None], count, 0)
    jitter = CropJitter(0.15, 0.05, 0.3, wild=0.3)
    matrices, mirrored = crop_matrices(batch[:, 68:546], size, 1.45, rng, jitter)
    assert 0 < mirrored.sum() < count
    crops = crop_images([ramps()] * count, matrices, size).permute(0, 2, 3, 1).numpy() * 255
    moved = move_points(torch.from_numpy(batch), matrices).numpy()
    checked = 0
    for crop, places in zip(crops, moved):
        whole = np.rint(places).astype(int)
        inside = ((whole > 2) & (whole < size - 3)).all(axis=1)
        seen = crop[whole[inside, 1], whole[inside, 0], :2]
        step = np.abs(crop[1:, 1:, :2] - crop[:-1, :-1, :2]).max()  # half a pixel of rounding, at most that
        assert np.abs(seen - points[inside]).max() < max(1.0, step) + 0.5
        checked += int(inside.sum())
    assert checked > 300 * count
    determinants = torch.linalg.det(matrices[:, :, :2].double())
    assert torch.equal(determinants < 0, mirrored)


def test_without_jitter_the_face_is_upright_and_in_the_middle(points: NDArray[np.float32]) -> None:
    angle = 0.6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = (points - 100) @ turn.T + 90
    found = []
    for case in (points, turned):
        matrices, mirrored = crop_matrices(case[None, 68:546], 128, 1.45, np.random.default_rng(0), NO_JITTER)
        assert not mirrored.any()
        found.append(move_points(torch.from_numpy(case[None]).float(), matrices)[0])
    torch.testing.assert_close(found[0], found[1], atol=0.05, rtol=0)
    low, high = found[0][68:546].amin(0), found[0][68:546].amax(0)
    assert float((high - low).max()) == pytest.approx(128 / 1.45, abs=0.05)
    torch.testing.assert_close((low + high) / 2, torch.full((2,), 63.5), atol=0.05, rtol=0)


def test_mirrored_landmarks_get_the_names_of_the_other_side(
    head: MorphableModel, points: NDArray[np.float32]
) -> None:
    mirror = MIRROR_668
    assert np.array_equal(mirror[mirror], np.arange(668))
    assert np.array_equal(mirror[68:546] - 68, MIRROR_478)
    assert head.mirror is not None
    vertices = torch.tensor(dense_vertices(head))
    partner = {int(v): i for i, v in enumerate(vertices)}
    expected = [partner[int(head.mirror[v])] for v in vertices]
    assert (mirror[546:] - 546).tolist() == expected
    # On the mean face itself: the image of its mirror image is the permuted image.
    middle = points[68:546, 0].mean()
    flipped = points.copy()
    flipped[:, 0] = 2 * middle - points[:, 0]
    off = np.linalg.norm(flipped[mirror] - points, axis=1) / 0.55  # mm
    assert off[546:].max() < 0.3
    assert np.median(off) < 0.5
    assert off.max() < 4


def dense_vertices(head: MorphableModel) -> list[int]:
    """Vertex of each of the 122 points that lie on vertices."""
    embedding = dense_embedding(head)
    corner = embedding.barycentric[478:].argmax(1)
    return head.triangles[embedding.triangle[478:], corner].tolist()


def test_labels_are_taken_from_the_nearest_pixel(points: NDArray[np.float32]) -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    labels = ((x // 7 + y // 5) % 20).astype(np.uint8)
    rng = np.random.default_rng(3)
    matrices, _ = crop_matrices(np.repeat(points[None, 68:546], 6, 0), 90, 1.9, rng, CropJitter())
    crops = crop_labels([labels] * 6, matrices, 90, IGNORE).numpy()
    outside = 0
    for crop, matrix in zip(crops, matrices.double().numpy()):
        inverse = np.linalg.inv(matrix[:, :2])
        v, u = np.mgrid[:90, :90]
        place = np.stack([u, v], -1).reshape(-1, 2) - matrix[:, 2]
        px, py = np.floor(place @ inverse.T + 0.5).astype(int).T
        inside = (px >= 0) & (py >= 0) & (px < SIZE) & (py < SIZE)
        expected = np.where(inside, labels[py.clip(0, SIZE - 1), px.clip(0, SIZE - 1)], IGNORE)
        assert (crop.ravel() == expected).mean() > 0.999  # a tie may be rounded either way
        outside += int((~inside).sum())
    assert outside > 0
    assert crop_labels([labels > 4], matrices[:1], 90, 0).unique().tolist() == [0, 1]


def test_mirrored_classes() -> None:
    swap = mirrored_classes()
    assert np.array_equal(swap[swap], np.arange(len(ParsingClass)))
    assert swap[ParsingClass.LEFT_EYE] == ParsingClass.RIGHT_EYE
    assert swap[ParsingClass.RIGHT_BROW] == ParsingClass.LEFT_BROW
    assert swap[ParsingClass.LEFT_EAR] == ParsingClass.RIGHT_EAR
    assert swap[ParsingClass.NOSE] == ParsingClass.NOSE


def test_crops_without_a_face_show_a_part_of_it_or_it_aside_or_small(points: NDArray[np.float32]) -> None:
    count, size = 400, 128
    dense = np.stack([points[68:546]] * count)
    rng = np.random.default_rng(0)
    matrices, _ = crop_matrices(dense, size, 1.5, rng, NO_JITTER)
    chosen = np.arange(count) % 2 == 0
    moved = empty_crops(matrices, chosen, size, rng)
    torch.testing.assert_close(moved[~torch.from_numpy(chosen)], matrices[~torch.from_numpy(chosen)])
    placed = move_points(torch.from_numpy(dense), moved)[torch.from_numpy(chosen)]
    low, high = placed.amin(1), placed.amax(1)
    seen = (high.clamp(max=size) - low.clamp(min=0)).clamp(min=0)
    visible = seen.prod(-1) / (high - low).prod(-1)
    before = move_points(torch.from_numpy(dense), matrices)[0]
    growth = (high - low).prod(-1).sqrt() / (before.amax(0) - before.amin(0)).prod().sqrt()
    part, small = growth >= 2.49, growth <= 0.351
    assert 0.4 < part.float().mean() < 0.6
    assert 0.15 < small.float().mean() < 0.35
    assert (visible[part] < 0.45).all()
    assert (visible[~part & ~small] < 0.5).all()  # beside the image for its most part


def test_shuffled_images_keep_their_tiles_elsewhere() -> None:
    images = torch.arange(4 * 3 * 60 * 60, dtype=torch.float32).reshape(4, 3, 60, 60)
    before = images.clone()
    chosen = np.array([True, False, True, True])
    shuffle_tiles(images, chosen, np.random.default_rng(3))
    torch.testing.assert_close(images[1], before[1])
    for i in (0, 2, 3):
        assert (images[i] != before[i]).float().mean() > 0.5
        assert set(images[i].flatten().tolist()) == set(before[i].flatten().tolist())

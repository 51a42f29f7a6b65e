"""Scenes: the same by their seed, and their points on the pixels of the faces that were pasted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wholeface.lab.train.transforms.scenes import (
    Scene,
    SceneSettings,
    five_points,
    make_scene,
    mirrored,
    quarter_turned,
)
from wholeface.morphable import dense_embedding, load_model

EDGE = 192
COUNT = 5


@pytest.fixture(scope="module")
def tiles() -> list[dict[str, NDArray[np.generic]]]:
    """Samples whose colours tell the place (red = x, green = y) and the sample (blue)."""
    head = load_model("wholeface")
    assert head.landmarks_68 is not None
    found = torch.cat(
        [e.points(head.mean, head.triangles) for e in (head.landmarks_68, dense_embedding(head))]
    )
    points = (found[:, :2] * torch.tensor([1.0, -1.0])).numpy()
    low, high = points[68:546].min(0), points[68:546].max(0)
    points = (points - (low + high) / 2) * (0.58 * EDGE / (high - low).max()) + EDGE / 2
    y, x = np.mgrid[:EDGE, :EDGE]
    made: list[dict[str, NDArray[np.generic]]] = []
    for k in range(COUNT):
        image = np.stack([x, y, np.full_like(x, 50 + 40 * k)], axis=-1).astype(np.uint8)
        made.append({"image": image, "landmarks_68": points[:68], "dense": points[68:]})
    return made


def grey(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    return np.full((size, size, 3), int(rng.integers(60, 190)), np.uint8)


def scene(tiles: list[dict[str, NDArray[np.generic]]], seed: int, **options: float) -> Scene:
    settings = SceneSettings(**{"size": 160, **options})  # type: ignore[arg-type]
    return make_scene(tiles.__getitem__, COUNT, np.random.default_rng(seed), settings, grey)


def test_the_seed_decides(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    before = [tile["image"].copy() for tile in tiles]
    for seed in range(8):
        one, two = scene(tiles, seed), scene(tiles, seed)
        for name in ("image", "boxes", "points"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert not np.array_equal(scene(tiles, 0).image, scene(tiles, 1).image)
    for image, tile in zip(before, tiles):
        np.testing.assert_array_equal(image, tile["image"])


def test_types_and_counts(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    scenes = [scene(tiles, seed) for seed in range(150)]
    for s in scenes:
        assert (s.image.shape, s.image.dtype) == ((160, 160, 3), np.uint8)
        assert (s.boxes.dtype, s.points.dtype) == (np.float32, np.float32)
        assert s.boxes.shape == (len(s.points), 4)
        assert s.points.shape == (len(s.boxes), 5, 2)
    counts = np.array([len(s.boxes) for s in scenes])
    assert counts.max() <= SceneSettings().most
    assert 0.05 < (counts == 0).mean() < 0.3
    assert (counts > 1).mean() > 0.2
    assert all(len(scene(tiles, seed, empty=1.0).boxes) == 0 for seed in range(5))


def test_boxes_hold_their_points_and_lie_mostly_in_the_image(
    tiles: list[dict[str, NDArray[np.generic]]],
) -> None:
    sizes = []
    for seed in range(100):
        s = scene(tiles, seed)
        low, high = s.boxes[:, None, :2], s.boxes[:, None, 2:]
        assert ((s.points > low) & (s.points < high)).all()
        extent = s.boxes[:, 2:] - s.boxes[:, :2]
        seen = (np.minimum(s.boxes[:, 2:], 160) - np.maximum(s.boxes[:, :2], 0)).clip(0)
        assert (seen.prod(1) >= 0.5 * extent.prod(1)).all()
        sizes += np.sqrt(extent.prod(1)).tolist()
    assert min(sizes) > 11.5  # turning a face enlarges the box around it
    assert min(sizes) < 20
    assert max(sizes) > 100


def test_faces_are_ordered_and_do_not_hide_each_other(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    for seed in range(100):
        boxes = scene(tiles, seed).boxes
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                both = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod()
                assert both <= 0.1001 * (a[2:] - a[:2]).prod()


def seen_under(s: Scene) -> NDArray[np.float64] | None:
    """(5, 2) place in the sample that the colours under a lonely face's points tell; None where they tell none."""
    flat = np.ptp(s.image.astype(int), axis=2).max() <= 1  # a grey scene
    if flat or not len(s.boxes):
        return None
    whole = np.rint(s.points[0]).astype(int)
    if (whole < 2).any() or (whole > 157).any():
        return None
    return s.image[whole[:, 1], whole[:, 0], :2].astype(np.float64)


def test_points_lie_on_the_pixels_of_the_sample(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    truth = five_points(np.asarray(tiles[0]["landmarks_68"], dtype=np.float64))
    height = np.linalg.norm(truth[3:].mean(0) - truth[:2].mean(0))
    checked = 0
    for seed in range(120):
        made = scene(tiles, seed, most=1, smallest=40.0, empty=0.0)
        # In a mirror the person's right eye is where the left one was, and bears its name.
        for s, order in (
            (made, [0, 1, 2, 3, 4]),
            (mirrored(made), [1, 0, 2, 4, 3]),
            (quarter_turned(made), [0, 1, 2, 3, 4]),
        ):
            seen = seen_under(s)
            if seen is None:
                continue
            points = s.points[0]
            down = points[3:].mean(0) - points[:2].mean(0)
            step = height / np.linalg.norm(down)  # a pixel of the scene, in pixels of the sample
            assert np.linalg.norm(seen - truth[order], axis=1).max() < 0.75 * step + 1.5, seed
            across = points[1] - points[0] + points[4] - points[3]
            assert across[0] * down[1] - across[1] * down[0] > 0  # never named as in a mirror
            checked += 1
    assert checked > 150


def test_small_faces_are_shrunk_about_the_right_place(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    truth = five_points(np.asarray(tiles[0]["landmarks_68"], dtype=np.float64))
    off = []
    for seed in range(250):
        s = scene(tiles, seed, most=1, smallest=12.0, largest=0.15, empty=0.0)  # 5 to 9 pixels become one
        seen = seen_under(s)
        if seen is not None:
            off.append(seen - truth)
    assert len(off) > 100
    # Single pixels are off by half their size, their mean by less than a pixel of the sample.
    assert np.abs(np.mean(off, axis=(0, 1))).max() < 1.0


def test_mirrors_and_turns_return(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    s = next(made for made in (scene(tiles, seed) for seed in range(20)) if len(made.boxes) > 1)
    twice, around = mirrored(mirrored(s)), s
    for _ in range(4):
        around = quarter_turned(around)
        assert (
            (around.points > around.boxes[:, None, :2]) & (around.points < around.boxes[:, None, 2:])
        ).all()
    for other in (twice, around):
        np.testing.assert_array_equal(other.image, s.image)
        np.testing.assert_allclose(other.boxes, s.boxes, atol=1e-3)
        np.testing.assert_allclose(other.points, s.points, atol=1e-3)


def test_five_points() -> None:
    p = np.random.default_rng(0).random((68, 2))
    five = five_points(p)
    np.testing.assert_allclose(five[0], p[36:42].mean(0))
    np.testing.assert_allclose(five[1], p[42:48].mean(0))
    np.testing.assert_array_equal(five[2:], p[[30, 48, 54]])


def test_windows_show_one_sample_alone(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    sizes, single = [], 0
    for seed in range(80):
        s = scene(tiles, seed, window=1.0, empty=0.0, largest=1.2)
        if len(s.boxes) != 1 or np.ptp(s.image.astype(int), axis=2).max() <= 1:
            continue
        single += 1
        blue = np.unique(s.image[..., 2])
        assert len(blue) == 1  # one sample everywhere: no border of a paste to learn from
        assert int(blue[0]) in {50 + 40 * k for k in range(COUNT)}
        sizes.append(float(np.sqrt(np.prod(s.boxes[0, 2:] - s.boxes[0, :2]))))
    assert single > 40
    assert max(sizes) > 1.5 * min(sizes)


def test_windows_without_a_face_lie_beside_it_or_show_a_small_part(
    tiles: list[dict[str, NDArray[np.generic]]],
) -> None:
    dense = np.asarray(tiles[0]["dense"][:478], dtype=np.float64)
    low, high = dense.min(0), dense.max(0)
    found = 0
    for seed in range(60):
        s = scene(tiles, seed, window=1.0, empty=1.0)
        assert len(s.boxes) == 0
        if len(np.unique(s.image[..., 2])) > 1 or np.ptp(s.image.astype(int), axis=2).max() <= 1:
            continue  # a backdrop, where no window was found, or a grey one
        found += 1
        place = s.image[..., :2].reshape(-1, 2)  # in the sample, as the colours tell
        cells = np.unique(place[((place > low) & (place < high)).all(axis=1)] // 4, axis=0)
        assert 16 * len(cells) < 0.4 * (high - low).prod()  # little of the face's box is seen
    assert found > 10


def test_people_cut_out_bring_no_surroundings(tiles: list[dict[str, NDArray[np.generic]]]) -> None:
    outlined = []
    for tile in tiles:
        parsing = np.zeros((EDGE, EDGE), np.uint8)
        points = np.rint(np.asarray(tile["dense"][:478])).astype(int)
        low, high = points.min(0), points.max(0)
        parsing[low[1] : high[1] + 1, low[0] : high[0] + 1] = 1
        outlined.append({**tile, "parsing": parsing})
    backdrop = grey(np.random.default_rng(0), 160)
    for seed in range(40):
        settings = SceneSettings(size=160, window=0.0, cut=1.0, empty=0.0, most=1, turned=0.0, smallest=40.0)
        s = make_scene(
            outlined.__getitem__, COUNT, np.random.default_rng(seed), settings, lambda _rng, _size: backdrop
        )
        if len(s.boxes) != 1 or np.ptp(s.image.astype(int), axis=2).max() <= 1:
            continue
        x0, y0, x1, y1 = s.boxes[0]
        y, x = np.mgrid[:160, :160]
        far = (x < x0 - 40) | (x > x1 + 40) | (y < y0 - 40) | (y > y1 + 40)
        if (s.image[far] == backdrop[0, 0]).all():
            return  # (other scenes may show shuffled pieces of samples there)
    raise AssertionError("every scene showed more than the person")

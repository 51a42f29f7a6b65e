from __future__ import annotations

import numpy as np
import pytest

from wholeface.lab.data import FaceSample
from wholeface.lab.data.occluders.hair._splat import place_guides
from wholeface.lab.data.occluders.placing.head import OUTSIDE, HeadFrame, head_frame, head_shape
from wholeface.lab.data.occluders.placing.scene import scene_light
from wholeface.lab.data.synthetic.faces import SyntheticFaces, SyntheticSettings
from wholeface.perceive import FACE_CLASSES, ParsingClass


@pytest.fixture(scope="module")
def samples() -> list[FaceSample]:
    faces = SyntheticFaces(seed=2, size=256, settings=SyntheticSettings(geometry=True))
    return [faces.sample(index) for index in range(10)]


def test_a_renderings_frame_puts_every_dense_point_where_it_is(samples: list[FaceSample]) -> None:
    for sample in samples:
        frame = head_frame(sample)
        assert frame is not None
        assert frame.depth is sample.depth  # its truth was used
        seen, cam = frame.project(frame.shape.dense)
        upper = frame.shape.dense[:, 1] > 0  # the jaw moves with the expression
        away = np.linalg.norm(seen - sample.dense, axis=1)[upper]
        assert np.median(away) < 1.5
        assert (cam[:, 2] < 0).all()


def test_the_guessed_depth_has_the_true_outline_and_nearly_the_true_depth(samples: list[FaceSample]) -> None:
    for sample in samples:
        frame = head_frame(sample.with_(depth=None))
        assert frame is not None
        guess = frame.depth_map()
        assert guess.shape == (256, 256)
        assert sample.depth is not None
        head = np.isin(sample.parsing, FACE_CLASSES)
        assert np.isfinite(guess[head]).all()
        assert np.isinf(guess[sample.parsing == ParsingClass.BACKGROUND]).all()
        assert np.median(np.abs(guess[head] - sample.depth[head])) < 4


def test_a_photos_frame_is_near_the_truth(samples: list[FaceSample]) -> None:
    errors = []
    for sample in samples:
        truth = head_frame(sample)
        guess = head_frame(sample.with_(parameters={}, depth=None))
        assert truth is not None
        assert guess is not None
        errors.append(
            (guess.yaw - truth.yaw, guess.pitch - truth.pitch, 100 * (guess.scale / truth.scale - 1))
        )
        seen, _ = guess.project(guess.shape.dense)
        assert np.median(np.linalg.norm(seen - sample.dense, axis=1)) < 5
    assert np.median(np.abs(errors), axis=0).max() < 10


def test_the_surface_is_where_the_vertices_are() -> None:
    shape = head_shape()
    arms = shape.scalp - shape.centre
    radius = np.linalg.norm(arms, axis=1)
    smooth = shape.surface((arms / radius[:, None]).astype(np.float32))
    crown = shape.scalp[:, 1] > 40
    assert np.abs(smooth - radius)[crown].mean() < 2.5
    assert np.abs(smooth - radius)[crown].max() < 12


def test_the_kernel_projects_and_lights_as_the_frame_and_the_scene_do(samples: list[FaceSample]) -> None:
    frame = head_frame(samples[3])
    assert isinstance(frame, HeadFrame)
    light = scene_light(samples[3], np.random.default_rng(0))
    rng = np.random.default_rng(1)
    curves = (frame.shape.centre + rng.normal(0, 90, (6, 5, 3))).astype(np.float32)
    order = rng.permutation(6)
    pixels, depth = np.empty((6, 5, 2), np.float32), np.empty((6, 5), np.float32)
    lit, shine = np.empty((6, 5, 3), np.float32), np.empty((6, 5), np.float32)
    place_guides(
        curves,
        order,
        frame.shape.centre,
        frame.rotation,
        frame.translation,
        np.array([frame.focal, frame.cx, frame.cy], np.float32),
        frame.bend,
        OUTSIDE,
        light.harmonics,
        np.array([0, 0, 1], np.float32),
        0.5,
        pixels,
        depth,
        lit,
        shine,
    )
    flat = curves[order].reshape(-1, 3)
    expected, cam = frame.project(flat)
    np.testing.assert_allclose(pixels.reshape(-1, 2), expected, rtol=1e-4, atol=2e-2)
    np.testing.assert_allclose(depth.ravel(), -cam[:, 2], rtol=1e-5)
    out = flat - frame.shape.centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    np.testing.assert_allclose(
        lit.reshape(-1, 3), light.diffuse(out @ frame.rotation.T), rtol=1e-3, atol=1e-3
    )
    assert (shine >= 0).all()
    assert (shine <= 0.5).all()

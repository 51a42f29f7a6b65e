"""Fitting and labelling, on a rendered head with painted hair and clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from wholeface.lab.data.portraits.labels import FACE_SIZE, label_portrait
from wholeface.lab.data.portraits.landmarks import make_surface, place_head
from wholeface.morphable import Parameters, dense_embedding
from wholeface.morphable.loaders import load_model
from wholeface.perceive import FACE_CLASSES, IGNORE, ParsingClass
from wholeface.render import Camera, ambient_light, rasterize, render_parameters, to_camera

SIZE = 160


@dataclass
class Scene:
    """An image whose every pixel is known."""

    pixels: np.ndarray
    person: np.ndarray
    truth: np.ndarray  # 0 background, 1 head, 2 hair, 3 cloth
    points: np.ndarray
    marks: np.ndarray
    dense: np.ndarray


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def surface(model):
    return make_surface(model)


@pytest.fixture(scope="module")
def scene(model):
    return draw(model, hair=True)


def draw(model, hair: bool) -> Scene:
    """The mean head over grey, hair over the scalp and beside the face, a blue coat below the chin."""
    rotation, translation = torch.tensor([0.05, 0.2, 0.0]), torch.tensor([0.0, 10.0, -900.0])
    camera = Camera(400.0, (SIZE - 1) / 2, (SIZE - 1) / 2, SIZE, SIZE)
    vertices = to_camera(model.mean, rotation, translation)
    p = Parameters(
        identity=torch.zeros(model.identity_size),
        expression=torch.zeros(model.expression_size),
        albedo=torch.zeros(model.albedo_size),
        light=ambient_light(1.0),
        rotation=rotation,
        translation=translation,
    )
    drawn = render_parameters(model, p, camera)
    rgb = (255 * drawn.image[0].permute(1, 2, 0).clamp(0, 1) ** (1 / 2.2)).byte().numpy().copy()
    head = rasterize(vertices, model.triangles, camera).mask[0].numpy()
    marks = camera.project(model.landmarks_68.points(vertices, model.triangles)).numpy()
    row, column = np.mgrid[:SIZE, :SIZE]
    rng = np.random.default_rng(0)
    brow, chin = marks[17:27].mean(0), marks[8]
    unit = chin[1] - brow[1]
    middle = marks[[0, 16], 0].mean()
    truth = np.where(head, 1, 0)
    coat = (row > chin[1] + 0.25 * unit) & (np.abs(column - middle) < 1.3 * unit)
    truth[coat & (row > chin[1] + 0.25 * unit)] = 3
    if hair:
        cap = ((column - middle) / (0.85 * unit)) ** 2 + (
            (row - brow[1] + 0.35 * unit) / (0.75 * unit)
        ) ** 2 < 1
        cap &= row < brow[1] - 0.45 * unit + 0.05 * unit * np.sin(column / 3)
        truth[cap] = 2
    pixels = np.where((truth == 1)[..., None], rgb, 0).astype(float)
    for kind, colour, spread in ((0, (150, 150, 145), 4), (2, (50, 35, 25), 9), (3, (30, 45, 110), 6)):
        area = truth == kind
        pixels[area] = np.array(colour) + spread * rng.standard_normal((area.sum(), 1))
    points = camera.project(model.landmarks_478.points(vertices, model.triangles)).double().numpy()
    dense = camera.project(dense_embedding(model).points(vertices, model.triangles)).numpy()
    person = np.clip((truth > 0) + 0.02 * rng.standard_normal(truth.shape), 0, 1).astype(np.float32)
    return Scene(pixels.clip(0, 255).astype(np.uint8), person, truth, points, marks, dense)


@pytest.fixture(scope="module")
def labels(model, surface, scene):
    head = place_head(surface, scene.points, SIZE, SIZE)
    return label_portrait(model, scene.pixels, scene.person, head, scene.points), head


def at_map(labels, values):
    """Values of the portrait's pixels on the grid of the labels."""
    shape = labels.parsing.shape
    row = np.minimum((np.arange(shape[0]) + 0.5) / labels.factor[1], SIZE - 1).astype(int)
    column = np.minimum((np.arange(shape[1]) + 0.5) / labels.factor[0], SIZE - 1).astype(int)
    return values[row[:, None], column[None]]


def test_exact_points_give_back_the_head(scene, surface):
    head = place_head(surface, scene.points, SIZE, SIZE)
    eyes = np.linalg.norm(scene.marks[36] - scene.marks[45])
    assert np.linalg.norm(head.dense[:478] - scene.dense[:478], axis=1).mean() < 0.008 * eyes
    assert np.linalg.norm(head.landmarks_68 - scene.marks, axis=1).mean() < 0.015 * eyes
    assert np.linalg.norm(head.dense[478:] - scene.dense[478:], axis=1).mean() < 0.04 * eyes
    assert head.corrected.mean() < head.residual.mean()
    lids = [40, 41, 46, 47]  # the rim of the lower lid looks up
    assert np.delete(head.facing_68, lids)[17:].all()
    assert 0.3 < head.facing_dense.mean() < 1


def test_what_the_teacher_does_on_average_is_taken_off(model, scene):
    offset = np.zeros((478, 2))
    offset[:, 0], offset[:, 1] = 0.02, -0.03
    plain = place_head(make_surface(model), scene.points, SIZE, SIZE)
    eyes = np.linalg.norm(scene.marks[36] - scene.marks[45])
    shifted = scene.points + eyes * offset  # an upright face: its axes are the image's
    corrected = place_head(make_surface(model, offset), shifted, SIZE, SIZE)
    inner = [33, 133, 263, 362, 61, 291, 13, 1, 105, 334]
    moved = np.linalg.norm(corrected.dense[inner] - plain.dense[inner], axis=1)
    assert moved.max() < 0.008 * eyes  # without the correction it is 0.036


def test_a_movement_of_the_lips_moves_the_lips_alone(surface, scene):
    eyes = np.linalg.norm(scene.marks[36] - scene.marks[45])
    lower = [17, 84, 314, 14, 87, 317, 181, 405, 178, 402, 16, 15]
    points = scene.points.copy()
    points[lower, 1] += 0.04 * eyes
    before, after = (place_head(surface, p, SIZE, SIZE) for p in (scene.points, points))
    assert (after.dense[lower, 1] - before.dense[lower, 1]).mean() > 0.5 * 0.04 * eyes
    upper = [0, 37, 267, 11, 72, 302]
    assert np.abs(after.dense[upper, 1] - before.dense[upper, 1]).mean() < 0.1 * 0.04 * eyes
    assert np.abs(after.landmarks_68[36:48] - before.landmarks_68[36:48]).max() < 0.006 * eyes


def test_every_part_is_found(labels, scene):
    found, _ = labels
    truth = at_map(found, scene.truth)
    known = found.parsing != IGNORE
    assert known.mean() > 0.9
    head = (
        *FACE_CLASSES,
        ParsingClass.LEFT_EAR,
        ParsingClass.RIGHT_EAR,
        ParsingClass.NECK,
    )
    for kind, classes in ((0, [0]), (1, head), (2, [ParsingClass.HAIR]), (3, [ParsingClass.CLOTH])):
        claimed = np.isin(found.parsing, [int(c) for c in classes])
        both = (claimed & (truth == kind)).sum()
        either = ((claimed | (truth == kind)) & known).sum()
        assert both / either > 0.9, kind


def test_the_face_ends_at_the_hair(labels, scene):
    found, _ = labels
    truth = at_map(found, scene.truth)
    assert (found.face & (truth == 2)).sum() < 0.01 * found.face.sum()
    assert np.isin(found.parsing[found.face], [int(c) for c in FACE_CLASSES]).all()
    rows = np.flatnonzero(found.face.any(1))
    assert 0.8 * FACE_SIZE < len(rows) < 1.04 * FACE_SIZE


def test_features_lie_at_their_landmarks_on_the_right_sides(labels, scene):
    found, _ = labels
    marks = (scene.marks + 0.5) * np.array(found.factor) - 0.5
    for group, name in (
        (slice(36, 42), ParsingClass.LEFT_EYE),
        (slice(42, 48), ParsingClass.RIGHT_EYE),
        (slice(17, 22), ParsingClass.LEFT_BROW),
        (slice(22, 27), ParsingClass.RIGHT_BROW),
    ):
        row, column = np.nonzero(found.parsing == name)
        assert len(row) > 50
        assert abs(column.mean() - marks[group, 0].mean()) < 6
        assert abs(row.mean() - marks[group, 1].mean()) < 8
    lips = {
        n: np.nonzero(found.parsing == n)[0].mean() for n in (ParsingClass.UPPER_LIP, ParsingClass.LOWER_LIP)
    }
    assert lips[ParsingClass.UPPER_LIP] < marks[60:68, 1].mean() < lips[ParsingClass.LOWER_LIP]
    nose = np.nonzero(found.parsing == ParsingClass.NOSE)
    assert abs(nose[1].mean() - marks[27:36, 0].mean()) < 6
    ears = [np.nonzero(found.parsing == n)[1].mean() for n in (ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR)]
    assert ears[0] < marks[36, 0] < marks[45, 0] < ears[1]
    necks = np.nonzero(found.parsing == ParsingClass.NECK)[0]
    assert necks.mean() > marks[8, 1]


def test_a_bald_head_is_skin(model, surface):
    scene = draw(model, hair=False)
    head = place_head(surface, scene.points, SIZE, SIZE)
    found = label_portrait(model, scene.pixels, scene.person, head, scene.points)
    crown = at_map(found, scene.truth) == 1
    crown[int((scene.marks[17:27, 1].mean() - 12) * found.factor[1]) :] = False
    assert (found.parsing[crown] == ParsingClass.SKIN).mean() > 0.8
    assert (found.parsing == ParsingClass.HAIR).mean() < 0.01
    assert found.doubts["cut"] < 0.03


def test_an_occluder_before_the_face_raises_doubts(model, surface, scene, labels):
    pixels = scene.pixels.copy()
    nose = scene.marks[33].astype(int)
    pixels[nose[1] - 8 : nose[1] + 60, nose[0] - 30 : nose[0] + 30] = (30, 45, 110)
    person = scene.person.copy()
    person[nose[1] - 8 : nose[1] + 60, nose[0] - 30 : nose[0] + 30] = 0.0
    _, head = labels
    covered = label_portrait(model, pixels, person, head, scene.points)
    clean, _ = labels
    assert clean.doubts["background"] < 0.01
    assert covered.doubts["background"] > clean.doubts["background"] + 0.01

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from wholeface.lab.data import FaceSample, Layer
from wholeface.lab.data.compositing.compose import apply_layer
from wholeface.lab.data.occluders.glasses.frames import LENS, OUTLINES, build_frame, random_frame
from wholeface.lab.data.occluders.glasses.source import GlassesSource
from wholeface.lab.data.occluders.placing.head import head_frame
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.perceive import EyewearPart, OccluderKind, ParsingClass


@pytest.fixture(scope="module")
def samples() -> list[FaceSample]:
    faces = SyntheticFaces(seed=5, size=192)
    return [faces.sample(index) for index in range(14)]


def _yaw(sample: FaceSample) -> float:
    frame = head_frame(sample)
    return 90.0 if frame is None else abs(frame.yaw)


def test_the_same_seed_makes_the_same_glasses(samples: list[FaceSample]) -> None:
    sample = min(samples, key=_yaw)
    first, again = (GlassesSource().layer(sample, np.random.default_rng([4, 4]), "train") for _ in range(2))
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.rgba, again.rgba)


def test_sunglasses_hide_the_eyes_and_sit_on_the_bridge(samples: list[FaceSample]) -> None:
    checked = near = dark = eyes = 0
    for index, sample in enumerate(samples):
        if _yaw(sample) > 25:
            continue
        for round_ in range(3):
            rng = np.random.default_rng([index, round_])
            layer = GlassesSource(sunglasses=True).layer(sample, rng, "train")
            if layer is None:
                continue
            assert layer.kind == OccluderKind.SUNGLASSES
            assert layer.parsing == ParsingClass.EYEGLASSES
            assert layer.eyewear is not None
            covered = np.isin(layer.eyewear, (EyewearPart.FRAME, EyewearPart.DARK_LENS))
            seen = apply_layer(sample, layer, rng)
            assert seen.eyewear is not None
            np.testing.assert_array_equal(seen.eyewear, layer.eyewear)
            assert (seen.occluder[covered] == OccluderKind.SUNGLASSES).all()
            assert (seen.parsing[covered] == ParsingClass.EYEGLASSES).all()
            pupils = np.stack([sample.landmarks_68[36:42].mean(0), sample.landmarks_68[42:48].mean(0)])
            column, row = np.rint(pupils).astype(int).T
            inside = ((column > 2) & (column < 189) & (row > 2) & (row < 189)).all()
            if inside and layer.rgba[row, column, 3].min() > 200:  # neither tinted only nor on the forehead
                dark += covered[row, column].all()
                eyes += 1
            unit = float(np.linalg.norm(pupils[1] - pupils[0]))
            bridge = sample.landmarks_68[27:29].mean(0)
            rows, columns = np.nonzero(covered)
            nearest = np.hypot(columns - bridge[0], rows - bridge[1]).min()
            near += nearest < 0.2 * unit
            checked += 1
    assert checked > 8
    assert near > 0.85 * checked  # the others were slid down or pushed up
    assert dark == eyes > 4


def test_clear_lenses_are_face_and_frames_are_not(samples: list[FaceSample]) -> None:
    shares = []
    for index, sample in enumerate(samples):
        if _yaw(sample) > 25:
            continue
        for round_ in range(3):
            layer = GlassesSource(sunglasses=False).layer(
                sample, np.random.default_rng([index, round_]), "train"
            )
            if layer is None:
                continue
            assert layer.kind == OccluderKind.GLASSES
            eyes = np.rint(sample.landmarks_68[36:48]).astype(int).clip(0, 191)
            shares.append((layer.rgba[eyes[:, 1], eyes[:, 0], 3] > 127).mean())
    assert len(shares) > 8
    assert np.mean(shares) < 0.12


def test_no_glasses_on_profiles_and_outside_the_image(samples: list[FaceSample]) -> None:
    sample = min(samples, key=_yaw)
    away = sample.with_(
        parameters={}, landmarks_68=sample.landmarks_68 + 500, dense=sample.dense + np.float32(500)
    )
    assert GlassesSource().layer(away, np.random.default_rng(0), "train") is None
    frame = head_frame(sample)
    assert frame is not None
    for yaw in (75.0, -80.0):
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)

        def seen(points: np.ndarray, turn: np.ndarray = turn) -> np.ndarray:
            return ((points @ turn.T)[:, :2] * (0.6, -0.6) + 96).astype(np.float32)

        profile = sample.with_(
            parameters={},
            landmarks_68=seen(frame.shape.landmarks_68),
            dense=seen(frame.shape.dense),
            depth=None,
        )
        found = head_frame(profile)
        assert found is not None
        assert found.yaw == pytest.approx(yaw, abs=3)
        assert GlassesSource().layer(profile, np.random.default_rng(0), "train") is None


def test_held_out_frames_are_not_met_in_training(samples: list[FaceSample]) -> None:
    sample = min(samples, key=_yaw)
    names = {
        split: {GlassesSource().layer(sample, np.random.default_rng(i), split).name for i in range(40)}  # type: ignore[arg-type, union-attr]
        for split in ("train", "held_out")
    }
    bare = {split: {name.split("/")[1] for name in found} for split, found in names.items()}
    assert len(bare["train"]) > 5
    assert bare["held_out"] == {"cat_eye", "hexagon"}
    assert not bare["train"] & bare["held_out"]


def test_parts_of_clear_spectacles(samples: list[FaceSample]) -> None:
    """Their frames hide, through most of their lenses the eyes are seen, and what covers them hides them."""
    clear, both = 0, 0
    for index, sample in enumerate(samples):
        if _yaw(sample) > 25:
            continue
        rng = np.random.default_rng([index, 9])
        layer = GlassesSource(sunglasses=False).layer(sample, rng, "train")
        if layer is None:
            continue
        assert layer.eyewear is not None
        frame, lens = layer.eyewear == EyewearPart.FRAME, layer.eyewear == EyewearPart.CLEAR_LENS
        assert 0.001 < frame.mean() < 0.12
        assert (layer.rgba[..., 3][lens] <= 127).all()
        seen = apply_layer(sample, layer, rng)
        assert (seen.occluder[frame] == OccluderKind.GLASSES).all()
        assert (seen.occluder[lens] == OccluderKind.NONE).all()
        eyes = np.rint(sample.landmarks_68[36:48]).astype(int).clip(0, 191)
        clear += int(lens[eyes[:, 1], eyes[:, 0]].mean() > 0.8)
        both += 1
        cover = np.zeros((192, 192, 4), np.uint8)
        cover[:, :96] = 255
        hand = Layer(cover, OccluderKind.HAND, ParsingClass.OBJECT, "test/hand")
        hidden = apply_layer(seen, hand, rng)
        assert hidden.eyewear is not None
        assert (hidden.eyewear[:, :96] == EyewearPart.NONE).all()
        np.testing.assert_array_equal(hidden.eyewear[:, 96:], layer.eyewear[:, 96:])
    assert both > 3
    assert clear > 0.5 * both


@pytest.mark.parametrize("name", sorted(OUTLINES))
def test_frames_are_symmetric_and_their_lenses_stand_before_the_eyes(name: str) -> None:
    shape = random_frame(name, np.random.default_rng(7))
    mesh = build_frame(shape, (80.0, 12.0, -104.0))
    away, _ = cKDTree(mesh.vertices).query(mesh.vertices * (-1, 1, 1))
    assert away.max() < 1e-3
    lens = mesh.vertices[np.unique(mesh.triangles[mesh.part == LENS])]
    right = lens[lens[:, 0] > 0]
    assert right[:, 0].min() < 26 < 40 < right[:, 0].max()
    assert right[:, 1].min() < 5 < 12 < right[:, 1].max()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=0.02)


@pytest.mark.shared
def test_the_artists_models_are_seated_too(samples: list[FaceSample], shared: Path) -> None:
    sample = min(samples, key=_yaw)
    source = GlassesSource(shared / "data" / "occluders", sunglasses=True)
    hidden: list[bool] = []
    seen = {"train": set(), "held_out": set()}  # type: dict[str, set[str]]
    for split, found in seen.items():
        for index in range(48):
            layer = source.layer(sample, np.random.default_rng(index), split)  # type: ignore[arg-type]
            assert layer is not None
            if "glasses-" not in layer.name:
                continue
            found.add(layer.name)
            eyes = np.rint(
                np.stack([sample.landmarks_68[36:42].mean(0), sample.landmarks_68[42:48].mean(0)])
            ).astype(int)
            hidden.append((layer.rgba[eyes[:, 1], eyes[:, 0], 3] > 127).all())
    assert np.mean(hidden) > 0.75  # the others are tinted only, slid down or pushed up
    assert seen["train"] == {f"sunglasses/glasses-0{n}" for n in (1, 3, 4)}
    assert seen["held_out"] == {"sunglasses/glasses-05"}

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.lab.data import FaceSample
from wholeface.lab.data.compositing.compose import apply_layer
from wholeface.lab.data.occluders.hair.cards import WIGS
from wholeface.lab.data.occluders.hair.source import HairSource
from wholeface.lab.data.occluders.hair.styles import FALLS, NATURALS
from wholeface.lab.data.synthetic.faces import SyntheticFaces, SyntheticSettings
from wholeface.perceive import OccluderKind, ParsingClass


@pytest.fixture(scope="module")
def samples() -> list[FaceSample]:
    faces = SyntheticFaces(seed=11, size=128, settings=SyntheticSettings(geometry=True))
    return [faces.sample(index) for index in range(12)]


def test_the_same_seed_makes_the_same_hair_and_another_seed_other_hair(samples: list[FaceSample]) -> None:
    for make in (HairSource().layer, HairSource().natural):
        first = make(samples[0], np.random.default_rng([1, 2]), "train")
        again = make(samples[0], np.random.default_rng([1, 2]), "train")
        other = make(samples[0], np.random.default_rng([1, 3]), "train")
        assert first is not None
        assert again is not None
        assert other is not None
        np.testing.assert_array_equal(first.rgba, again.rgba)
        assert (first.rgba != other.rgba).any()


def test_hair_over_the_face_hides_some_of_it_and_is_labelled_there(samples: list[FaceSample]) -> None:
    hidden = []
    for index in range(36):
        sample = samples[index % len(samples)]
        rng = np.random.default_rng(index)
        layer = HairSource().layer(sample, rng, "train")
        if layer is None:
            continue
        assert layer.kind == OccluderKind.HAIR
        assert layer.parsing == ParsingClass.HAIR
        seen = apply_layer(sample, layer, rng)
        covered = layer.rgba[..., 3] > 127
        assert (seen.parsing[covered] == ParsingClass.HAIR).all()
        np.testing.assert_array_equal(seen.occluder == OccluderKind.HAIR, covered & sample.face)
        hidden.append((covered & sample.face).sum() / max(sample.face.sum(), 1))
    assert len(hidden) > 30
    assert np.mean(np.array(hidden) > 0.02) > 0.5
    assert max(hidden) > 0.25  # half a face of hair comes up
    assert max(hidden) < 0.98


def test_a_head_of_hair_covers_the_scalp_and_mostly_leaves_the_face_free(samples: list[FaceSample]) -> None:
    over, scalp = [], []
    for index in range(36):
        sample = samples[index % len(samples)]
        layer = HairSource().natural(sample, np.random.default_rng(index), "train")
        if layer is None:
            continue
        covered = layer.rgba[..., 3] > 127
        over.append((covered & sample.face).sum() / max(sample.face.sum(), 1))
        assert sample.depth is not None
        above = np.isfinite(sample.depth) & ~sample.face
        above[int(max(sample.landmarks_68[17:27, 1].min(), 0)) :] = False
        if above.sum() > 150:
            scalp.append((covered & above).sum() / above.sum())
    assert np.median(over) < 0.1
    assert np.median(scalp) > 0.6


def test_what_is_drawn_in_training_is_never_drawn_for_the_held_out_set(samples: list[FaceSample]) -> None:
    names: dict[str, set[str]] = {"train": set(), "held_out": set()}
    for split in ("train", "held_out"):
        for index in range(40):
            sample = samples[index % len(samples)]
            for make in (HairSource().layer, HairSource().natural):
                layer = make(sample, np.random.default_rng(index), split)  # type: ignore[arg-type]
                if layer is not None:
                    names[split].add(layer.name)
    assert names["train"]
    assert names["held_out"]
    assert not names["train"] & names["held_out"]
    for table in (FALLS, NATURALS):
        assert {item[2] for item in table.values()} == {"train", "held_out"}


def test_a_photo_needs_nothing_but_its_points(samples: list[FaceSample]) -> None:
    photo = samples[1].with_(parameters={}, depth=None, dense=np.full((600, 2), np.nan, np.float32))
    layer = HairSource().layer(photo, np.random.default_rng(0), "train")
    assert layer is not None
    assert layer.rgba.shape == (128, 128, 4)


def test_no_hair_where_there_is_no_head(samples: list[FaceSample]) -> None:
    nowhere = samples[0].with_(
        parameters={}, landmarks_68=np.zeros((68, 2), np.float32), dense=np.zeros((600, 2), np.float32)
    )
    assert HairSource().layer(nowhere, np.random.default_rng(0), "train") is None
    assert HairSource().natural(nowhere, np.random.default_rng(0), "train") is None


@pytest.mark.shared
def test_hair_of_real_images_and_of_avatars(samples: list[FaceSample], shared: Path) -> None:
    source = HairSource(shared / "data")
    assert source.avatars is not None
    assert source.portraits is not None
    same = HairSource(shared / "data" / "occluders")
    assert same.avatars == source.avatars
    names = set()
    for index in range(40):
        sample = samples[index % len(samples)]
        for make in (source.layer, source.natural):
            layer = make(sample, np.random.default_rng(index), "train")
            if layer is not None:
                names.add(layer.name)
    assert any(name.endswith("_portrait") for name in names)
    assert any(name.endswith("_avatar") for name in names)
    wigs = {name.removeprefix("hair/natural_wig_") for name in names if "wig" in name}
    assert wigs
    assert {WIGS[name] for name in wigs} == {"train"}

import pickle
from collections import Counter

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.data.occluders import DEFAULT_WEIGHTS, OccluderLibrary

OWN = ("hands", "masks", "objects", "patches", "scarves")


def draw(library, sample, *seed):
    return library.draw(sample, np.random.default_rng(seed))


def test_the_same_seed_draws_the_same_occluders_in_any_order_and_process(faces):
    first, second = OccluderLibrary(), pickle.loads(pickle.dumps(OccluderLibrary()))
    order = [5, 0, 3, 1, 4, 2]
    one = {k: draw(first, faces(k), 1, k) for k in range(6)}
    two = {k: draw(second, faces(k), 1, k) for k in order}
    for k in range(6):
        assert [layer.name for layer in one[k]] == [layer.name for layer in two[k]]
        for a, b in zip(one[k], two[k]):
            np.testing.assert_array_equal(a.rgba, b.rgba)


def test_a_used_library_pickles_without_its_sources(faces):
    library = OccluderLibrary()
    draw(library, faces(0), 2)
    assert len(pickle.dumps(library)) < 2000


def test_weights_are_respected(faces):
    library = OccluderLibrary(weights={"patches": 3.0, "scarves": 1.0, "masks": 0.0})
    kinds = Counter(
        layer.name.split("/")[0] for k in range(120) for layer in draw(library, faces(0), 3, k)[:1]
    )
    assert set(kinds) == {"patch", "scarf"}
    assert 1.2 < kinds["patch"] / kinds["scarf"] < 6.0


def test_mostly_one_occluder_sometimes_two(faces):
    library = OccluderLibrary(weights=dict.fromkeys(("patches", "masks", "scarves"), 1.0))
    counts = Counter(len(draw(library, faces(0), 4, k)) for k in range(150))
    assert 0.65 < counts[1] / 150 < 0.92
    assert counts[2] > 10
    assert set(counts) <= {0, 1, 2, 3}


def test_an_only_source_is_drawn_from_even_if_it_fits_seldom(faces):
    library = OccluderLibrary(weights={"scarves": 1.0})
    assert sum(len(draw(library, faces(0), 5, k)) for k in range(30)) >= 27


@pytest.mark.parametrize("name", OWN)
def test_train_and_held_out_items_are_disjoint(name, faces):
    source = OccluderLibrary().source(name)
    train, held_out = set(source.names("train")), set(source.names("held_out"))
    assert train
    assert held_out
    assert not train & held_out
    for split, names in (("train", train), ("held_out", held_out)):
        library = OccluderLibrary(split=split, weights={name: 1.0})
        for k in range(12):
            for layer in draw(library, faces(k % 3), 6, k):
                parts = [part if "/" in part else f"hand/{part}" for part in layer.name.split("+")]
                assert set(parts) <= names


def test_train_and_held_out_items_of_the_folders_are_disjoint(shared):
    for name in ("hands", "masks"):
        source = OccluderLibrary(shared / "data").source(name)
        train, held_out = set(source.names("train")), set(source.names("held_out"))
        assert not train & held_out
        assert 0.05 < len(held_out) / (len(train) + len(held_out)) < 0.35


@pytest.mark.parametrize("name", OWN)
def test_occluders_hide_a_sane_part_of_the_face(name, faces):
    library = OccluderLibrary(weights={name: 1.0})
    shares = []
    for k in range(16):
        sample = faces(k % 4)
        for layer in draw(library, sample, 7, k):
            assert layer.rgba.shape == (128, 128, 4)
            shares.append(((layer.rgba[..., 3] > 127) & sample.face).sum() / sample.face.sum())
    assert len(shares) >= 13
    assert np.mean(np.array(shares) > 0.01) > 0.8
    assert 0.03 < np.median(shares) < 0.7


def test_glasses_and_sunglasses_never_come_together(faces):
    library = OccluderLibrary(weights={"glasses": 1.0, "sunglasses": 1.0})
    for k in range(12):
        assert len(draw(library, faces(0), 8, k)) <= 1


def test_a_held_object_comes_with_a_hand_only_where_hands_are_wanted(faces):
    kinds = {
        hands: {layer.name.split("/")[0] for k in range(25) for layer in draw(library, faces(0), 9, k)}
        for hands, library in (
            (False, OccluderLibrary(weights={"objects": 1.0})),
            (True, OccluderLibrary(weights={"objects": 1.0, "hands": 1e-9})),
        )
    }
    assert kinds == {False: {"object"}, True: {"object", "hand"}}


def test_every_default_source_can_be_built(faces):
    library = OccluderLibrary()
    for name in DEFAULT_WEIGHTS:
        assert library.source(name) is library.source(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {"hat": 1.0}}, "unknown occluder 'hat'; known are glasses, hair, hands"),
        ({"weights": {"hats": -1.0}}, "'hats' must not be negative, got -1.0"),
        ({"weights": {"hats": float("nan")}}, "'hats' must not be negative, got nan"),
        ({"weights": {"hats": 0.0}}, "no occluder has a positive weight"),
        ({"split": "test"}, "split must be one of train, held_out, got 'test'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        OccluderLibrary(**arguments)


def test_a_missing_folder_and_an_unknown_source_are_refused(tmp_path):
    with pytest.raises(UsageError, match="nowhere is not a folder"):
        OccluderLibrary(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="unknown occluder 'hat'"):
        OccluderLibrary().source("hat")


def test_an_empty_folder_gives_drawn_occluders_only(tmp_path, faces):
    library = OccluderLibrary(tmp_path, weights={"masks": 1.0, "hands": 1.0})
    for k in range(8):
        for layer in draw(library, faces(0), 10, k):
            assert all("drawn" in part for part in layer.name.split("+"))

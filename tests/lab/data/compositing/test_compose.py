import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.data import FaceSample, Layer
from wholeface.lab.data.compositing.compose import apply_layer, scene_light
from wholeface.perceive import OccluderKind, ParsingClass

SIZE = 96


def face_of(colour=(190, 140, 120), slope=0.0, noise=3.0):
    """A disc of skin on grey."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    face = (x - 48) ** 2 + (y - 48) ** 2 < 34**2
    image = np.where(face[..., None], np.array(colour) * (1 + slope * (x / SIZE - 0.5))[..., None], 110.0)
    image = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
    return FaceSample(
        image=image,
        clean=image.copy(),
        parsing=face.astype(np.uint8),
        occluder=np.zeros((SIZE, SIZE), np.uint8),
        face=face,
        landmarks_68=np.full((68, 2), 48, np.float32),
        facing_68=np.ones(68, bool),
        dense=np.full((600, 2), 48, np.float32),
        facing_dense=np.ones(600, bool),
        known=frozenset({"parsing", "occluder"}),
        parameters={},
        depth=None,
        normals=None,
        source="disc",
        seed=(0,),
    )


def layer_of(kind=OccluderKind.OBJECT, colour=(90, 60, 200), box=(30, 30, 70, 90), alpha=255, **more):
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    x0, y0, x1, y1 = box
    rgba[y0:y1, x0:x1, :3] = colour
    rgba[y0:y1, x0:x1, 3] = alpha
    return Layer(rgba, kind, ParsingClass.OBJECT, "test/box", **more)


def test_labels_are_exactly_where_alpha_is_above_127():
    sample = face_of()
    rng = np.random.default_rng(1)
    layer = layer_of()
    layer.rgba[..., 3] = rng.integers(0, 256, (SIZE, SIZE))
    done = apply_layer(sample, layer, rng)
    cover = layer.rgba[..., 3] > 127
    np.testing.assert_array_equal(done.occluder, np.where(cover, OccluderKind.OBJECT, 0))
    np.testing.assert_array_equal(done.parsing, np.where(cover, ParsingClass.OBJECT, sample.parsing))


@pytest.mark.parametrize("kind", [OccluderKind.HAIR, OccluderKind.HAT])
def test_hair_and_hats_count_only_on_the_face(kind):
    sample = face_of()
    rng = np.random.default_rng(1)
    below = apply_layer(sample, layer_of(OccluderKind.HAND, box=(0, 0, 96, 20)), rng)
    done = apply_layer(below, layer_of(kind, box=(20, 0, 60, 40)), rng)
    cover = np.zeros((SIZE, SIZE), bool)
    cover[0:40, 20:60] = True
    np.testing.assert_array_equal(done.occluder[cover], np.where(sample.face, kind, 0)[cover])
    np.testing.assert_array_equal(done.occluder[~cover], below.occluder[~cover])
    assert (done.parsing[cover] == ParsingClass.OBJECT).all()


def test_a_map_of_classes_goes_before_the_layers_class():
    classes = np.full((SIZE, SIZE), ParsingClass.HAT, np.uint8)
    classes[60:] = ParsingClass.HAIR
    done = apply_layer(face_of(), layer_of(OccluderKind.HAT, parsing_map=classes), np.random.default_rng(1))
    assert (done.parsing[30:60, 30:70] == ParsingClass.HAT).all()
    assert (done.parsing[60:90, 30:70] == ParsingClass.HAIR).all()


def test_nothing_but_the_image_and_what_is_seen_changes():
    sample = face_of()
    before = {k: v.copy() for k, v in vars(sample).items() if isinstance(v, np.ndarray)}
    done = apply_layer(sample, layer_of(), np.random.default_rng(2))
    for name, old in before.items():
        np.testing.assert_array_equal(getattr(sample, name), old)
        if name not in ("image", "parsing", "occluder"):
            np.testing.assert_array_equal(getattr(done, name), old)
    assert (done.image != sample.image).any()


def test_the_same_generator_gives_the_same_image():
    images = [apply_layer(face_of(), layer_of(), np.random.default_rng(k)).image for k in (3, 3, 4)]
    np.testing.assert_array_equal(images[0], images[1])
    assert (images[0] != images[2]).any()


def test_an_empty_layer_changes_nothing():
    sample = face_of()
    done = apply_layer(sample, layer_of(alpha=0), np.random.default_rng(5))
    np.testing.assert_array_equal(done.image, sample.image)
    np.testing.assert_array_equal(done.parsing, sample.parsing)


def test_a_hand_keeps_its_colours_and_a_cup_takes_on_the_dark():
    dark = face_of(colour=(60, 42, 35))
    inside = (slice(45, 75), slice(40, 60))
    hand = apply_layer(dark, layer_of(OccluderKind.HAND, colour=(150, 150, 150)), np.random.default_rng(6))
    cup = apply_layer(dark, layer_of(OccluderKind.OBJECT, colour=(150, 150, 150)), np.random.default_rng(6))
    assert abs(hand.image[inside].mean() - 150) < 6
    assert cup.image[inside].mean() < 130


def test_the_shadow_darkens_skin_around_and_nothing_far_away():
    sample = face_of(noise=0.0)
    with_, without = (
        apply_layer(
            sample, layer_of(box=(40, 40, 56, 56), shadow=s, height=4.0), np.random.default_rng(7)
        ).image
        for s in (1.0, 0.0)
    )
    ring = np.zeros((SIZE, SIZE), bool)
    ring[36:60, 36:60] = True
    ring[38:58, 38:58] = False
    assert with_[ring].mean() < without[ring].mean() - 2
    np.testing.assert_array_equal(with_[:20], sample.image[:20])


def test_a_layer_of_another_size_is_refused():
    layer = Layer(np.zeros((32, 32, 4), np.uint8), OccluderKind.HAND, ParsingClass.OBJECT, "hand/small")
    with pytest.raises(UsageError, match="layer hand/small is 32×32, the sample 96×96"):
        apply_layer(face_of(), layer, np.random.default_rng(0))


def test_the_light_is_read_from_the_skin():
    plain = scene_light(face_of())
    np.testing.assert_allclose(plain.skin, [(v / 255) ** 2.2 for v in (190, 140, 120)], rtol=0.06)
    assert (plain.deep <= plain.bright).all()
    assert abs(plain.slope[0]) < 0.05
    assert scene_light(face_of(slope=1.0)).direction[0] > 0.3
    assert scene_light(face_of(slope=-1.0)).direction[0] < -0.3
    assert scene_light(face_of(colour=(60, 42, 35))).gain.mean() < 0.7 * plain.gain.mean()
    assert scene_light(face_of(colour=(90, 90, 90), noise=0.0)).grey
    assert not plain.grey


def test_a_known_light_gives_the_exposure():
    sample = face_of()
    light = np.zeros((9, 3), np.float32)
    light[0] = [0.5, 1.0, 1.5]
    gain = scene_light(sample.with_(parameters={"light": light})).gain
    np.testing.assert_allclose(gain, 0.282095 * light[0], rtol=1e-5)


def test_a_hidden_face_still_has_a_light():
    sample = face_of()
    light = scene_light(sample.with_(occluder=np.ones_like(sample.occluder)))
    assert np.isfinite(light.gain).all()
    assert np.isfinite(light.direction).all()

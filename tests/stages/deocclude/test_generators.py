"""FISN and the eyeglasses remover as stages: where they change the photo, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel
from wholeface.networks import (
    EyeglassesNet,
    Fisn,
    UNet,
    compact_eyeglasses_net,
    compact_fisn,
    compact_unet,
)
from wholeface.networks.registry import read_card, weights_file
from wholeface.networks.weights import WeightCard, save_weights
from wholeface.perceive import EyewearPart, FaceLandmarks, ParsingClass, has_weights
from wholeface.perceive.eyewear import Eyewear
from wholeface.perceive.frames import eye_band
from wholeface.photo import read_photo
from wholeface.stages import FaceState, Networks, Tools
from wholeface.stages.deocclude import by_eyeglasses, by_parsing_map
from wholeface.stages.deocclude.by_eyeglasses import DeoccludeByEyeglasses
from wholeface.stages.deocclude.by_parsing_map import DeoccludeByParsingMap, guiding_maps
from wholeface.stages.deocclude.filled import soft_matte
from wholeface.stages.parse import Parse

GENERATED, OBSERVED = int(Provenance.GENERATED), int(Provenance.OBSERVED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of tiny generators, and of a deleter to which every pixel with much red is spectacles."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    deleter = UNet(replace(compact_unet(48), width=4))
    with torch.no_grad():  # the first skip's channel 0 is how red the pixel is, and goes straight to the head
        for parameter in deleter.parameters():
            parameter.zero_()
        first, last = deleter.downs[0], deleter.joins[-1]
        first[0].weight[0, 0, 1, 1] = first[3].weight[0, 0, 1, 1] = 1
        last[0].weight[0, 0, 1, 1] = last[3].weight[0, 0, 1, 1] = 1
        for norm in (first[1], first[4], last[1], last[4]):
            norm.weight[0] = 1
        deleter.head.weight[int(ParsingClass.EYEGLASSES), 0] = 1
        deleter.head.bias[int(ParsingClass.SKIN)] = 0.8
    made = {
        "fisn": Fisn(replace(compact_fisn(48), width=4, style=4, hidden=4, condition=4)),
        "eyeglasses": EyeglassesNet(replace(compact_eyeglasses_net(48), width=4)),
        "eyeglasses_deleter": deleter,
    }
    for name, network in made.items():
        state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
        card = WeightCard(
            *(name, "1", "made up", "CC0-1.0"),
            architecture=type(network).__name__,
            architecture_config=asdict(network.config),
        )
        save_weights(folder / f"{name}.safetensors", state, card)
    return folder


@pytest.fixture
def tools(small_model: MorphableModel, folder: Path) -> Tools:
    return Tools(model=small_model, networks=Networks(weights=folder))


def test_the_maps_are_completed_where_something_stands_before_the_face(
    parsed_face: Callable[..., FaceState],
) -> None:
    maps = guiding_maps(parsed_face(), 96)
    u, v = np.rint(maps.crop.apply([120, 138])).astype(int)  # the mouth, behind the box
    assert maps.alpha[v, u] == ParsingClass.OBJECT
    assert maps.gamma[v, u] in (ParsingClass.INNER_MOUTH, ParsingClass.UPPER_LIP, ParsingClass.LOWER_LIP)
    assert maps.hidden[v, u]
    u, v = np.rint(maps.crop.apply([120, 105])).astype(int)  # the nose, free
    assert maps.gamma[v, u] == ParsingClass.NOSE
    assert not maps.hidden[v, u]
    # Where the landmarks have chin and the parsing has background, nothing stands before the face.
    assert not guiding_maps(parsed_face(box=None), 96).hidden.any()


def test_spectacles_come_from_the_closer_look(parsed_face: Callable[..., FaceState]) -> None:
    face = parsed_face(box=None)
    assert face.parsing is not None
    crop = eye_band(face.landmarks.points_478, 128, 64)
    parts = np.zeros((4, 64, 128), np.float32)
    parts[EyewearPart.FRAME, 24:40] = 1
    parts[EyewearPart.NONE] = 1 - parts[EyewearPart.FRAME]
    for presence, expected in ((0.9, True), (0.1, False)):
        worn = replace(face.parsing, eyewear=Eyewear(crop, parts, presence))
        maps = guiding_maps(face.with_(parsing=worn), 96)
        assert (maps.alpha == ParsingClass.EYEGLASSES).any() == expected
        assert maps.hidden.any() == expected
        assert (maps.gamma[maps.hidden] < ParsingClass.HAIR).all()


def test_fisn_fills_what_is_hidden_and_nothing_else(
    parsed_face: Callable[..., FaceState], tools: Tools
) -> None:
    face = parsed_face()
    (done,) = DeoccludeByParsingMap()([face], tools)
    assert done.image is not None
    made = done.image.provenance == GENERATED
    assert set(np.unique(done.image.provenance)) == {OBSERVED, GENERATED}
    assert made[120:140, 100:140].all()
    assert not made[:100].any()
    assert (done.image.pixels[:100] == face.photo.pixels[:100]).all()
    generated = done.generated
    assert generated is not None
    assert generated.pixels.shape == (48, 48, 3)
    assert (generated.removed == generated.matte).all()
    assert (generated.error == np.float32(by_parsing_map.EXPECTED_ERROR)).all()
    (kept,) = DeoccludeByParsingMap(remove="none")([face], tools)
    assert kept.image is not None
    assert kept.generated is not None
    assert (kept.image.pixels == face.photo.pixels).all()
    assert (kept.generated.matte == generated.matte).all()  # the texture is whole in any case
    changed = (done.image.pixels != face.photo.pixels).any(axis=2)
    assert changed[made].mean() > 0.95
    (free,) = DeoccludeByParsingMap()([parsed_face(box=None)], tools)
    assert free.image is not None
    assert (free.image.pixels == face.photo.pixels).all()
    assert (free.image.provenance == OBSERVED).all()


def test_faces_are_made_alike_alone_and_in_a_batch(
    parsed_face: Callable[..., FaceState], tools: Tools
) -> None:
    faces = [parsed_face(), parsed_face((9.0, -4.0)), parsed_face(box=None)]
    for stage, one in (
        (DeoccludeByParsingMap(batch=2), DeoccludeByParsingMap()),
        (DeoccludeByEyeglasses(),) * 2,
    ):
        for face, found in zip(faces, stage(faces, tools), strict=True):
            (alone,) = one([face], tools)
            assert found.image is not None
            assert alone.image is not None
            assert (found.image.provenance == alone.image.provenance).all()
            assert np.abs(found.image.pixels.astype(int) - alone.image.pixels).max() <= 1


def test_the_remover_fills_what_the_deleter_finds(
    parsed_face: Callable[..., FaceState], tools: Tools
) -> None:
    face = parsed_face()
    pixels = np.full_like(face.photo.pixels, 90)
    pixels[85:100, 80:160] = (255, 90, 90)
    face = face.with_(photo=replace(face.photo, pixels=pixels))
    (done,) = DeoccludeByEyeglasses()([face], tools)
    assert done.image is not None
    made = done.image.provenance == GENERATED
    assert made[88:97, 85:155].all()
    assert not made[:75].any()
    assert not made[112:].any()
    assert (done.image.pixels[120:] == 90).all()
    for remove in ("glasses", "none"):
        (other,) = DeoccludeByEyeglasses(remove=remove)([face], tools)  # type: ignore[arg-type]
        assert other.image is not None
        assert (other.image.provenance == GENERATED).any() == (remove == "glasses")
    (other,) = DeoccludeByEyeglasses(deleted=(ParsingClass.HAT,))([face], tools)
    assert other.image is not None
    assert (other.image.pixels == pixels).all()


def test_missing_weights_and_points(
    parsed_face: Callable[..., FaceState],
    small_model: MorphableModel,
    tools: Tools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wholeface.networks.registry.SHIPPED_WEIGHTS", tmp_path)
    bare = Tools(model=small_model, networks=Networks(weights=tmp_path))
    with pytest.raises(ModelFileError, match="wholeface train parsing_guided"):
        DeoccludeByParsingMap()([parsed_face()], bare)
    with pytest.raises(ModelFileError, match="wholeface train eyeglasses"):
        DeoccludeByEyeglasses()([parsed_face()], bare)
    face = parsed_face()
    with pytest.raises(UsageError, match="needs the parsing map"):
        DeoccludeByParsingMap()([face.with_(parsing=None)], tools)
    few = FaceLandmarks.from_points(face.landmarks.points[:68], "ibug68")
    with pytest.raises(UsageError, match="needs 478 and 68 landmarks"):
        DeoccludeByEyeglasses()([face.with_(landmarks=few)], tools)


def test_a_hole_is_whole_and_its_border_soft() -> None:
    hidden = np.zeros((64, 64), bool)
    hidden[20:30, 20:40] = True
    matte = soft_matte(hidden)
    assert (matte[hidden] == 1).all()
    np.testing.assert_allclose(matte[16:21, 30], [0, 0, 1 / 3, 2 / 3, 1], atol=1e-6)
    finer = soft_matte(hidden.repeat(2, 0).repeat(2, 1))  # about as wide in a crop of twice the size
    np.testing.assert_allclose(finer[36:41, 60], [0, 1 / 3, 2 / 3, 1, 1], atol=1e-6)
    corner = np.zeros((64, 64), bool)
    corner[:3, :3] = True
    assert (soft_matte(corner)[corner] == 1).all()


@pytest.mark.skipif(not has_weights("fisn", "eyeglasses", "eyeglasses_deleter"), reason="needs the weights")
def test_the_shipped_generators_take_away_what_hides_faces(shared: Path) -> None:
    """Held-out subjects behind sunglasses of held-out designs: nearer to the photo without them than with them."""
    from wholeface.lab.data.deocclusion import Composites, clean_photos

    photos = clean_photos(shared / "data", "validation")[:4]
    composites = Composites(photos, shared / "data", seed=9, designs="held_out", weights={"sunglasses": 1.0})
    tools = composites.tools
    errors: dict[str, list[float]] = {"photo": [], "fisn": [], "eyeglasses": []}
    for index in range(4):
        found = composites.composite(index)
        faces = [] if found is None else tools.networks.detector.detect(found.sample.image)
        if found is None or not faces:
            continue
        state = FaceState(read_photo(found.sample.image), faces[0])
        (state,) = Parse()([state], tools)
        hole, clean = found.sample.hidden, found.sample.clean.astype(float)
        stages = {"fisn": DeoccludeByParsingMap(), "eyeglasses": DeoccludeByEyeglasses()}
        made = {name: stage([state], tools)[0].image for name, stage in stages.items()}
        pictures = {"photo": found.sample.image, **{n: i.pixels for n, i in made.items() if i is not None}}
        for name, picture in pictures.items():
            errors[name].append(float(np.abs(picture[hole] - clean[hole]).mean()))
    mean = {name: float(np.mean(found)) for name, found in errors.items()}
    assert len(errors["photo"]) >= 3
    assert mean["fisn"] < 0.8 * mean["photo"]
    assert mean["eyeglasses"] < 0.8 * mean["photo"]


@pytest.mark.parametrize(
    ("name", "score", "expected"),
    [
        ("fisn", "hole_error", by_parsing_map.EXPECTED_ERROR),
        ("eyeglasses", "lens_error", by_eyeglasses.EXPECTED_ERROR),
    ],
)
def test_the_error_that_is_reckoned_with_was_measured(name: str, score: str, expected: float) -> None:
    if not has_weights(name):
        pytest.skip("needs the weights")
    assert expected == pytest.approx(read_card(name, weights_file(name)).scores[score], abs=0.005)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wholeface.core.errors import DataError, NoFaceError
from wholeface.core.provenance import Provenance
from wholeface.lab.data.relief_references import build_references, reference_of, reference_photos
from wholeface.morphable import MorphableModel, Parameters
from wholeface.networks.weights import WeightCard, load_weights
from wholeface.perceive import FaceLandmarks
from wholeface.photo import Similarity, read_photo
from wholeface.render import Camera, ambient_light, rotation_from_degrees
from wholeface.stages import BumpMap, FaceFit, FaceState, MaskEstimate, Tools
from wholeface.stages.relief.examples import frame_of, load_references
from wholeface.stages.texture.uv.atlas import FACE, surface_of
from wholeface.stages.upright import upright

SIZE, EDGE = 48, 128
CARD = WeightCard("relief_references", "1", "made up", "CC0-1.0")


@dataclass(frozen=True)
class Mark:
    """An embedding of what the face is called."""

    name: str = "mark"

    def __call__(self, face: FaceState) -> np.ndarray:
        return np.array([face.face_number, 1.0])


def _face(
    model: MorphableModel, amount: float, yaw: float = 0.0, hidden: float = 0.0, number: int = 1
) -> FaceState:
    """A face whose relief is ``amount`` mm × the height of a point in decimetres."""
    parameters = Parameters(
        torch.zeros(6), torch.zeros(5), torch.zeros(4), ambient_light(),
        rotation_from_degrees(yaw, 5.0, 0.0).float(), torch.tensor([0.0, 0.0, -900.0]),
    )  # fmt: skip
    fit = FaceFit(model, parameters, Camera.of_photo(EDGE, EDGE, 900 * EDGE / 270))
    where = upright(fit, Similarity(), EDGE)
    surface, seen = surface_of(model), where.posed.seen(where.camera)
    triangle, weights = seen.triangle[0].numpy(), seen.barycentric[0].numpy()
    region = (triangle >= 0) & (surface.kind[np.maximum(triangle, 0)] == FACE)
    heights = amount * model.mean[:, 1].numpy() / 100
    image = np.zeros((EDGE, EDGE), np.float32)
    image[region] = (weights[region] * heights[surface.triangles[triangle[region]]]).sum(axis=1)
    occluder = region & (np.arange(EDGE) < hidden * EDGE)[:, None]
    source = np.where(region & ~occluder, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.NONE))
    bump = BumpMap(Similarity(), np.where(source > 0, image, np.float32(0)), source, np.ones_like(image))
    points = np.stack(np.meshgrid(np.linspace(30, 90, 17), np.linspace(30, 90, 4)), -1).reshape(-1, 2)
    return FaceState(
        read_photo(np.zeros((EDGE, EDGE, 3), np.uint8)), FaceLandmarks.from_points(points, "ibug68"), fit=fit,
        mask=MaskEstimate(occluder.astype(np.float32), region), bump=bump, face_number=number,
    )  # fmt: skip


def test_a_reference_keeps_relief_viewpoint_and_embedding(
    egg: Callable[[int, int], MorphableModel],
) -> None:
    model = egg(24, 48)
    found = reference_of(_face(model, 0.5, yaw=12, number=7), Mark(), SIZE)
    assert found is not None
    frame, _ = frame_of(model, SIZE)
    np.testing.assert_allclose(found.viewpoint, [12, 5], atol=1e-3)
    np.testing.assert_array_equal(found.embedding, [7, 1])
    known = np.isfinite(found.relief)
    assert (known <= frame.face).all()
    assert known[frame.face].mean() > 0.6
    expected = 0.5 * frame.places[..., 1] / 100
    inner = known & (np.abs(frame.places) < [30, 35, 200]).all(axis=2)  # towards the rim of the face it fades
    np.testing.assert_allclose(found.relief[inner], expected[inner], atol=0.02)
    assert inner.sum() > 15


def test_faces_behind_something_are_no_references(small_model: MorphableModel) -> None:
    assert reference_of(_face(small_model, 0.5, hidden=0.5), Mark(), SIZE) is None


def test_a_set_that_was_interrupted_goes_on(small_model: MorphableModel, tmp_path: Path) -> None:
    photos = [tmp_path / f"{n}.jpg" for n in range(4)]
    asked: list[int] = []

    def faces(photo: Path) -> Iterator[FaceState]:
        number = int(photo.stem)
        asked.append(number)
        if number == 1:
            raise NoFaceError("nobody there")
        if number == 3 and asked.count(3) == 1:
            raise KeyboardInterrupt
        yield _face(small_model, 0.2 * number, yaw=-8.0 * number, number=number + 1)

    tools, told = Tools(small_model), list[str]()
    out = tmp_path / "set.safetensors"
    with pytest.raises(KeyboardInterrupt):
        build_references(out, photos, faces, tools, Mark(), CARD, size=SIZE, progress=told.append)
    assert not out.exists()
    card = build_references(out, photos, faces, tools, Mark(), CARD, size=SIZE, progress=told.append)
    assert asked == [0, 1, 2, 3, 1, 3]  # what is done is not done again; who had no face is asked again
    assert any("nobody there" in line for line in told)
    assert not out.with_suffix(".parts").exists()
    assert card.notes["references"] == 3
    assert card.notes["face_model"] == "egg 1"
    made = load_references(out)
    assert made.embedding == "mark"
    np.testing.assert_allclose(made.viewpoints[:, 0], [-24, -16, 0], atol=1e-3)  # by viewpoint, not by name
    slopes = [np.nanmax(made.relief(i)) for i in range(3)]
    assert slopes[0] > slopes[1] > slopes[2] == 0


def test_nothing_of_the_photos_is_in_the_file(small_model: MorphableModel, tmp_path: Path) -> None:
    out = tmp_path / "set.safetensors"
    face = _face(small_model, 0.3)
    build_references(
        out,
        [tmp_path / "secret-name.jpg"],
        lambda _: iter([face]),
        Tools(small_model),
        Mark(),
        CARD,
        size=SIZE,
    )
    data = out.read_bytes() + out.with_suffix(".json").read_bytes()
    assert b"secret-name" not in data
    tensors, _ = load_weights(out)
    assert sorted(tensors) == ["embeddings", "landmarks", "places", "starts", "streams", "viewpoints"]


def test_no_reference_at_all_is_an_error(small_model: MorphableModel, tmp_path: Path) -> None:
    hidden = _face(small_model, 0.3, hidden=0.6)
    with pytest.raises(DataError, match="none of 1 photos"):
        build_references(
            tmp_path / "x.safetensors", [tmp_path / "a.jpg"], lambda _: iter([hidden]), Tools(small_model), Mark(),
            replace(CARD), size=SIZE,
        )  # fmt: skip


def test_photos_of_folders_and_single_ones(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.jpg", "b/deep/3.png", "a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no photo")
    found = reference_photos([tmp_path / "a.png", tmp_path / "b"], 0)
    assert [str(p.relative_to(tmp_path)) for p in found] == ["a.png", "b/1.jpg", "b/2.png", "b/deep/3.png"]
    with pytest.raises(DataError, match="no such photo"):
        reference_photos([tmp_path / "none"], 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photo in"):
        reference_photos([tmp_path / "empty"], 0)

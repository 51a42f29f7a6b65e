"""Occluders over clean faces: where they are, how much they hide, and that they are always the same."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.lab.bench.sets.occluded_faces import (
    PIXELS,
    CleanFace,
    Occlude,
    photo_files,
    rendered_faces,
    scaled_layer,
    words,
)
from wholeface.lab.data.compositing.layer import Layer
from wholeface.perceive import OccluderKind, ParsingClass


@pytest.fixture(scope="module")
def face() -> CleanFace:
    return next(rendered_faces(1, 0))


def test_rendered_faces_are_clean_and_the_same(face: CleanFace) -> None:
    again = next(rendered_faces(1, 0))
    assert (again.sample.clean == face.sample.clean).all()
    assert not face.sample.hidden.any()
    assert min(face.sample.seed[0], again.sample.seed[0]) >= 1_000_000  # nobody who was trained on
    one, two = (face.photographed(face.sample.clean) for _ in range(2))
    assert (one == two).all()


@pytest.mark.parametrize("kind", ["masks", PIXELS])
def test_growing_occluders(face: CleanFace, kind: str) -> None:
    occlude = Occlude(None, 3)
    found = [occlude(face, kind, share) for share in (0.1, 0.3)]
    for occluded, share in zip(found, (0.1, 0.3)):
        assert occluded.share == pytest.approx(share, rel=0.25)
        assert occluded.hidden.sum() == pytest.approx(occluded.share * face.sample.face.sum())
        assert not (occluded.hidden & ~face.sample.face).any()
    assert found[0].what == found[1].what  # the same occluder, larger
    again = Occlude(None, 3)(face, kind, 0.1)
    assert (again.image == found[0].image).all()
    other = Occlude(None, 4)(face, kind, 0.1)
    assert (other.image != found[0].image).any()


def test_arbitrary_pixels(face: CleanFace) -> None:
    occluded = Occlude(None, 0)(face, PIXELS)
    changed = (occluded.image != face.photographed(face.sample.clean)).any(axis=2)
    assert (changed & occluded.hidden).sum() >= 0.99 * occluded.hidden.sum()
    rows, columns = np.nonzero(changed)  # a rectangle, and nothing else
    assert changed.sum() >= 0.99 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    values = occluded.image[occluded.hidden]
    assert float(values.mean()) == pytest.approx(127.5, abs=3)
    assert float(values.std()) == pytest.approx(73.9, abs=2)  # of uniform bytes


def test_what_fits_nowhere_is_refused(face: CleanFace) -> None:
    occlude = Occlude(None, 0)
    nothing = SimpleNamespace(layer=lambda *arguments: None)
    occlude._library = SimpleNamespace(source=lambda kind: nothing, split="held_out")  # type: ignore[assignment]
    with pytest.raises(UsageError, match="the kind 'glasses' fits this face that hides about 90% of it"):
        occlude(face, "glasses", 0.9)


def test_scaling_in_closed_form() -> None:
    face = np.zeros((100, 100), bool)
    face[10:90, 10:90] = True  # 6400
    rgba = np.zeros((100, 100, 4), np.uint8)
    rgba[40:60, 40:60] = (200, 100, 50, 255)
    layer = Layer(rgba, OccluderKind.OBJECT, ParsingClass.OBJECT, "square")
    for share in (0.02, 0.0625, 0.25, 0.5):
        grown = scaled_layer(layer, face, share)
        occluded = grown.rgba[..., 3] > 127
        assert (occluded & face).sum() / face.sum() == pytest.approx(share, rel=0.12)
        rows, columns = np.nonzero(occluded)
        assert rows.mean() == pytest.approx(49.5, abs=0.6)
        assert columns.mean() == pytest.approx(49.5, abs=0.6)
        inner = grown.rgba[48:52, 48:52, :3]
        assert (np.abs(inner.astype(int) - [200, 100, 50]) <= 1).all()
    assert grown.name == "square"


def test_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        photo_files(tmp_path / "nowhere", None)
    with pytest.raises(UsageError, match="holds no photos"):
        photo_files(tmp_path, None)
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert [path.name for path in photo_files(tmp_path, 2)] == ["a.png", "c.png"]
    rows = [{"file": "a.png", "glasses": True}, {"file": "b.png", "glasses": False}]
    (tmp_path / "index.json").write_text(json.dumps(rows))
    assert [path.name for path in photo_files(tmp_path, None)] == ["b.png", "c.png"]


def test_words() -> None:
    assert words("masks, hands,") == ["masks", "hands"]

"""A real photo walks through the whole house."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import wholeface
from wholeface.app.cli.command import main
from wholeface.perceive import has_weights

_FILES = {
    "face.glb",
    "occluder.png",
    "face_region.png",
    "deoccluded.png",
    "texture.png",
    "provenance.png",
    "preview.png",
    "face.json",
}


@pytest.fixture(scope="module", autouse=True)
def front_end() -> None:
    """Skips where nothing can find a face."""
    if not has_weights("detector", "landmarks"):
        pytest.importorskip("mediapipe", reason="neither shipped weights nor mediapipe")


@pytest.fixture(scope="module")
def written(grace_hopper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    words = [
        str(grace_hopper),
        "-o",
        str(out),
        "--format",
        "glb,obj,ply",
        "--texture-size",
        "512",
        "--expressions",
    ]
    assert main(["reconstruct", *words]) == 0
    return out / "grace_hopper"


@pytest.fixture(scope="module")
def head(grace_hopper: Path) -> wholeface.Reconstruction:
    return wholeface.Reconstructor(texture_size=256)(grace_hopper)


def _mask(path: Path) -> np.ndarray:
    values = np.asarray(Image.open(path))
    assert set(np.unique(values)) <= {0, 255}
    return values > 127


def test_every_promised_file_is_written(written: Path) -> None:
    assert {p.name for p in written.iterdir()} >= _FILES | {"face.obj", "face.mtl", "face.ply"}


def test_masks_have_the_photos_size_and_lie_in_the_face(written: Path, grace_hopper: Path) -> None:
    occluder, region = _mask(written / "occluder.png"), _mask(written / "face_region.png")
    width, height = Image.open(grace_hopper).size
    assert occluder.shape == region.shape == (height, width)
    # Beyond the fitted face it may go on a little, where the network sees the face go on.
    rows, columns = np.nonzero(region)
    near = np.zeros_like(region)
    reach = int(0.15 * (rows.max() - rows.min()))
    near[rows.min() - reach : rows.max() + reach, columns.min() - reach : columns.max() + reach] = True
    assert not (occluder & ~near).any()
    assert 0.02 < region.mean() < 0.5


def test_the_photo_is_untouched_far_from_the_face(written: Path, grace_hopper: Path) -> None:
    region = _mask(written / "face_region.png")
    before = np.asarray(Image.open(grace_hopper).convert("RGB"))
    after = np.asarray(Image.open(written / "deoccluded.png"))
    rows, columns = np.nonzero(region)
    outside = np.ones_like(region)
    outside[rows.min() - 20 : rows.max() + 20, columns.min() - 20 : columns.max() + 20] = False
    np.testing.assert_array_equal(before[outside], after[outside])


def test_face_json_says_what_it_should(written: Path) -> None:
    record = json.loads((written / "face.json").read_text())
    assert record["schema_version"] == 2
    points_2d, points_3d = np.array(record["landmarks_2d"]), np.array(record["landmarks_3d"])
    assert points_2d.shape == (68, 2)
    assert points_3d.shape == (68, 3)
    assert set(record["pose_degrees"]) == {"yaw", "pitch", "roll"}
    assert abs(record["pose_degrees"]["yaw"]) < 30
    assert record["quality"]["verdict"] in ("good", "fair", "poor")
    assert {"photo", "perceive", "landmark fit", "occluder", "texture"} <= set(record["timings_ms"])
    # iBUG 36 is the outer corner of the person's right eye: image left of 45, and +x is the person's left.
    assert points_2d[36, 0] < points_2d[45, 0]
    assert points_3d[36, 0] < 0 < points_3d[45, 0]
    # Millimetres: outer eye corners of adults lie 75 to 105 mm apart.
    assert 75 < np.linalg.norm(points_3d[36] - points_3d[45]) < 105


def test_meshes_agree_and_have_their_units(written: Path) -> None:
    metres = trimesh.load(written / "face.glb", force="mesh", process=False)
    obj = trimesh.load(written / "face.obj", force="mesh", process=False)
    ply = trimesh.load(written / "face.ply", force="mesh", process=False)
    height = float(np.ptp(ply.vertices[:, 1]))
    assert 180 < height < 400
    np.testing.assert_allclose(np.ptp(obj.vertices[:, 1]), height, rtol=1e-4)
    np.testing.assert_allclose(np.ptp(metres.vertices[:, 1]) * 1000, height, rtol=0.1)
    assert len(metres.faces) == len(obj.faces) == len(ply.faces)


def test_provenance_holds_observed_and_model(head: wholeface.Reconstruction) -> None:
    codes = np.bincount(head.completed.provenance.ravel(), minlength=4)
    assert codes[1] > 0.05 * codes.sum()
    assert codes[3] > 0
    confidence = head.completed.confidence
    assert (
        confidence[head.completed.provenance == 1].mean() > confidence[head.completed.provenance == 3].mean()
    )


def test_animate_opens_the_mouth_and_leaves_the_rest(head: wholeface.Reconstruction) -> None:
    opened = head.animate({"jawOpen": 1.0})
    shut = head.animate({})
    landmarks = head.model.landmarks_68
    assert landmarks is not None

    def gap(one: wholeface.Reconstruction) -> float:
        import torch

        points = landmarks.points(torch.from_numpy(one.vertices), one.model.triangles).numpy()
        return float(points[62, 1] - points[66, 1])

    assert gap(opened) > gap(shut) + 10
    np.testing.assert_array_equal(opened.occluder, head.occluder)
    with pytest.raises(wholeface.UsageError, match="unknown expression 'jawOpne'"):
        head.animate({"jawOpne": 1.0})


def test_views_show_a_head_on_a_background(head: wholeface.Reconstruction) -> None:
    for view in ("front", "left", (10.0, 5.0)):
        image = head.render(view, size=96)
        assert image.shape == (96, 96, 3)
        assert image.std() > 5
    with pytest.raises(wholeface.UsageError, match="unknown view 'behind'"):
        head.render("behind")


def test_same_photo_same_result(head: wholeface.Reconstruction, grace_hopper: Path) -> None:
    again = wholeface.Reconstructor(texture_size=256)(grace_hopper)
    np.testing.assert_array_equal(again.completed.texture, head.completed.texture)
    np.testing.assert_array_equal(again.occluder, head.occluder)
    np.testing.assert_array_equal(again.vertices, head.vertices)


def test_one_bad_photo_does_not_stop_the_others(
    grace_hopper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, blank = tmp_path / "empty.jpg", tmp_path / "blank.png"
    empty.write_bytes(b"")
    Image.new("RGB", (200, 200), "white").save(blank)
    words = [
        str(empty),
        str(blank),
        str(grace_hopper),
        "-o",
        str(tmp_path / "out"),
        "--texture-size",
        "128",
        "--json",
    ]
    assert main(["reconstruct", *words]) == 1
    captured = capsys.readouterr()
    reports = [json.loads(line) for line in captured.out.splitlines()]
    assert [r["ok"] for r in reports] == [False, False, True]
    assert [r.get("error") for r in reports] == ["photo", "no_face", None]
    assert str(blank) in captured.err
    assert "no face found" in captured.err


def test_no_face_at_all_exits_with_2(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "white").save(blank)
    assert main(["reconstruct", str(blank), "-o", str(tmp_path / "out")]) == 2


def test_asking_for_a_second_face_that_is_not_there(grace_hopper: Path) -> None:
    with pytest.raises(wholeface.NoFaceError, match="face 2 was asked for, but only 1 found"):
        wholeface.Reconstructor()(grace_hopper, face=2)


def test_two_faces_give_two_folders(grace_hopper: Path, tmp_path: Path) -> None:
    portrait = Image.open(grace_hopper).convert("RGB")
    pair = Image.new("RGB", (portrait.width * 2, portrait.height), "grey")
    pair.paste(portrait, (0, 0))
    small = portrait.resize((portrait.width * 2 // 3, portrait.height * 2 // 3))
    pair.paste(small, (portrait.width + 60, 100))
    path = tmp_path / "pair.png"
    pair.save(path)
    assert main(["reconstruct", str(path), "-o", str(tmp_path / "out"), "--texture-size", "128"]) == 0
    folders = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert folders == ["pair_face1", "pair_face2"]
    areas = [_mask(tmp_path / "out" / name / "face_region.png").sum() for name in folders]
    assert areas[0] > areas[1]

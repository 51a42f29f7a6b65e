"""The protocol on miniature sets, with a reconstructor whose answers are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import DataError, NoFaceError, UsageError
from wholeface.lab.bench.heads.colours import ModelRendering, fit_light, rendering_of, with_fitted_light
from wholeface.lab.bench.metrics.photometric import visible_rmse
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols import segmentation as occlusion_segmentation
from wholeface.lab.bench.protocols.segmentation import PROTOCOL, run
from wholeface.lab.bench.sets.segmentation import load_items
from wholeface.morphable import MorphableModel, Parameters
from wholeface.render import Camera, sh_basis

_N = 40
Mask = NDArray[np.bool_]


def region() -> Mask:
    face = np.zeros((_N, _N), bool)
    face[10:30, 10:30] = True  # 400 pixels
    return face


def occluded() -> Mask:
    mask = np.zeros((_N, _N), bool)
    mask[20:40, 5:35] = True  # half of the region, and more outside
    return mask


class Stub:
    """Finds the upper half of what is occluded; refuses photos that are black."""

    parser = None

    def __call__(self, pixels: NDArray[np.uint8]) -> Any:
        if not pixels.any():
            raise NoFaceError("no face found")
        found = np.zeros((_N, _N), np.float32)
        found[20:25, 5:35] = 1
        return SimpleNamespace(face_region=region(), occluder=found, photo=SimpleNamespace(pixels=pixels))


@pytest.fixture(autouse=True)
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    def image(item: Any, head: Any, missing: Any, networks: Any) -> dict[str, ModelRendering]:
        return {"mean face": ModelRendering(head.photo.pixels + 3.0, np.ones((_N, _N), bool))}

    monkeypatch.setattr(occlusion_segmentation, "_renderings", image)
    monkeypatch.setattr(occlusion_segmentation, "_training_free", lambda head: occluded())
    monkeypatch.setattr(occlusion_segmentation.FocusNetworks, "installed", False)


def save(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array.astype(np.uint8) * (255 if array.dtype == np.bool_ else 1)).save(path)


def found(report: Report, name: str, group: str) -> dict[str, float]:
    return {m.system: m.value for m in report.metrics if m.name == name and m.group == group}


def annotated(root: Path) -> None:
    pixels = np.full((_N, _N, 3), 90, np.uint8)
    for stem, hides in (("photo_01", occluded()), ("photo_02", np.zeros_like(occluded()))):
        save(root / f"{stem}.png", pixels)
        save(root / f"{stem}_face.png", region())
        save(root / f"{stem}_occluder.png", hides & region())


def test_annotated_photos_by_hand(tmp_path: Path) -> None:
    annotated(tmp_path)
    report = run(RunOptions(data=tmp_path), reconstructor=Stub())  # type: ignore[arg-type]
    free, both = "training-free alone", "both, as `wholeface reconstruct`"
    f1 = found(report, "visible face, F1", "occluded")
    assert f1["a mask that finds nothing"] == pytest.approx(2 * 200 / (2 * 200 + 200))
    assert f1[free] == 1
    assert f1[both] == pytest.approx(2 * 200 / (2 * 200 + 100))
    accuracy = found(report, "visible face, accuracy", "unoccluded")
    assert accuracy == pytest.approx({"a mask that finds nothing": 1.0, free: 0.5, both: 0.75})
    assert found(report, "occluder IoU, pooled", "occluded")[both] == pytest.approx(0.5)
    assert found(report, "visible face, TPR", "overall")[both] == pytest.approx((1 + 0.75) / 2)
    assert found(report, "visible face, RMSE", "overall") == {"mean face": pytest.approx(3.0)}
    assert report.settings["photos"] == {"occluded": 1, "overall": 2, "unoccluded": 1}
    assert len(report.tables) == 2


def test_focus_is_measured_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotated(tmp_path)
    with pytest.raises(UsageError, match=r"no focus\.safetensors"):
        run(RunOptions(data=tmp_path), focus=tmp_path, reconstructor=Stub())  # type: ignore[arg-type]
    monkeypatch.setattr(occlusion_segmentation.FocusNetworks, "installed", True)
    state = SimpleNamespace(mask=SimpleNamespace(hidden=occluded()))
    monkeypatch.setattr(occlusion_segmentation.FocusNetworks, "__call__", lambda self, head: state)
    report = run(RunOptions(data=tmp_path), reconstructor=Stub())  # type: ignore[arg-type]
    f1 = found(report, "visible face, F1", "occluded")
    assert f1["FOCUS, no mask was ever shown"] == 1


def test_what_fails_is_missing(tmp_path: Path) -> None:
    annotated(tmp_path)
    save(tmp_path / "photo_03.png", np.zeros((_N, _N, 3), np.uint8))
    save(tmp_path / "photo_03_face.png", region())
    save(tmp_path / "photo_03_occluder.png", occluded())
    save(tmp_path / "photo_04.png", np.full((_N, _N, 3), 90, np.uint8))
    save(tmp_path / "photo_04_face.png", region())
    save(tmp_path / "photo_04_occluder.png", region())
    report = run(RunOptions(data=tmp_path), reconstructor=Stub())  # type: ignore[arg-type]
    assert [m.item for m in report.missing] == ["photo_03", "photo_04"]
    assert report.missing[0].reason == "no face found"
    assert "no visible face" in report.missing[1].reason
    assert "2 of 4" in report.tables[0].text()
    assert {m.total for m in report.metrics if m.group == "overall"} == {4}
    assert {m.count for m in report.metrics if m.group == "overall"} == {2}


def test_celebamask_merging(tmp_path: Path) -> None:
    pixels = np.full((80, 80, 3), 90, np.uint8)  # twice as large as the masks
    save(tmp_path / "CelebA-HQ-img" / "0.jpg", pixels)
    masks = tmp_path / "CelebAMask-HQ-mask-anno" / "0"
    lower = np.zeros((_N, _N), bool)
    lower[25:40] = True
    save(masks / "00000_skin.png", region())
    save(masks / "00000_hair.png", lower)  # over the skin
    eyes = np.zeros((_N, _N), bool)
    eyes[12:14, 12:20] = True
    save(masks / "00000_eye_g.png", eyes)
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_text("idx orig_idx orig_file\n0 190000 190000.jpg\n")
    items, title, _ = load_items(tmp_path, None, None, False, 0)
    item = next(items)
    image, visible, hiding = item.load()
    assert title == "CelebAMask-HQ test"
    assert image.shape == (_N, _N, 3)
    assert (visible == (region() & ~lower & ~eyes)).all()
    assert hiding is not None
    assert (hiding == (lower | eyes)).all()
    report = run(RunOptions(data=tmp_path), reconstructor=Stub())  # type: ignore[arg-type]
    # Of the region's 400 pixels 100 are hair and 16 glasses
    assert found(report, "visible face, accuracy", "occluded")["a mask that finds nothing"] == pytest.approx(
        284 / 400
    )


def test_ar_subsets(tmp_path: Path) -> None:
    photos, masks = tmp_path / "ar", tmp_path / "masks"
    for number in (1, 8, 11, 12):
        save(photos / f"m-001-{number}.png", np.full((_N, _N, 3), 90, np.uint8))
    with pytest.raises(UsageError, match="--masks"):
        run(RunOptions(data=photos), reconstructor=Stub())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="masks of the visible face"):
        run(RunOptions(data=photos), masks=masks, reconstructor=Stub())  # type: ignore[arg-type]
    masks.mkdir()
    with pytest.raises(DataError, match="holds no mask"):
        run(RunOptions(data=photos), masks=masks, reconstructor=Stub())  # type: ignore[arg-type]
    save(masks / "m-001-1.png", region())
    save(masks / "m-001-8_visible_skin_mask.png", region() & ~occluded())
    save(masks / "m-001-11.png", region() & ~occluded())
    report = run(RunOptions(data=photos), masks=masks, reconstructor=Stub())  # type: ignore[arg-type]
    assert report.settings["photos"] == {"neutral": 1, "overall": 3, "glasses": 1, "scarf": 1}
    assert found(report, "visible face, F1", "scarf")["training-free alone"] == 1
    save(masks / "m-001-11.png", region()[:20])
    report = run(RunOptions(data=photos), masks=masks, reconstructor=Stub())  # type: ignore[arg-type]
    assert "m-001-11.png: (20, 40) pixels; expected (40, 40)" in report.missing[0].reason


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        run(RunOptions(data=tmp_path / "nowhere"), reconstructor=Stub())  # type: ignore[arg-type]
    save(tmp_path / "a.png", np.zeros((_N, _N, 3), np.uint8))
    save(tmp_path / "a_face.png", region())
    save(tmp_path / "a_occluder.png", occluded())
    with pytest.raises(UsageError, match="no photo could be measured: no face found"):
        run(RunOptions(data=tmp_path), reconstructor=Stub())  # type: ignore[arg-type]


def test_a_light_in_closed_form() -> None:
    rng = np.random.default_rng(0)
    normals = rng.normal(0, 1, (400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    basis = sh_basis(torch.from_numpy(normals)).numpy()
    albedo = rng.uniform(0.2, 0.8, (400, 3))
    light = rng.normal(0, 0.2, (9, 3))
    light[0] += 3
    colour = albedo * (basis @ light)
    assert fit_light(basis, albedo, colour) == pytest.approx(light, abs=0.02)
    colour[:40] = 3.0  # a tenth of the pixels shows something else
    assert fit_light(basis, albedo, colour, rounds=6) == pytest.approx(light, abs=0.05)
    with pytest.raises(UsageError, match="30 visible pixels"):
        fit_light(basis[:20], albedo[:20], colour[:20])


def test_the_fitted_light_renders_the_photo(small_model: MorphableModel) -> None:
    light = torch.zeros(9, 3)
    light[0] = torch.tensor([3.0, 2.5, 2.0])
    light[2] = 0.4
    parameters = Parameters(
        identity=torch.zeros(6),
        expression=torch.zeros(5),
        albedo=torch.zeros(4),
        light=light,
        rotation=torch.zeros(3),
        translation=torch.tensor([0.0, 0.0, -600.0]),
    )
    camera = Camera.of_photo(96, 96, 200.0)
    drawn = rendering_of(small_model, parameters, camera)
    photo = np.rint(drawn.codes).astype(np.uint8)
    dark = parameters.with_(light=torch.zeros(9, 3))
    lit = rendering_of(small_model, with_fitted_light(small_model, dark, camera, photo, drawn.mask), camera)
    assert visible_rmse(photo, lit.codes, drawn.mask) < 1.5
    assert visible_rmse(photo, rendering_of(small_model, dark, camera).codes, drawn.mask) > 50


def test_it_is_a_protocol() -> None:
    assert load_protocol("segmentation") is PROTOCOL

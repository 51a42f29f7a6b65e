"""CelebAMask-HQ in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.datasets import CELEBAMASK_PARTS, CelebAMaskHQ, CelebAMaskSamples, occlusion_masks
from wholeface.lab.data.stores import build_store
from wholeface.perceive import FaceLandmarks, ParsingClass

ORIGINALS = {0: "000001.jpg", 1: "162770.jpg", 2: "162771.jpg", 1999: "182637.jpg", 2000: "182638.jpg"}
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"


def mask(number: int, part: str) -> NDArray[np.bool_]:
    return np.random.default_rng([number, *part.encode()]).random((16, 16)) < 0.12


def there(number: int) -> list[str]:
    parts = list(CELEBAMASK_PARTS)
    return parts if number == 0 else ["skin", *parts[number % 5 + 1 :: 3]]


def write_mask(root: Path, number: int, part: str, values: NDArray[np.bool_]) -> Path:
    path = root / "CelebAMask-HQ-mask-anno" / str(number // 2000) / f"{number:05d}_{part}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(values[..., None] * np.uint8(255), 3, axis=2)).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    lines = ["idx     orig_idx    orig_file"]
    for number, original in ORIGINALS.items():
        write_image(tmp_path / "CelebA-HQ-img" / f"{number}.jpg", (32, 32), number)
        for part in there(number):
            write_mask(tmp_path, number, part, mask(number, part))
        lines.append(f"{number}        {int(original[:6]) - 1}      {original}")
    (tmp_path / MAPPING).write_text("\n".join(lines) + "\n")
    return tmp_path


def merged(number: int) -> NDArray[np.uint8]:
    """The official script: parts in order, each one over what is there."""
    order = [
        "skin",
        "nose",
        "eye_g",
        "l_eye",
        "r_eye",
        "l_brow",
        "r_brow",
        "l_ear",
        "r_ear",
        "mouth",
        "u_lip",
    ]
    order += ["l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"]
    labels = np.zeros((16, 16), np.uint8)
    for i, part in enumerate(order):
        if part in there(number):
            values = mask(number, part)
            for y in range(16):
                for x in range(16):
                    if values[y, x]:
                        labels[y, x] = i + 1
    return labels


def test_maps_are_merged_as_by_the_official_script(root: Path) -> None:
    dataset = CelebAMaskHQ(root)
    assert [item.name for item in dataset] == ["0", "1", "2", "1999", "2000"]
    for item in dataset:
        np.testing.assert_array_equal(item.labels(), merged(int(item.name)))
        assert item.original == ORIGINALS[int(item.name)]
    assert len(set(merged(0).ravel())) == 19
    assert dataset[0].labels().dtype == np.uint8


def test_order_of_the_classes() -> None:
    assert list(CELEBAMASK_PARTS.values()) == list(range(1, 19))
    assert CELEBAMASK_PARTS["eye_g"] is ParsingClass.EYEGLASSES
    assert CELEBAMASK_PARTS["ear_r"] is ParsingClass.EARRING
    assert CELEBAMASK_PARTS["neck_l"] is ParsingClass.NECKLACE


def test_images(root: Path) -> None:
    item = CelebAMaskHQ(root)[1]
    assert item.image().shape == (32, 32, 3)
    small = item.image(16)
    assert small.shape == (16, 16, 3)
    assert np.abs(small.astype(int) - item.image()[:16, :16]).max() <= 2  # flat


def test_splits_are_those_of_celeba(root: Path) -> None:
    names = {s: [i.name for i in CelebAMaskHQ(root, s)] for s in ("train", "valid", "test")}  # type: ignore[arg-type]
    assert names == {"train": ["0", "1"], "valid": ["2", "1999"], "test": ["2000"]}
    with pytest.raises(UsageError, match="no split"):
        CelebAMaskHQ(root, "dev")  # type: ignore[arg-type]
    (root / MAPPING).unlink()
    assert len(CelebAMaskHQ(root)) == 5
    with pytest.raises(DataError, match=rf"{MAPPING}: No such file"):
        CelebAMaskHQ(root, "test")


def test_occlusion() -> None:
    labels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    face, occluder = occlusion_masks(labels)
    assert set(labels[face]) == {1, 2, 4, 5, 6, 7, 10, 11, 12}
    assert set(labels[occluder]) == {3, 13, 14, 15, 16, 18, 19}
    assert not (face & occluder).any()


def test_images_without_masks_and_the_other_way(root: Path) -> None:
    for path in (root / "CelebAMask-HQ-mask-anno" / "1").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="image 2000 has no masks in CelebAMask-HQ-mask-anno; expected"):
        CelebAMaskHQ(root)
    (root / "CelebA-HQ-img" / "2000.jpg").unlink()
    assert len(CelebAMaskHQ(root)) == 4
    (root / "CelebA-HQ-img" / "1.jpg").unlink()
    with pytest.raises(DataError, match="image 1 has masks, but no image in CelebA-HQ-img"):
        CelebAMaskHQ(root)


def test_masks_in_wrong_places(root: Path) -> None:
    wrong = write_mask(root, 1, "moustache", mask(1, "skin"))
    with pytest.raises(DataError, match=r"00001_moustache\.png: no known part; expected 00000_skin\.png"):
        CelebAMaskHQ(root)
    wrong.rename(wrong.parents[1] / "1" / "00001_skin.png")
    with pytest.raises(
        DataError, match=r"1/00001_skin\.png: expected in the folder .*CelebAMask-HQ-mask-anno/0"
    ):
        CelebAMaskHQ(root)


def test_masks_of_two_sizes(root: Path) -> None:
    path = write_mask(root, 1, "skin", mask(1, "skin")[:8])
    item = CelebAMaskHQ(root)[1]
    with pytest.raises(DataError, match=r"expected \(8, 16\) as 00001_skin\.png"):
        item.labels()
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"00001_skin\.png: not a readable image"):
        item.labels()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("182638.jpg", "", "line 6: .* expected a title and one"),
        ("1999  ", "1998  ", "does not list image 1999"),
        ("000001.jpg", "first.jpg", "line 2: "),
    ],
)
def test_damaged_mapping(root: Path, old: str, new: str, message: str) -> None:
    text = (root / MAPPING).read_text()
    assert old in text
    (root / MAPPING).write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        CelebAMaskHQ(root, "test")


def test_missing_folders(root: Path) -> None:
    (root / "CelebA-HQ-img").rename(root / "images")
    with pytest.raises(DataError, match=r"CelebA-HQ-img: not there; expected CelebA-HQ-img/0\.jpg"):
        CelebAMaskHQ(root)
    (root / "CelebA-HQ-img").mkdir()
    (root / "CelebA-HQ-img" / "first.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"first\.jpg: expected one image for each number"):
        CelebAMaskHQ(root)


class _Detector:
    """Finds a face in the middle of every image but the darkest."""

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        if pixels.mean() < 60:
            return ()
        points = 8 + 4 * np.random.default_rng(0).random((668, 2))
        return (FaceLandmarks.from_points(points, "wholeface668"),)


def test_samples_for_a_store(root: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(root / "CelebA-HQ-img" / "1.jpg")
    samples = CelebAMaskSamples(root, "all", size=16, detector=_Detector())
    assert len(samples) == 5
    assert samples.usable().tolist() == [0, 2, 3, 4]
    assert samples.usable([1, 2]).tolist() == [2]
    sample = samples[0]
    assert sample.image.shape == (16, 16, 3)
    assert (sample.parsing == merged(0)).all()
    assert sample.dense.shape == (600, 2)
    assert sample.known == {"parsing", "landmarks"}
    assert (sample.clean == sample.image).all()
    assert sample.face[sample.parsing == ParsingClass.SKIN].all()
    with pytest.raises(DataError, match=r"1\.jpg: no face is found; leave the sample 1 out"):
        samples[1]
    store = build_store(samples, samples.usable(), tmp_path / "store", workers=0)
    assert len(store) == 4
    assert store.settings["kind"] == "CelebAMask-HQ"

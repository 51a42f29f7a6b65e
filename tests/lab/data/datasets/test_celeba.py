"""CelebA in miniature: as it is handed out, all in one folder, and as on Kaggle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.datasets import CelebA

NAMES = tuple(f"{i:06d}.jpg" for i in range(1, 5))
PARTS = (0, 0, 1, 2)
POINTS = np.arange(40).reshape(4, 10)
ATTRIBUTES = ("Bald", "Eyeglasses", "Wearing_Hat")
FLAGS = np.array([[1, -1, -1], [-1, 1, 1], [-1, -1, -1], [1, 1, 1]])
TITLES = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"


def rows(table: np.ndarray, separator: str) -> str:
    return "".join(f"{n}{separator}{separator.join(map(str, r))}\n" for n, r in zip(NAMES, table))


def official(root: Path, anno: str = "Anno", evaluation: str = "Eval") -> None:
    for part in (anno, evaluation):
        (root / part).mkdir(parents=True, exist_ok=True)
    (root / anno / "list_landmarks_align_celeba.txt").write_text(f"4\n{TITLES}\n" + rows(POINTS, "  "))
    (root / anno / "list_landmarks_celeba.txt").write_text(f"4\n{TITLES}\n" + rows(POINTS + 100, " "))
    (root / anno / "list_attr_celeba.txt").write_text(f"4\n{' '.join(ATTRIBUTES)} \n" + rows(FLAGS, " "))
    (root / evaluation / "list_eval_partition.txt").write_text(rows(np.array(PARTS)[:, None], " "))


def kaggle(root: Path) -> None:
    (root / "list_landmarks_align_celeba.csv").write_text(
        "image_id," + TITLES.replace(" ", ",") + "\n" + rows(POINTS, ",")
    )
    (root / "list_attr_celeba.csv").write_text("image_id," + ",".join(ATTRIBUTES) + "\n" + rows(FLAGS, ","))
    (root / "list_eval_partition.csv").write_text(
        "image_id,partition\n" + rows(np.array(PARTS)[:, None], ",")
    )


@pytest.fixture(params=["official", "flat", "kaggle"])
def root(request: pytest.FixtureRequest, tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    place = {
        "official": "Img/img_align_celeba",
        "flat": "img_align_celeba",
        "kaggle": "img_align_celeba/" * 2,
    }
    for i, name in enumerate(NAMES):
        write_image(tmp_path / place[request.param] / name, (178, 218), i)
    {"official": official, "flat": lambda r: official(r, ".", "."), "kaggle": kaggle}[request.param](tmp_path)
    return tmp_path


def test_items(root: Path) -> None:
    dataset = CelebA(root)
    assert len(dataset) == 4
    item = dataset[1]
    assert (item.name, item.scheme, item.box) == ("000002.jpg", "celeba5", None)
    np.testing.assert_array_equal(item.points, POINTS[1].reshape(5, 2))
    assert item.attributes == {"Bald": False, "Eyeglasses": True, "Wearing_Hat": True}
    assert item.image().shape == (218, 178, 3)
    with pytest.raises(UsageError, match="celeba5 has no 68 points"):
        item.points_68()


def test_splits(root: Path) -> None:
    names = {s: [i.name for i in CelebA(root, s)] for s in ("train", "valid", "test")}  # type: ignore[arg-type]
    assert names == {"train": list(NAMES[:2]), "valid": [NAMES[2]], "test": [NAMES[3]]}
    np.testing.assert_array_equal(CelebA(root, "test")[0].points.ravel(), POINTS[3])
    with pytest.raises(UsageError, match="no split 'val'"):
        CelebA(root, "val")  # type: ignore[arg-type]


def test_in_the_wild(tmp_path: Path, write_image) -> None:  # type: ignore[no-untyped-def]
    official(tmp_path)
    with pytest.raises(DataError, match=r"Img/img_celeba.*: not there; expected the folder of images"):
        CelebA(tmp_path, aligned=False)
    for name in NAMES:
        write_image(tmp_path / "Img" / "img_celeba" / name)
    np.testing.assert_array_equal(CelebA(tmp_path, aligned=False)[2].points.ravel(), POINTS[2] + 100)


@pytest.fixture
def official_root(tmp_path: Path, write_image) -> Path:  # type: ignore[no-untyped-def]
    official(tmp_path)
    for name in NAMES:
        write_image(tmp_path / "Img/img_align_celeba" / name)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("Anno/list_attr_celeba.txt", "4\n", "5\n", "first line says 5 images, but there are 4"),
        (
            "Anno/list_attr_celeba.txt",
            "4\n",
            "",
            "line 1: 'Bald Eyeglasses Wearing_Hat' is no whole number that can be; expected the number",
        ),
        (
            "Anno/list_attr_celeba.txt",
            "000003.jpg -1 -1 -1",
            "000003.jpg -1 -1",
            "line 5: 2 numbers; expected 3",
        ),
        ("Anno/list_attr_celeba.txt", "000003.jpg -1", "000003.jpg 0", "neither -1 nor 1"),
        ("Anno/list_attr_celeba.txt", "000003.jpg", "000009.jpg", r"000009\.jpg where .* has 000003\.jpg"),
        ("Anno/list_landmarks_align_celeba.txt", "  25  ", "  x  ", "line 5: could not convert"),
        ("Eval/list_eval_partition.txt", "000004.jpg 2\n", "", "3 images, but .* lists 4"),
    ],
)
def test_lists_that_disagree(official_root: Path, file: str, old: str, new: str, message: str) -> None:
    path = official_root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        CelebA(official_root, "train")
    assert path.name in str(caught.value)


def test_what_is_missing(official_root: Path) -> None:
    (official_root / "Eval/list_eval_partition.txt").unlink()
    assert len(CelebA(official_root)) == 4
    with pytest.raises(DataError, match=r"Eval/list_eval_partition\.txt .*not there; expected the list"):
        CelebA(official_root, "train")
    (official_root / "Img/img_align_celeba" / NAMES[1]).unlink()
    with pytest.raises(
        DataError, match=r"000002\.jpg: not there, but list_landmarks_align_celeba\.txt lists it"
    ):
        CelebA(official_root)

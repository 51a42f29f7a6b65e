"""Datasets whose lists or images are damaged: DataError, whatever a library raises."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import DataError
from wholeface.lab.data.datasets import WFLW, CelebA, LFWPairs, LFWPeople
from wholeface.lab.data.datasets._reading import (
    file_names,
    find,
    folder,
    integer,
    numbers,
    read_lines,
    read_rgb,
)

DIGITS = "9" * 5000


def test_numbers_of_many_digits(tmp_path: Path) -> None:
    (tmp_path / "Img" / "img_align_celeba").mkdir(parents=True)
    (tmp_path / "list_landmarks_align_celeba.txt").write_text(f"{DIGITS}\na b\n1.jpg 1 2\n")
    with pytest.raises(DataError, match="no whole number") as caught:
        CelebA(tmp_path)
    assert len(str(caught.value)) < 1000
    for text in (f"{DIGITS}\n", "word 3\nA 1\n", f"A\t{DIGITS}\n", "2\nA 1\n3\n"):
        (tmp_path / "people.txt").write_text(text)
        with pytest.raises(DataError, match=r"people\.txt"):
            LFWPeople(tmp_path, "people.txt")
    for text in (
        f"{DIGITS} 1\n",
        "1 0\n",
        "-1 -1\nA 1 2\nA 1 B 2\n",
        "word 1\n",
        f"1 1\nA 1 {DIGITS}\nA 1 B 1\n",
    ):
        (tmp_path / "pairs.txt").write_text(text)
        with pytest.raises(DataError, match=r"pairs\.txt"):
            LFWPairs(tmp_path)


def test_names_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "WFLW_images").mkdir()
    row = " ".join(["1"] * 200 + ["0"] * 6)
    for name in ("a" * 300 + ".jpg", "a/" * 3000, "a\0b.jpg"):
        (tmp_path / "list_98pt_rect_attr_train.txt").write_text(f"{row} {name}\n")
        with pytest.raises(DataError, match="not there"):
            WFLW(tmp_path)
        (tmp_path / "pairs.txt").write_text(f"1 1\n{name} 1 2\n{name} 1 B 2\n")
        with pytest.raises(DataError):
            LFWPairs(tmp_path)
        for ask in (
            lambda n: folder(tmp_path / n, "x"),
            lambda n: find(tmp_path, [n], "x"),
            lambda n: file_names(tmp_path / n, "x"),
            lambda n: read_lines(tmp_path / n, "x"),
            lambda n: read_rgb(tmp_path / n),
        ):
            with pytest.raises(DataError):
                ask(name)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("word", ["1e39", "-1e300", "nan", "inf", "x", DIGITS])
def test_numbers_must_fit_float32(word: str) -> None:
    with pytest.raises(DataError):
        numbers([word], Path("a"), 1, "numbers")


@pytest.mark.parametrize("word", ["", "1.5", "-1", DIGITS, "1_0" * 9, "²"])
def test_counts(word: str) -> None:
    with pytest.raises(DataError, match="line 1"):
        integer(word, Path("a"), 1, "a count")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM"])
def test_mutated_images_raise_nothing_else(tmp_path: Path, format: str) -> None:
    stream = io.BytesIO()
    rng = np.random.default_rng(7)
    Image.fromarray(rng.integers(0, 256, (24, 20, 3), dtype=np.uint8)).quantize(16).convert("RGB").save(
        stream, format
    )
    whole, file = stream.getvalue(), tmp_path / "a.img"
    for _ in range(120):
        broken = bytearray(whole)
        near = rng.choice([64, 300, len(broken)])
        for at in rng.integers(0, min(near, len(broken)), rng.integers(1, 5)):
            broken[at] = rng.integers(0, 256)
            broken[-1 - at % 200] = rng.integers(0, 256)
        file.write_bytes(broken)
        try:
            read_rgb(file)
        except DataError:
            continue


def test_an_image_of_too_many_pixels_is_refused_from_its_header(tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"20000 × 10000|exceeds limit"):
        read_rgb(tmp_path / "a.png")

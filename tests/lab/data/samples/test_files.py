"""Folders of one sample."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import OutputError
from wholeface.lab.data import OCCLUDER_COLOURS, PARSING_COLOURS, write_sample


def test_what_is_in_the_folder(fake_faces: ModuleType, tmp_path: Path) -> None:
    sample = fake_faces.FakeFaces(2).sample(4)
    folder = write_sample(sample, tmp_path / "a" / "b")
    names = ["clean.png", "face.png", "labels.json", "occluder.png", "parsing.png", "photo.png"]
    assert sorted(p.name for p in folder.iterdir()) == names
    for name, array in (("photo", sample.image), ("clean", sample.clean), ("face", sample.face * 255)):
        np.testing.assert_array_equal(np.array(Image.open(folder / f"{name}.png")), array)
    for name, array, colours in (
        ("parsing", sample.parsing, PARSING_COLOURS),
        ("occluder", sample.occluder, OCCLUDER_COLOURS),
    ):
        with Image.open(folder / f"{name}.png") as image:
            np.testing.assert_array_equal(np.array(image), array)
            np.testing.assert_array_equal(np.array(image.convert("RGB")), colours[array])
    labels = json.loads((folder / "labels.json").read_text())
    np.testing.assert_array_equal(np.float32(labels["landmarks_68"]), sample.landmarks_68)
    np.testing.assert_array_equal(np.float32(labels["parameters"]["identity"]), sample.parameters["identity"])
    np.testing.assert_array_equal(labels["visible_dense"], sample.visible_dense())
    assert labels["size"] == 24


def test_geometry(fake_faces: ModuleType, tmp_path: Path) -> None:
    sample = fake_faces.FakeFaces(2).sample(4)
    write_sample(sample, tmp_path, geometry=True)
    np.testing.assert_array_equal(np.load(tmp_path / "depth.npy"), sample.depth)
    np.testing.assert_array_equal(np.load(tmp_path / "normals.npy"), sample.normals)
    photo = fake_faces.FakeFaces(2, photos=True).sample(4)
    write_sample(photo, tmp_path / "photo", geometry=True)
    assert not (tmp_path / "photo" / "depth.npy").exists()


def test_a_file_in_the_way(fake_faces: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_sample(fake_faces.FakeFaces().sample(0), tmp_path / "file")

"""Composites as a folder of photos with their true masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wholeface.lab.data.deocclusion import DeocclusionSample, build_deocclusion_store
from wholeface.lab.data.deocclusion.as_photos import main
from wholeface.lab.data.photo_crops import folder_photos
from wholeface.perceive import EyewearPart, OccluderKind
from wholeface.stages.deocclude.generator import GeneratorInput

SIZE = 24


class Composites:
    """A face of which spectacles hide a row, and whose eyes are seen through a lens below."""

    seed, size, designs, weights, true_mask = 0, SIZE, "train", {"glasses": 1.0}, 1.0
    photos = (Path("a.jpg"),)

    def __getitem__(self, index: int) -> DeocclusionSample:
        plane = np.zeros((SIZE, SIZE), np.uint8)
        image, clean = np.full((2, SIZE, SIZE, 3), 100 + index, np.uint8)
        image[10] = 5
        kind, lens, face = plane.copy(), plane.copy(), plane.copy()
        face[4:20, 4:20] = 1
        kind[10:14] = OccluderKind.GLASSES
        lens[10], lens[11:14] = EyewearPart.FRAME, EyewearPart.CLEAR_LENS
        given = GeneratorInput(image, clean, clean, face, *(plane for _ in range(7)))
        return DeocclusionSample(given, clean, kind, lens, face, "glasses", "a.jpg")


def test_photos_and_masks_are_those_of_the_store(tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "photos"
    build_deocclusion_store(store, Composites(), 5)  # type: ignore[arg-type]
    assert main([str(store), "-o", str(out), "--masks", "--clean", "2", "--count", "3"]) == 0
    names = [photo.name for photo in folder_photos(out)]
    assert names == ["00000.png", "00000_clean.png", "00002.png", "00004.png", "00004_clean.png"]
    pixels, truth = folder_photos(out)[2].load()
    assert (pixels[10] == 5).all()
    assert (pixels[9] == 102).all()
    assert truth is not None
    assert (truth[10, 4:20] == 2).all()
    assert (truth[11:14, 4:20] == 1).all()  # a clear lens hides nothing
    assert truth[:4].max() == truth[:, :4].max() == 0
    assert (np.asarray(Image.open(out / "00000_clean.png")) == 100).all()
    assert main([str(tmp_path / "none"), "-o", str(out)]) == 2

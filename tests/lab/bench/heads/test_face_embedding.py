"""The face-recognition network as a measuring device; where it is not installed, what to do is said."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.lab.bench.heads.face_embedding import PACKAGES, DlibEmbedder


@pytest.mark.parametrize("absent", PACKAGES)
def test_a_missing_package_is_named_with_the_command(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> ModuleSpec | None:
        return None if name == absent else ModuleSpec(name, None)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    with pytest.raises(
        UsageError, match=rf'\({absent}\): pip install "face-recognition-models==0.3.0" dlib-bin'
    ):
        DlibEmbedder()


def test_a_package_without_its_models_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec(PACKAGES[1], None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setitem(__import__("sys").modules, "dlib", object())
    with pytest.raises(UsageError, match="lacks shape_predictor_5"):
        DlibEmbedder()


def test_one_face_is_near_itself() -> None:
    for module in PACKAGES:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}")
    from matplotlib import cbook

    photo = Image.open(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))).convert("RGB")
    pixels = np.asarray(photo)
    embedder = DlibEmbedder()
    box = embedder.find(pixels)
    assert box is not None
    left, top, right, bottom = box
    assert left < 260 < right
    assert top < 180 < bottom
    vector = embedder.embed(pixels, box)
    assert vector.shape == (128,)
    np.testing.assert_array_equal(vector, embedder.embed(pixels, box))
    darker = np.asarray(photo.point(lambda v: 0.8 * v))
    assert np.linalg.norm(vector - embedder.embed(darker, box)) < 0.3
    grey = np.full_like(pixels, 128)
    assert embedder.find(grey) is None
    assert np.linalg.norm(vector - embedder.embed(grey, box)) > 0.6

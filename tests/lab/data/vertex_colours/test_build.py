"""A rendered face becomes samples whose hidden parts are known and whose seen parts agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wholeface.errors import DataError
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.lab.data.vertex_colours import ColourPhoto, ColourStore, build_colours
from wholeface.morphable import load_model
from wholeface.perceive import NETWORKS, has_weights
from wholeface.stages import Tools
from wholeface.stages.texture.graph import face_mesh

pytestmark = pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")


def test_a_store_of_one_face(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    Image.fromarray(SyntheticFaces(seed=11, size=224).sample(2).image).save(path)
    tools, told = Tools(load_model("wholeface")), []
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "grey").save(blank)
    photos = [ColourPhoto("x/face.png", path), ColourPhoto("x/blank.png", blank)]
    count = build_colours(tmp_path / "store", photos, tools, parts=2, progress=told.append)
    store = ColourStore(tmp_path / "store")
    assert count == len(store) == 2
    assert store.vertices == len(face_mesh(tools.model))
    assert any("blank.png: " in line and "samples" not in line for line in told)
    assert len(set(store.kinds)) == 2
    for row in range(2):
        sample = store[row]
        seen = (sample.trust > 0) & (sample.known[:, 0] > 0.9)
        hidden = sample.hidden > 0.3
        assert seen.sum() > 300
        assert hidden.sum() > 100
        gap = np.abs(sample.colours - sample.target).mean(axis=1)
        assert np.median(gap[seen]) < 0.05
        assert np.median(gap[hidden]) > np.median(gap[seen])
    with pytest.raises(DataError, match="none of the photos"):
        build_colours(tmp_path / "empty", photos[1:], tools)

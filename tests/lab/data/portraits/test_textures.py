"""Skin textures from portraits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from wholeface.lab.data.portraits.prepare import prepare_portraits
from wholeface.lab.data.portraits.textures import PortraitTextures, prepare_textures
from wholeface.morphable.loaders import load_model


def encoded(colour):
    stream = io.BytesIO()
    pixels = np.full((32, 32, 3), colour, np.uint8)
    pixels[:, 16:] = 255 - pixels[:, 16:]
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()


def test_samples_come_from_the_textures_and_their_mirror_images(tmp_path):
    textures = PortraitTextures(tmp_path, textures=[encoded((200, 90, 60)), encoded((40, 160, 30))])
    assert len(textures) == 2
    plain = [textures[k].astype(int) for k in range(2)]
    candidates = [*plain, *(p[:, ::-1] for p in plain)]
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(40):
        texture = textures.sample(rng)
        assert texture.shape == (32, 32, 3)
        assert texture.dtype == np.uint8
        seen.add(int(np.argmin([np.abs(texture - c).max() for c in candidates])))
        assert min(np.abs(texture - c).max() for c in candidates) == 0
    assert seen == {0, 1, 2, 3}


@pytest.mark.shared
def test_textures_of_real_portraits_look_like_skin_and_are_kept(shared, tmp_path, monkeypatch):
    pytest.importorskip("mediapipe")
    root = shared / "data" / "portraits"
    model = load_model()
    table = prepare_portraits(root, tmp_path, limit=4, model=model)
    made = prepare_textures(root, tmp_path, count=2, size=128, model=model, table=table)
    assert len(made) == 2
    textures = PortraitTextures(tmp_path, textures=made)
    region = model.region("face").numpy()
    corners = model.uv_triangles.numpy()[region[model.triangles.numpy()].all(1)]
    uv = model.uv.numpy()[corners].mean(1)
    rows, columns = ((1 - uv[:, 1]) * 128).astype(int), (uv[:, 0] * 128).astype(int)
    for k in range(2):
        skin = textures[k][rows, columns].astype(float)
        red, green, blue = np.median(skin, axis=0)
        assert red > green > 0.8 * blue
        assert 60 < green < 230
    assert not np.array_equal(textures[0], textures[1])
    monkeypatch.setattr("wholeface.lab.data.portraits.textures._texture", None)
    assert prepare_textures(root, tmp_path, count=2, size=128, model=model, table=table) == made

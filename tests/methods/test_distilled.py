"""The fast method on a rendered head, from pixels to the saved parts."""

from __future__ import annotations

import numpy as np

from wholeface import Reconstructor
from wholeface.lab.data.engine import EngineSettings, FaceEngine
from wholeface.methods.distilled import LARGEST_TEXTURE
from wholeface.render import to_camera


def test_one_pass_lays_the_model_over_the_face() -> None:
    settings = EngineSettings(portraits=0.0, clean=1.0, hair=0.0, camera=0.0)
    sample = FaceEngine(None, seed=3, size=256, split="test", settings=settings).sample(0)
    head = Reconstructor(method="distilled")(sample.image)
    model, known = head.model, head.parameters
    assert known.identity.shape == (model.identity_size,)
    assert known.albedo.abs().max() > 0.05
    assert model.landmarks_68 is not None
    shape = to_camera(model.vertices(known.identity, known.expression), known.rotation, known.translation)
    seen = head.camera.project(model.landmarks_68.points(shape, model.triangles)).numpy()
    off = np.linalg.norm(seen - sample.landmarks_68, axis=1).mean()
    eyes = np.linalg.norm(sample.landmarks_68[36] - sample.landmarks_68[45])
    assert off < 0.12 * eyes
    assert head.completed.texture.shape == (LARGEST_TEXTURE, LARGEST_TEXTURE, 3)
    assert head.hidden_fraction < 0.25
    assert "student" in head.timings_ms
    assert "refine" not in head.timings_ms

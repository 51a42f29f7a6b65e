from __future__ import annotations

import numpy as np

from wholeface.networks.weights import load_weights
from wholeface.stages.relief.examples import DEFAULT_EMBEDDING, SHIPPED_REFERENCES, load_references


def test_the_shipped_set_is_small_and_sound() -> None:
    references = load_references()
    assert len(references) >= 400
    assert SHIPPED_REFERENCES.stat().st_size <= 4 * 2**20
    assert references.embedding == DEFAULT_EMBEDDING.name
    assert references.card.sources
    face = references.frame.face
    for i in range(0, len(references), 40):
        relief = references.relief(i)
        known = np.isfinite(relief)
        assert (known <= face).all()
        assert known[face].mean() > 0.5
        assert 0.005 < relief[known].std() < 0.5
    np.testing.assert_allclose(np.linalg.norm(references.embeddings, axis=1), 1, atol=1e-3)
    assert np.abs(references.viewpoints).max() < 90


def test_nothing_but_relief_is_in_it() -> None:
    """Grey levels of relief; neither colours nor a shape of anybody: a few coefficients without their length."""
    tensors, _ = load_weights(SHIPPED_REFERENCES)
    assert sorted(tensors) == ["embeddings", "landmarks", "places", "starts", "streams", "viewpoints"]
    count = len(tensors["viewpoints"])
    height, width = load_references().frame.shape
    assert tensors["streams"].numel() < count * height * width
    assert tensors["embeddings"].shape[0] == count
    assert tensors["embeddings"].shape[1] < 100
    assert tensors["embeddings"].abs().max(dim=1).values.eq(127).all()  # a direction
    assert tensors["places"].shape == (height, width, 3)  # one mean head for all

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.stages.relief.examples import best_references, shortlist

VIEWS = np.array([[0.0, 0], [30, 0], [-30, 0], [3, -4], [28, 9]], np.float32)


def test_the_short_list_is_nearest_first() -> None:
    assert shortlist(VIEWS, 0, 0, 3).tolist() == [0, 3, 4]  # 0°, 5°, 29.4°
    assert shortlist(VIEWS, -40, 0, 1).tolist() == [2]
    assert len(shortlist(VIEWS, 0, 0, 100)) == 5
    with pytest.raises(UsageError, match="at least, not 0"):
        shortlist(VIEWS, 0, 0, 0)


def test_the_best_of_the_short_list_by_cosine() -> None:
    embeddings = np.array([[1.0, 0], [0, 1], [-1, 0], [0.6, 0.8], [0.8, 0.6]], np.float32)
    wanted = np.array([0.8, 0.6], np.float32)
    number, cosine = best_references(embeddings, wanted, np.arange(5))
    assert number.tolist() == [4]
    np.testing.assert_allclose(cosine, [1.0], rtol=1e-6)
    number, cosine = best_references(embeddings, wanted, np.array([2, 1, 3]), 2)
    assert number.tolist() == [3, 1]
    np.testing.assert_allclose(cosine, [0.96, 0.6], rtol=1e-6)
    assert len(best_references(embeddings, wanted, np.arange(5), 9)[0]) == 5
    with pytest.raises(UsageError, match="make the references"):
        best_references(embeddings, np.zeros(3), np.arange(5))
    with pytest.raises(UsageError, match="not 0"):
        best_references(embeddings, wanted, np.arange(5), 0)

"""The mask goes on where the network sees the face go on beyond the fitted one."""

from __future__ import annotations

import numpy as np

from wholeface.methods.analysis import beyond_the_fit


def test_only_what_may_be_face_beyond_the_fit_is_taken_from_the_network() -> None:
    region = np.array([[True, True, False, False, False, False]])
    occluder = np.array([[0.9, 0.1, 0.0, 0.0, 0.0, 0.0]], np.float32)
    told = np.array([[0.2, 0.8, 0.7, 0.7, np.nan, 0.1]], np.float32)
    face = np.array([[1.0, 1.0, 0.4, 0.2, 0.9, 0.9]], np.float32)
    found = beyond_the_fit(occluder, region, told, face)
    # inside the fit nothing changes; beyond it the network is heard where it sees a face and looks at all
    np.testing.assert_allclose(found, [[0.9, 0.1, 0.7, 0.0, 0.0, 0.1]], atol=1e-6)
    assert found.dtype == np.float32
    assert float(occluder[0, 2]) == 0.0  # the input stays

"""Spectacles in the mask: frames and dark lenses hide, clear lenses do not, and without any nothing changes."""

from __future__ import annotations

import pickle

import numpy as np

from wholeface.perceive import Eyewear, EyewearPart, OccluderKind
from wholeface.photo import Patch, Similarity
from wholeface.stages import Spectacles
from wholeface.stages.mask.spectacles import prior_with, spectacles_of, with_spectacles


def _eyewear(presence: float = 0.9) -> Eyewear:
    """A frame in row 2, a clear lens in columns 0–3 and a dark one in columns 4–7 of rows 3–5."""
    parts = np.zeros((len(EyewearPart), 8, 8), np.float32)
    parts[EyewearPart.FRAME, 2] = 1.0
    parts[EyewearPart.CLEAR_LENS, 3:6, :4] = 1.0
    parts[EyewearPart.DARK_LENS, 3:6, 4:] = 1.0
    parts[EyewearPart.NONE] = 1.0 - parts[1:].sum(0)
    return Eyewear(Similarity(), parts, presence)


def _worn() -> Spectacles:
    found = spectacles_of(_eyewear(), 10, 10)
    assert found is not None
    return found


def test_nobody_wears_what_is_not_there() -> None:
    assert spectacles_of(None, 10, 10) is None
    assert spectacles_of(_eyewear(presence=0.3), 10, 10) is None


def test_maps_have_the_size_of_the_photo() -> None:
    worn = _worn()
    assert worn.frame.shape == worn.lens.shape == worn.dark.shape == (10, 10)
    assert worn.frame[2, :8].min() == 1.0
    assert worn.frame[8:].max() == worn.frame[:, 8:].max() == 0.0
    assert worn.kind is OccluderKind.GLASSES  # as much clear as dark


def test_frames_and_dark_lenses_hide_and_clear_lenses_are_face() -> None:
    mask = np.full((10, 10), 0.4, np.float32)
    mask[4] = 0.9  # reflections that looked like something
    face = np.ones((10, 10), bool)
    face[:, 0] = False
    found = with_spectacles(mask, face, _worn())
    assert (found[2, 1:8] == 1).all()
    assert (found[3:6, 4:8] == 1).all()
    assert (found[3:6, 1:4] == 0).all()
    assert (found[:, 0] == mask[:, 0]).all()  # beside the face the mask says nothing new
    assert (found[6:] == mask[6:]).all()


def test_the_prior_keeps_what_the_network_does_not_see() -> None:
    values = np.full((10, 8), 0.6, np.float32)
    values[:, 7] = np.nan
    found = prior_with(Patch(values, 1, 0), _worn()).values
    assert np.isnan(found[:, 7]).all()
    assert (found[2, :7] == 1).all()
    assert (found[3:6, :3] == 0).all()
    assert (found[8:, :7] == values[8:, :7]).all()


def test_only_the_band_of_the_eyes_is_kept() -> None:
    small, large = spectacles_of(_eyewear(), 10, 10), spectacles_of(_eyewear(), 3000, 4000)
    assert small is not None
    assert large is not None
    assert len(pickle.dumps(large)) < len(pickle.dumps(small)) + 200
    assert large.frame.shape == (3000, 4000)
    np.testing.assert_array_equal(large.frame[:9, :9], small.frame[:9, :9])
    assert large.frame[9:].max() == large.frame[:, 9:].max() == 0.0

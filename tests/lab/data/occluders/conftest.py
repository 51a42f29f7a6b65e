"""Faces to lay occluders over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.lab.data import FaceSample
from wholeface.lab.data.synthetic.faces import SyntheticFaces


@pytest.fixture(scope="session")
def faces() -> Callable[[int], FaceSample]:
    """``faces(index)``: a rendered face, 128 pixels, nothing in front of it."""
    source = SyntheticFaces(seed=11, size=128)
    made: dict[int, FaceSample] = {}

    def face(index: int) -> FaceSample:
        if index not in made:
            made[index] = source.sample(index)
            for array in (made[index].image, made[index].clean, made[index].parsing, made[index].occluder):
                array.flags.writeable = False
        return made[index]

    return face


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(4)

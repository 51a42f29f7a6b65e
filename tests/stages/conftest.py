"""Face states on which stages can be tried without a photo of a face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wholeface.morphable import MorphableModel
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.stages import FaceState, Tools


@pytest.fixture
def tools(small_model: MorphableModel) -> Tools:
    return Tools(model=small_model)


@pytest.fixture
def face() -> Callable[..., FaceState]:
    """A state of a grey photo, with landmarks on a grid; ``face(number)``."""

    def make(number: int = 1) -> FaceState:
        photo = read_photo(np.full((60, 80, 3), 100 + number, np.uint8))
        points = np.stack(np.meshgrid(np.linspace(20, 60, 17), np.linspace(10, 50, 4)), -1).reshape(-1, 2)
        return FaceState(photo, FaceLandmarks.from_points(points, "ibug68"), face_number=number)

    return make

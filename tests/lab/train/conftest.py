"""The toy recipe, loaded as a recipe file is; samples for relief networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wholeface.lab.data.relief import ReliefBase, ReliefStoreWriter
from wholeface.lab.train import Recipe, load_recipe
from wholeface.morphable import load_model
from wholeface.stages.relief import ReliefInput, shading_slopes

_RELIEF_SIZE = 48
TOY_FILE = Path(__file__).with_name("toy_recipe.py")


@pytest.fixture(scope="session")
def toy() -> Recipe[Any]:
    """A recipe that trains in milliseconds."""
    return load_recipe(str(TOY_FILE))


@pytest.fixture(scope="session")
def toy_file() -> Path:
    """Where it stands."""
    return TOY_FILE


def _flat_face(seed: int) -> ReliefBase:
    """A flat grey face in raking light."""
    edge = (_RELIEF_SIZE, _RELIEF_SIZE)
    rows, columns = np.mgrid[:_RELIEF_SIZE, :_RELIEF_SIZE].astype(np.float32)
    flat = np.zeros((*edge, 3), np.float32)
    flat[..., 2] = 1
    millimetres = (np.stack([columns, -rows, 0 * rows], axis=-1) + np.array([-24, 24, 0])) * 3
    rng = np.random.default_rng(seed)
    skin = np.full(edge, 255, np.uint8)
    skin[:2] = skin[-2:] = skin[:, :2] = skin[:, -2:] = 0
    image = np.full((*edge, 3), rng.integers(110, 160), np.uint8)
    light = np.zeros((9, 3), np.float32)
    light[0], light[1] = 2.0, 1.5  # from above
    given = ReliefInput(
        image, image.copy(), (127 * flat).astype(np.int8), (millimetres / 3).astype(np.int8), skin.copy(),
        shading_slopes((127 * flat).astype(np.int8), light),
    )  # fmt: skip
    count = len(load_model("wholeface").expression_names)
    return ReliefBase(
        given, skin, flat.astype(np.float16), (millimetres + np.array([0, 0, -600])).astype(np.float32),
        millimetres[..., :2].astype(np.float16), light, np.zeros(count, np.float32), "model", f"m{seed}",
    )  # fmt: skip


@pytest.fixture(scope="session")
def relief_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four flat faces of 48 pixels, two of each source."""
    folder = tmp_path_factory.mktemp("relief") / "store"
    writer = ReliefStoreWriter(folder, _RELIEF_SIZE, 4, load_model("wholeface").expression_names)
    for seed in range(4):
        writer.add(replace(_flat_face(seed), source=("model", "photo")[seed % 2]))
    return folder

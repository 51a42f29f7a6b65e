"""The toy recipe, loaded as a recipe file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wholeface.lab.train import Recipe, load_recipe

TOY_FILE = Path(__file__).with_name("toy_recipe.py")


@pytest.fixture(scope="session")
def toy() -> Recipe[Any]:
    """A recipe that trains in milliseconds."""
    return load_recipe(str(TOY_FILE))


@pytest.fixture(scope="session")
def toy_file() -> Path:
    """Where it stands."""
    return TOY_FILE

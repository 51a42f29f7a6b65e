"""What a recipe is: a name, settings and how to build what is trained; the engine does the rest."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ...core.errors import UsageError
from .config import TrainConfig
from .task import Batch, JointTask, Task

__all__ = ["Batch", "JointTask", "Recipe", "Task", "TrainConfig", "load_recipe", "recipe_names"]

C = TypeVar("C", bound=TrainConfig)


@dataclass(frozen=True)
class Recipe(Generic[C]):
    """How a network, or several together, are trained.

    Args:
        name: name of its file.
        summary: one line.
        config: class of its settings, a frozen dataclass whose docstring has an ``Args:`` line for each.
        build: settings -> task. The global random state is seeded before (initial weights).
        licence: SPDX identifier for the weights.
        sources: data that it learns from, each with its licence.
        paper: citation of the method, or empty.
    """

    name: str
    summary: str
    config: type[C]
    build: Callable[[C], JointTask]
    licence: str = "MIT"
    sources: tuple[str, ...] = field(default=())
    paper: str = ""


def recipe_names() -> list[str]:
    """Names of the recipes of this package, sorted."""
    from . import recipes

    return sorted(m.name for m in pkgutil.iter_modules(recipes.__path__) if not m.name.startswith("_"))


def load_recipe(name: str) -> Recipe[Any]:
    """A recipe of this package by its name, or the ``RECIPE`` of a Python file (``my/recipe.py``), which is run.

    Hyphens in a name stand for underscores.

    Raises:
        UsageError: there is none.
    """
    if name.endswith(".py"):
        module = _module_of_file(Path(name))
    elif (plain := name.replace("-", "_")) in recipe_names():
        module = importlib.import_module(f"{__package__}.recipes.{plain}")
    else:
        raise UsageError(f"no recipe {name!r}; there are: {', '.join(recipe_names()) or 'none'}")
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise UsageError(f"{module.__file__} has no RECIPE of type wholeface.lab.train.Recipe")
    return recipe


def _module_of_file(path: Path) -> Any:
    name = f"wholeface_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such recipe file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their annotations up there
    spec.loader.exec_module(module)
    return module

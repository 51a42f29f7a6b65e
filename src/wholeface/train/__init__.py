"""How the weights come about: stored samples, augmentation, an engine, and one recipe per network."""

from ._store_fields import KNOWN
from .checkpoint import Checkpoint, load_checkpoint
from .engine import EngineOptions, Listener, Outcome, train
from .recipe import Batch, Recipe, Task, TrainConfig, load_recipe, recipe_names
from .settings import describe_settings, parse_settings
from .store import SampleSource, SampleStore, build_store

__all__ = [
    "KNOWN",
    "Batch",
    "Checkpoint",
    "EngineOptions",
    "Listener",
    "Outcome",
    "Recipe",
    "SampleSource",
    "SampleStore",
    "Task",
    "TrainConfig",
    "build_store",
    "describe_settings",
    "load_checkpoint",
    "load_recipe",
    "parse_settings",
    "recipe_names",
    "train",
]

"""How the weights come about: stored samples, augmentation, an engine, and one recipe per network."""

from ._store_fields import KNOWN
from .checkpoint import Checkpoint, load_checkpoint
from .engine import EngineOptions, Listener, Outcome, train
from .recipe import Recipe, TrainConfig, load_recipe, recipe_names
from .schedule import Constant, Cosine, Phase, Rate, Schedule, StepDecay
from .settings import describe_settings, parse_settings
from .store import SampleSource, SampleStore, build_store
from .task import Batch, JointTask, Task, Update, adamw

__all__ = [
    "KNOWN",
    "Batch",
    "Checkpoint",
    "Constant",
    "Cosine",
    "EngineOptions",
    "JointTask",
    "Listener",
    "Outcome",
    "Phase",
    "Rate",
    "Recipe",
    "SampleSource",
    "SampleStore",
    "Schedule",
    "StepDecay",
    "Task",
    "TrainConfig",
    "Update",
    "adamw",
    "build_store",
    "describe_settings",
    "load_checkpoint",
    "load_recipe",
    "parse_settings",
    "recipe_names",
    "train",
]

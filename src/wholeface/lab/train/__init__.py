"""How the weights come about: stored samples, augmentation, an engine, and one recipe per network."""

from .engine.checkpoint import Checkpoint, load_checkpoint
from .engine.loop import EngineOptions, Listener, Outcome, train
from .recipe import Recipe, TrainConfig, load_recipe, recipe_names
from .schedule import Constant, Cosine, Phase, Rate, Schedule, StepDecay
from .settings import describe_settings, parse_settings
from .task import Batch, JointTask, Task, Update, adamw

__all__ = [
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
    "Schedule",
    "StepDecay",
    "Task",
    "TrainConfig",
    "Update",
    "adamw",
    "describe_settings",
    "load_checkpoint",
    "load_recipe",
    "parse_settings",
    "recipe_names",
    "train",
]

"""The shared ground floor: the linear face model, its parameters and its loaders."""

from .albedo import AlbedoModel, linear_to_srgb, srgb_to_linear
from .dense import DENSE_COUNT, dense_embedding, has_dense
from .embedding import Embedding
from .loaders import load_model
from .model import MorphableModel
from .parameters import LAYOUTS, ParameterLayout, Parameters
from .priors import ExpressionPrior, GaussianPrior

__all__ = [
    "DENSE_COUNT",
    "LAYOUTS",
    "AlbedoModel",
    "Embedding",
    "ExpressionPrior",
    "GaussianPrior",
    "MorphableModel",
    "ParameterLayout",
    "Parameters",
    "dense_embedding",
    "has_dense",
    "linear_to_srgb",
    "load_model",
    "srgb_to_linear",
]

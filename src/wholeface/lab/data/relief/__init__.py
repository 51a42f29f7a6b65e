"""Faces with folds whose true height is known: for training and judging relief networks."""

from .aged import AgedFields, aged_fields
from .bases import BASE_MAPS, ReliefBase, base_of_rendering, base_of_state
from .chart import FaceChart, chart_of
from .draw import FoldSettings, drawn_sample
from .faces import BareFace, RenderedFaces, people_textures, smooth_photos, state_of
from .folds import Folds, random_folds, random_strokes
from .relight import Look, random_look, with_relief
from .scenes import ReliefScene, relief_scene
from .store import ReliefSample, ReliefStore, ReliefStoreWriter
from .surface import SurfaceMaps, detailed_normals, surface_maps

__all__ = [
    "BASE_MAPS",
    "AgedFields",
    "BareFace",
    "FaceChart",
    "FoldSettings",
    "Folds",
    "Look",
    "ReliefBase",
    "ReliefSample",
    "ReliefScene",
    "ReliefStore",
    "ReliefStoreWriter",
    "RenderedFaces",
    "SurfaceMaps",
    "aged_fields",
    "base_of_rendering",
    "base_of_state",
    "chart_of",
    "detailed_normals",
    "drawn_sample",
    "people_textures",
    "random_folds",
    "random_look",
    "random_strokes",
    "relief_scene",
    "smooth_photos",
    "state_of",
    "surface_maps",
    "with_relief",
]

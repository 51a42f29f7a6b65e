"""Training and test pictures: rendered faces, real portraits, things in front of them, and the field's datasets."""

from .layer import Layer, LayerSource, Split
from .sample import FaceSample

__all__ = ["FaceSample", "Layer", "LayerSource", "Split"]

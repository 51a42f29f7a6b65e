"""Training and test pictures: rendered faces, real portraits, things in front of them, and the field's datasets."""

from .sample import FaceSample

__all__ = ["FaceSample"]

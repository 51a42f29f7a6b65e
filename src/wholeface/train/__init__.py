"""How the weights come about: stored samples, augmentation, and one recipe per network."""

from ._store_fields import KNOWN
from .store import SampleSource, SampleStore, build_store

__all__ = ["KNOWN", "SampleSource", "SampleStore", "build_store"]

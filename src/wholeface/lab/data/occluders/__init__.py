"""Things in front of faces."""

from .library import DEFAULT_WEIGHTS, OccluderLibrary

__all__ = ["DEFAULT_WEIGHTS", "OccluderLibrary"]

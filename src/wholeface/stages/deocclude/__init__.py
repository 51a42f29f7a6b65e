"""Steps that take away what hides the face."""

from .rendering import DeoccludeSettings, deocclude

__all__ = [
    "DeoccludeSettings",
    "deocclude",
]

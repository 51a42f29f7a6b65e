"""The systems that turn a photo into a head, each a list of stages.

``analysis`` is training-free but for its front end: landmarks, maximum-a-posteriori fit, analysis by synthesis.
``layered`` adds wrinkles and folds.
``parsing_guided`` and ``eyeglasses`` take away what hides the face by a generator first.
``auto`` is the composition that serves best at present.
"""

from .registry import ENTRY_POINT_GROUP, METHODS, get_method, method_names
from .spec import MethodOptions, MethodSpec

__all__ = ["ENTRY_POINT_GROUP", "METHODS", "MethodOptions", "MethodSpec", "get_method", "method_names"]

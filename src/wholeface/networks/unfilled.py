"""Modules without the random values of their parameters."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode

__all__ = ["Unfilled"]

_RANDOM = frozenset({"normal_", "trunc_normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_"})


class Unfilled(TorchFunctionMode):
    """Within it, parameters keep whatever their memory holds: for modules whose weights are loaded next.

    Drawing random numbers takes half of the time in which a network is made. Constants (norms) are filled as ever.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, unless it draws random numbers into a tensor."""
        named = kwargs or {}
        if getattr(func, "__name__", "") in _RANDOM:
            return args[0] if args else named["tensor"]
        return func(*args, **named)

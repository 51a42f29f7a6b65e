"""The rasteriser and its backends: numba on the CPU, Triton on CUDA, and a slow readable twin."""

from .rasterize import Fragments, rasterize

__all__ = [
    "Fragments",
    "rasterize",
]

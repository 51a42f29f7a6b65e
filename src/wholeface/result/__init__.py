"""What one face of one photo became: the reconstruction, its verdict, its preview, its files."""

from .reconstruction import Reconstruction

__all__ = [
    "Reconstruction",
]

"""WholeFace: one photo of a partly hidden face in, a complete, textured, animatable 3D head out."""

__version__ = "0.1.0"
__all__ = ["__version__"]

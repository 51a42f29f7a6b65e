"""What other systems said of photos, as teachers: their coefficient files."""

from .coefficients import TAUGHT_LAYOUTS, TaughtLayout, TaughtPhoto, read_coefficients, taught_photos

__all__ = ["TAUGHT_LAYOUTS", "TaughtLayout", "TaughtPhoto", "read_coefficients", "taught_photos"]

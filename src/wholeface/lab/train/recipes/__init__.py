"""One file per network; each has a module-level ``RECIPE``."""

"""Layers, backdrops and camera effects: what is laid over a face, and how."""

"""Painting: noise, patterns, relief, turned shapes."""

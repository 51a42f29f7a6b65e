"""From images of subjects to comparable log-albedo textures."""

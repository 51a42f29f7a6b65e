"""From pictures of people to comparable log-albedo textures."""

"""Where face and head are in a sample, and drawing meshes there."""

"""Steps from a photo and its landmarks to parameters of a face model."""

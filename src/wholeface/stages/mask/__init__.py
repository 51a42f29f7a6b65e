"""Steps that find what is in front of the face."""

"""Steps that take away what hides the face."""

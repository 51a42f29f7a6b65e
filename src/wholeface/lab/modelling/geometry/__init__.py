"""From ICT-FaceKit to the geometry of the shipped face model."""

"""Real faces as labelled base images, and what is prepared of them once."""

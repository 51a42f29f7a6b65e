"""Real faces as labelled base pictures, and what is prepared of them once."""

"""Our networks beside mediapipe."""

"""What every room needs, in one copy; imports nothing of WholeFace."""

"""What systems made of photos, reduced to what the protocols compare."""

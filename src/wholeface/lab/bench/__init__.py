"""How good and how fast: one file per protocol, each prints a table."""

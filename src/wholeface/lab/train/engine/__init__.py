"""The training loop and what it keeps: checkpoints, averages, clocks, logs."""

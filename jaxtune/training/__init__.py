"""From prepared data to trained trials: optimiser, step, compiled program, one group's run."""

"""What every other layer stands on: it knows nothing of models or sweeps."""

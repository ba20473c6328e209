"""One module per experiment of the paper: `run(study)` writes its numbers and gives its finding."""

"""One module per experiment of the paper: `run(study)` gives its finding, the numbers lie on disk
first.
"""

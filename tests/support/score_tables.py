"""A table of two recipes' scores, one of which fails in five of twelve runs."""

import numpy as np
import pandas as pd

FLOOR = 0.527
RNG = np.random.default_rng(3)
A = [*np.full(5, 0.527), *RNG.normal(0.7, 0.03, 7).round(3).tolist()]
B = RNG.normal(0.72, 0.01, 12).round(3).tolist()


def table(**more):
    """Twelve runs of two arms, a row each."""
    rows = [
        {"arm": name, "seed": seed, "score": score}
        for name, scores in (("A", A), ("B", B))
        for seed, score in enumerate(scores)
    ]
    return pd.DataFrame(rows).assign(**more)


def written(frame, file):
    writers = {
        ".csv": lambda: frame.to_csv(file, index=False),
        ".tsv": lambda: frame.to_csv(file, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(file, orient="records", lines=True),
        ".json": lambda: frame.to_json(file, orient="records"),
        ".parquet": lambda: frame.to_parquet(file, index=False),
    }
    writers[file.suffix]()
    return file

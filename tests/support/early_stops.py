"""What Wilson's 95% interval of the arm that fails more holds where --until_decided stopped before
its last look (jaxtune/stats/looks_notes.py, docs/verdict.md).

    PYTHONPATH=. python tests/support/early_stops.py
"""

import numpy as np
from false_verdicts import FIXED

from jaxtune.config.looks import times_at
from jaxtune.stats.holm import ALPHA
from jaxtune.stats.intervals import share
from jaxtune.stats.power import boschloo_rejects

REPEATS = 3000
# Of the two recipes: the first four are those of the table, the others lie closer together.
RATES = (
    *((0.88, 0.03), (0.4, 0.1), (0.2, 0.05), (0.1, 0.02)),
    *((0.1, 0.03), (0.3, 0.2), (0.15, 0.08), (0.1, 0.05)),
)


def held_where_stopped(rates, repeats, looks=FIXED[0]):
    """Share of sweeps that failures stopped early, and of these with the true rate inside."""
    rng, held = np.random.default_rng(0), []
    tables = {n: boschloo_rejects(n, ALPHA / 2 / times_at(looks, n)) for n in looks[:-1]}
    for _ in range(repeats):
        fails = rng.random((2, looks[-1])) < np.array(rates)[:, None]
        counts = {n: fails[:, :n].sum(axis=1) for n in tables}
        stop = next((n for n in tables if tables[n][tuple(counts[n])]), None)
        if stop is not None:
            worse = share(fails[0, :stop])
            held.append(worse.wilson_low <= rates[0] <= worse.wilson_high)
    return len(held) / repeats, float(np.mean(held))


if __name__ == "__main__":
    for rates in RATES:
        stopped, held = held_where_stopped(rates, REPEATS)
        print(f"{rates} fail: {stopped:.0%} stop early, of which {held:.0%} hold", flush=True)

"""A sweep with `keep_trials`: a first leg of every trial to the stop step, then the best of each
arm again, whole.

The second time a trial takes the same steps, as its seeds are the same (to the bit where a device
runs one at a time); only time is lost, the stop step's share for each trial that is kept. In return
nothing has to wait on disk, and the sweep can be killed anywhere: what has been chosen shows in the
rows of trials.jsonl alone.
Whole rows take places of their arm, rows with `stopped_at` are over, and only where more trials are
left than places does a first leg have to decide; until then its results lie in OUT/first_leg.
"""

import math
import shutil
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from functools import partial
from pathlib import Path

from jaxtune.core.failure import LEARNT_NOTHING, OUTRANKED
from jaxtune.core.files import replace_file
from jaxtune.core.metrics import merit
from jaxtune.storage.curves import History
from jaxtune.storage.out_folder import check_held
from jaxtune.storage.paths import FIRST_LEG
from jaxtune.storage.trial_rows import (
    Row,
    append_rows,
    check_rows,
    files_of,
    read_rows,
    vouches,
)
from jaxtune.sweep.early_stop import outranked
from jaxtune.sweep.results import ModelOf, RunsGroups, SweepResults, trial_row, write_records
from jaxtune.training.outcome import TrialResult
from jaxtune.training.plan import ProgramPlan


def run_best(
    groups: RunsGroups, results: SweepResults, plans: Sequence[ProgramPlan], keep: int
) -> None:
    """Stops all but the best `keep` trials of each arm that have learnt, and runs those whole."""
    folder = results.out / FIRST_LEG
    whole = Counter(row["arm"] for row in read_rows(results.out) if row.get("stopped_at") is None)
    arms = {trial.number: trial.arm for plan in plans for trial in plan.pending}
    left = Counter(arms.values())
    places = {arm: keep - whole[arm] for arm in left if left[arm] > keep - whole[arm]}
    _first_leg(groups, plans, places.keys(), results.out)
    rows = {row["trial"]: row for row in check_rows(folder).rows if row["trial"] in arms}
    stopped = {number for arm in places for number in _worst(rows, arm, places[arm])}
    _stop(results, [rows[number] for number in sorted(stopped)], folder)
    results.progress.run_again(list(rows.keys() - stopped))
    groups.run([[t for t in plan.pending if t.number not in stopped] for plan in plans])


def _worst(rows: Mapping[int, Row], arm: str, places: int) -> set[int]:
    """The trials of an arm that have learnt nothing, or that others outrank."""
    own = {number: row for number, row in rows.items() if row["arm"] == arm}
    nothing = {number for number, row in own.items() if row["stopped_by"] == LEARNT_NOTHING}
    merits = {}
    for number, row in own.items():
        best = row["best"] if row["dev_fraction"] is None else row["held_out_best"]
        if number not in nothing:
            merits[number] = float(merit(best, row.get("higher_is_better", True)))
    return nothing | outranked(merits, places)


def _first_leg(
    groups: RunsGroups, plans: Sequence[ProgramPlan], arms: Container[str], out: Path
) -> None:
    """All trials of these arms whose first leg is not in OUT already."""
    folder = out / FIRST_LEG

    def keep(
        plan: ProgramPlan, size: int, results: Sequence[TrialResult], history: History, _: ModelOf
    ) -> None:
        check_held(out)
        write_records(folder, results, history)
        append_rows(folder, [trial_row(result, plan, size) for result in results])

    done = {row["trial"] for row in check_rows(folder).rows}
    pending = [
        [t for t in plan.pending if t.arm in arms and t.number not in done] for plan in plans
    ]
    groups.run(pending, first_leg=keep)


def _stop(results: SweepResults, rows: Sequence[Row], folder: Path) -> None:
    """These trials end with what they have reached in the first leg; their rows come last."""
    check_held(results.out)
    for row in rows:
        for file in files_of(folder, row["trial"]).values():
            replace_file(results.out / file, partial(shutil.copyfile, folder / file))
        results.progress.stopped(row["trial"], row["num_steps"])
    plain = [{name: row[name] for name in row if not vouches(name)} for row in rows]
    over = [row | {"stopped_by": row["stopped_by"] or OUTRANKED} for row in plain]
    append_rows(results.out, over)
    shutil.rmtree(folder, ignore_errors=True)
    results.meter.trials += len(rows)
    scores = [math.nan if row["final"] is None else row["final"] for row in rows]
    results.progress.finished(scores, sum(row["failed"] for row in rows))

"""Figures 4 and 10 to 12: gradient norms per layer and tensor kind, failed against successful."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxtune.stats.hypothesis_tests import mann_whitney
from jaxtune.stats.wording import show_p
from jaxtune.study.context import Study
from jaxtune.study.finding import Claim, Finding
from jaxtune.study.measures import (
    NothingToShowError,
    by_correction,
    choose,
    if_shown,
    joined,
    not_diverged,
)

TITLE = "Figures 4 and 10 to 12: gradient norms of failed and successful trials"
PAPER = (
    "In a failed trial the gradients of all layers but the topmost vanish soon after the start and"
    " never come back; in a successful one they dip and return, about two orders of magnitude"
    " higher at the end. On RTE the lowest layer's falls to 1e-4 and stays below 1e-3, the"
    " classifier's stays. The same for every weight matrix, and for RoBERTa and ALBERT."
)
EARLY = 10  # logged steps
PREFIX = "grad_norm/"


def run(study: Study) -> Finding:
    """Curves of the first few failed and successful trials; the rule looks at all."""
    config = study.config
    sweeps = {model: study.main(model=model) for model in (config.model, *config.more_models)}
    tables, claims, said, notes = [], [], [], []
    numbers: dict[str, Any] = {}
    for model, sweep in sweeps.items():
        rows, _ = by_correction(study.rows(sweep))
        name = Path(model).name
        try:
            chosen = choose(rows, config.most_curves, sweep)
        except NothingToShowError as nothing:
            if len(sweeps) == 1:
                raise
            claims.append(Claim(f"{name}: gradients of failed trials vanish", str(nothing), None))
            continue
        norms = _norms(study, sweep, not_diverged(rows))
        shown = norms[norms["trial"].isin([*chosen.failed, *chosen.successful])]
        tables.append(shown.assign(model=name))
        numbers[name], own, words = _judge(name, norms)
        claims += own
        said.append(words)
        notes.append(f"Curves: medians over trials; {chosen.rule}.")
    if not tables:
        raise NothingToShowError(" ".join(claim.found for claim in claims))
    study.write("gradient_norms", norms=joined(tables))
    notes += [
        f"Late: the median over the second half of the steps. Early: over the first {EARLY} logged"
        " ones. Medians over all trials without bias correction that did not diverge: the norms of"
        " the others are no numbers.",
        f"L2 norms before clipping, every {config.log_every} steps; an ALBERT has one shared"
        " block.",
    ]
    return Finding(TITLE, PAPER, " ".join(said), claims, numbers, notes)


def _norms(study: Study, sweep: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Long form: trial step failed layer kind value; modules without a layer have layer -1."""
    history = study.history(sweep, rows["trial"].tolist())
    norms = history[history["name"].str.startswith(PREFIX)].reset_index(drop=True)
    name = norms["name"].str.removeprefix(PREFIX)
    layer = name.str.extract(r"^layer_(\d+)/", expand=False)
    failed = set(rows.loc[rows["failed"], "trial"])
    return pd.DataFrame(
        {
            "trial": norms["trial"],
            "step": norms["step"],
            "failed": norms["trial"].isin(failed),
            "layer": layer.fillna("-1").astype(int),
            "kind": name.str.removeprefix("layer_").str.split("/").str[-1],
            "value": norms["value"],
        }
    )


def _judge(model: str, norms: pd.DataFrame) -> tuple[dict[str, Any], list[Claim], str]:
    """The rule for one model: numbers, claims, and a sentence."""
    bottom = norms[(norms["layer"] == 0) & (norms["kind"] == "layer")]
    late = _late(bottom)
    flags = bottom.groupby("trial")["failed"].first()
    failed, successful = (late[own].to_numpy(np.float64) for own in (flags, ~flags))
    test = mann_whitney(failed, successful)
    low, high = float(np.median(failed)), float(np.median(successful))
    # A gradient that is exactly 0 in every failed trial still has a ratio.
    ratio = high / max(low, 1e-30)
    parts = {"first layer": bottom, "classifier": norms[norms["kind"] == "classifier"]}
    kept = {
        name: float(np.median((_late(part) / _early(part))[flags])) for name, part in parts.items()
    }
    lower = if_shown(test.p, ratio > 1)
    # A gradient that was 0 from the start has no share that is left.
    known = np.isfinite([*kept.values()]).all()
    loses_more = kept["first layer"] < kept["classifier"] if known else None
    claims = [
        Claim(
            f"{model}: late in training the first layer's gradient is lower in failed trials",
            f"{ratio:.2g} times as large in successful ones ({test.test}, {show_p(test.p)})",
            lower,
        ),
        Claim(
            f"{model}: failed trials lose more of it in the first layer than in the classifier",
            f"{kept['first layer']:.2g} and {kept['classifier']:.2g} of the early norm are left",
            loses_more,
        ),
    ]
    words = (
        f"{model}: in the second half of training the first layer's gradient norm is {low:.1e}"
        f" in {len(failed)} failed trials and {high:.1e} in {len(successful)} successful ones."
    )
    numbers = {
        "holds": [lower, loses_more],
        "late_failed": low,
        "late_successful": high,
        "mann_whitney_p": test.p,
        "kept_by_failed": kept,
    }
    return numbers, claims, words


def _late(norms: pd.DataFrame) -> pd.Series:
    """Median over the second half of the steps, by trial."""
    return norms[norms["step"] >= norms["step"].max() / 2].groupby("trial")["value"].median()


def _early(norms: pd.DataFrame) -> pd.Series:
    """Median over the first logged steps, by trial."""
    first = np.sort(norms["step"].unique())[:EARLY]
    return norms[norms["step"].isin(first)].groupby("trial")["value"].median()

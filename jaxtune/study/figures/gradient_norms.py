"""Figures 4 and 10 to 12: gradient norms per layer and tensor kind, failed against successful
trials.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxtune.stats.hypothesis_tests import mann_whitney
from jaxtune.stats.wording import show_p
from jaxtune.study.context import Study, write_table
from jaxtune.study.finding import Agreement, Finding, agreement
from jaxtune.study.measures import ALPHA
from jaxtune.study.selection import NothingToShowError, choose

TITLE = "Figures 4 and 10 to 12: gradient norms of failed and successful trials"
PAPER = (
    "On RTE, the gradients of a failed trial vanish in all layers but the topmost soon after the"
    " start and never come back (the lowest to 1e-4 and below 1e-3, the classifier's stays); in a"
    " successful trial they dip and return, about two orders of magnitude higher at the end. The"
    " same for every weight matrix, and for RoBERTa and ALBERT."
)
RULE = (
    "The rule, per model and over all trials without bias correction: in the second half of"
    " training the first layer's gradient is lower in failed trials (median over steps;"
    f" Mann-Whitney p < {ALPHA}), and in failed trials the first layer has lost a larger share of"
    " its early gradient than the classifier (medians over trials of the second half over the"
    " first ten logged steps)."
)
EARLY = 10
PREFIX = "grad_norm/"


def run(study: Study) -> Finding:
    """Curves of the first few failed and successful trials; the rule looks at all."""
    config = study.config
    sweeps = {model: study.main(model=model) for model in (config.model, *config.more_models)}
    tables, parts, said, notes = [], [], [], []
    numbers: dict[str, Any] = {}
    missing: NothingToShowError | None = None
    for model, sweep in sweeps.items():
        rows = study.rows(sweep)
        rows = rows[~rows["bias_correction"]]
        name = Path(model).name
        try:
            chosen = choose(rows, config.most_curves, sweep)
        except NothingToShowError as nothing:
            missing = nothing
            parts.append(None)
            said.append(str(nothing))
            continue
        norms = _norms(study, sweep, rows)
        shown = norms[norms["trial"].isin([*chosen.failed, *chosen.successful])]
        tables.append(shown.assign(model=name))
        numbers[name] = _judge(norms)
        parts += numbers[name]["holds"]
        said.append(f"{name}: {numbers[name]['words']}")
        notes.append(f"Curves: medians over trials; {chosen.rule}.")
    if missing is not None and not tables:
        raise missing
    write_table(
        study.folder("gradient_norms") / "norms.parquet", pd.concat(tables, ignore_index=True)
    )
    notes.append(
        f"L2 norms before clipping, every {config.log_every} steps; an ALBERT has one shared block."
    )
    agrees: Agreement = agreement(parts)
    return Finding(TITLE, PAPER, " ".join(said), agrees, RULE, numbers, notes)


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


def _judge(norms: pd.DataFrame) -> dict[str, Any]:
    """The rule for one model."""
    bottom = norms[(norms["layer"] == 0) & (norms["kind"] == "layer")]
    late = _late(bottom)
    flags = bottom.groupby("trial")["failed"].first()
    failed, successful = late[flags].to_numpy(), late[~flags].to_numpy()
    test = mann_whitney(np.asarray(failed, np.float64), np.asarray(successful, np.float64))
    ratio = float(np.median(successful) / max(np.median(failed), 1e-30))
    kept = {
        kind: float(np.median((_late(part) / _early(part))[flags]))
        for kind, part in (
            ("first layer", bottom),
            ("classifier", norms[norms["kind"] == "classifier"]),
        )
    }
    lower = None if test.p is None or test.p >= ALPHA else bool(ratio > 1)
    words = (
        f"in the second half of training the first layer's gradient norm is {np.median(failed):.1e}"
        f" in the failed trials ({len(failed)}) and {np.median(successful):.1e} in the successful"
        f" ones ({len(successful)}), {ratio:.2g} times as large ({test.test}, {show_p(test.p)}). Of"
        f" its early norm a failed trial keeps {kept['first layer']:.2g} in the first layer and"
        f" {kept['classifier']:.2g} in the classifier."
    )
    return {
        "holds": [lower, bool(kept["first layer"] < kept["classifier"])],
        "late_failed": float(np.median(failed)),
        "late_successful": float(np.median(successful)),
        "mann_whitney_p": test.p,
        "kept_by_failed": kept,
        "words": words,
    }


def _late(norms: pd.DataFrame) -> pd.Series:
    """Median over the second half of the steps, by trial."""
    return norms[norms["step"] >= norms["step"].max() / 2].groupby("trial")["value"].median()


def _early(norms: pd.DataFrame) -> pd.Series:
    """Median over the first logged steps, by trial."""
    first = np.sort(norms["step"].unique())[:EARLY]
    return norms[norms["step"].isin(first)].groupby("trial")["value"].median()

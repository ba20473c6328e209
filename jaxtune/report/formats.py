"""The report as Markdown, and its numbers as CSV."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from jaxtune.report.contents import Section
from jaxtune.report.findings import ArmFindings, Findings
from jaxtune.report.page import Head
from jaxtune.report.sources import Source, printable
from jaxtune.report.tables import Table
from jaxtune.stats.arms import readable
from jaxtune.stats.describe import Statistics
from jaxtune.stats.intervals import Share

# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def markdown(head: Head, sections: Sequence[Section]) -> str:
    """Words and tables; the figures are in the page."""
    parts = [f"# {_markdown(head.title)}", _markdown(head.facts)]
    parts += [f"**{_markdown(text)}**" for text in head.status]
    parts += [f"> {_markdown(' '.join(head.verdict))}"]
    for section in sections:
        if not section.tables and not section.points:
            continue
        parts.append(f"## {_markdown(section.title)}")
        parts += ["\n".join(f"- {_markdown(point)}" for point in section.points)]
        for table in section.tables:
            if table.title != section.title:
                parts.append(f"### {_markdown(table.title)}")
            parts += [_markdown_table(table), _markdown(table.note)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:" if any(table.columns) else "---"] * (len(table.columns) - 1)]
    rows = [[_markdown(cell) for cell in row] for row in [table.columns, *table.rows]]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown(text: str) -> str:
    """One line that no reader takes for markup; the lower line of a cell goes into brackets."""
    first, *below = text.split("\n")
    text = f"{first} ({'; '.join(below)})" if below else first
    text = escape(printable(text), quote=False)
    for sign in ("\\", "`", "*", "~", "|", "]("):
        text = text.replace(sign, f"\\{sign}")
    # Within a word, as in `learning_rate`, it is no markup.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def arms_csv(found: Findings) -> str:
    """A row per arm: everything its description holds, unrounded, then its settings."""
    return _csv(_arm_rows(found.arms))


def task_arms_csv(tasks: Mapping[str, Findings]) -> str:
    """The same with the task in front, of every arm on every task."""
    of_task = [task for task, found in tasks.items() for _ in found.arms]
    rows = _arm_rows([arm for found in tasks.values() for arm in found.arms])
    return _csv(
        {"task": task} | row | {"task": task} for task, row in zip(of_task, rows, strict=True)
    )


def _arm_rows(arms: Sequence[ArmFindings]) -> list[dict[str, Any]]:
    numbers = [_arm_numbers(arm) for arm in arms]
    taken = set().union(*numbers)
    return [own | _beside(taken, arm.arm.settings) for own, arm in zip(numbers, arms, strict=True)]


def _beside(taken: Collection[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, under another name those that are called as a column of the report's own."""
    return {f"setting_{name}" if name in taken else name: v for name, v in settings.items()}


def _answers_known(arm: ArmFindings) -> bool:
    return all(trial.row["constant_prediction"] is not None for trial in arm.trials)


def _arm_numbers(arm: ArmFindings) -> dict[str, Any]:
    about, failed = arm.description, arm.description.failed
    numbers = {
        "arm": about.name,
        "metric": about.metric,
        "higher_is_better": arm.arm.higher_is_better,
        "trivial": about.trivial,
        "n": failed.n,
        **(_failures(failed) if arm.arm.judged else {}),
        "diverged": about.diverged.count,
        "constant_predictions": about.constant.count if _answers_known(arm) else None,
        "unscored": about.num_unscored,
        **_scores("", about.all),
        "not_failed_n": about.not_failed.n,
        **_scores("not_failed_", about.not_failed),
        "dev_standard_error": about.dev_error.value,
        "num_steps": arm.num_steps,
    }
    best = dict(zip(arm.best.num_trials.tolist(), arm.best.mean.tolist(), strict=True))
    numbers |= {f"expected_best_of_{n}": best.get(n) for n in (1, 2, 5, 10)}
    if arm.peak is not None:
        numbers |= {"peak_learning_rate": arm.peak.rate, "peak_multiple": arm.peak.multiple}
    for kind, found in (("", arm.instability), ("not_failed_", arm.of_successes)):
        if found is not None:
            names = ("disagreement", "kappa", "divergence")
            numbers |= {f"{kind}{name}": getattr(found, name).value for name in names}
    return numbers


def _failures(failed: Share) -> dict[str, Any]:
    return {
        "failed": failed.count,
        "failed_low": failed.wilson_low,
        "failed_high": failed.wilson_high,
        "failed_exact_low": failed.exact_low,
        "failed_exact_high": failed.exact_high,
    }


def _scores(kind: str, scores: Statistics) -> dict[str, Any]:
    numbers = {}
    for name, found in list(scores._asdict().items())[1:]:  # n stands with the failures
        ends = {"": found.value, "_low": found.low, "_high": found.high}
        numbers |= {f"{kind}{name}{end}": value for end, value in ends.items()}
    return numbers


def trials_csv(sources: Sequence[Source]) -> str:
    """A row per trial, as in trials.jsonl; with the folder where there are several."""
    several = len(sources) > 1
    return _csv(
        {"folder": source.name} | _beside({"folder"}, row) if several else row
        for source in sources
        for row in source.rows
    )


def _csv(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    writer.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def csv_cell(value: Any) -> str:
    """A number as it is, nothing for null, an apostrophe before text that would be calculated."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = " ".join(map(str, value))
    if not isinstance(value, str):
        return readable(value)
    return f"'{value}" if value.startswith(FORMULA) else value

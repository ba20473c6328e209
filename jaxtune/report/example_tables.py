"""Tables on what of spreads and differences is the luck of the dev examples."""

from jaxtune.report.decimals import form_of, score_form, signed
from jaxtune.report.findings import Findings
from jaxtune.report.tables import MOST_PAIRS, Table, cell, left_out, shown
from jaxtune.stats.holm import least_p
from jaxtune.stats.intervals import FEWEST_TRIALS

LUCK_NOTE = (
    "Trials that are equally good still differ on {num_dev} examples, for their mistakes fall on"
    " different ones: that much std comes from these examples, and another dev set would order the"
    " trials otherwise. What is left is the std that the accuracy would show on very many examples,"
    " an estimate without bias before it is cut at 0, with its 95% interval (Jordan 2023),"
    f" which takes {FEWEST_TRIALS} trials."
)
NEW_EXAMPLES_NOTE = (
    "The difference of the means with an interval over seeds, for these dev examples, and with one"
    " over seeds and examples, for others like them, both at the level that p of the mean was held"
    " to; and one standard error of each kind (Sellam et al. 2022)."
)


def luck_table(found: Findings) -> Table | None:
    """Per arm what of its std the dev set brings; None where no accuracies have predictions."""
    rows = [
        (
            arm.arm.name,
            f"{arm.luck.seen:.4f}",
            f"{arm.luck.from_examples:.4f}",
            cell(arm.luck.beyond, "{:.4f}"),
        )
        for arm in found.arms
        if arm.luck is not None
    ]
    if not rows:
        return None
    columns = ("Arm", "Std seen", "From these examples", "Beyond them")
    note = LUCK_NOTE.format(num_dev=found.num_dev)
    return Table("The seeds or the dev set", columns, tuple(rows), note)


def new_examples_table(found: Findings) -> Table | None:
    """Per pair the difference of the means over seeds and over examples; None without them."""
    known = [
        (pair, pair.new_examples)
        for pair in sorted(found.verdict.comparisons, key=least_p)
        if pair.new_examples is not None
    ]
    if not known:
        return None
    form = signed(score_form(found))
    errors = form_of((e for _, both in known for e in (both.from_seeds, both.from_examples)), 4)
    rows = tuple(
        (
            f"{pair.one}\nagainst {pair.other}",
            cell(pair.effects.mean, form),
            cell(both.difference, form),
            shown(both.from_seeds, errors),
            shown(both.from_examples, errors),
        )
        for pair, both in known[:MOST_PAIRS]
    )
    columns = (
        "Pair",
        "Mean, on these examples",
        "On new ones",
        "Error from seeds",
        "From examples",
    )
    return Table(
        "Differences on new examples", columns, rows, NEW_EXAMPLES_NOTE + left_out(len(known))
    )

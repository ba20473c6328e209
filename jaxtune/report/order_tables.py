"""The table on whose scores lie higher, who fails less, and who is equal within a margin."""

from jaxtune.report.findings import Findings
from jaxtune.report.tables import MOST_PAIRS, Table, cell, left_out, shown
from jaxtune.stats.compare import Comparison
from jaxtune.stats.holm import least_p
from jaxtune.stats.order import ALMOST
from jaxtune.stats.wording import MISSING, show_level, show_p

NOTE = (
    "Nothing here decides the verdict. Fails less: the chance that the first arm's failure rate is"
    " the lower one, of Beta posteriors after uniform priors.{clear}"
    " Order: of the squared distance between the two arms' quantiles, the share where the first is"
    " the worse one: 0 is dominance of the first, 1 of the second. The upper end of its interval"
    " ({level}) is eps-min of Dror et al. (2019); below {almost} the first scores better almost"
    " everywhere (Ulmer et al. 2022), but for one of two equal arms that happens in 3 to 12 of 100"
    " cases, so that the p of the mean is to be small as well."
    "{equal}"
)
CLEAR = " Clearly: better, and worse, by more than {margin:g}."
EQUAL = (
    " Equal: p of two one-sided tests that the means of the trials that did not fail lie {margin:g}"
    " or more apart; equal where it was shown after Holm."
)


def order_table(found: Findings) -> Table | None:
    """A row per pair; None where there is one arm."""
    pairs = sorted(found.verdict.comparisons, key=least_p)
    if not pairs:
        return None
    margin = pairs[0].equivalence.margin if pairs[0].equivalence else None
    columns = ["Pair", "Fails less", "Order"]
    if margin is not None:
        columns += ["Clearly", f"Equal within {margin:g}"]
    note = NOTE.format(
        clear=CLEAR.format(margin=margin) if margin is not None else "",
        equal=EQUAL.format(margin=margin) if margin is not None else "",
        level=show_level(pairs[0].order.violation.confidence),
        almost=ALMOST,
    )
    note += left_out(len(pairs))
    rows = tuple(_row(pair, margin is not None) for pair in pairs[:MOST_PAIRS])
    return Table("Order of the scores", tuple(columns), rows, note)


def _row(pair: Comparison, with_margin: bool) -> tuple[str, ...]:
    order = pair.order
    cells = (
        f"{pair.one}\nagainst {pair.other}",
        shown(pair.fails_less, "{:.1%}"),
        cell(order.violation, "{:.2f}"),
    )
    if not with_margin:
        return cells
    clearly = f"{order.wins_clearly:.0%}\nworse {order.losses_clearly:.0%}"
    return (*cells, clearly, _equal(pair))


def _equal(pair: Comparison) -> str:
    found = pair.equivalence
    if found is None or found.p is None:
        return MISSING
    return f"{'equal' if pair.equal else 'not shown'}\n{show_p(found.p)}"

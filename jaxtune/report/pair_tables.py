"""Tables with a row per pair of arms: tests and effects, whose scores lie higher, what new examples
would change; and what more seeds would find.
"""

from collections.abc import Iterable

from jaxtune.core.words import percent, plural
from jaxtune.report.findings import Findings
from jaxtune.report.tables import (
    Table,
    cell,
    clearest,
    corrected_p,
    form_of,
    score_form,
    shown,
    signed,
    why_missing,
)
from jaxtune.stats.compare import Comparison
from jaxtune.stats.holm import ALPHA, clearest_first
from jaxtune.stats.order import ALMOST, Order
from jaxtune.stats.power import HOW_OFTEN
from jaxtune.stats.wording import (
    LEVEL,
    MISSING,
    in_points,
    names,
    points_apart,
    show_level,
    show_p,
)

PAIR_COLUMNS = (
    *("Pair", "Failure rate, difference", "p, failures", "Std, ratio", "p, std"),
    *("Mean, difference", "p, mean", "Scores better"),
)
PAIRS_NOTE = (
    "p after Holm's correction{deciding} over {of_means} of the mean, which the verdict leaves"
    " aside; below it p alone: {tests}."
    " An interval is at the level that its p alone was held to, {levels}."
    " Differences are of the first arm less the second, ratios of the first over the second."
    " Scores better: the chance that a trial of the first does so than one of the second, ties"
    " half."
    " Failed trials are in everything."
)
ORDER_NOTE = (
    "Nothing here decides the verdict. Fails less: the chance that the first arm's failure rate is"
    " the lower one, of Beta posteriors after uniform priors.{clear}"
    " Order: of the squared distance between the two arms' quantiles, the share where the first is"
    " the worse one: 0 is dominance of the first, 1 of the second. The upper end of its interval"
    " ({level}) is eps-min of Dror et al. (2019); below {almost} the first counts as the better"
    " one (Ulmer et al. 2022), which few quantiles may bring, and for one of two equal arms that"
    " happens in 3 to 12 of 100 cases, so that the p of the mean is to be small as well."
    "{equal}"
)
CLEAR = " Clearly: better, and worse, by more than {margin:g}."
EQUAL = (
    " Equal: p of two one-sided tests that the means of the trials that did not fail lie {margin:g}"
    " or more apart; equal where it was shown after Holm."
)
NEW_EXAMPLES_NOTE = (
    "The difference of the means with an interval over seeds, for these dev examples, and with one"
    " over seeds and examples, for others like them, both at the level that p of the mean was held"
    " to; and one standard error of each kind (Sellam et al. 2022)."
)
FINDABLE_NOTE = (
    "The smallest differences between {pair} that so many seeds per arm find {how_often}, at p ="
    " {alpha:.2g} for each test of failure rate and std and {of_mean:.2g} for each of the mean"
    " ({level} over all of either), if scores scatter as they do here."
)


def pairs_table(found: Findings) -> Table | None:
    """Tests and effects, the clearest differences first; None where there is one arm."""
    pairs = clearest_first(found.verdict.comparisons)
    if not pairs:
        return None
    made = [
        [outcome.test for outcome in kind if outcome.p is not None]
        for kind in zip(*(pair.tests for pair in pairs), strict=True)
    ]
    untested = [outcome for pair in pairs for outcome in pair.tests if outcome.p is None]
    sizes = [effect for pair in pairs for effect in pair.effects]
    deciding = plural(found.verdict.num_tests, "test")
    note = PAIRS_NOTE.format(
        deciding=f", over {deciding} of failure rate and spread, and" if any(made[:2]) else "",
        of_means=plural(len(pairs), "test"),
        tests="; ".join(" or ".join(dict.fromkeys(kind)) for kind in made if kind),
        levels=_levels(pairs),
    )
    form = signed(score_form(found))

    def row(pair: Comparison) -> tuple[str, ...]:
        tests, effects = pair.tests, pair.effects
        return (
            _named(pair),
            cell(in_points(effects.failures), "{:+.0f}", " points"),
            corrected_p(pair.failures, tests.failures),
            cell(effects.std_ratio, "{:.2f}"),
            corrected_p(pair.spread, tests.spread),
            cell(effects.mean, form),
            corrected_p(pair.location, tests.location),
            cell(effects.improvement, "{:.0%}"),
        )

    note += why_missing(untested + sizes)
    named = found.verdict.open_pair
    return clearest("Pairs of arms", PAIR_COLUMNS, pairs, row, note, named)


def _named(pair: Comparison) -> str:
    return f"{pair.one}\nagainst {pair.other}"


def _levels(pairs: Iterable[Comparison]) -> str:
    """Of all intervals, such as `95% to 97.5%`."""
    levels = {corrected.level for pair in pairs for corrected in pair.corrected}
    low, high = show_level(1 - max(levels)), show_level(1 - min(levels))
    return low if low == high else f"{low} to {high}"


def order_table(found: Findings) -> Table | None:
    """Whose scores lie higher, who fails less, and who is equal within a margin; None where there
    is one arm.
    """
    pairs = clearest_first(found.verdict.comparisons)
    if not pairs:
        return None
    columns, clear, equal = ["Pair", "Fails less", "Order"], "", ""
    if same := pairs[0].equivalence:
        columns += ["Clearly", f"Equal within {same.margin:g}"]
        clear, equal = CLEAR.format(margin=same.margin), EQUAL.format(margin=same.margin)
    level = show_level(pairs[0].order.violation.confidence)
    note = ORDER_NOTE.format(clear=clear, equal=equal, level=level, almost=ALMOST)

    def row(pair: Comparison) -> tuple[str, ...]:
        within = (_clearly(pair.order), _equal(pair)) if same else ()
        violation = cell(pair.order.violation, "{:.2f}")
        fails_less = MISSING if pair.fails_less is None else percent(pair.fails_less, 1)
        return (_named(pair), fails_less, violation, *within)

    named = found.verdict.open_pair
    return clearest("Order of the scores", tuple(columns), pairs, row, note, named)


def _clearly(order: Order) -> str:
    if order.wins_clearly is None or order.losses_clearly is None:
        return MISSING
    return f"{percent(order.wins_clearly)}\nworse {percent(order.losses_clearly)}"


def _equal(pair: Comparison) -> str:
    found = pair.equivalence
    if found is None or found.p is None:
        return MISSING
    return f"{'equal' if pair.equal else 'not shown'}\n{show_p(found.p)}"


def new_examples_table(found: Findings) -> Table:
    """The difference of the means over seeds and over examples, where predictions tell it."""
    pairs = clearest_first(found.verdict.comparisons)
    known = [(pair, new) for pair in pairs if (new := pair.new_examples) is not None]
    form = signed(score_form(found))
    errors = form_of((e for _, new in known for e in (new.from_seeds, new.from_examples)), 4)
    return clearest(
        "Differences on new examples",
        ("Pair", "Mean, on these examples", "On new ones", "Error from seeds", "From examples"),
        known,
        lambda each: (
            _named(each[0]),
            cell(each[0].effects.mean, form),
            cell(each[1].difference, form),
            shown(each[1].from_seeds, errors),
            shown(each[1].from_examples, errors),
        ),
        NEW_EXAMPLES_NOTE,
    )


def findable_table(found: Findings) -> Table | None:
    """What more seeds would find; None where no pair stays open."""
    ways, pair = found.verdict.findable, found.verdict.open_pair
    if not ways or pair is None:
        return None
    rows = tuple(
        (
            str(way.seeds),
            MISSING if way.failures is None else points_apart(way.failures),
            shown(way.std_ratio, "{:.2g} times as large"),
            shown(way.mean, "{:.2g}"),
        )
        for way in ways
    )
    alpha = ALPHA / found.verdict.num_tests / pair.times
    of_mean = ALPHA / len(found.verdict.comparisons) / pair.times
    return Table(
        "What more seeds would find",
        ("Seeds per arm", "Failure rate", "Std", "Mean, difference"),
        rows,
        FINDABLE_NOTE.format(
            pair=names([pair.one, pair.other]),
            how_often=HOW_OFTEN,
            alpha=alpha,
            of_mean=of_mean,
            level=LEVEL,
        ),
    )

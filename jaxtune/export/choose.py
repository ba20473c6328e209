"""What an export is made of: one trial, the members of an ensemble, or the better of two soups."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from jaxtune.core.answers import Logits, mean_logits, together
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_text
from jaxtune.core.words import plural
from jaxtune.export.averages import Soup, greedy_soup, uniform_soup
from jaxtune.export.card import (
    ADAPTERS,
    WHOLE,
    Form,
    ensemble_card,
    soup_card,
    trial_card,
)
from jaxtune.export.card_facts import step_words
from jaxtune.export.card_text import HOW_BEST, HOW_FAILED, HOW_MEMBER, HOW_NAMED
from jaxtune.export.folder import write_adapters, write_model
from jaxtune.export.members import DevSet, Member, Params, Sweep
from jaxtune.stats.arms import by_arm, check_comparable, make_arms
from jaxtune.stats.wording import every, names
from jaxtune.storage.paths import trial_name

README = "README.md"


def choose(
    sweep: Sweep, trial: str, arm: str | None, adapters: bool = False
) -> Callable[[Path], str]:
    """What `--trial` means, as a function that writes the folder and returns what there is to say.

    Raises UserError where it means nothing.

    Args:
        adapters: whether they are written by themselves, and not a whole model.
    """
    form = ADAPTERS if adapters else WHOLE
    if trial == "soup":
        if adapters:
            raise UserError(
                "A soup is a mean of whole models, which no adapters of a small rank give; leave"
                " adapters out."
            )
        return partial(_soup, sweep, usable(sweep, only_arm(sweep, arm, "a soup"), 2))
    if trial == "ensemble":
        members = usable(sweep, only_arm(sweep, arm, "an ensemble"), 2)
        return partial(_ensemble, sweep, members, form)
    if trial == "best":
        best = best_of(sweep, arm)
        return partial(_single, sweep, best, _chosen_best(sweep, best, arm), form)
    member = trial_named(sweep, in_arm(sweep, arm), trial)
    return partial(_single, sweep, member, HOW_NAMED if member.usable else HOW_FAILED, form)


def members_named(sweep: Sweep, trial: str, arm: str | None) -> list[Member]:
    """Who answers where `--trial` is `best`, a number, or `ensemble`: one or more.

    Raises UserError where nobody is meant.
    """
    if trial == "ensemble":
        return usable(sweep, only_arm(sweep, arm, "an ensemble"), 1)
    if trial == "best":
        return [best_of(sweep, arm)]
    if trial == "soup":
        raise UserError("A soup is a model of its own; export it, and give its folder instead.")
    return [trial_named(sweep, in_arm(sweep, arm), trial)]


def best_of(sweep: Sweep, arm: str | None) -> Member:
    """The best of the usable trials; raises UserError where there is none."""
    return max(usable(sweep, in_arm(sweep, arm), 1), key=sweep.merit)


def usable(sweep: Sweep, members: Sequence[Member], at_least: int) -> list[Member]:
    """The members that ran whole and did not fail; raises UserError where they are too few."""
    found = [member for member in members if member.usable]
    if len(found) >= at_least:
        return found
    whole = [member for member in members if member.is_whole]
    early = len(whole) < len(members)
    if not found:
        raise UserError(
            f"{every(len(members), 'trial')} to choose from in {sweep.out} failed"
            f"{' or ended early' if early else ''}; give one's"
            f" number, such as --trial {(whole or members)[0].number}, to take it all the same."
        )
    number = found[0].number
    raise UserError(
        f"Of {plural(len(members), 'trial')} only number {number} did not fail"
        f"{' or end early' if early else ''}, and there is nothing to average it with; give"
        f" --trial {number}."
    )


def _chosen_best(sweep: Sweep, best: Member, arm: str | None) -> str:
    """How the best trial came to be it, in Markdown."""
    among = plural(len(in_arm(sweep, arm)), "trial")
    so_many, arms = "so many trials", ""
    if arm is None and len(sweep.arms) > 1:
        among += f" in {len(sweep.arms)} arms"
        so_many, arms = "its arm's trials", "; the best of several arms scores more"
    return HOW_BEST.format(among=among, metric=best.row["metric"], so_many=so_many, arms=arms)


def _single(sweep: Sweep, member: Member, how: str, form: Form, folder: Path) -> str:
    dev = DevSet(member.trial)
    scores = _write_member(sweep, member, how, dev, form, folder)[1]
    metric = dev.task.metrics[0]
    return (
        f"Trial {member.number}, {step_words(sweep, member)}: {metric} {scores[metric]:.4f} on the"
        " dev set."
    )


def _write_member(
    sweep: Sweep, member: Member, how: str, dev: DevSet, form: Form, folder: Path
) -> tuple[Logits, dict[str, float]]:
    """One trial's folder; returns its logits and scores."""
    params = sweep.params(member)
    logits = dev.check(sweep, member, params)
    scores = dev.scores(logits)
    if form is ADAPTERS:
        write_adapters(folder, dev, member.trial.config, sweep.trained(member))
    else:
        write_model(folder, dev, params)
    write_text(folder / README, trial_card(dev, sweep, member, scores, how, form))
    return logits, scores


def _ensemble(sweep: Sweep, members: Sequence[Member], form: Form, folder: Path) -> str:
    dev = DevSet(members[0].trial)
    how = HOW_MEMBER.format(members=len(members))
    written = [
        _write_member(sweep, member, how, dev, form, folder / f"member_{trial_name(member.number)}")
        for member in members
    ]
    logits, each = zip(*written, strict=True)
    scores = dev.scores(together(logits, dev.task.several_labels))
    lines = {"this ensemble": scores}
    if dev.task.num_labels > 1:
        lines["mean of the logits instead"] = dev.scores(mean_logits(logits))
    lines |= _compared(dev, members, each)
    write_text(folder / README, ensemble_card(dev, sweep, members, lines, form))
    metric = dev.task.metrics[0]
    return f"Ensemble of {len(members)} trials: {metric} {scores[metric]:.4f} on the dev set."


def _compared(
    dev: DevSet, members: Sequence[Member], scores: Sequence[dict[str, float]]
) -> dict[str, dict[str, float]]:
    """What an average is measured against: its members' mean and the best of them."""
    best = max(range(len(members)), key=lambda i: dev.merit(scores[i]))
    means = {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}
    return {
        f"best single trial ({members[best].number})": scores[best],
        "mean of the single trials": means,
    }


def _soup(sweep: Sweep, members: Sequence[Member], folder: Path) -> str:
    dev = DevSet(members[0].trial)
    metric = dev.task.metrics[0]
    by_number = {member.number: member for member in members}
    each: dict[int, dict[str, float]] = {}

    def checked(member: Member) -> tuple[int, Params]:
        params = sweep.params(member)
        each[member.number] = dev.scores(dev.check(sweep, member, params))
        return member.number, params

    def merit(params: Params) -> float:
        return dev.merit(dev.scores(dev.logits(params)))

    soups: dict[str, Soup] = {"uniform": uniform_soup(map(checked, members))}
    best_first = sorted(by_number, key=lambda number: dev.merit(each[number]), reverse=True)
    soups["greedy"] = greedy_soup(best_first, lambda n: sweep.params(by_number[n]), merit)
    scores = {name: dev.scores(dev.logits(soup.params)) for name, soup in soups.items()}
    # Where they are equal the uniform one: less of it was chosen on the dev set.
    chosen = max(soups, key=lambda name: dev.merit(scores[name]))
    write_model(folder, dev, soups[chosen].params)
    lines = {f"{name} soup": scores[name] for name in soups}
    lines |= _compared(dev, members, list(each.values()))
    trials = {name: soup.trials for name, soup in soups.items()}
    write_text(folder / README, soup_card(dev, sweep, members, lines, trials, chosen))
    return (
        f"Soups of {len(members)} trials, {metric} on the dev set: uniform"
        f" {scores['uniform'][metric]:.4f}, greedy {scores['greedy'][metric]:.4f} (of"
        f" {plural(len(trials['greedy']), 'trial')}). The {chosen} one is exported."
    )


def only_arm(sweep: Sweep, arm: str | None, what: str) -> Sequence[Member]:
    """The members of the arm that is meant; raises UserError where that is not clear."""
    if arm is None and len(sweep.arms) > 1:
        raise UserError(
            f"{sweep.out} holds {len(sweep.arms)} arms, and {what} is made of one; give --arm with"
            f" the name of {names(sweep.arms, 'or')}."
        )
    return in_arm(sweep, arm)


def in_arm(sweep: Sweep, arm: str | None) -> Sequence[Member]:
    """The members of an arm, of all arms without a name; raises UserError for an unknown name."""
    if arm is None:
        check_comparable(make_arms(by_arm([member.row for member in sweep.members])))
        return sweep.members
    if arm not in sweep.arms:
        raise UserError(f"{sweep.out} has no arm [{arm}]; it has {names(sweep.arms)}.")
    return sweep.arm_of(arm)


def trial_named(sweep: Sweep, members: Sequence[Member], number: str) -> Member:
    """The member with this number; raises UserError for any other text."""
    by_number = {str(member.number): member for member in members}
    if number in by_number:
        return by_number[number]
    if re.fullmatch(r"\d+", number):
        raise UserError(
            f"{sweep.out} holds no finished trial {number} here; it has {_listed(members)}."
        )
    raise UserError(
        f"--trial is {number!r}; give best, ensemble, soup, or the number of a trial"
        f" ({_listed(members)})."
    )


def _listed(members: Sequence[Member]) -> str:
    numbers = [str(member.number) for member in members]
    return ", ".join(numbers if len(numbers) <= 12 else [*numbers[:10], "...", numbers[-1]])

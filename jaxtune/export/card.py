"""The model cards of the three kinds of export, in Markdown."""

from collections.abc import Mapping, Sequence

from jaxtune.export.card_parts import (
    Scored,
    ensemble_use_section,
    front_matter,
    heading,
    licence_section,
    recipe_section,
    scores_section,
    seeds_of,
    stability_section,
    step_words,
    table,
    use_section,
)
from jaxtune.export.members import DevSet, Member, Sweep
from jaxtune.stats.wording import enumerate_words


def trial_card(
    dev: DevSet, sweep: Sweep, member: Member, scores: dict[str, float], how: str
) -> str:
    """Of one trial; `how` says in Markdown how it was chosen."""
    chosen = f"{how}\n\nParameters {step_words(sweep, member)}; seeds: {seeds_of(member)}."
    return _joined(
        front_matter(dev),
        heading(dev, f"trial {member.number}"),
        scores_section(dev, [Scored("this model", scores)], member.row["trivial"]),
        f"## How it was chosen\n\n{chosen}",
        stability_section(sweep, member),
        recipe_section(member),
        use_section(dev),
        licence_section(dev),
    )


def ensemble_card(
    dev: DevSet, sweep: Sweep, members: Sequence[Member], scored: Sequence[Scored]
) -> str:
    """Of a folder with a folder per member."""
    geometric = ", the normalised geometric mean of their probabilities"
    how = (
        f"Every trial of its arm that did not fail ({len(members)} of {_size(sweep, members)})."
        " Nothing else was chosen, but failure is judged on the dev set, so the scores above, the"
        " members' too, are somewhat too high. The ensemble's answer is the mean of the members'"
        f" logits{geometric if dev.task.num_labels > 1 else ''}."
    )
    header = ["folder", "trial", "seeds"]
    rows = [[f"`member_{m.number:05d}`", str(m.number), seeds_of(m)] for m in members]
    return _joined(
        front_matter(dev),
        heading(dev, f"ensemble of {len(members)} trials"),
        scores_section(dev, scored, members[0].row["trivial"]),
        f"## How it was chosen\n\n{how} {_step(sweep)}\n\n{table(header, rows)}",
        stability_section(sweep, members[0]),
        recipe_section(members[0]),
        ensemble_use_section(dev),
        licence_section(dev),
    )


def soup_card(
    dev: DevSet,
    sweep: Sweep,
    members: Sequence[Member],
    scored: Sequence[Scored],
    trials: Mapping[str, Sequence[int]],
    chosen: str,
) -> str:
    """Of the exported soup; `trials` are those of the uniform and of the greedy one, `chosen` is
    one of these names.
    """
    heads = len({member.trial.seeds.init_seed for member in members})
    fresh = [module.removeprefix("head/") for module in dev.task.fresh]
    if dev.config.reinit_layers:
        fresh.append(f"last {dev.config.reinit_layers} blocks")
    rows = [[name, ", ".join(map(str, held))] for name, held in trials.items()]
    how = (
        f"This is the **{chosen}** soup: the mean of the weights of the trials below. Uniform takes"
        f" every trial of its arm that did not fail ({len(members)} of {_size(sweep, members)});"
        " greedy goes through them from the best to the worst on the dev set and keeps each that"
        " does not lower the dev score of the mean (Wortsman et al. 2022). The better one on the"
        " dev set is exported, the uniform one where they are equal. **These choices were made on"
        " the data that the scores are of, so the scores are too high**: expect less on new"
        " data.\n\nAll trials started from one encoder, but their fresh parts"
        f" ({enumerate_words(fresh)}) from {heads} different initialisations, whose mean need not"
        " mean anything: compare the scores with a single trial's."
    )
    return _joined(
        front_matter(dev),
        heading(dev, f"{chosen} soup of {len(trials[chosen])} trials"),
        scores_section(dev, scored, members[0].row["trivial"]),
        f"## How it was chosen\n\n{how} {_step(sweep)}\n\n{table(['soup', 'trials'], rows)}",
        stability_section(sweep, members[0]),
        recipe_section(members[0]),
        use_section(dev),
        licence_section(dev),
    )


def _size(sweep: Sweep, members: Sequence[Member]) -> int:
    return len(sweep.arm_of(members[0].trial.arm))


def _step(sweep: Sweep) -> str:
    if sweep.step == "final":
        return "The parameters are those after the last step."
    return "The parameters are those of each trial's best evaluation on the dev set."


def _joined(*sections: str) -> str:
    return "\n\n".join(sections) + "\n"

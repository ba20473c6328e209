"""The model cards of the three kinds of export, in Markdown: the facts put into `card_text`.

Texts from outside (names of models, labels and arms) are escaped: they stay text, whatever Markdown
they spell.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxtune.core.failure import MEANING
from jaxtune.core.version import __version__
from jaxtune.core.words import plural
from jaxtune.export import card_facts as facts
from jaxtune.export.card_text import (
    BESIDE,
    CARD,
    HOW_ENSEMBLE,
    HOW_SOUP,
    HOW_TRIAL,
    MERGED,
    PARAMETERS_OF,
    ROUNDED,
    USE,
    USE_ADAPTERS,
    USE_ADAPTERS_ENSEMBLE,
    USE_ENSEMBLE,
)
from jaxtune.export.members import DevSet, Member, Sweep
from jaxtune.models.families import FAMILIES
from jaxtune.stats.wording import enumerate_words
from jaxtune.storage.paths import trial_name

# The lines of a card's score table: what was scored, in Markdown, and its scores.
Scored = Mapping[str, Mapping[str, float]]


class Form(NamedTuple):
    """What a folder holds: a whole model, or adapters on their base."""

    use: str
    use_ensemble: str
    library: str  # that loads it
    adapters: str  # what there is to say of a trial's


WHOLE = Form(USE, USE_ENSEMBLE, "transformers", MERGED)
ADAPTERS = Form(USE_ADAPTERS, USE_ADAPTERS_ENSEMBLE, "peft", BESIDE)


def trial_card(
    dev: DevSet,
    sweep: Sweep,
    member: Member,
    scores: dict[str, float],
    how: str,
    form: Form,
) -> str:
    """Of one trial; `how` says in Markdown how it was chosen."""
    how = HOW_TRIAL.format(how=how, step=facts.step_words(sweep, member), seeds=facts.seeds(member))
    what = f"trial {member.number}"
    return _card(dev, sweep, member, what, {"this model": scores}, how, form, form.use)


def ensemble_card(
    dev: DevSet,
    sweep: Sweep,
    members: Sequence[Member],
    scored: Scored,
    form: Form,
) -> str:
    """Of a folder with a folder per member."""
    classes = dev.task.num_labels > 1
    rows = [[f"`member_{trial_name(m.number)}`", str(m.number), facts.seeds(m)] for m in members]
    how = HOW_ENSEMBLE.format(
        members=len(members),
        size=len(sweep.arm_of(members[0].trial.arm)),
        geometric=", the normalised geometric mean of their probabilities" if classes else "",
        step=PARAMETERS_OF[sweep.step].format(where=facts.chosen_on(members[0])),
        table=facts.table(["folder", "trial", "seeds"], rows),
    )
    what = f"ensemble of {len(members)} trials"
    return _card(dev, sweep, members[0], what, scored, how, form, form.use_ensemble)


def soup_card(
    dev: DevSet,
    sweep: Sweep,
    members: Sequence[Member],
    scored: Scored,
    trials: Mapping[str, Sequence[int]],
    chosen: str,
) -> str:
    """Of the soup `chosen`; `trials` are those of the uniform and of the greedy one, by name."""
    how = HOW_SOUP.format(
        chosen=chosen,
        members=len(members),
        size=len(sweep.arm_of(members[0].trial.arm)),
        start=facts.start(dev, len({member.trial.seeds.init_seed for member in members})),
        step=PARAMETERS_OF[sweep.step].format(where=facts.chosen_on(members[0])),
        table=facts.table(
            ["soup", "trials"], [[n, ", ".join(map(str, t))] for n, t in trials.items()]
        ),
    )
    what = f"{chosen} soup of {plural(len(trials[chosen]), 'trial')}"
    return _card(dev, sweep, members[0], what, scored, how, WHOLE, USE)


def _card(
    dev: DevSet,
    sweep: Sweep,
    member: Member,
    what: str,
    scored: Scored,
    how: str,
    form: Form,
    use: str,
) -> str:
    """The card about the recipe of `member`'s arm."""
    config, metrics = dev.config, dev.task.metrics
    lines = [[who, *(f"{own[name]:.4f}" for name in metrics)] for who, own in scored.items()]
    mean_of, shares, back = facts.mean_of(dev)
    notes = [*dev.task.notes, *([form.adapters] if member.trial.config.lora_rank else [])]
    return CARD.format(
        front_matter=facts.front_matter(dev, form.library),
        base=facts.base(dev),
        task=facts.escaped(str(config.task)),
        what=what,
        encoder=FAMILIES[dev.task.model.encoder.config.family].title,
        goal=facts.goal(dev),
        version=__version__,
        random_weights=", from random weights" if config.random_weights else "",
        drawn=facts.drawn(dev),
        notes="".join(f" {facts.escaped(note)}" for note in notes),
        scores=facts.table(["", *metrics], lines),
        reading=facts.reading(dev),
        num_dev=len(dev.labels),
        unit="words" if dev.of_words else "examples",
        metric=metrics[0],
        trivial=f"{member.row['trivial']:.4f}",
        meaning=MEANING,
        how=how,
        trials=facts.trials_of(sweep, member),
        spread=facts.spread(sweep, member),
        expected_best=facts.expected_bests(sweep, member),
        when="after the last step" if sweep.step == "final" else "at each trial's best evaluation",
        recipe=facts.recipe(member),
        use=use.format(
            auto=f"AutoModelFor{'Token' if dev.of_words else 'Sequence'}Classification",
            example=facts.example(dev),
            max_length=dev.max_length,
            rounded="" if config.precision == "float32" else ROUNDED,
            answer=facts.answer(dev),
            mean_of=mean_of,
            shares=shares,
            back=back,
            base=facts.base_name(dev.config),
            num_labels=dev.task.num_labels,
            classes=enumerate_words([*map(facts.escaped, dev.label_names or ("a number",))]),
        ),
    )

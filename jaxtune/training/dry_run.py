"""What `--dry_run` says: the plan, and from a few real steps what it will cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtune.config.trials import Trial
from jaxtune.core.console import duration
from jaxtune.core.schedules import first_whole_step, peak, scheduled_rates
from jaxtune.core.words import plural
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.plan_facts import plan_facts
from jaxtune.training.plan_words import about_the_start
from jaxtune.training.probe import probe
from jaxtune.training.sizes import Probe


def seen_of(plan: ProgramPlan) -> Probe:
    """What a group of the program takes: as seen when its size was chosen, else by trying it."""
    seen = [each.probe for each in plan.tried if each.trials == plan.per_device and each.probe]
    return seen[0] if seen else probe(plan)


def total_seconds(plan: ProgramPlan, seen: Probe) -> float:
    """For every trial that is left to run, compiling included."""
    hours = plan.hours(plan.group_size, seen.step_seconds, seen.evaluation_seconds)
    return seen.compile_seconds + 3600 * hours


def peak_rates(trial: Trial, num_steps: int) -> tuple[float, float]:
    """The largest scheduled learning rate, and the largest effective one, of the steps that do not
    train the head alone.
    """
    settings = trial.settings
    rates = scheduled_rates(settings, num_steps)[first_whole_step(settings, num_steps) :]
    return float(rates.max()), peak(settings, num_steps).rate


def trained_words(facts: Mapping[str, Any]) -> str:
    """How many parameters a trial trains, and how many all trials share, by a plan's facts."""
    trained = plural(facts["parameters"], "parameter")
    frozen = facts["frozen_parameters"]
    return f"{trained} trained beside {frozen:,} that all trials share" if frozen else trained


def plan_lines(plans: Sequence[ProgramPlan], probes: Sequence[Probe]) -> list[str]:
    """A readable plan: some lines per program, a line per arm, and the totals."""
    lines = []
    for number, (plan, seen) in enumerate(zip(plans, probes, strict=True), 1):
        first_of_arm = {trial.arm: trial for trial in reversed(plan.trials)}
        lines += _program_lines(number, plan, seen, len(first_of_arm))
        lines += [_arm_line(plan, trial) for trial in reversed(first_of_arm.values())]
    total = sum(plan.num_steps * len(plan.pending) for plan in plans)
    trials = sum(len(plan.pending) for plan in plans)
    seconds = sum(total_seconds(plan, seen) for plan, seen in zip(plans, probes, strict=True))
    return [
        *lines,
        f"in all: {plural(trials, 'trial')}, {plural(total, 'trial-step')}, about"
        f" {duration(seconds)}",
    ]


def _program_lines(number: int, plan: ProgramPlan, seen: Probe, num_arms: int) -> list[str]:
    facts = plan_facts(plan)
    arms, steps = plural(num_arms, "arm"), plural(facts["steps"], "step")
    finished = sum(trial.number in plan.finished for trial in plan.trials)
    done = f", {finished} done" if finished else ""
    if others := len(plan.trials) - finished - len(plan.pending):
        done += f", {others} in other shards"
    tokens = plural(round(facts["real_tokens_per_step"]), "token")
    slots = " or ".join(str(n) for n in facts["packed_slots_per_step"])
    return [
        f"program {number}: {plural(facts['trials'], 'trial')} in {arms}, {steps} each{done}",
        (
            f"  {trained_words(facts)}, {facts['vocabulary'][0]:,} of"
            f" {plural(facts['vocabulary'][1], 'word')} in use"
        ),
        *(f"  {sentence}" for sentence in about_the_start(plan)),
        f"  {tokens} a step, packed into {slots} slots",
        (
            f"  {plural(facts['group_size'], 'trial')} at once on"
            f" {plural(facts['devices'], 'device')}, {plural(len(facts['groups']), 'group')}"
        ),
        (
            f"  {seen.bytes_per_trial / 2**20:,.0f} MiB per trial and device;"
            f" {seen.step_seconds:.3f} s a step, {seen.evaluation_seconds:.3f} s an evaluation,"
            f" {seen.compile_seconds:.0f} s to compile"
        ),
        *_stop_lines(plan),
    ]


def _stop_lines(plan: ProgramPlan) -> list[str]:
    """What may end a trial before its last step."""
    lines = []
    if plan.stop_step is not None:
        keep = plan.config.keep_trials
        goes_on = (
            "all that have learnt go on"
            if keep is None
            else f"at most {keep} of each arm are chosen, to run again whole"
        )
        lines.append(
            f"  after {plural(plan.stop_step, 'step')} {goes_on}; the total leaves that aside"
        )
    if plan.config.patience is not None:
        lines.append("  patience may end a trial sooner; the total leaves that aside")
    return lines


def _arm_line(plan: ProgramPlan, trial: Trial) -> str:
    rate, effective = peak_rates(trial, plan.num_steps)
    same = abs(effective - rate) <= 0.001 * rate
    times = "the same" if same else f"{effective / rate:.2g} times"
    head = first_whole_step(trial.settings, plan.num_steps)
    first = f"the head alone for {plural(head, 'step')}, then " if head else ""
    return (
        f"  {trial.arm}: {first}peak learning rate {rate:.2g}, effective {effective:.2g} ({times})"
    )

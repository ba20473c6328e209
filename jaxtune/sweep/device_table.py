"""What `--dry_run --device` prints: a sweep's programs on devices that one does not have."""

from collections.abc import Sequence
from itertools import groupby

from rich.table import Table

from jaxtune.core.accelerators import GIB, GPU_SHARE, Accelerator
from jaxtune.core.console import console, say
from jaxtune.core.words import plural
from jaxtune.training.device_plan import Outlook, Size
from jaxtune.training.dry_run import trained_words
from jaxtune.training.plan import ProgramPlan
from jaxtune.training.plan_facts import shape_facts

COLUMNS = (
    "GiB a\ntrial",
    "GiB\nin all",
    "trials\nat\nonce",
    "ms a\nseed-\nstep",
    "share\nof the\nwall",
    "kernels\na seed-\nstep",
    "seeds\nan\nhour",
    "\n\nhours",
)
FIT, NO_FIT = "yes", "no"


def show_devices(plans: Sequence[ProgramPlan], found: Sequence[Outlook]) -> None:
    """The programs in words, the table, and what it cannot say."""
    for number, plan in enumerate(plans, 1):
        say(_program_line(number, plan))
    table = Table(
        title="By the model, not measured: ms, share of the wall, seeds an hour, hours",
        title_style="bold",
        title_justify="left",
        **{"box": None, "pad_edge": False, "padding": (0, 0, 0, 2)},
    )
    table.add_column("device", no_wrap=True)
    table.add_column("fits", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    remarks: list[str] = []
    for device, group in groupby(found, key=lambda each: each.device):
        own = list(group)
        for number, each in enumerate(own, 1):
            name = device.name if len(own) == 1 else f"{device.name} {number}"
            table.add_row(*_row(name, each))
            remarks += _remarks(name, each)
        if len(own) > 1:
            table.add_row(*_total(own))
    console.print(table)
    say("\n".join(dict.fromkeys([*remarks, *_general_remarks(found)])))


def _program_line(number: int, plan: ProgramPlan) -> str:
    # In the row counts of several trials at once, which most devices run.
    facts = shape_facts(plan.stacking(plan.config.trials_per_device or 2))
    slots = " or ".join(map(str, facts["packed_slots_per_step"]))
    return (
        f"program {number}: {plural(len(plan.pending), 'trial')} to run,"
        f" {facts['steps']} steps each, {plan.config.precision}, {trained_words(facts)},"
        f" {facts['real_tokens_per_step']:.0f} tokens a step in {slots} slots"
        + ("" if plan.stop_step is None else "; early stopping is left aside")
    )


def _row(name: str, each: Outlook) -> list[str]:
    if each.best is None:
        return [name, NO_FIT]
    size, memory = each.best, each.device.memory
    return [
        name,
        FIT,
        f"{size.program_bytes / GIB / size.trials:.2f}",
        f"{size.all_bytes / GIB:.0f}/{memory / GIB:.0f}",
        str(size.trials),
        f"{1000 * size.step.seconds / size.trials:.3g}",
        f"{each.wall_share:.0%}",
        f"{size.step.kernels / size.trials:,.0f}",
        f"{each.seeds_per_hour(size):,.0f}",
        _hours(each.hours(size)),
    ]


def _total(own: Sequence[Outlook]) -> list[str]:
    """All programs of a sweep on one device, one after the other."""
    name = f"{own[0].device.name} all"
    if any(each.best is None for each in own):
        return [name, NO_FIT]
    hours = sum(each.hours(each.best) for each in own if each.best)
    trials = sum(len(each.plan.pending) for each in own)
    return [name, FIT, *[""] * (len(COLUMNS) - 2), f"{trials / hours:,.0f}", _hours(hours)]


def _hours(hours: float) -> str:
    if hours < 0.01:
        return "<0.01"
    return f"{hours:.2f}" if hours < 10 else f"{hours:,.0f}"


def _remarks(name: str, each: Outlook) -> list[str]:
    """Sentences on how the size was chosen, and on what does not fit."""
    lines = []
    fitting = [size for size in each.sizes if size.fits]
    if len(fitting) > 1:
        assert each.best is not None
        rates = ", ".join(f"{s.trials}: {each.seeds_per_hour(s):,.0f}" for s in fitting)
        lines.append(
            f"{name}: seeds an hour by the model, by trials at once: {rates}; the fastest is"
            f" --trials_per_device {each.best.trials}."
        )
    lines += [_misfit(name, each.device, size) for size in each.sizes if not size.fits]
    if not fitting:
        fewer = "" if each.sizes[0].trials == 1 else "a smaller trials_per_device, "
        lines.append(
            f"{name}: give {fewer}a smaller batch_size or max_length, --remat, or --precision"
            " bfloat16."
        )
    return lines


def _general_remarks(found: Sequence[Outlook]) -> list[str]:
    """Sentences on all devices: what float32 costs, what JAX leaves free, and what the model is."""
    lines = []
    slow = {
        each.device.name: each.device.bfloat16 / each.device.float32
        for each in found
        if each.plan.config.precision == "float32"
    }
    if slow:
        times = ", ".join(f"{name} {ratio:.0f}" for name, ratio in slow.items())
        lines.append(
            "float32 costs: by the devices' rates products in bfloat16 are so many times as fast:"
            f" {times}; give --precision bfloat16."
        )
    if any(each.device.platform == "cuda" for each in found):
        lines.append(
            f"A sweep gives JAX {GPU_SHARE:.0%} of a GPU's memory, or what"
            " XLA_PYTHON_CLIENT_MEM_FRACTION says."
        )
    lines.append(
        "All figures are of one device. The model: a kernel takes the longest of its products at"
        " 80% of the device's peak rate, its bytes at 90% of its bandwidth, and a"
        " microsecond; compiling and the host cost nothing. Memory and kernels are the compiler's"
        " own figures."
    )
    return lines


def _misfit(name: str, device: Accelerator, size: Size) -> str:
    at_once = plural(size.trials, "trial") + (" at once" if size.trials > 1 else "")
    if not size.program_bytes:
        return f"{name}: the compiler finds no room for {at_once}."
    if size.recomputed:
        return (
            f"{name}: {at_once} would run only because XLA computes"
            f" {plural(size.recomputed, 'array')} again for want of memory; that counts as not"
            " fitting."
        )
    return (
        f"{name}: {at_once} would take {size.all_bytes / GIB:.1f} GiB, more than 90% of the"
        f" {device.jax_memory / GIB:.0f} that JAX has."
    )

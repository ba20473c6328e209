"""A sweep that is only planned: what it would be, here or on devices that are named."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from jaxtune.core.accelerators import Accelerator, accelerator
from jaxtune.core.console import ProgressLine, say
from jaxtune.core.processes import in_all, worst, writes
from jaxtune.core.records import AtOnce
from jaxtune.core.words import plural
from jaxtune.storage.claim import check_claim
from jaxtune.storage.inputs import Inputs
from jaxtune.sweep.asked import Asked, finished_of
from jaxtune.sweep.device_table import show_devices
from jaxtune.sweep.opening_words import say_looks, say_what_was_read
from jaxtune.sweep.reading import check_one_dev_set, inputs_of, with_sizes
from jaxtune.sweep.same_command import check_same_reading
from jaxtune.training.ahead import check_compiler
from jaxtune.training.device_plan import outlooks
from jaxtune.training.dry_run import plan_lines, seen_of
from jaxtune.training.plan import ProgramPlan, make_plans
from jaxtune.training.plan_words import choosing
from jaxtune.training.sizes import Probe

ByPlatform = dict[str | None, list[ProgramPlan]]


def dry_run(asked: Asked) -> None:
    """Says what the sweep would be, here or on the devices that are named."""
    devices = [accelerator(name) for name in dict.fromkeys(asked.settings.base.device)]
    finished = finished_of(asked, lambda: check_claim(asked.out, asked.settings, asked.given))
    by_platform, inputs = in_all(lambda: _read(asked, devices, finished))
    plans = next(iter(by_platform.values()))
    check_same_reading(plans, inputs)
    if writes():
        _say_plan(asked, plans)
    if devices and plans:
        in_all(lambda: _show_devices(by_platform, devices))
        return
    plans = with_sizes(asked, plans)
    probes = _try_steps(plans)
    if writes():
        say("\n".join(plan_lines(plans, probes)))


def _read(
    asked: Asked, devices: Sequence[Accelerator], finished: Mapping[int, AtOnce]
) -> tuple[ByPlatform, Inputs]:
    """The plans of each platform (here: None), and the files."""
    for device in devices:
        check_compiler(device)
    platforms: Iterable[str | None] = dict.fromkeys(device.platform for device in devices)
    # Programs differ by platform: trials are stacked on an accelerator, on CPU they are not.
    by_platform: ByPlatform = {
        each: make_plans(asked.trials, finished, each, asked.elsewhere)
        for each in platforms or (None,)
    }
    plans = next(iter(by_platform.values()))
    inputs = inputs_of(asked, bool(plans))
    check_one_dev_set(plans)
    return by_platform, inputs


def _say_plan(asked: Asked, plans: Sequence[ProgramPlan]) -> None:
    """What was read, and how trials are scored and chosen."""
    say_what_was_read(asked.given, plans)
    if plans:
        say(plans[0].task.scoring)
        say_looks(asked.settings.base)
        for sentence in dict.fromkeys(s for plan in plans for s in choosing(plan)):
            say(sentence)


def _show_devices(by_platform: ByPlatform, devices: Sequence[Accelerator]) -> None:
    """Every program on every device, by its compiler, in the process that speaks."""
    if not writes():
        return
    total = sum(len(by_platform[device.platform]) for device in devices)
    say(f"Compiling for {', '.join(device.name for device in devices)} ...")
    with ProgressLine("programs", total) as line:
        found = outlooks(by_platform, devices, line.update)
    show_devices(next(iter(by_platform.values())), found)


def _try_steps(plans: Sequence[ProgramPlan]) -> list[Probe]:
    """What every program was seen to take: of several processes the most."""
    if writes():
        say(f"Trying a few steps of {plural(len(plans), 'program')} ...")
    probes = []
    with ProgressLine("programs", len(plans)) as line:
        for number, plan in enumerate(plans, 1):
            if writes():
                trials = plural(plan.group_size, "trial")
                line.update(number - 1, f"trying number {number}, {trials} at once")
            compiling, step, evaluation, size = worst(in_all(partial(seen_of, plan)))
            probes.append(Probe(compiling, step, evaluation, int(size)))
    return probes

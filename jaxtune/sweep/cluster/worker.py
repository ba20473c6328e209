"""A worker: the process on a node that trains groups, and answers in bytes.

Ray imports this module there before anything is set up, so that JAX is imported late.
"""

import contextlib
import functools
import os
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtune.core.distributed import ADDRESS, COUNT, INDEX
from jaxtune.core.errors import UserError
from jaxtune.core.quiet import quiet

Found = tuple[dict[str, Any], Mapping[str, Any]]  # facts and arrays


def answered(method: Callable[..., Found]) -> Callable[..., bytes]:
    """The method, with what it returns, or what stood in its way, as the bytes of an answer."""

    @functools.wraps(method)
    def answer(*arguments: Any) -> bytes:
        return _answer(lambda: method(*arguments))

    return answer


def _answer(call: Callable[[], Found]) -> bytes:
    from jaxtune.sweep.cluster.messages import pack

    try:
        return pack(*call())
    except UserError as error:
        return pack({"problem": str(error)})
    except Exception:  # whatever it is, the driver says it: Ray would have it pickled
        return pack({"fault": traceback.format_exc()})


class Worker:
    """Trains the trials that it is given, on one accelerator or on its node's CPUs.

    Every call returns the bytes of an answer (`messages.pack`), in which `problem` is what a user
    can mend and `fault` a traceback.
    """

    def __init__(self, cpus: int | None, compile_cache: bool):
        # It is no process of a jax.distributed run, whatever its node's environment says.
        for name in (ADDRESS, COUNT, INDEX):
            os.environ.pop(name, None)
        if cpus is not None:
            os.environ["JAX_PLATFORMS"] = "cpu"
            os.environ["JAX_NUM_CPU_DEVICES"] = str(cpus)
        quiet()
        self._compile_cache = compile_cache
        self._open = contextlib.ExitStack()  # the program's data on the devices
        self._program: Any = None
        self._meter: Any = None
        self._trials: dict[int, Any] = {}
        self._params: dict[int, Any] = {}  # of the last group, by trial: what it leaves

    @answered
    def about(self) -> Found:
        """Where this is, what it has, and with which versions."""
        import jax

        from jaxtune.core import devices
        from jaxtune.sweep.meter import Meter
        from jaxtune.sweep.same_plan import versions

        devices.set_up(self._compile_cache)
        self._meter = Meter()
        found = [f"{device.platform}:{device.device_kind}" for device in jax.devices()]
        about = {"host": platform.node(), "process": os.getpid(), "devices": found}
        return about | {"versions": versions()}, {}

    @answered
    def open(self, asked: Mapping[str, Any]) -> Found:
        """Reads what a program needs, and chooses how many trials run at once: `size`.

        Args:
            asked: `settings` of the sweep, the number `first` of any trial of the program, the
                trials of a fair `share`, the `inputs` with their sha256, the `files` that were sent
                (none: they lie here), and the driver's `fingerprint`.
        """
        from jaxtune.config.parse import from_settings
        from jaxtune.sweep.cluster.sent_files import laid_out
        from jaxtune.sweep.groups import RunningProgram
        from jaxtune.sweep.same_plan import check_inputs, fingerprint
        from jaxtune.training.group_size import how_sized, sized

        self._open.close()
        self._program, self._params = None, {}
        files, inputs = asked["files"], asked["inputs"]
        with laid_out(files, asked["settings"], inputs) as given:
            settings = from_settings(given)
            check_inputs(inputs, settings, sent=bool(files))
            self._trials, plan = _planned(settings, asked["first"], asked["share"])
        if fingerprint(plan) != asked["fingerprint"]:
            raise UserError("it reads other tokens or labels from the same model and data")
        plan = sized(plan)
        self._program = RunningProgram(plan, self._meter)
        self._open.enter_context(self._program.data_on_devices())
        return {"size": self._program.size, "how": how_sized(plan)}, {}

    @answered
    def train(self, numbers: Sequence[int], first_leg: bool) -> Found:
        """The records of the first of these trials, as many as fit: `numbers`, of `size` lanes."""
        from jaxtune.core.devices import peak_memory
        from jaxtune.sweep.together import Ended

        self._params = {}
        program, compiled = self._program, self._meter.compile_seconds

        def run() -> Ended:
            trials = [self._trials[number] for number in numbers[: program.size]]
            part = program.group(trials, [])
            until = program.plan.stop_step if first_leg else None
            return Ended(part, part.run(rule=program.rule, until=until))

        while (ended := program.attempt(run)) is None:  # out of memory: fewer at once, here alone
            pass
        part = ended.run
        assert part is not None
        self._params = {result.trial.number: result.params for result in ended.results}
        facts = {
            "numbers": part.numbers,
            "size": program.size,
            "tokens": part.num_tokens(),
            "compile_seconds": self._meter.compile_seconds - compiled,
            "peak_memory": peak_memory(),
        }
        return facts, part.records.as_arrays()

    @answered
    def params(self, number: int, kind: str) -> Found:
        """Parameters of a trial of the last group: its leaves in tree order."""
        import jax

        leaves = jax.tree.leaves(self._params[number][kind])
        return {}, {str(place): leaf for place, leaf in enumerate(leaves)}


def _planned(settings: Any, first: int, share: Sequence[int]) -> tuple[dict[int, Any], Any]:
    """The sweep's trials by number, and the plan of the program that the first of them is of."""
    from jaxtune.config.trials import make_trials, program_config
    from jaxtune.training.plan import make_plans

    trials = {trial.number: trial for trial in make_trials(settings)}
    config = program_config(trials[first].config)
    members = [t for t in trials.values() if program_config(t.config) == config]
    (plan,) = make_plans(members, elsewhere={trial.number for trial in members} - {*share})
    return trials, plan

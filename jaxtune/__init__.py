"""Fine-tuning stability of BERT-like encoders, measured with many seeds in one compiled program.

    import jaxtune
    results = jaxtune.run_sweep(grid={"bias_correction": [True, False]})
    results.verdict

Nothing heavy is imported before a function is called.
"""

import os
import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, overload

from jaxtune.core.distributed import check_variables, others_told
from jaxtune.core.errors import UserError
from jaxtune.core.flags import NULL, NULL_TEXT
from jaxtune.core.own_process import run_in_own_process
from jaxtune.core.quiet import quiet_libraries
from jaxtune.core.signals import InterruptedRunError
from jaxtune.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtune.report.notebook import Results
    from jaxtune.report.statements import Verdict

__all__ = [
    "InterruptedRunError",
    "Results",
    "UserError",
    "__version__",
    "compare",
    "load_results",
    "run_sweep",
]


@overload
def run_sweep(*, dry_run: Literal[True], **settings: Any) -> None: ...
@overload
def run_sweep(**settings: Any) -> "Results": ...
def run_sweep(**settings: Any) -> "Results | None":
    """Runs, or goes on with, a sweep, as `python -m jaxtune.sweep` does; returns what OUT holds.

    It may be called in a notebook, a thread, after JAX has run, and again. With `dry_run=True` it
    prints the plan and returns None, as it does in all but the first of several processes.

    Args:
        settings: those of the command line, by the same names: `learning_rate=2e-5`,
            `grid={"bias_correction": [True, False]}`, `recipe="mosbach"`, `config="file.yaml"`,
            `out="runs/x"`. Without any, the packaged quickstart runs.

    Raises:
        UserError: with the command's sentence about what is wrong.
        InterruptedRunError: after SIGINT (a notebook's stop button) or SIGTERM; the same call goes
            on from there. It is a KeyboardInterrupt.
    """
    from jaxtune.config.parse import from_call

    quiet_libraries()
    check_variables()
    with others_told():
        parsed = from_call(settings)
    # Compilers for devices that are not here, and the driver of a cluster, want JAX alone and
    # without devices, and this process may use it otherwise.
    if parsed.base.device:
        return run_in_own_process(_as_flags(settings))
    if parsed.base.cluster:
        from jaxtune.storage.out_folder import out_folder

        run_in_own_process(_as_flags(settings))
        return load_results(out_folder(parsed))
    # transformers imports tqdm, which in a notebook asks for widgets; the sweep's bar needs none.
    warnings.filterwarnings("ignore", "IProgress not found")
    from jaxtune.core import devices
    from jaxtune.core.processes import writes
    from jaxtune.sweep.run import run_sweep as run

    with devices.settings_given_back():
        devices.set_up(parsed.base.compile_cache)
        try:
            out = run(parsed, _as_flags(settings))
        except InterruptedRunError as stop:
            again = "without overwrite " if parsed.base.overwrite else ""
            stop.args = (f"{stop}: the same call {again}goes on from here.",)
            raise
        return None if parsed.base.dry_run or not writes() else load_results(out)


def load_results(*outs: str | PathLike[str]) -> "Results":
    """What a sweep left in OUT, also one that still runs or was cut off; or several, side by side.

    Raises UserError for a folder without a finished trial, or one whose files cannot be read, and
    for a copy or a part of another one that is given.
    """
    if not outs:
        raise UserError("No OUT is given; name one or more folders that sweeps have left.")
    for out in outs:
        if not isinstance(out, str | PathLike):
            raise UserError(
                f"load_results was given {out!r}, which is no path; give folders one by one:"
                " load_results('a', 'b')."
            )
    from pathlib import Path

    from jaxtune.report.notebook import Results

    return Results([Path(os.path.expanduser(out)) for out in outs])


def compare(
    scores: "Mapping[str, Any]",
    *,
    floor: float | None = None,
    metric: str | None = None,
    lower_is_better: bool = False,
    dev_examples: int | None = None,
    margin: float | None = None,
) -> "Verdict":
    """The verdict on scores of any trainer's runs: the object that `Results.verdict` is.

    It needs no JAX. Without a floor it is not known which runs failed, and spread and means alone
    are compared.

    Args:
        scores: by arm, a list such as `{"A": [0.71, 0.69], "B": [0.72, 0.73]}`, or a dict by seed,
            `{"A": {1: 0.71, 2: 0.69}, ...}`, so that means are compared seed by seed; a Series of
            pandas is one where its index has a name. None and nan are runs without a score, which
            have failed.
        floor: score of the best constant prediction; no better than it, a run has failed.
        metric: what the scores are, such as `"accuracy"`.
        lower_is_better: the scores are errors.
        dev_examples: size of the dev set, for what an accuracy owes to the luck of its examples.
        margin: the difference of scores that is as good as none: arms may be shown to be equal.

    Raises UserError for an arm with a single run, and for what is no score.
    """
    from jaxtune.report.scores.compare import verdict_of
    from jaxtune.report.scores.runs import Given

    given = Given(floor, metric, lower_is_better, dev_examples=dev_examples)
    return verdict_of(scores, given, margin)


def _as_flags(settings: dict[str, Any]) -> list[str]:
    """Settings as on the command line, for the record and for a process of their own."""
    from jaxtune.config.field_groups import SEED_LISTS
    from jaxtune.config.text_values import seed_text

    grid = {f"grid.{name}": values for name, values in (settings.pop("grid", None) or {}).items()}
    flags = []
    for name, value in (settings | grid).items():
        value = value.tolist() if hasattr(value, "tolist") else value  # numpy's and jax's
        value = seed_text(value) if name in SEED_LISTS else value
        several = hasattr(value, "__iter__") and not isinstance(value, str)
        values = list(value) if several else [value]
        flags += [f"--{name}={_word(each)}" for each in values]
    return flags


def _word(value: Any) -> str:
    if value is None:
        return NULL
    word = str(value)
    if isinstance(value, str):  # as it is, for a class may be called True
        return NULL_TEXT if word == NULL else word
    return word.lower() if word in ("True", "False") else word  # numpy's and jax's are no bool


def __getattr__(name: str) -> Any:
    if name == "Results":
        from jaxtune.report.notebook import Results

        return Results
    raise AttributeError(f"module 'jaxtune' has no attribute {name!r}")

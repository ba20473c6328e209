"""How differently a sweep's kept trials represent the dev set, into OUT for its report."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxtune.core.console import ProgressLine, say
from jaxtune.core.errors import UserError
from jaxtune.core.files import write_json
from jaxtune.core.shapes import Array, Float
from jaxtune.core.words import as_typed, plural
from jaxtune.data.packing import Plan
from jaxtune.data.token_table import Tokens
from jaxtune.export.members import DevSet, Member, Sweep, read_sweep
from jaxtune.models.heads import SequenceClassifier
from jaxtune.models.vocabulary import compact_embedding
from jaxtune.stats.representations import MOST_EXAMPLES, distances
from jaxtune.storage.paths import REPRESENTATIONS
from jaxtune.training.step import StepPlan, gather_batch


def write_representations(out: Path, model: str | None) -> None:
    """Distances between the states that the heads of an arm's trials read, for every pair.

    Raises UserError where no arm has two trials with parameters, or they do not give the logits
    that the sweep left.

    Args:
        model: where the sweep's model lies now, if it has been moved.
    """
    sweep = read_sweep(out, "final", {} if model is None else {"model": model})
    if any(member.trial.config.token_classification for member in sweep.members):
        raise UserError(
            f"{out} gives every word a tag, and it is states of texts that are compared; give the"
            " --out of a sweep over texts."
        )
    kept = [member for member in sweep.members if member.folder.is_dir()]
    arms = {arm: [m for m in kept if m.trial.arm == arm] for arm in sweep.arms}
    arms = {arm: members for arm, members in arms.items() if len(members) > 1}
    if not arms:
        raise UserError(
            f"{out} holds no two trials of an arm with their final parameters; run the sweep with"
            " --save_params final."
        )
    found = {}
    with ProgressLine("trials", sum(map(len, arms.values()))) as line:
        done = 0
        for arm, members in arms.items():
            states = []
            for state in _states(sweep, members):
                states.append(state)
                done += 1
                line.update(done, arm)
            between = distances(np.stack(states))
            found[arm] = {
                "trials": [member.number for member in members],
                "examples": len(states[0]),
                "cka": between.cka.tolist(),
                "procrustes": between.procrustes.tolist(),
            }
    write_json(out / REPRESENTATIONS, found)
    say(
        f"{plural(done, 'trial')} in {plural(len(arms), 'arm')} compared; the report shows how"
        f" differently they represent texts (jaxtune report {as_typed(out)})."
    )


def _states(sweep: Sweep, members: Sequence[Member]) -> Iterator[np.ndarray]:
    """float32 `[example, hidden]` of each trial: of dev examples that are spread over the file."""
    dev = DevSet(members[0].trial)
    count = len(dev.task.dev)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_EXAMPLES)).astype(int))
    tokens, plan = dev.task.evaluated.as_tokens(), dev.task.eval_plan
    forward = jax.jit(states_of_plan)
    for member in members:
        params = sweep.params(member)
        dev.check(sweep, member, params)
        model = compact_embedding(dev.model(params, member.folder), dev.task.kept_words)
        yield np.asarray(forward(model, tokens, plan))[:count][chosen]


def states_of_plan(
    model: SequenceClassifier, tokens: Tokens, plan: Plan
) -> Float[Array, "example hidden"]:
    """The state that the head reads, of every place of a plan, batch by batch."""

    def states_of(plan: StepPlan) -> Float[Array, "example hidden"]:
        return model.states(gather_batch(tokens, plan, plan.source.shape[0]).rows)

    states = jax.lax.map(states_of, StepPlan._make(plan))
    return states.reshape(-1, states.shape[-1]).astype("float32")

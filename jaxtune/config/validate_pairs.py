"""Settings that need another one beside them, and settings that contradict another one."""

from jaxtune.config.field_groups import changed
from jaxtune.config.settings import SweepConfig
from jaxtune.core.errors import UserError

# A field, the one without which it means nothing, and what to say of its `value`.
NEEDS = {
    ("keep_trials", "early_stop"): (
        "keep_trials is given without early_stop; say when to choose them, such as --early_stop"
        " 0.3."
    ),
    ("stratify", "train_examples"): (
        "stratify is given without train_examples; say how many examples the subset has, or leave"
        " it out."
    ),
    ("label_columns", "several_labels"): (
        "label_columns is given, which belongs to --several_labels true; give that too, or leave it"
        " out."
    ),
    ("dropout_seeds", "init_seeds"): (
        "dropout_seeds belong to a crossed design; give init_seeds and order_seeds too."
    ),
    ("max_seeds", "until_decided"): (
        "max_seeds is {value}, which is read with until_decided alone; give --until_decided true"
        " too, or num_seeds."
    ),
    ("device", "dry_run"): (
        "device is given without dry_run; it plans for devices that are not here: give --dry_run"
        " too, or leave it out to run on those that are."
    ),
    ("ray_address", "cluster"): (
        "ray_address is {value!r}, which is read with cluster alone; give --cluster ray too, or"
        " leave it out."
    ),
    ("runtime_env", "cluster"): (
        "runtime_env is true, and there are no nodes to send anything to; give --cluster ray too,"
        " or leave it out."
    ),
}
# Two fields of which one is to be left out, and why.
CONTRADICTIONS = {
    ("until_decided", "seeds"): "and it adds seeds of its own",
    ("until_decided", "init_seeds"): "and it adds seeds of its own",
    ("until_decided", "keep_trials"): "and it adds seeds of its own",
    ("shard", "keep_trials"): "but the best are chosen among all trials of an arm",
    ("shard", "until_decided"): "but the verdict that it goes by is on all trials",
    ("cluster", "dry_run"): "but a dry run tries steps on this machine",
    ("cluster", "checkpoint_every"): (
        "but workers keep no checkpoints: a group that is lost runs again"
    ),
}


def check_pairs(config: SweepConfig) -> None:
    """Raises UserError for a field without one that it needs, or beside one that it contradicts."""
    for (name, needed), sentence in NEEDS.items():
        if changed(config, (name,)) and not changed(config, (needed,)):
            raise UserError(sentence.format(value=getattr(config, name)))
    for pair, why in CONTRADICTIONS.items():
        if changed(config, pair) == pair:
            raise UserError(f"{' and '.join(pair)} are both given, {why}; leave one of them out.")

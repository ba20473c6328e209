"""What stops or cuts nobody is said before a sweep begins."""

import pytest

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.training.plan import make_plans
from jaxtune.training.plan_words import choosing
from jaxtune.training.prepare import prepare


def warnings(tiny, flags):
    common = ["--model", tiny, "--task", "miniature", "--train_examples", "64", "--num_seeds", "2"]
    (plan,) = make_plans(make_trials(parse([*common, *flags.split()])))
    return [line for line in choosing(plan) if line.startswith("Warning: ")]


@pytest.mark.parametrize(
    ("flags", "before_end"),
    [
        ("--num_epochs 3", 2),
        ("--num_epochs 4", None),
        ("--max_steps 6 --eval_every 2", 2),
        ("--max_steps 7 --eval_every 2", None),
        # Those of the head alone, at steps 2, 4 and 6, are not counted.
        ("--max_steps 12 --eval_every 2 --train head_then_all --head_ratio 0.5", 2),
        ("--max_steps 13 --eval_every 2 --train head_then_all --head_ratio 0.5", None),
    ],
)
def test_patience_that_no_trial_runs_out_of(tiny, flags, before_end):
    said = [w for w in warnings(tiny, f"{flags} --patience 2") if "by patience" in w]
    assert said == [
        "Warning: no trial is stopped by patience 2: that takes 3 evaluations before the last step,"
        f" and there are {before_end}; give a smaller patience or a smaller eval_every."
    ] * (before_end is not None)


@pytest.mark.parametrize(("kept", "cuts"), [(1, True), (2, False), (8, False)])
def test_more_trials_to_keep_than_there_are(tiny, kept, cuts):
    flags = f"--max_steps 20 --early_stop 0.5 --log_every 1 --keep_trials {kept}"
    flags += " --grid.bias_correction true false"
    assert [w for w in warnings(tiny, flags) if "keep_trials" in w] == [
        f"Warning: keep_trials {kept} keeps every trial, for an arm has 2; give a smaller number."
    ] * (not cuts)


@pytest.mark.parametrize(("size", "is_all"), [(64, True), (32, False)])
def test_batches_of_all_examples_have_no_order(tiny, size, is_all):
    flags = ["--train_examples", "64", "--batch_size", str(size), "--max_steps", "2"]
    task = prepare(parse(["--model", tiny, "--task", "miniature", *flags]).base)
    assert [note for note in task.reading["notes"] if "batch_size" in note] == [
        "Warning: batch_size 64 is all training examples, so that every step sees the same ones and"
        " their order has no effect."
    ] * is_all

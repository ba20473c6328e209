"""Settings to trials: seeds, numbers, arm names, and what shares a compiled program."""

import dataclasses

import numpy as np
import pytest

from jaxtune.config.field_groups import TRACED_FIELDS
from jaxtune.config.parse import from_call, parse, settings_in
from jaxtune.config.text_values import seed_list
from jaxtune.config.trials import Trial, arm_name, make_trials, program_config, seeds_of, waves
from jaxtune.core.errors import UserError


def trials_of(flags: str) -> tuple[Trial, ...]:
    return make_trials(parse(["--model", "m", "--task", "rte", *flags.split()]))


def streams(flags: str) -> list[tuple[int, int, int, int]]:
    """The seeds of the first arm."""
    settings = parse(["--model", "m", "--task", "rte", *flags.split()])
    return [dataclasses.astuple(seeds) for seeds in seeds_of(settings.arms[0])]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--num_seeds 3", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 2, 2, 2)]),
        ("--seeds 7,2-3", [(7, 7, 7, 7), (2, 2, 2, 2), (3, 3, 3, 3)]),
        ("--seeds 5 --num_seeds 9", [(5, 5, 5, 5)]),
        (
            "--init_seeds 8,9 --order_seeds 0-2",
            [(0, 8, 0, 0), (1, 8, 1, 1), (2, 8, 2, 2), (3, 9, 0, 0), (4, 9, 1, 1), (5, 9, 2, 2)],
        ),
        (
            "--init_seeds 8 --order_seeds 1,2 --dropout_seeds 5,6",
            [(0, 8, 1, 5), (1, 8, 1, 6), (2, 8, 2, 5), (3, 8, 2, 6)],
        ),
    ],
)
def test_seeds(flags, expected):
    assert streams(flags) == expected


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", (0,)),
        ("0-3", (0, 1, 2, 3)),
        ("0-2,77", (0, 1, 2, 77)),
        ("5,3,4-4", (5, 3, 4)),
        ("2,0-1,3", (2, 0, 1, 3)),
        (" 1 , 3 - 4 ", (1, 3, 4)),
        ("007,010-011", (7, 10, 11)),
        ("4294967295", (2**32 - 1,)),
    ],
)
def test_seed_lists(text, seeds):
    assert seed_list(text) == seeds


@pytest.mark.parametrize(
    "text", ["", " ", "a", "1,", ",1", "1,,2", "-1", "1-", "1-2-3", "3-1", "1.5", "0x1", "1 2"]
)
def test_other_seed_lists_are_refused(text):
    with pytest.raises(UserError, match=f"Seeds '{text}' (cannot be read|hold the empty range)"):
        seed_list(text)


@pytest.mark.parametrize(("text", "twice"), [("3,3,1", 3), ("0-3,2", 2), ("5,4-9", 5)])
def test_a_seed_that_a_command_names_twice_is_refused_and_one_of_an_older_sweep_is_not(text, twice):
    with pytest.raises(UserError, match=f"^seeds holds {twice} twice; give each once"):
        from_call(settings_in(["--seeds", text]))
    assert parse(["--seeds", text]).base.seeds == text
    assert len(seed_list(text)) == len({*seed_list(text)})


@pytest.mark.parametrize("text", ["4294967296", "0,4294967295-4294967296", "99999999999999999999"])
def test_seeds_that_random_keys_would_fold_onto_others_are_refused(text):
    with pytest.raises(UserError, match="the largest seed is 4294967295"):
        seed_list(text)


def test_the_default_is_32_seeds():
    assert [seeds[0] for seeds in streams("")] == list(range(32))


def test_every_arm_has_every_seed_and_numbers_count_on():
    trials = trials_of(
        "--seeds 4,9 --grid.learning_rate 1e-5 2e-5 --grid.bias_correction true false"
    )
    assert [trial.number for trial in trials] == list(range(8))
    assert [trial.seeds.seed for trial in trials] == [4] * 4 + [9] * 4
    assert [trial.arm for trial in trials[:4]] == [trial.arm for trial in trials[4:]]
    assert [trial.arm for trial in trials[:4]] == [
        "learning_rate=1e-05 bias_correction=true",
        "learning_rate=1e-05 bias_correction=false",
        "learning_rate=2e-05 bias_correction=true",
        "learning_rate=2e-05 bias_correction=false",
    ]
    for trial in trials:
        rate, corrected = trial.config.learning_rate, trial.config.bias_correction
        assert trial.arm == f"learning_rate={rate} bias_correction={str(corrected).lower()}"
        assert (trial.hyper.learning_rate, trial.hyper.bias_correction) == (rate, corrected)


def test_more_seeds_keep_the_trials_there_are():
    few, many = (trials_of(f"--num_seeds {n} --grid.adam_b2 0.9 0.98") for n in (2, 5))
    plain = [
        dataclasses.replace(t, config=dataclasses.replace(t.config, num_seeds=2)) for t in many
    ]
    assert tuple(plain[: len(few)]) == few


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("", ["all"]),
        ("--grid.learning_rate=0.00003", ["learning_rate=3e-05"]),
        ("--grid.max_grad_norm null 1", ["max_grad_norm=null", "max_grad_norm=1.0"]),
        ("--grid.batch_size 8 --grid.packing false", ["batch_size=8 packing=false"]),
        ("--grid.precision bfloat16", ["precision=bfloat16"]),
        ("--grid.class_weights null 1,2", ["class_weights=null", "class_weights=1,2"]),
    ],
)
def test_arm_names(flags, names):
    settings = parse(["--model", "m", "--task", "rte", *flags.split()])
    assert [arm_name(arm, settings.grid) for arm in settings.arms] == names


@pytest.mark.parametrize(
    ("flags", "programs"),
    [
        ("--grid.learning_rate 1e-5 2e-5 --grid.bias_correction true false", 1),
        ("--grid.max_grad_norm null 1 --grid.warmup_ratio 0 0.1 --grid.weight_decay 0 0.01", 1),
        ("--grid.adam_b1 0.8 0.9 --grid.adam_b2 0.98 0.999 --grid.adam_eps 1e-6 1e-8", 1),
        ("--grid.mixout 0.1 0.9 --grid.pretrained_decay 1e-3 0.1", 1),
        ("--grid.layerwise_lr_decay 0.9 0.95 --grid.reinit_layers 1 2", 1),
        ("--grid.mixout 0 0.1 0.9", 2),
        ("--grid.class_weights null balanced 1,2 --grid.label_smoothing 0 0.1", 1),
        ("--grid.correct_moments both first second --grid.correct_eps false true", 1),
        ("--grid.second_moment_init 0 1 --grid.untuned_warmup false true", 1),
        ("--grid.rectify false true", 1),
        ("--grid.ema_decay 0 0.99 0.999", 1),
        ("--grid.average_last 0 10 100", 1),
        ("--grid.layerwise_lr_decay 1 0.9 --grid.reinit_layers 0 1", 4),
        ("--grid.batch_size 8 16", 2),
        ("--grid.num_epochs 3 20 --grid.learning_rate 1e-5 2e-5", 2),
        ("--grid.schedule linear cosine --grid.clip_per_tensor true false", 4),
        ("--grid.dropout null 0.1 --grid.precision float32 bfloat16", 4),
    ],
)
def test_trials_that_differ_in_traced_values_share_a_program(flags, programs):
    trials = trials_of(f"{flags} --num_seeds 2")
    assert len({program_config(trial.config) for trial in trials}) == programs


def test_seeds_do_not_change_the_program():
    one = program_config(trials_of("--num_seeds 2")[0].config)
    assert one == program_config(trials_of("--seeds 5")[0].config)
    crossed = "--init_seeds 1 --order_seeds 2 --dropout_seeds 3"
    assert one == program_config(trials_of(crossed)[0].config)


def test_traced_settings_reach_the_optimiser():
    (trial,) = trials_of("--num_seeds 1 --adam_b2 0.98 --max_grad_norm 0.5 --weight_decay 0.1")
    # A scale with the rank, and a switch for each moment.
    words = {"lora_alpha", "use_rslora", "correct_moments"}
    numbers = {"lora_scale": 1.0, "correct_first": True, "correct_second": True}
    numbers |= {"head_ratio": 0.0, "head_learning_rate": 2e-5}  # of no head that is trained first
    assert {*trial.hyper._fields} == {*TRACED_FIELDS} - words | {*numbers}
    known_later = {"class_weights": 1.0}  # where the training examples are
    settings = {name: getattr(trial.config, name) for name in {*TRACED_FIELDS} - words}
    assert trial.hyper._asdict() == settings | known_later | numbers
    for corrected in ("first", "second"):
        (one,) = trials_of(f"--num_seeds 1 --correct_moments {corrected}")
        assert one.hyper.correct_first == (corrected == "first") != one.hyper.correct_second
    for flags, expected in (("--lora_alpha 6", 1.5), ("--lora_alpha 6 --use_rslora true", 3.0)):
        assert trials_of(f"--num_seeds 1 --lora_rank 4 {flags}")[0].hyper.lora_scale == expected
    (trial,) = trials_of("--num_seeds 1 --max_grad_norm null")
    assert trial.hyper.max_grad_norm == np.inf


def test_the_settings_of_a_row_name_every_hyper_parameter():
    settings = trials_of("--num_seeds 1 --adam_b2 0.98 --out x")[0].settings
    assert settings["adam_b2"] == 0.98
    assert set(TRACED_FIELDS) < set(settings)
    assert not {"out", "seeds", "num_seeds", "model", "task"} & set(settings)


@pytest.mark.parametrize(
    ("count", "size", "sizes"), [(5, 2, [2, 2, 1]), (4, 4, [4]), (3, 8, [3]), (3, 1, [1, 1, 1])]
)
def test_waves_hold_every_trial_in_order(count, size, sizes):
    trials = trials_of(f"--num_seeds {count}")
    groups = waves(trials, size)
    assert [len(group) for group in groups] == sizes
    assert sum(groups, ()) == trials

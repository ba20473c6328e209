"""What a dry run says."""

import pytest
from small_groups import plans_for

from jaxtune.config.parse import parse
from jaxtune.config.trials import make_trials
from jaxtune.training.dry_run import Probe, peak_rates, plan_lines, probe
from jaxtune.training.plan_words import about_the_start


@pytest.mark.parametrize(
    ("examples", "epochs", "times"),
    [
        (1000, 3, 6.3),
        (1000, 10, 4.0),
        (1000, 20, 2.9),
        (2490, 3, 4.6),
        (3668, 3, 3.8),
        (8551, 20, 1.2),
    ],
)
def test_effective_peaks_are_the_known_multiples(examples, epochs, times):
    """Multiples of the peak learning rate that leaving out the correction amounts to (batch 16, 10
    % warm-up).
    """
    steps = epochs * -(-examples // 16)
    flags = ["--model", "m", "--task", "rte", "--bias_correction"]
    (without,) = make_trials(parse([*flags, "false", "--num_seeds", "1"]))
    (corrected,) = make_trials(parse([*flags, "true", "--num_seeds", "1"]))
    peak, effective = peak_rates(without, steps)
    assert peak == pytest.approx(2e-5, rel=1e-6)
    assert effective / peak == pytest.approx(times, abs=0.06)
    assert peak_rates(corrected, steps) == (peak, peak)


@pytest.mark.slow
def test_the_plan_with_what_a_probe_saw(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "5", "--grid.bias_correction", "true", "false")
    seen = probe(plan)
    assert min(seen) > 0
    parameters = sum(leaf.size for leaf in leaves(plan.task.model))
    assert seen.bytes_per_trial > 3 * 4 * parameters  # parameters and two moments, float32
    lines = plan_lines([plan], [Probe(10.0, 0.5, 2.0, 3 * 2**20)])
    text = "\n".join(lines)
    assert "10 trials in 2 arms, 21 steps each" in text
    assert "3 MiB per trial and device" in text
    assert "  Drawn anew by every trial: pooler and classifier.\n  The checkpoint has no" in text
    rates = [line for line in lines if "peak learning rate" in line]
    assert rates[0].strip().startswith("bias_correction=true: peak learning rate 2e-05")
    assert rates[0].endswith("(the same)")
    assert "times)" in rates[1]
    assert "\n  4 trials at once on 4 devices, 3 groups\n" in text
    # Three groups of four lanes: 10 s to compile, each 21 steps and 3 evaluations.
    assert "in all: 10 trials, 210 trial-steps, about 1:00" in text


def test_steps_of_the_head_alone_are_told_and_leave_the_peak_alone(tiny):
    flags = ["--train", "head_then_all", "--head_learning_rate", "1e-2", "--num_seeds", "1"]
    (plan,) = plans_for(tiny, *flags, "--grid.head_ratio", "0", "0.5")
    text = "\n".join(plan_lines([plan], [Probe(10.0, 0.5, 2.0, 3 * 2**20)]))
    same = "peak learning rate 2e-05, effective 2e-05 (the same)"
    assert f"\n  head_ratio=0.0: {same}\n" in text
    assert f"\n  head_ratio=0.5: the head alone for 10 steps, then {same}\n" in text


def test_one_of_anything_is_no_plural(tiny):
    (plan,) = plans_for(tiny, "--num_seeds", "1", "--max_steps", "1")
    text = "\n".join(plan_lines([plan], [Probe(10.0, 0.5, 2.0, 3 * 2**20)]))
    assert text.startswith("program 1: 1 trial in 1 arm, 1 step each\n")
    assert "\n  1 trial at once on 1 device, 1 group\n" in text
    assert "\nin all: 1 trial, 1 trial-step, about 0:12" in text


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "  after 10 steps all that have learnt go on; the total leaves that aside"),
        (
            ["--keep_trials", "2"],
            "  after 10 steps at most 2 of each arm are chosen, to run again whole;"
            " the total leaves that aside",
        ),
    ],
)
def test_the_plan_of_an_early_stop(tiny, flags, line):
    (plan,) = plans_for(tiny, "--num_seeds", "5", "--early_stop", "0.5", *flags)
    assert line in plan_lines([plan], [Probe(10.0, 0.5, 2.0, 3 * 2**20)])


@pytest.mark.parametrize(
    ("flags", "drawn"),
    [
        ([], "pooler and classifier"),
        (["--reinit_layers", "1"], "pooler, classifier and last block"),
        (["--reinit_layers", "2"], "pooler, classifier and last 2 blocks"),
        (["--grid.reinit_layers", "1", "2"], "pooler, classifier and last block"),  # by all
    ],
)
def test_what_is_drawn_anew(tiny, flags, drawn):
    (plan,) = plans_for(tiny, "--num_seeds", "1", *flags)
    assert about_the_start(plan)[0] == f"Drawn anew by every trial: {drawn}."


def leaves(model):
    import jax

    return jax.tree.leaves(model)

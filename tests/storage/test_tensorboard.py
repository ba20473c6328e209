"""The TensorBoard files, read back with tensorboard's own loader."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

import jaxtune
from jaxtune.config.parse import parse
from jaxtune.storage.tensorboard import Run, TrialRuns, names_of_arms, run_name, run_names


def events(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_a_run_per_trial_with_the_values_of_the_history(swept):
    results = jaxtune.load_results(swept)
    for row in results.trials.to_dict("records"):
        run = events(swept / "tb" / run_name(row["arm"]) / f"seed_{row['seed']:03d}")
        tags = run.Tags()["scalars"]
        for tag in ("train/loss", "train/learning_rate", "dev/accuracy", "grad_norm/layer_01"):
            assert tag in tags
        final = run.Scalars("dev/accuracy")[-1]
        assert (final.step, final.value) == (5, pytest.approx(row["final"]))
        own = results.history[results.history.trial == row["trial"]]
        losses = own[own.name == "loss"].set_index("step").value
        shown = {event.step: event.value for event in run.Scalars("train/loss")}
        assert list(shown) == [0, 2, 4]
        for step, value in shown.items():
            assert value == pytest.approx(losses[step])


def test_an_aggregate_run_per_arm(swept):
    results = jaxtune.load_results(swept)
    for arm, rows in results.trials.groupby("arm"):
        run = events(swept / "tb" / run_name(arm) / "aggregate")
        last = {tag: run.Scalars(tag)[-1] for tag in run.Tags()["scalars"]}
        assert last["arm/accuracy_mean"].value == pytest.approx(rows.final.mean())
        assert last["arm/accuracy_max"].value == pytest.approx(rows.final.max())
        assert last["arm/trials_at_floor"].value == rows.failed.sum()
        assert [event.step for event in run.Scalars("arm/loss_mean")] == [0, 2, 4]


def test_hparams_group_the_trials_of_an_arm(swept):
    results = jaxtune.load_results(swept)
    for row in results.trials.to_dict("records"):
        run = events(swept / "tb" / run_name(row["arm"]) / f"seed_{row['seed']:03d}")
        content = run.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        assert start.group_name == row["arm"]
        assert start.hparams["bias_correction"].bool_value == row["bias_correction"]
        assert start.hparams["learning_rate"].number_value == pytest.approx(2e-5)


def test_run_names_stay_in_their_folder():
    assert run_name("model=../../x y=1") == "model=.._.._x,y=1"


def test_run_names_of_before_stay():
    arms = ["model=google/bert learning_rate=2e-05", "model=a b", "model=a,c", "all"]
    names = ["model=google_bert,learning_rate=2e-05", "model=a,b", "model=a_c", "all"]
    assert [*run_names(arms).values()] == names


def test_every_arm_has_a_folder_of_its_own(tmp_path):
    arms = ["train_file=train+aug.csv", "train_file=train_aug.csv", "train_file=x.csv"]
    names = run_names(arms)
    # sha256sum says so of the arms.
    assert [*names.values()] == [
        "train_file=train_aug.csv-92f2f7d6",
        "train_file=train_aug.csv-e181fd64",
        "train_file=x.csv",
    ]
    runs = {number: Run(arm, 0, {}, names[arm]) for number, arm in enumerate(arms)}
    TrialRuns(tmp_path, runs, "accuracy", 1).close()
    assert {path.name for path in tmp_path.glob("*")} == {*names.values()}
    assert len(list(tmp_path.glob("*/seed_000/events*"))) == 3


def test_a_folder_of_a_long_arm_is_no_longer_than_it_may_be(tmp_path):
    long = "train_file=" + "é" * 122 + "a"  # 256 bytes
    fits = "train_file=" + "é" * 122
    names = run_names([long, fits])
    assert names[fits] == fits
    assert len(names[long].encode()) == 254  # an é is not cut in two
    assert names[long].startswith("train_file=" + "é" * 117 + "-")
    TrialRuns(tmp_path, {0: Run(long, 0, {}, names[long])}, "accuracy", 1).close()
    assert [path.name for path in tmp_path.iterdir()] == [names[long]]


def test_all_arms_of_a_grid_are_named_together():
    flags = ["--model", "m", "--task", "custom", "--dev_file", "d.csv"]
    files = ["--grid.train_file", "x/train+aug.csv", "x/train_aug.csv"]
    assert len({*names_of_arms(parse([*flags, *files])).values()}) == 2

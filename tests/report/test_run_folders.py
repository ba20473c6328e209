"""Folders of runs that were cut off, begun again, or laid one deeper than ARM/SEED."""

import json
import math

import pytest
from tensorboardX import SummaryWriter

from jaxtune.core.errors import UserError
from jaxtune.report.scores.folders import folder_runs
from jaxtune.report.scores.read import places_source
from jaxtune.report.scores.runs import Given


def write_state(folder, scores, step=100, of=100, name="eval_accuracy"):
    """A checkpoint's state with evaluations at even steps, the last at `step`."""
    steps = [step * (i + 1) // len(scores) for i in range(len(scores))]
    log = [{"step": at, name: score} for at, score in zip(steps, scores, strict=True)]
    place = folder / f"checkpoint-{step}"
    place.mkdir(parents=True)
    state = {"global_step": step, "max_steps": of, "log_history": log}
    (place / "trainer_state.json").write_text(json.dumps(state))


def test_a_run_that_was_cut_off_is_said(tmp_path):
    """Of a checkpoint before the end, unless results of the end lie beside it."""
    for seed, (step, of) in enumerate([(100, 100), (50, 100), (50, 100)]):
        write_state(tmp_path / "A" / f"seed_{seed}", [0.6, 0.7], step, of)
    (tmp_path / "A" / "seed_2" / "all_results.json").write_text('{"eval_accuracy": 0.8}')
    runs, said = folder_runs(tmp_path, Given())
    assert [run.score for run in runs] == [0.7, 0.7, 0.8]
    assert said[1:] == (
        "1 run has no score of the end of training (A/1 at step 50 of 100): cut off, stopped early,"
        " or the last checkpoint is gone.",
    )


def test_last_scores_at_different_steps_are_said(tmp_path):
    for seed, step in enumerate((100, 300)):
        write_state(tmp_path / "A" / str(seed), [0.7], step, step)
        write_state(tmp_path / "B" / str(seed), [0.7], 200, 200)
    _, said = folder_runs(tmp_path, Given())
    assert said[1:] == (
        "Runs of one arm have their last scores at different steps: [A] 100 to 300.",
    )


def test_null_is_a_score_that_is_none(tmp_path):
    """An undefined correlation, as JSON has it: the evaluation before it is not the last."""
    write_state(tmp_path / "A" / "0", [0.8, None], name="eval_pearson")
    write_state(tmp_path / "A" / "1", [None, 0.8], name="eval_pearson")
    write_state(tmp_path / "A" / "2", [0.7, 0.8], name="eval_pearson")
    results = {"eval_pearson": None, "eval_samples": None}
    (tmp_path / "A" / "2" / "eval_results.json").write_text(json.dumps(results))
    runs, _ = folder_runs(tmp_path, Given())
    assert [run.score for run in runs] == [None, 0.8, None]
    assert math.isnan(runs[0].curves["dev"].values[-1])


def write_events(folder, points, number, tag="eval/accuracy"):
    """A file of its own, begun at a time of its own."""
    writer = SummaryWriter(str(folder))
    for step, value in points.items():
        writer.add_scalar(tag, value, step)
    writer.close()
    (made,) = [f for f in folder.glob("*tfevents*") if not f.name.endswith(".made")]
    made.rename(folder / f"events.out.tfevents.{number}.host.made")


def test_a_later_start_counts_from_its_first_step_on(tmp_path):
    """A first try of 3,000 steps is no end of the run that counts; a resumed one goes on."""
    write_events(tmp_path / "A" / "0", {1000: 0.6, 2000: 0.5, 3000: 0.5}, 10)
    write_events(tmp_path / "A" / "0", {500: 0.65, 1000: 0.7}, 9_000_000_000)
    write_events(tmp_path / "A" / "1", {500: 0.6}, 10)
    write_events(tmp_path / "A" / "1", {1000: 0.71}, 11)
    runs, said = folder_runs(tmp_path, Given())
    assert [run.score for run in runs] == pytest.approx([0.7, 0.71], abs=1e-6)
    assert runs[0].curves["dev"].steps.tolist() == [500, 1000]
    assert runs[1].curves["dev"].steps.tolist() == [500, 1000]
    assert said[1:] == (
        "1 run began again at a lower step (A/0): what was logged before from there on is left"
        " aside.",
    )


def test_folders_below_a_seed_are_of_its_run(tmp_path):
    """Keras parts train and validation, Lightning its attempts: those cannot be told apart."""
    for seed in (0, 1):
        run = tmp_path / "keras" / "A" / f"seed_{seed}"
        write_events(run / "train", {1: 0.99}, 1, tag="epoch_accuracy")
        write_events(run / "validation", {1: 0.7}, 1, tag="epoch_accuracy")
        write_events(tmp_path / "pl" / "A" / f"seed_{seed}" / "version_0", {1: 0.7}, 1)
    runs, _ = folder_runs(tmp_path / "keras", Given(metric="epoch_accuracy"))
    assert [(run.arm, run.seeds[0]) for run in runs] == [("A", "0"), ("A", "1")]
    assert [run.score for run in runs] == pytest.approx([0.7, 0.7])
    runs, _ = folder_runs(tmp_path / "pl", Given())
    assert [(run.arm, run.seeds[0]) for run in runs] == [("A", "0"), ("A", "1")]
    write_events(tmp_path / "pl" / "A" / "seed_1" / "version_1", {1: 0.9}, 1)
    with pytest.raises(UserError, match=r"version_1 has the seed 1 of .A., as .*version_0 has"):
        places_source([tmp_path / "pl"], Given(floor=0.527))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("A/0/validation", ("A", "0")),
        ("A/20261201-101010/train", ("A", "20261201-101010")),
        ("A/0/version_0", ("A", "0")),
        ("A/0/lightning_logs/version_0", ("A", "0")),
        ("A/version_1", ("A", "version_1")),
        ("A/first", ("A", "first")),
        ("A_dataseed1/2", ("A_dataseed1", "2")),
        ("A_dataseed1/2/validation", ("A_dataseed1", "2")),
        ("A/seed3/logs", ("A", "3")),
    ],
)
def test_where_the_seed_stands(tmp_path, folder, expected):
    write_events(tmp_path / folder, {1: 0.7}, 1)
    ((run,), _) = folder_runs(tmp_path, Given())
    assert (run.arm, run.seeds[0]) == expected


def test_a_seed_with_zeros_before_it_is_that_seed(tmp_path):
    """As in a table: A/1 and A/01 were taken for a crossed design, which has no verdict."""
    for seed in ("01", "2"):
        write_state(tmp_path / "A" / seed, [0.7])
        write_state(tmp_path / "B" / seed.lstrip("0"), [0.7])
    runs, _ = folder_runs(tmp_path, Given())
    assert [run.seeds[0] for run in runs] == ["1", "2", "1", "2"]
    write_state(tmp_path / "A" / "1", [0.71])
    with pytest.raises(UserError, match=r"has the seed 1 of .A., as .* a run that is copied is no"):
        places_source([tmp_path], Given(floor=0.527))


def test_arms_below_seeds_are_refused(tmp_path):
    for folder in ("seed0/A", "seed0/B", "seed1/A", "seed1/B"):
        write_state(tmp_path / folder, [0.7])
    with pytest.raises(UserError, match=r"two recipes two names \(in folders ARM/SEED\)"):
        places_source([tmp_path], Given(floor=0.527))


def test_parts_of_runs_without_seeds_are_refused(tmp_path):
    """Training and validation are no two seeds."""
    for part in ("train", "validation"):
        write_state(tmp_path / "A" / part, [0.7])
    with pytest.raises(UserError, match="it is not known which recipe and seed it is"):
        folder_runs(tmp_path, Given())

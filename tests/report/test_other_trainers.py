"""Folders and exports of other trainers: the Hugging Face Trainer's files as transformers writes
them, event files of two writers, and the columns of trackers.
"""

import json

import numpy as np
import pandas as pd
import pytest
from other_runs import SCORES, runs, said
from pages import Page
from tensorboardX import SummaryWriter
from tensorboardX.proto import event_pb2, summary_pb2, tensor_pb2


def write_states(top, name="trainer_state.json"):
    """As transformers saves its state, with a log of losses and evaluations."""
    callback = pytest.importorskip("transformers.trainer_callback")
    for arm, seed, score in runs():
        log = [
            {"loss": 0.7 - 0.01 * step, "learning_rate": 1e-5, "epoch": step / 4, "step": step}
            for step in range(1, 9)
        ]
        for step in (4, 8):
            about = {"eval_loss": 0.6, "eval_runtime": 1.0, "eval_samples_per_second": 10.0}
            log.append(about | {"eval_accuracy": score * step / 8, "step": step, "epoch": step / 4})
        state = callback.TrainerState(log_history=log, global_step=8)
        folder = top / arm / f"seed_{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        state.save_to_json(str(folder / name))


def test_the_trainers_states_are_found_by_themselves(tmp_path, capsys):
    """The last evaluation counts, and the curves are drawn."""
    write_states(tmp_path)
    text = said(capsys, tmp_path, "--floor", "0.5")
    assert "Their scores are the last eval_accuracy." in text
    assert "[wd=0.1] is more stable than [wd=0]: 0 of 9 trials failed against 8 of 9." in text
    trials = pd.read_csv(tmp_path / "trials.csv")
    assert trials.final.tolist() == [*SCORES["wd=0"], *SCORES["wd=0.1"]]
    assert trials.seed.tolist() == [*range(9), *range(9)]
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Training</h2>" in page
    assert Page(page).open == []
    assert "None" not in page


def test_the_trainers_results_come_before_its_state(tmp_path, capsys):
    """all_results.json is of the end; states may lie in checkpoints; what has no score is said."""
    write_states(tmp_path)
    for arm, seed, score in runs():
        folder = tmp_path / arm / f"seed_{seed}"
        (folder / "checkpoint-8").mkdir()
        (folder / "trainer_state.json").rename(folder / "checkpoint-8" / "trainer_state.json")
        results = {"eval_accuracy": score + 0.1, "eval_samples": 277, "train_loss": 0.3}
        (folder / "all_results.json").write_text(json.dumps(results))
    (tmp_path / "wd=0" / "seed_9").mkdir()
    (tmp_path / "wd=0" / "seed_9" / "all_results.json").write_text('{"train_loss": 0.3}')
    text = said(capsys, tmp_path, "--floor", "0.5", "--metric", "accuracy")
    assert "Left out: 1 run without one (wd=0/seed_9)." in text
    found = pd.read_csv(tmp_path / "trials.csv").final
    assert found.tolist() == pytest.approx([s + 0.1 for _, _, s in runs()])
    assert "277 dev examples" in (tmp_path / "report.md").read_text()


def test_a_diverged_run_of_the_trainer_has_failed(tmp_path, capsys):
    write_states(tmp_path)
    (tmp_path / "wd=0" / "seed_0" / "all_results.json").write_text('{"eval_accuracy": NaN}')
    assert "1 of 9 in [wd=0]) count as failed" in said(capsys, tmp_path, "--floor", "0.5")


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_diverged_run_is_no_score_where_there_is_no_floor(tmp_path, capsys, number):
    """Its arm had a mean of nan, against which any other was better."""
    write_states(tmp_path)
    (tmp_path / "wd=0" / "seed_0" / "all_results.json").write_text(f'{{"eval_accuracy": {number}}}')
    error = said(capsys, tmp_path, status=1)
    assert "has no finite score" in error
    assert error.count("\n") == 1


def test_runs_behind_links_are_read_once(tmp_path, capsys):
    """Runs may lie on another disk; `latest` is one that is read anyway, and a loop is none."""
    write_states(tmp_path / "runs")
    kept = tmp_path / "disk" / "run"
    (tmp_path / "runs" / "wd=0" / "seed_8").rename(tmp_path / "seed_8")
    kept.parent.mkdir()
    (tmp_path / "seed_8").rename(kept)
    (tmp_path / "runs" / "wd=0" / "seed_8").symlink_to(kept)
    (tmp_path / "runs" / "wd=0" / "latest").symlink_to(tmp_path / "runs" / "wd=0" / "seed_3")
    (tmp_path / "runs" / "wd=0.1" / "up").symlink_to(tmp_path)
    said(capsys, tmp_path / "runs", "--floor", "0.5")
    trials = pd.read_csv(tmp_path / "runs" / "trials.csv")
    assert trials.seed.tolist() == [*range(9), *range(9)]
    assert trials.final.tolist() == [*SCORES["wd=0"], *SCORES["wd=0.1"]]


def test_event_folders(tmp_path, capsys):
    """Of tensorboardX and of PyTorch, one of them cut off in its last record; arm and seed in one
    name.
    """
    torch = pytest.importorskip("torch.utils.tensorboard")
    for arm, seed, score in runs():
        writer = (torch.SummaryWriter if seed % 2 else SummaryWriter)(
            str(tmp_path / f"{arm}_seed{seed}")
        )
        for step in (1, 2, 3):
            writer.add_scalar("train/loss", 0.5 / step, step)
            writer.add_scalar("eval/accuracy", score * step / 3, step)
            writer.add_scalar("eval/loss", 0.5, step)
        writer.add_histogram("weights", np.arange(5.0), 3)
        writer.close()
    (cut,) = (tmp_path / "wd=0.1_seed8").glob("*tfevents*")
    cut.write_bytes(cut.read_bytes() + cut.read_bytes()[:20])
    text = said(capsys, tmp_path, "--floor", "0.5", "--to", tmp_path / "to")
    assert "Their scores are the last eval/accuracy." in text
    assert "[wd=0.1] is more stable than [wd=0]" in text
    found = pd.read_csv(tmp_path / "to" / "trials.csv")
    assert found.final.tolist() == pytest.approx([s for _, _, s in runs()], abs=1e-6)
    assert "Training" in (tmp_path / "to" / "report.html").read_text()


def test_scalars_of_tensorflow_2(tmp_path, capsys):
    """It writes scalars as tensors."""
    for arm, seed, score in runs():
        content = np.float32(score).tobytes()
        tensor = tensor_pb2.TensorProto(dtype=1, tensor_content=content)
        value = summary_pb2.Summary.Value(tag="validation/acc", tensor=tensor)
        summary = summary_pb2.Summary(value=[value])
        with SummaryWriter(str(tmp_path / arm / str(seed))) as writer:
            writer.file_writer.add_event(event_pb2.Event(step=7, summary=summary))
    text = said(capsys, tmp_path, "--floor", "0.5")
    assert "Read 18 runs in 2 arms" in text
    assert "accuracy, of which higher is better" in text


def test_a_sweeps_own_curves_are_runs_like_others(swept, tmp_path, capsys):
    """The tb/ that a sweep leaves: runs ARM/seed_000, and aggregates without the score."""
    text = said(capsys, swept / "tb", "--metric", "accuracy", "--floor", "0.5", "--to", tmp_path)
    assert "Read 6 runs in 2 arms from tb" in text
    assert "Left out: 2 runs without one (" in text
    rows = [json.loads(line) for line in (swept / "trials.jsonl").read_text().splitlines()]
    expected = sorted(row["final"] for row in rows)
    found = sorted(pd.read_csv(tmp_path / "trials.csv").final)
    assert found == pytest.approx(expected, abs=1e-6)


LABELS = (np.arange(100) % 5 > 1).astype(np.int64)  # 60 of 100 are of class 1


def answers(right, seed):
    """Classes that are right for so many examples."""
    wrong = np.random.default_rng(seed).permutation(100)[right:]
    found = LABELS.copy()
    found[wrong] = 1 - found[wrong]
    return found


@pytest.mark.parametrize("kind", ["classes.npy", "logits.npy", "classes.csv"])
def test_predictions_bring_floor_agreement_and_the_dev_sets_error(kind, tmp_path, capsys):
    """As classes, as logits, and as text; beside a table."""
    lines = []
    for arm, most in (("A", 70), ("B", 80)):
        for seed in range(8):
            found = answers(most + seed, seed)
            name = f"{arm}{seed}.{kind.split('.')[1]}"
            if kind == "classes.csv":
                (tmp_path / name).write_text("prediction\n" + "\n".join(map(str, found)) + "\n")
            else:
                np.save(tmp_path / name, np.eye(2)[found] if "logits" in kind else found)
            lines.append({"arm": arm, "seed": seed, "score": (most + seed) / 100})
            lines[-1]["predictions"] = name
    np.save(tmp_path / "labels.npy", LABELS)
    file = tmp_path / "scores.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    text = said(capsys, file, "--metric", "accuracy")
    assert "floor 0.6. The floor is computed from the labels." in text
    report = (tmp_path / "scores_report" / "report.md").read_text()
    assert "100 dev examples" in report
    assert "Agreement of the predictions" in report
    agreement = report.split("Agreement of the predictions")[1].split("\n\n")[1].split("\n")[2:]
    assert len(agreement) == 2
    # Of classes alone it is not known how sure a run was.
    assert all(line.endswith("| - |") == ("classes" in kind) for line in agreement)
    said(capsys, file, "--metric", "matthews", status=1)
    (tmp_path / "labels.npy").unlink()
    assert "there are no labels" in said(capsys, file, "--metric", "accuracy", status=1)


def test_predictions_beside_the_trainers_files(tmp_path, capsys):
    for arm, most in (("A", 70), ("B", 80)):
        for seed in range(4):
            folder = tmp_path / arm / str(seed)
            folder.mkdir(parents=True)
            np.save(folder / "predictions.npy", np.eye(2)[answers(most + seed, seed)])
            results = {"eval_accuracy": round((most + seed) / 100, 3)}
            (folder / "all_results.json").write_text(json.dumps(results))
    np.save(tmp_path / "labels.npy", LABELS)
    assert "computed from the labels" in said(capsys, tmp_path)
    np.save(tmp_path / "A" / "0" / "predictions.npy", np.eye(2)[answers(90, 0)])
    error = said(capsys, tmp_path, status=1)
    assert "has the accuracy 0.7, and its predictions give 0.9 on these labels" in error
    np.save(tmp_path / "A" / "0" / "predictions.npy", np.eye(2)[answers(90, 0)][:50])
    assert "has 50 predictions and the labels are 100" in said(capsys, tmp_path, status=1)


def test_what_cannot_be_read_is_one_sentence(tmp_path, capsys):
    folder = tmp_path / "A" / "1"
    folder.mkdir(parents=True)
    (folder / "all_results.json").write_text('{"eval_accuracy": 0.5, "eval_f1": 0.6}')
    error = said(capsys, tmp_path, status=1)
    assert "of which 2 may be the score; give its name with --metric" in error
    assert "of which 0 may be the matthews" in said(
        capsys, tmp_path, "--metric", "matthews", status=1
    )
    assert "is the only run of [A]" in said(capsys, tmp_path, "--metric", "f1", status=1)
    (folder / "all_results.json").write_text("{")
    assert "is no JSON" in said(capsys, tmp_path, status=1)
    (folder / "all_results.json").write_text("[]")
    assert "is none of the Trainer's" in said(capsys, tmp_path, status=1)
    (folder / "all_results.json").unlink()
    (folder / "events.out.tfevents.1").write_bytes(b"\xff" * 100)
    assert "is no event file of TensorBoard" in said(capsys, tmp_path, status=1)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "all_results.json").write_text('{"eval_accuracy": 0.5}')
    assert "lay runs into folders ARM/SEED" in said(capsys, tmp_path / "alone", status=1)
    assert not list(tmp_path.rglob("report.html"))


def test_a_text_for_a_score_is_named_and_blames_no_other_run(tmp_path, capsys):
    write_states(tmp_path)
    results = tmp_path / "wd=0" / "seed_0" / "all_results.json"
    results.write_text('{"eval_accuracy": "high"}')
    error = said(capsys, tmp_path, "--metric", "eval_accuracy", status=1)
    assert error == (
        f"error: {results} has 'high' as eval_accuracy: give a number such as 0.712.\n"
    )

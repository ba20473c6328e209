"""Folders and exports of other trainers: the Hugging Face Trainer's files as transformers writes
them, event files of two writers, and the columns of trackers.
"""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from pages import Page
from tensorboardX import SummaryWriter
from tensorboardX.proto import event_pb2, summary_pb2, tensor_pb2

from jaxtune.report.__main__ import main

SCORES = {
    "wd=0": [0.5, 0.5, 0.5, 0.5, 0.62, 0.5, 0.5, 0.5, 0.5],
    "wd=0.1": [0.7, 0.72, 0.71, 0.74, 0.7, 0.72, 0.73, 0.7, 0.71],
}


def runs():
    for arm, scores in SCORES.items():
        for seed, score in enumerate(scores):
            yield arm, seed, score


def said(capsys, *words, status=0):
    assert main(list(map(str, words))) == status
    found = capsys.readouterr()
    return found.err if status else found.out


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


WANDB = ["Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "_step"]


def test_an_export_of_wandb(tmp_path, capsys):
    """Groups are arms, names stand in for seeds, what did not finish is left out."""
    lines = [
        dict.fromkeys(WANDB, "-")
        | {"Name": f"run-{arm}-{seed}", "State": "finished", "Group": arm, "eval/accuracy": score}
        | {"weight_decay": 0.1 if arm == "wd=0.1" else 0.0}
        for arm, seed, score in runs()
    ]
    lines.append(lines[0] | {"Name": "again", "State": "crashed", "eval/accuracy": None})
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    text = said(capsys, file, "--metric", "eval/accuracy", "--floor", "0.5")
    assert "The columns are W&B's. Left out: 1 run not finished (1 crashed)." in text
    assert "Taken for settings of the arms: weight_decay." in text
    assert "[wd=0.1] is more stable than [wd=0]" in text
    for table in (pd.DataFrame(lines).drop(columns="Group"), pd.DataFrame(lines).assign(Group="-")):
        table.to_csv(file, index=False)
        error = said(capsys, file, "--metric", "eval/accuracy", status=1)
        assert "has no column 'arm'" in error
    assert "--arm_column" in error
    words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    assert "[weight_decay=0.1] is more stable than [weight_decay=0]" in said(capsys, file, *words)
    pd.DataFrame(lines[-1:]).to_csv(file, index=False)
    assert "holds no run that has finished" in said(capsys, file, status=1)


def test_names_of_runs_are_no_seeds(tmp_path, capsys):
    """run-1 of one arm and of another have nothing in common; two of an arm may be called so."""
    lines = [
        dict.fromkeys(WANDB, "-")
        | {"Name": f"run-{seed // 2}", "State": "finished", "Group": arm, "accuracy": score}
        | {"Runtime": 60 + seed}
        for arm, seed, score in runs()
    ]
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    words = ["--metric", "accuracy", "--floor", "0.5"]
    assert "seed by seed" not in said(capsys, file, *words, "--to", tmp_path)
    rows = pd.read_csv(tmp_path / "trials.csv")
    assert rows.seed.tolist() == [line["Name"] for line in lines]
    assert rows.init_seed.is_unique
    pd.DataFrame([*lines, lines[3]]).to_csv(file, index=False)
    error = said(capsys, file, *words, status=1)
    assert f"is {file}, line 5 once more; take one out." in error


# Some of the columns, in their order, of a table of runs that W&B's website wrote (November 2025).
WEBSITE = [
    *("Name", "Agent", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep"),
    *("batch_size", "csv_index", "lr", "metric.goal", "parameters.lr", "wavelet"),
    *("artifact/name", "avg_epoch_loss", "dataloader/pin_memory", "dataset/length"),
    *("error/exception", "eval/ssim_mean", "learning_rate", "val_loss"),
]


def test_a_table_that_wandbs_website_has_written(tmp_path, capsys):
    """Every cell in quotes; `none` names a recipe; text, truths and counts were logged with a /."""
    logged = {"artifact/name": "unet_best", "dataloader/pin_memory": "true"}
    logged |= {"dataset/length": 7440, "error/exception": "'mse_t1n_mean'"}
    lines = [
        dict.fromkeys(WEBSITE, "")
        | {"Name": f"unet_{wavelet}_{index}", "State": "finished" if index else "failed"}
        | {"Notes": "-", "Created": "2025-11-13T09:48:11.000Z", "Runtime": 9910, "lr": 0.0001}
        | {"wavelet": wavelet, "avg_epoch_loss": 0.0003 + index, "eval/ssim_mean": score}
        | logged
        for wavelet, scores in {"haar": (0.6, 0.91, 0.92), "none": (0.6, 0.95, 0.97)}.items()
        for index, score in enumerate(scores)
    ]
    file = tmp_path / "wandb.csv"
    pd.DataFrame(lines).to_csv(file, index=False, quoting=csv.QUOTE_ALL)
    words = ["--metric", "eval/ssim_mean", "--arm_column", "wavelet", "--floor", "0.5"]
    text = said(capsys, file, *words, "--to", tmp_path)
    assert "Read 4 runs in 2 arms" in text
    assert "Left out: 2 runs not finished (2 failed)." in text
    assert "5 columns with a / in the name: logged, and no settings." in text
    assert "Taken for settings of the arms: lr, wavelet." in text
    assert "Left aside, for they vary within an arm: avg_epoch_loss." in text
    means = pd.read_csv(tmp_path / "arms.csv").set_index("arm")["mean"]
    assert dict(means) == pytest.approx({"haar": 0.915, "wavelet=none": 0.96})
    assert "further" not in (tmp_path / "report.md").read_text().lower()
    words = ["--metric", "eval/ssim_mean", "--arm_column", "wavelet", "lr", "--floor", "0.5"]
    assert "wavelet=none lr=0.0001" in said(capsys, file, *words, "--to", tmp_path)


@pytest.mark.storm  # for the library's own start
def test_the_csv_of_wandbs_guide_from_runs_that_wandb_has_written(tmp_path, monkeypatch, capsys):
    """Columns summary and config hold a dict each; a score that is no number, and what is none."""
    wandb = pytest.importorskip("wandb")
    from wandb_files import run_of

    for name, value in (("MODE", "offline"), ("SILENT", "true"), ("DIR", str(tmp_path))):
        monkeypatch.setenv(f"WANDB_{name}", value)
    for arm, seed, score in [*runs(), ("wd=0", 9, float("nan"))]:
        config = {"weight_decay": float(arm.removeprefix("wd=")), "seed": seed, "layers": [1]}
        run = wandb.init(project="x", name=f"run-{seed}", config=config, reinit="create_new")
        for step in (1, 2):
            run.log({"eval/accuracy": score * step / 2, "train/loss": 0.5})
        run.finish()
    wandb.teardown()  # its service writes on after a run has finished
    found = [run_of(folder) for folder in tmp_path.glob("wandb/offline-run-*")]
    found.sort(key=lambda run: (run["config"]["weight_decay"], run["config"]["seed"]))
    assert {"_step", "_runtime"} <= found[0]["summary"].keys()
    frame = pd.DataFrame(found)[["summary", "config", "name"]]
    assert "'eval/accuracy': nan" in str(found[9]["summary"])
    file = tmp_path / "project.csv"
    frame.to_csv(file)
    words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    text = said(capsys, file, *words)
    assert "The columns are W&B's." in text
    assert "Read 19 runs in 2 arms" in text
    assert "[weight_decay=0.1] is more stable than [weight_decay=0]" in text
    trials = pd.read_csv(tmp_path / "project_report" / "trials.csv")
    assert sorted(trials.seed[trials.arm == "weight_decay=0"]) == [*range(10)]
    frame["state"] = ["finished"] * 18 + ["crashed"]
    frame["group"] = [f"decay {config['weight_decay']}" for config in frame["config"]]
    frame.to_csv(file)
    text = said(capsys, file, "--metric", "eval/accuracy", "--floor", "0.5")
    assert "Left out: 1 run not finished (1 crashed)." in text
    assert "[decay 0.1] is more stable than [decay 0.0]" in text
    frame["summary"] = frame["summary"].map(str)
    frame.loc[3, "summary"] = "__import__('os')"
    frame.to_csv(file)
    assert "project.csv, line 5 has no dict in the column summary" in said(capsys, file, status=1)


@pytest.mark.parametrize("frame", [True, False])
def test_an_export_of_mlflow(frame, tmp_path, capsys):
    """The page's CSV, and that of `search_runs`."""
    lines = []
    for arm, seed, score in runs():
        settings = {"weight_decay": arm.removeprefix("wd="), "seed": seed}
        if frame:
            about = {"run_id": f"{arm}{seed}", "experiment_id": 1, "status": "FINISHED"}
            about |= {"artifact_uri": "x", "start_time": seed, "tags.mlflow.user": "me"}
            settings = {f"params.{name}": value for name, value in settings.items()}
            lines.append(about | {"metrics.accuracy": score} | settings)
        else:
            about = {"Start Time": seed, "Duration": seed, "Run ID": f"{arm}{seed}", "Name": "a"}
            about |= {"Source Type": "LOCAL", "Source Name": "x.py", "User": "me"}
            lines.append(about | {"Status": "FINISHED"} | settings | {"accuracy": score})
    file = tmp_path / "mlflow.csv"
    pd.DataFrame(lines).to_csv(file, index=False)
    words = ["--metric", "accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
    text = said(capsys, file, *words)
    assert "The columns are MLflow's." in text
    assert "Read 18 runs in 2 arms" in text
    assert pd.read_csv(tmp_path / "mlflow_report" / "trials.csv").seed.tolist() == [*range(9)] * 2


@pytest.mark.storm  # for the library's own start
def test_a_frame_that_mlflow_itself_has_written(tmp_path, monkeypatch, capsys):
    """The CSV of `search_runs` and of `mlflow experiments csv`, with the index and without: a run
    that was killed, one that still runs, a score that is no number, tags of its user.
    """
    for module in ("sqlalchemy", "alembic"):
        pytest.importorskip(module)
    mlflow = pytest.importorskip("mlflow")
    of = pytest.importorskip("mlflow.entities")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("x", artifact_location=tmp_path.as_uri())
    given = [*runs(), ("wd=0", 9, float("nan")), ("wd=0", 10, 0.9), ("wd=0.1", 11, 0.1)]
    for arm, seed, score in given:
        own = client.create_run(experiment, run_name=f"run {seed}", tags={"team": "a"}).info.run_id
        settings = {"weight_decay": arm.removeprefix("wd="), "seed": str(seed)}
        client.log_batch(
            own,
            [of.Metric("eval/accuracy", score * (step + 1) / 2, 0, step) for step in range(2)],
            [of.Param(name, value) for name, value in settings.items()],
        )
        if seed < 10:
            client.set_terminated(own, "FINISHED")
    client.set_terminated(own, "KILLED")
    frame = mlflow.search_runs(experiment_names=["x"])
    for index in (True, False):
        file = tmp_path / f"mlflow_{index}.csv"
        frame.to_csv(file, index=index)
        words = ["--metric", "eval/accuracy", "--arm_column", "weight_decay", "--floor", "0.5"]
        text = said(capsys, file, *words)
        assert "Left out: 2 runs not finished (1 killed, 1 running)." in text
        assert "Read 19 runs in 2 arms" in text
        assert "Taken for settings of the arms: weight_decay." in text
        assert "[weight_decay=0.1] is more stable than [weight_decay=0]: 0 of 9 trials failed" in (
            text
        )
        trials = pd.read_csv(tmp_path / f"mlflow_{index}_report" / "trials.csv")
        assert sorted(trials.seed[trials.arm == "weight_decay=0"]) == [*range(10)]


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
